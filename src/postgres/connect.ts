/** Connections to PostgreSQL. */
import pg from 'pg';
import { ConfigError } from '../base/errors.js';
import { registerSecret } from '../base/log.js';
import { describePostgresError } from './database-errors.js';

/** A connection string, and a password kept apart from it where it has none. */
export interface PostgresTarget {
  url: string;
  /** Shown to people: no password. */
  description: string;
  options: pg.ClientConfig;
}

export function targetFromUrl(url: string): PostgresTarget {
  let parsed: URL;
  try {
    parsed = new URL(url);
  } catch (cause) {
    throw new ConfigError('not a PostgreSQL URL', {
      code: 'bad_database_url',
      expected: 'postgres://user:password@host:5432/database',
      found: 'something that is no URL',
      cause,
    });
  }
  if (!/^postgres(ql)?:$/.test(parsed.protocol)) {
    throw new ConfigError('not a PostgreSQL URL', {
      code: 'bad_database_url',
      expected: 'postgres://user:password@host:5432/database',
      found: `${parsed.protocol}//…`,
    });
  }
  if (parsed.password) registerSecret(decodeURIComponent(parsed.password));
  const description = `postgres://${parsed.username ? `${parsed.username}@` : ''}${parsed.host}${parsed.pathname}`;
  return { url, description, options: { connectionString: url } };
}

/** Integers arrive as strings otherwise; counts stay below 2^53. */
pg.types.setTypeParser(pg.types.builtins.INT8, (text) => {
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : BigInt(text);
});

/**
 * Opens one connection; its errors name the database. The application name is what `pg_stat_activity` shows.
 * `pipeline`: queries are sent without waiting for those before them.
 */
export async function connect(
  target: PostgresTarget,
  applicationName: string,
  options: { pipeline?: boolean } = {},
): Promise<pg.Client> {
  const client = new pg.Client({
    connectionTimeoutMillis: 15_000,
    keepAlive: true,
    ...target.options,
    application_name: applicationName,
    ...options,
  });
  // Without a listener a lost connection would end the process; the query under way reports it.
  client.on('error', () => {});
  try {
    await client.connect();
  } catch (error) {
    throw describePostgresError(error, target.description);
  }
  return client;
}
