/** What Headrace knows of PostgreSQL as a destination before it is opened: a server's, or the embedded one. */
import { z } from 'zod';
import type { StreamTarget } from '../contract.js';
import { mode, schemaName, type DestinationKind, type DestinationSettings } from '../kind.js';

const embeddedSchema = z
  .strictObject({ type: z.literal('embedded'), schema: schemaName, mode })
  .describe('PostgreSQL that Headrace starts below its data folder.');

const URL_LOOKS = 'a URL such as postgres://user:password@host:5432/database';
/** Or its mask, as the API shows it and takes it back; what is stored stands for it then. */
const databaseUrl = z.string(URL_LOOKS).regex(/^(?:postgres(?:ql)?:\/\/|\*{8}$)/, URL_LOOKS);

const postgresSchema = z
  .strictObject({
    type: z.literal('postgres'),
    url: databaseUrl
      .describe('postgres://user:password@host:5432/database; write the password as ${ENV}.')
      .meta({ title: 'URL', examples: ['postgres://user:${PGPASSWORD}@host:5432/database'] }),
    direct_url: databaseUrl
      .optional()
      .describe('The same database past a pool in transaction mode that the URL leads to, such as PgBouncer.')
      .meta({ title: 'Direct URL', examples: ['postgres://user:${PGPASSWORD}@host:5432/database'] }),
    schema: schemaName,
    mode,
  })
  .describe('Any PostgreSQL 14 or newer.');

/** `--to $DATABASE_URL` has what stands beside that variable. */
function directOf(url: string): { direct_url?: string } {
  const { DATABASE_URL: pool, DATABASE_DIRECT_URL: direct } = process.env;
  return direct && url === pool ? { direct_url: direct } : {};
}

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
  can: ['query'],
  fromText: (text) => (text === 'embedded' ? { type: 'embedded' } : undefined),
  ddl,
  async open({ schema }, { connection, dataDir, existing }) {
    const { embeddedDestination, assertEmbedded } = await import('./destination.js');
    if (existing) assertEmbedded(dataDir);
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
  secrets: ['url', 'direct_url'],
  environment: { url: 'DATABASE_URL' },
  paths: [],
  can: ['query'],
  fromText: (text) =>
    /^postgres(ql)?:\/\//.test(text) ? { type: 'postgres', url: text, ...directOf(text) } : undefined,
  async assertTargets({ url, direct_url: directUrl }, egress) {
    const { targetFromUrl } = await import('../../postgres/connect.js');
    targetFromUrl(url, egress, directUrl);
    for (const each of directUrl === undefined ? [url] : [url, directUrl]) {
      const { hostname } = new URL(each);
      if (hostname !== '' && !hostname.startsWith('%')) await egress.assertResolved(hostname);
    }
  },
  ddl,
  async open({ url, direct_url: directUrl, schema }, { connection, egress }) {
    const { postgresDestination } = await import('./destination.js');
    return postgresDestination(url, schema ?? connection, egress, { directUrl });
  },
};
