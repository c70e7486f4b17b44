/**
 * The scheduler's port: enqueue, claim, heartbeat, complete, fail, setLimit, pause, cancel. A thin client: every
 * decision is made by the SQL functions of postgres/layouts/scheduler.ts under the lock of a partition, so that any
 * number of processes agree.
 */
import type pg from 'pg';
import { ConfigError } from '../../base/errors.js';
import { connect, type PostgresTarget } from '../../postgres/connect.js';
import { migrate } from '../../postgres/migrations.js';
import { assertOwnSession } from '../../postgres/own-session.js';
import { Pool } from '../../postgres/pool.js';
import { assertCadence, nextDue, type Cadence } from './cadence.js';
import { maxConcurrentProcessesPerConcurrencyPartitionFromAppSchema, persistedCap, type AppSchema } from './cap.js';
import { CLAIMED, columnsOf, EXCHANGE, exchangedOf, isFailed, SETTLE } from './ending.js';
import type { Ended, Exchanged, ExchangedRow } from './ending.js';
import { describeRefusal } from './scheduler-errors.js';
import type { ClaimedTask, ConnectionSetup, Control, NewTask, Scope } from './task.js';
import type { Stop, TaskError, TaskRef, TaskState, WorkerInfo } from './task.js';
import { Upkeep } from './upkeep.js';

/** `headrace.now` where a simulation sets it. */
const NOW_MS = `(extract(epoch from _headrace.now()) * 1000)::float8`;
/** Channel on which new work is hinted at; polling is the truth. */
export const TASKS_CHANNEL = 'headrace_tasks';
export const TICK = 200; // schedules that one tick enqueues, at most

/** The scheduler: tasks, partitions and workers, decided by functions of the database. */
export class Scheduler {
  readonly upkeep = new Upkeep((sql, parameters) => this.call(sql, parameters));

  constructor(readonly pool: Pool) {}

  /** Opens the coordination database and brings its layout up to date. Throws ConfigError where sessions are shared. */
  static async open(target: PostgresTarget, connections = 4): Promise<Scheduler> {
    const client = await connect(target, 'headrace migration');
    try {
      await assertOwnSession(client, target);
      await migrate(client);
    } finally {
      await client.end();
    }
    return new Scheduler(new Pool(target, 'headrace scheduler', connections));
  }

  /** In order: each task's id, and whether it joined one that was waiting. */
  async enqueue(tasks: NewTask[], within?: pg.ClientBase): Promise<{ id: number; joined: boolean }[]> {
    if (tasks.length === 0) return [];
    const rows = tasks.map(({ runAt, maxAttempts, ...task }) => ({
      ...task,
      run_at: runAt?.toISOString(),
      max_attempts: maxAttempts,
    }));
    return this.call('select id, joined from _headrace.enqueue($1)', [JSON.stringify(rows)], within);
  }

  async join(worker: WorkerInfo, leaseMs: number): Promise<void> {
    await this.call(
      `insert into _headrace.worker (id, host, pid, version, slots, started_at, seen_at, lease_until, presence)
       select $1, $2, $3, $4, $5, n, n, n + make_interval(secs => $6::float8 / 1000), $7 from _headrace.now() n`,
      [worker.id, worker.host, worker.pid, worker.version, worker.slots, leaseMs, worker.presence ?? null],
    );
  }

  /** At most `count` tasks, never more at once than partition and connection allow. Throws LeaseLostError. */
  claim(worker: string, count: number): Promise<ClaimedTask[]> {
    return this.call(`select ${CLAIMED} from _headrace.claim($1, $2)`, [worker, count], undefined, 'claim');
  }

  /**
   * Takes an admitted attempt over from who claimed it; undefined: it is no longer available. Throws LeaseLostError.
   */
  async adopt<Task extends TaskRef>(task: Task, worker: string): Promise<Task | undefined> {
    const [row] = await this.call<{ attempt: number | null }>('select _headrace.adopt($1, $2, $3) as attempt', [
      task.id,
      task.attempt,
      worker,
    ]);
    return row!.attempt === null ? undefined : { ...task, attempt: row!.attempt };
  }

