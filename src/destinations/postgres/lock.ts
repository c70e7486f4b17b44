/**
 * The lock that a run holds on its connection. PostgreSQL drops it with the session, so a killed run never leaves it
 * behind.
 */
import { hostname } from 'node:os';
import type pg from 'pg';
import { LIMITS } from '../../base/bounds.js';
import { systemClock } from '../../base/clock.js';
import { codeOf, ConfigError, PausedError } from '../../base/errors.js';

/** Seed of the advisory lock. */
export const CONNECTION_LOCK = 7_205_512;
/** How often it is asked whether the session of a dead process is gone. */
const BURIED_LOOK_MS = 100;

interface Holder {
  connection: string;
  runId: string;
  /** The database, for messages. */
  place: string;
}

/**
 * Throws ConfigError `connection_locked`, naming the holder, where another run has the connection. The session of a run
 * that was killed lives until the server notices, at the latest when the statement ends that it is at.
 */
export async function takeLock(client: pg.Client, { connection, runId, place }: Holder): Promise<void> {
  const sinceMs = systemClock.monotonic();
  while (!(await tryLock(client, connection))) {
    const by = await holderOf(client, connection);
    if (!isAlive(by) && systemClock.monotonic() - sinceMs < LIMITS.buriedMs) {
      await systemClock.sleep(BURIED_LOOK_MS);
      continue;
    }
    throw new ConfigError(`connection ${connection} is being synced by another run`, {
      code: 'connection_locked',
      place,
      found: nameOf(by),
      next: 'wait for it to end, or stop that process; everything it committed stays',
    });
  }
  await client.query(
    "update _headrace.run set finished_at = now(), outcome = 'killed' where connection = $1 and finished_at is null",
    [connection],
  );
  await writeRun(client, connection, runId);
}

/** Takes it again after the session was lost. Throws PausedError where another run has it, or had it meanwhile. */
export async function retakeLock(client: pg.Client, { connection, runId, place }: Holder): Promise<void> {
  const taken = (found: string) =>
    new PausedError('another run took the connection while the database was out of reach', {
      code: 'connection_taken',
      place,
      found,
      next: 'nothing: the other run continues from what was committed',
    });
  if (!(await tryLock(client, connection))) throw taken(nameOf(await holderOf(client, connection)));
  const { rows } = await client.query('select finished_at is not null as over from _headrace.run where id = $1', [
    runId,
  ]);
  if (rows[0]?.over) throw taken('a run that has ended since');
  const others = await client.query(
    `select id from _headrace.run r where connection = $1 and id <> $2
      and started_at > (select started_at from _headrace.run where id = $2)`,
    [connection, runId],
  );
  if (others.rows[0]) throw taken(`run ${others.rows[0].id}, which began later`);
  // A database that crashed may have forgotten that this run began.
  if (rows.length === 0) await writeRun(client, connection, runId);
}

async function tryLock(client: pg.Client, connection: string): Promise<boolean> {
  const { rows } = await client.query(`select pg_try_advisory_lock(hashtextextended($1, ${CONNECTION_LOCK})) as got`, [
    connection,
  ]);
  return rows[0].got;
}

interface Run {
  id: string;
  host: string;
  pid: number;
  started_at: string;
}

async function holderOf(client: pg.Client, connection: string): Promise<Run | undefined> {
  const { rows } = await client.query<Run>(
    `select id, host, pid, started_at from _headrace.run where connection = $1 and finished_at is null
      order by started_at desc limit 1`,
    [connection],
  );
  return rows[0];
}

function nameOf(by: Run | undefined): string {
  return by
    ? `run ${by.id}, process ${by.pid} on ${by.host}, started ${new Date(by.started_at).toISOString()}`
    : 'a run that has not said who it is yet';
}

/** Whether who has the lock is known to be at work; of another machine nobody can tell. */
function isAlive(by: Run | undefined): boolean {
  if (by?.host !== hostname()) return by !== undefined;
  try {
    process.kill(by.pid, 0);
    return true;
  } catch (error) {
    return codeOf(error) === 'EPERM';
  }
}

async function writeRun(client: pg.Client, connection: string, runId: string): Promise<void> {
  await client.query(
    `insert into _headrace.run (id, connection, host, pid) values ($1, $2, $3, $4)
     on conflict (id) do update set finished_at = null, outcome = null`,
    [runId, connection, hostname(), process.pid],
  );
}
