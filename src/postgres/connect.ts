/** Connections to PostgreSQL. */
import pg from 'pg';
import type { Egress } from '../base/egress.js';
import { ConfigError, messageOf, RetriableError } from '../base/errors.js';
import { registerSecret } from '../base/log.js';
import { describePostgresError } from './database-errors.js';

/** A connection string, and a password kept apart from it where it has none. */
export interface PostgresTarget {
  url: string;
  /** Shown to people: no password. */
  description: string;
  options: pg.ClientConfig;
  /** The same database past the pool that the rest of this leads to: for what needs a session of its own. */
  direct?: PostgresTarget | undefined;
}

/**
 * `directUrl`: past the pool that `url` leads to. Throws ConfigError where one is no such URL, or `egress` forbids what
 * it names.
 */
export function targetFromUrl(url: string, egress?: Egress, directUrl?: string): PostgresTarget {
  const target = targetOf(url, egress);
  return directUrl === undefined ? target : { ...target, direct: targetOf(directUrl, egress) };
}

function targetOf(url: string, egress?: Egress): PostgresTarget {
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
  assertTls(parsed);
  if (parsed.password) registerSecret(decodeURIComponent(parsed.password));
  const description = `postgres://${parsed.username ? `${parsed.username}@` : ''}${parsed.host}${parsed.pathname}`;
  if (egress) assertPlain(parsed, egress);
  return {
    url,
    description,
    options: { connectionString: url, ...(egress ? { stream: () => egress.socket() } : {}) },
  };
}

const SSL_MODES = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full', 'no-verify'];
const SSL_FILES = ['sslcert', 'sslkey', 'sslrootcert', 'sslpassword', 'sslcrl', 'sslcrldir'];
const SSL_VERSIONS = ['sslnegotiation', 'ssl_min_protocol_version', 'ssl_max_protocol_version'];
const SSL_SETTINGS = ['ssl', 'sslmode', 'sslsni', 'sslcertmode', 'sslcompression', ...SSL_FILES, ...SSL_VERSIONS];

/** A mode that nobody knows, or a setting's name with a letter too few, would mean a connection without TLS. */
function assertTls({ searchParams }: URL): void {
  const mode = searchParams.get('sslmode');
  const name = [...searchParams.keys()].find((key) => /^ssl/i.test(key) && !SSL_SETTINGS.includes(key));
  if (name === undefined && (mode === null || SSL_MODES.includes(mode))) return;
  throw new ConfigError('what the PostgreSQL URL says of TLS is not known', {
    code: 'bad_sslmode',
    expected: name === undefined ? `sslmode=${SSL_MODES.join(', ')}` : SSL_SETTINGS.join(', '),
    found: JSON.stringify(name ?? `sslmode=${mode}`.slice(0, 60)),
    candidates: name === undefined ? SSL_MODES.map((each) => `sslmode=${each}`) : SSL_SETTINGS,
    next: 'correct it in the URL',
  });
}

/** Settings of a URL that name neither a file nor another place. */
const PLAIN_SETTINGS = ['sslmode', 'application_name', 'connect_timeout', 'options', 'statement_timeout'];

/** Without host, user and password, those of this machine's environment would be sent to whoever the URL names. */
function assertPlain(url: URL, egress: Egress): void {
  for (const name of url.searchParams.keys()) if (!PLAIN_SETTINGS.includes(name)) egress.assertLocal(`setting ${name}`);
  for (const name of ['hostname', 'username', 'password'] as const)
    if (url[name] === '') egress.assertLocal(`no ${name}`);
  const host = decodeURIComponent(url.searchParams.get('host') ?? url.hostname);
  if (host.startsWith('/')) egress.assertLocal('the path of a socket');
  else if (host !== '') egress.assertHost(host);
}

/** Integers arrive as strings otherwise; counts stay below 2^53. */
pg.types.setTypeParser(pg.types.builtins.INT8, (text) => {
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : BigInt(text);
});

/**
 * Opens one connection with a session of its own, past the pool where a target names one; its errors name the database.
 * The application name is what `pg_stat_activity` shows.
 * `pipeline`: queries are sent without waiting for those before them.
 */
export async function connect(
  { direct, ...pooled }: PostgresTarget,
  applicationName: string,
  options: { pipeline?: boolean } = {},
): Promise<pg.Client> {
  const target = direct ?? pooled;
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
    throw describeRefusal(error, target.description);
  }
  return client;
}

/** It may be a server that starts or stops just now, or none of PostgreSQL's at all. */
function describeRefusal(error: unknown, place: string): unknown {
  if (!messageOf(error).startsWith('Connection terminated')) return describePostgresError(error, place);
  return new RetriableError('what listens there closed the connection before it answered', {
    code: 'database_lost',
    place,
    expected: 'a PostgreSQL server that is ready',
    found: messageOf(error),
    next: 'check host and port; where the server was being restarted, run the same command again',
    cause: error,
  });
}