  /** Of these attempts, those that are still held as they are. */
  async held(tasks: TaskRef[]): Promise<number[]> {
    const rows = await this.call<{ id: number }>(
      `select t.id from unnest($1::bigint[], $2::int[]) i(id, attempt) join _headrace.task t on t.id = i.id
        and t.attempt = i.attempt and t.state = 'running'`,
      [tasks.map(({ id }) => id), tasks.map(({ attempt }) => attempt)],
    );
    return rows.map(({ id }) => id);
  }

  /**
   * Prolongs the lease; returns the tasks that are still the worker's, and what is asked of each. Throws
   * LeaseLostError.
   */
  heartbeat(worker: string, leaseMs: number): Promise<(TaskRef & { stop: Stop | null })[]> {
    return this.call(
      'select id, attempt, stop from _headrace.heartbeat($1, make_interval(secs => $2::float8 / 1000))',
      [worker, leaseMs],
    );
  }

  /**
   * Ends attempts; returns those that were still theirs, with the state that the task is in now. `within` a
   * transaction, the task's effect and its end are one: roll back where the task is not among those returned.
   */
  async settle(tasks: Ended[], within?: pg.ClientBase): Promise<{ id: number; state: TaskState }[]> {
    const out: { id: number; state: TaskState }[] = [];
    for (const failed of [false, true]) {
      const group = tasks.filter((task) => isFailed(task) === failed);
      if (group.length === 0) continue;
      const [ids, attempts, states, runAt, errors, results] = columnsOf(group);
      const parameters = [ids, attempts, states, runAt, failed, errors, results];
      out.push(...(await this.call<{ id: number; state: TaskState }>(SETTLE, parameters, within)));
    }
    return out;
  }

  /**
   * Ends attempts and takes at most `count` tasks in one transaction; without a lease it takes none. `ended`: those
   * that were still theirs.
   */
  async exchange(worker: string, tasks: Ended[], count: number): Promise<Exchanged> {
    const failed = tasks.filter(isFailed);
    const others = tasks.filter((task) => !isFailed(task));
    const before = failed.length > 0 ? await this.settle(failed) : [];
    const parameters = [worker, count, ...columnsOf(others)];
    const rows = others.length > 0 ? await this.call<ExchangedRow>(EXCHANGE, parameters, undefined, 'exchange') : [];
    return exchangedOf(before, rows);
  }

  /** Whether each was still this attempt's to complete. */
  async complete(tasks: TaskRef[], within?: pg.ClientBase): Promise<boolean[]> {
    const settled = new Set(
      (
        await this.settle(
          tasks.map(({ id, attempt }) => ({ id, attempt, settlement: { state: 'done' as const } })),
          within,
        )
      ).map(({ id }) => id),
    );
    return tasks.map(({ id }) => settled.has(id));
  }

  /** Again after the backoff, or at `runAt`; a dead letter once its attempts are used up. */
  async fail(task: TaskRef, error: TaskError, runAt?: Date): Promise<TaskState | undefined> {
    return (
      await this.settle([{ id: task.id, attempt: task.attempt, settlement: { state: 'failed', error, runAt } }])
    )[0]?.state;
  }

  /** No more tasks for this worker; those that it runs it may finish. */
  async drain(worker: string): Promise<void> {
    await this.call('update _headrace.worker set draining = true where id = $1', [worker]);
  }

  async leave(worker: string): Promise<void> {
    await this.call('delete from _headrace.worker where id = $1', [worker]);
  }

  /** Gives the tasks of workers that died back to the queue, and the slots that they held. */
  async reap(): Promise<number> {
    const [row] = await this.call<{ n: number }>('select _headrace.reap() + _headrace.reap_slots() as n');
    return row!.n;
  }

  /**
   * Sets an app's limit; the partitions of its connections and their rows that can still run follow in the same
   * transaction, the next claim obeys. A partition that several apps share has the smallest of their caps.
   */
  async setLimit(
    app: string,
    limit: AppSchema['rateLimit'],
  ): Promise<{ cap: number; partitions: number; tasks: number }> {
    const cap = await this.capOf(limit);
    const [changed] = await this.writeLimit(app, limit, cap, 'user');
    return { cap, ...changed! };
  }

