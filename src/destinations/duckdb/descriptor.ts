/** What Headrace knows of DuckDB as a destination before it is opened. */
import path from 'node:path';
import { z } from 'zod';
import { mode, schemaName, type DestinationKind, type DestinationSettings } from '../kind.js';

const duckdbSchema = z
  .strictObject({
    type: z.literal('duckdb'),
    path: z
      .string()
      .min(1)
      .describe('The database file; it is made where there is none.')
      .meta({ title: 'File', examples: ['shop.duckdb'] }),
    schema: schemaName,
    mode,
  })
  .describe('A DuckDB file, for which the optional package @duckdb/node-api is needed.');

export const duckdbKind: DestinationKind<z.infer<typeof duckdbSchema> & DestinationSettings> = {
  name: 'duckdb',
  title: 'a DuckDB file',
  about: 'A DuckDB file: rows and state in one place, for analysis without a server.',
  to: 'duckdb:FILE',
  start: 'duckdb:data.duckdb',
  schema: duckdbSchema,
  secrets: [],
  environment: {},
  paths: ['path'],
  can: ['query'],
  fromText(text) {
    const file = /^duckdb:(.+)$/.exec(text)?.[1];
    return file === undefined ? undefined : { type: 'duckdb', path: file };
  },
  async open({ path: file, schema }, { connection }) {
    const { duckdbDestination } = await import('./destination.js');
    return duckdbDestination(path.resolve(file), schema ?? connection);
  },
};
