/** headrace.yaml: these schemas are the source of types, validation and docs/reference/configuration.md. */
import { z } from 'zod';

export const WRITE_MODES = ['upsert', 'append', 'replace'] as const;

const schemaName = z.string().min(1).max(63).optional().describe('Schema for the tables. Default: the name of the connection.');
const mode = z.enum(WRITE_MODES).default('upsert').describe('upsert: one row a key; append: every read row is kept; replace: a fresh table, swapped in after the proof.');

export const destinationSchema = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('embedded'), schema: schemaName, mode }).describe('PostgreSQL that Headrace starts below its data folder.'),
  z.strictObject({ type: z.literal('postgres'), url: z.string().min(1).describe('postgres://user:password@host:5432/database; write the password as ${ENV}.'), schema: schemaName, mode }).describe('Any PostgreSQL 14 or newer.'),
  z.strictObject({ type: z.literal('ndjson'), path: z.string().min(1).describe('Folder for the files.'), mode }).describe('Files of JSON lines, one a stream.'),
]);

export type DestinationConfig = z.infer<typeof destinationSchema>;

/** `source` is checked by its connector's own schema. */
export const connectionSchema = z.strictObject({
  source: z.looseObject({ connector: z.string().min(1).describe('Which connector reads: stripe.') }),
  destination: destinationSchema.default({ type: 'embedded', mode: 'upsert' }),
});

export const fileSchema = z.strictObject({
  version: z.literal(1).default(1).describe('Layout of this file.'),
  data_dir: z.string().min(1).default('.headrace').describe('Folder of the embedded database, relative to this file.'),
  connections: z.record(z.string().regex(/^[a-z][a-z0-9_-]{0,39}$/, 'a name of a-z, 0-9, _ and -, at most 40 characters, beginning with a letter'), connectionSchema),
});

export type FileConfig = z.infer<typeof fileSchema>;