  /** The limit that a file declares; false: somebody has set another by hand, and that one stays. */
  async declareLimit(app: string, limit: AppSchema['rateLimit']): Promise<boolean> {
    const [stored] = await this.call<{ same: boolean; origin: string }>(
      `select (rate_limit, frequency_seconds) = ($2::bigint, $3::bigint) as same, origin from _headrace.app
        where id = $1`,
      [app, limit.requests, limit.frequencySeconds],
    );
    if (stored?.same) return true;
    if (stored?.origin === 'user') return false;
    return (await this.writeLimit(app, limit, await this.capOf(limit), 'file')).length > 0;
  }

  private writeLimit(
    app: string,
    limit: AppSchema['rateLimit'],
    cap: number,
    origin: 'user' | 'file',
  ): Promise<{ partitions: number; tasks: number }[]> {
    return this.call('select partitions, tasks from _headrace.set_limit($1, $2, $3, $4, $5)', [
      app,
      limit.requests,
      limit.frequencySeconds,
      cap,
      origin,
    ]);
  }

  /** Makes a connection known, or moves it. An app's limit that is stored already stays as it is. */
  async define(setup: ConnectionSetup): Promise<void> {
    const [same] = await this.call(
      'select 1 as x from _headrace.connection where id = $1 and partition_id = $2 and app = $3 and cap = $4',
      [setup.id, setup.partition, setup.app, setup.maxConcurrent],
    );
    if (same) return;
    if (!Number.isInteger(setup.maxConcurrent) || setup.maxConcurrent < 1) {
      throw new ConfigError('a connection needs room for one task', {
        code: 'bad_connection_cap',
        place: setup.id,
        expected: 'a whole number above zero',
        found: String(setup.maxConcurrent),
      });
    }
    await this.call(
      'insert into _headrace.app (id, rate_limit, frequency_seconds) values ($1, $2, $3) on conflict do nothing',
      [setup.app, setup.limit.requests, setup.limit.frequencySeconds],
    );
    const [stored] = await this.call<{ requests: number; seconds: number }>(
      'select rate_limit as requests, frequency_seconds as seconds from _headrace.app where id = $1',
      [setup.app],
    );
    const cap = await this.capOf({ requests: stored!.requests, frequencySeconds: stored!.seconds });
    await this.call('select _headrace.define_connection($1, $2, $3, $4, $5)', [
      setup.id,
      setup.partition,
      setup.app,
      cap,
      setup.maxConcurrent,
    ]);
  }

  /** Forgets a connection with its tasks; false: there is none. Throws ConfigError `connection_busy` while it runs. */
  async dropConnection(id: string): Promise<boolean> {
    return (await this.call<{ dropped: boolean }>('select _headrace.drop_connection($1) as dropped', [id]))[0]!.dropped;
  }

  /** The floor of stored caps, 1 unless set. Caps that are stored already follow at once. */
  async setFloor(floor: number): Promise<void> {
    persistedCap(1, floor);
    await this.call(
      `insert into _headrace.setting (name, value) values ('concurrency_floor', $1) on conflict (name) do update
        set value = excluded.value`,
      [JSON.stringify(floor)],
    );
    const apps = await this.call<{
      id: string;
      requests: number;
      seconds: number;
      cap: number | null;
      origin: 'user' | 'file';
    }>('select id, rate_limit as requests, frequency_seconds as seconds, cap, origin from _headrace.app');
    for (const { id, requests, seconds, cap, origin } of apps) {
      const limit = { requests, frequencySeconds: seconds };
      const follows = await this.capOf(limit);
      if (cap !== null && cap !== follows) await this.writeLimit(id, limit, follows, origin);
    }
  }

  /**
   * Whether a task waits that could begin but for a slot. `partition`: one whose room counts too, since what runs there
   * gives it back.
   */
  async somethingWaits(partition?: string): Promise<boolean> {
    return (await this.call<{ waits: boolean }>('select _headrace.waits($1) as waits', [partition ?? null]))[0]!.waits;
  }

  /** Whether a worker other than the one that runs this task has a free slot. */
  async othersAreFree(task: number): Promise<boolean> {
    const [row] = await this.call<{ free: boolean }>(
      `select exists (select 1 from _headrace.worker w where not w.draining and w.lease_until > _headrace.now()
         and w.id is distinct from (select worker from _headrace.task where id = $1)
         and w.slots > (select count(*) from _headrace.task t where t.worker = w.id and t.state = 'running')) as free`,
      [task],
    );
    return row!.free;
  }

