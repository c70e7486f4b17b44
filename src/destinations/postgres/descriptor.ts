/** What Headrace knows of PostgreSQL as a destination before it is opened: a server's, or the embedded one. */
import { z } from 'zod';
import type { StreamTarget } from '../contract.js';
import { mode, schemaName, type DestinationKind, type DestinationSettings } from '../kind.js';

const embeddedSchema = z
  .strictObject({ type: z.literal('embedded'), schema: schemaName, mode })
  .describe('PostgreSQL that Headrace starts below its data folder.');

const postgresSchema = z
  .strictObject({
    type: z.literal('postgres'),
    url: z
      .string()
      .min(1)
      .describe('postgres://user:password@host:5432/database; write the password as ${ENV}.')
      .meta({ title: 'URL', examples: ['postgres://user:${PGPASSWORD}@host:5432/database'] }),
    schema: schemaName,
    mode,
  })
  .describe('Any PostgreSQL 14 or newer.');

async function ddl({ schema }: DestinationSettings, connection: string, streams: StreamTarget[]): Promise<string[]> {
  const { statementsFor } = await import('./statements.js');
  return statementsFor(schema ?? connection, streams);
}

export const embeddedKind: DestinationKind<z.infer<typeof embeddedSchema> & DestinationSettings> = {
  name: 'embedded',
  title: 'an embedded PostgreSQL, nothing to install',
  about: 'PostgreSQL that Headrace starts below its data folder.',
  to: 'embedded',
  start: 'embedded',
  schema: embeddedSchema,
  secrets: [],
  environment: {},
  paths: [],
  fromText: (text) => (text === 'embedded' ? { type: 'embedded' } : undefined),
  ddl,
  async open({ schema }, { connection, dataDir }) {
    const { embeddedDestination } = await import('./destination.js');
    return embeddedDestination(dataDir, schema ?? connection);
  },
};

export const postgresKind: DestinationKind<z.infer<typeof postgresSchema> & DestinationSettings> = {
  name: 'postgres',
  title: 'a PostgreSQL server',
  about: 'Any PostgreSQL 14 or newer.',
  to: 'postgres://…',
  start: 'postgres',
  schema: postgresSchema,
  secrets: ['url'],
  environment: { url: 'DATABASE_URL' },
  paths: [],
  fromText: (text) => (/^postgres(ql)?:\/\//.test(text) ? { type: 'postgres', url: text } : undefined),
  async assertTargets({ url }, egress) {
    const { targetFromUrl } = await import('../../postgres/connect.js');
    targetFromUrl(url, egress);
    const { hostname } = new URL(url);
    if (hostname !== '' && !hostname.startsWith('%')) await egress.assertResolved(hostname);
  },
  ddl,
  async open({ url, schema }, { connection, egress }) {
    const { postgresDestination } = await import('./destination.js');
    return postgresDestination(url, schema ?? connection, egress);
  },
};
