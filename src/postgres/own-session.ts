/**
 * Whether a connection has a session of the server to itself. A pool in transaction mode hands each transaction to any
 * session: locks, LISTEN and temporary tables of one client would be another's.
 */
import type pg from 'pg';
import { systemClock } from '../base/clock.js';
import { ConfigError } from '../base/errors.js';
import { connect, type PostgresTarget } from './connect.js';
import { cutOff } from './unanswered.js';

/** Other clients of the pool may take the session between two questions: it is asked again. */
const LOOKS = 5;
/** A pool in session mode may have no session left for a second client. */
const ANSWER_MS = 3000;

/**
 * Throws ConfigError `pool_without_direct_url` where `client`, a connection to `target`, shares its session, and
 * `direct_url_elsewhere` where the pool leads to another database.
 */
export async function assertOwnSession(client: pg.Client, target: PostgresTarget): Promise<void> {
  if (!(await isShared(client, target))) return assertSameDatabase(client, target);
  throw new ConfigError('this database is behind a pool in transaction mode', {
    code: 'pool_without_direct_url',
    place: (target.direct ?? target).description,
    expected: 'sessions of their own, for locks, LISTEN and temporary tables',
    found: 'one session of the server that serves several clients',
    next: 'name the server itself too: direct_url beside the URL in headrace.yaml, --direct-url or DATABASE_DIRECT_URL',
  });
}

async function assertSameDatabase(direct: pg.Client, target: PostgresTarget): Promise<void> {
  if (!target.direct) return;
  const pooled = await connect({ ...target, direct: undefined }, 'headrace check');
  try {
    const [here, there] = await Promise.all([direct, pooled].map(identity));
    if (here === there) return;
    throw new ConfigError('the URL and its direct URL lead to different databases', {
      code: 'direct_url_elsewhere',
      place: target.direct.description,
      expected: `the database of ${target.description}`,
      found: 'another one',
      next: 'let both name the same database: one through the pool, one past it',
    });
  } finally {
    await pooled.end().catch(() => {});
  }
}

async function identity(client: pg.Client): Promise<string> {
  const { rows } = await client.query<{ id: string }>(
    `select (select system_identifier from pg_control_system())::text || '/' || oid as id from pg_database
      where datname = current_database()`,
  );
  return rows[0]!.id;
}

async function isShared(client: pg.Client, target: PostgresTarget): Promise<boolean> {
  const { processID } = client as { processID?: number | null };
  const first = await backendOf(client);
  // Whoever is in between hands out a number of its own.
  if (first === processID) return false;
  let second: pg.Client | undefined;
  let cancel = () => {};
  try {
    const other = (second = await connect(target, 'headrace check'));
    cancel = systemClock.after(ANSWER_MS, () => cutOff(other));
    for (let look = 0, mine = first; look < LOOKS; look++) {
      // Nobody else has the session of a client that is still there.
      if ((await backendOf(other)) === mine) return true;
      const now = await backendOf(client);
      if (now !== mine) return true;
      mine = now;
    }
    return false;
  } catch {
    // Nothing is left for a second client: each has a session to itself.
    return false;
  } finally {
    cancel();
    await second?.end().catch(() => {});
  }
}

async function backendOf(client: pg.Client): Promise<number> {
  return (await client.query<{ pid: number }>('select pg_backend_pid() as pid')).rows[0]!.pid;
}