  /** Returns how many tasks it concerned; undefined where there is no such thing. */
  async control(scope: Scope, id: string, action: Control): Promise<number | undefined> {
    return (
      (await this.call<{ n: number | null }>('select _headrace.control($1, $2, $3) as n', [scope, id, action]))[0]!.n ??
      undefined
    );
  }

  /** One repeated task of a kind for each connection; undefined ends it. */
  async repeat(
    connection: string,
    kind: string,
    cadence: Cadence | undefined,
    { payload = {}, priority = 0, origin = '' }: { payload?: unknown; priority?: number; origin?: string } = {},
  ): Promise<void> {
    if (!cadence) {
      await this.call('delete from _headrace.schedule where connection_id = $1 and kind = $2', [connection, kind]);
      return;
    }
    assertCadence(cadence, `${connection}: ${kind}`);
    const every = 'everySeconds' in cadence ? cadence.everySeconds : null;
    const [cron, zone] = 'everySeconds' in cadence ? [null, 'UTC'] : [cadence.cron, cadence.timeZone ?? 'UTC'];
    // An interval begins at once, a cron expression at its first time.
    let first: number | null = null;
    if (!('everySeconds' in cadence)) {
      const [{ now }] = (await this.call<{ now: number }>(`select ${NOW_MS} as now`)) as [{ now: number }];
      first = nextDue(cadence, now, now);
    }
    await this.call('select _headrace.set_schedule($1, $2, $3, $4, $5, $6, $7, to_timestamp($8::float8 / 1000), $9)', [
      connection,
      kind,
      JSON.stringify(payload),
      every,
      cron,
      zone,
      priority,
      first,
      origin,
    ]);
  }

  /** Of what one file repeats, nothing but these connections goes on: others left the file. */
  async repeatOnly(connections: string[], origin: string): Promise<void> {
    await this.call('delete from _headrace.schedule where origin = $2 and not (connection_id = any($1))', [
      connections,
      origin,
    ]);
  }

  /**
   * Enqueues what the schedules say is due: one task each, however many times were missed, and none beside one that
   * still waits.
   */
  async tick(): Promise<number> {
    return this.pool.transaction(async (client) => {
      const { rows } = await client.query(
        `select connection_id as connection, kind, payload, priority, every_seconds, cron, time_zone,
          (extract(epoch from next_at) * 1000)::float8 as due, ${NOW_MS} as now
         from _headrace.schedule where next_at <= _headrace.now() order by next_at limit ${TICK} for update skip locked`,
      );
      if (rows.length === 0) return 0;
      await this.enqueue(
        rows.map(({ connection, kind, payload, priority }) => ({
          connection,
          kind,
          payload,
          priority,
          key: `repeat/${kind}`,
          exclusive: true,
        })),
        client,
      );
      for (const { connection, kind, every_seconds: every, cron, time_zone: timeZone, due, now } of rows) {
        const next = nextDue(every === null ? { cron, timeZone } : { everySeconds: every }, due, now);
        await client.query(
          `update _headrace.schedule set next_at = to_timestamp($3::float8 / 1000) where connection_id = $1
            and kind = $2`,
          [connection, kind, next],
        );
      }
      return rows.length;
    });
  }

  close(): Promise<void> {
    return this.pool.close();
  }

  private async capOf(limit: AppSchema['rateLimit']): Promise<number> {
    const cap = maxConcurrentProcessesPerConcurrencyPartitionFromAppSchema({ rateLimit: limit });
    const [floor] = await this.call<{ value: number }>(
      `select value from _headrace.setting where name = 'concurrency_floor'`,
    );
    return persistedCap(cap, floor?.value ?? 1);
  }

  private async call<Row extends pg.QueryResultRow>(
    sql: string,
    parameters: unknown[] = [],
    within?: pg.ClientBase,
    name?: string,
  ): Promise<Row[]> {
    try {
      return within
        ? (await within.query<Row>(sql, parameters)).rows
        : await this.pool.query<Row>(sql, parameters, name);
    } catch (error) {
      throw describeRefusal(error);
    }
  }
}
