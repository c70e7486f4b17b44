/** PgBouncer in transaction mode before the database: the fleet, a sync, and what is said where it cannot work. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '../../src/base/clock.js';
import { systemRandom } from '../../src/base/random.js';
import { postgresDestination } from '../../src/destinations/postgres/destination.js';
import { Scheduler } from '../../src/fleet/scheduler/scheduler.js';
import { Worker, type WorkerEvent } from '../../src/fleet/scheduler/worker.js';
import { connect, targetFromUrl, type PostgresTarget } from '../../src/postgres/connect.js';
import { startStripeTestbed, TESTBED_LIVE_KEY } from '../../src/testbed/index.js';
import { openCoordination } from '../../src/wiring/compose-scheduler.js';
import { PGBOUNCER, startPgBouncer, type Pooler } from '../pgbouncer.js';
import { until } from '../patience.js';
import { freshDatabase, headrace, scratch, urlOf } from '../support.js';

const WORKERS = 3;
const SLOTS = 6;
const PARTITIONS = 4;
const CAP = 2;
const TASKS = 240;

describe.skipIf(!PGBOUNCER)('behind PgBouncer (skipped without pgbouncer)', () => {
  let database: Awaited<ReturnType<typeof freshDatabase>>;
  let folder: ReturnType<typeof scratch>;
  let pooler: Pooler;
  let direct: string;
  let target: PostgresTarget;

  beforeAll(async () => {
    database = await freshDatabase();
    folder = scratch();
    direct = urlOf(database.target);
    // Whoever asks for nothing else would have commits that a crash forgets.
    await onServer(`alter database ${databaseName()} set synchronous_commit = off`);
    pooler = await startPgBouncer(folder.folder, database.target);
    target = targetFromUrl(pooler.url, undefined, direct);
  });
  afterAll(async () => {
    await pooler?.close();
    folder?.drop();
    await database?.drop();
  });

  const databaseName = () => new pg.Client(database.target.options).database!;
  async function onServer(sql: string): Promise<Record<string, any>[]> {
    const client = await connect(database.target, 'test');
    return (await client.query(sql).finally(() => client.end())).rows;
  }

  /** Statements and settings that one client left in a session of the server, for the next. */
  async function leftInSessions(): Promise<Record<string, unknown>[]> {
    const clients = [1, 2].map(() => new pg.Client({ connectionString: pooler.url }));
    try {
      const left = [];
      // Both at once, so that each has one of the two.
      for (const client of clients) {
        await client.connect();
        await client.query('begin');
        left.push(
          (
            await client.query(
              `select (select count(*)::int from pg_prepared_statements) as statements,
                current_setting('synchronous_commit') as commits,
                current_setting('idle_in_transaction_session_timeout') as idle,
                 (select count(*)::int from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()) as locks,
                   (select count(*)::int from pg_listening_channels()) as channels`,
            )
          ).rows[0],
        );
      }
      return left;
    } finally {
      for (const client of clients) await client.end();
    }
  }

  /** `most`: of each partition, how many ran at once. */
  async function startWorkers(
    scheduler: Scheduler,
    seen: { done: number[]; most: Map<string, number>; events: WorkerEvent[] },
  ): Promise<Worker[]> {
    const now = new Map<string, number>();
    for (let p = 0; p < PARTITIONS; p++)
      await scheduler.define({
        id: `c${p}`,
        partition: `p${p}`,
        app: 'x',
        limit: { requests: 2 * CAP, frequencySeconds: 1 },
        maxConcurrent: 10,
      });
    return Array.from({ length: WORKERS }, (_, w) => {
      const worker = new Worker({
        scheduler,
        target,
        info: { host: 'h', pid: 1, version: 'v', slots: SLOTS },
        newId: () => `w${w}`,
        async handle({ id, partition }) {
          const running = (now.get(partition) ?? 0) + 1;
          now.set(partition, running);
          seen.most.set(partition, Math.max(running, seen.most.get(partition) ?? 0));
          await systemClock.sleep(2);
          now.set(partition, now.get(partition)! - 1);
          seen.done.push(id);
          return { state: 'done' };
        },
        clock: systemClock,
        random: systemRandom(),
        observe: (event) => seen.events.push(event),
      });
      worker.start();
      return worker;
    });
  }

  test('workers do every task once, within the caps, and leave nothing in the sessions that they share', async () => {
    const scheduler = await Scheduler.open(target, 5);
    const most = new Map<string, number>();
    const done: number[] = [];
    const events: WorkerEvent[] = [];
    const workers: Worker[] = [];
    try {
      workers.push(...(await startWorkers(scheduler, { done, most, events })));
      const made = await scheduler.enqueue(
        Array.from({ length: TASKS }, (_, i) => ({ connection: `c${i % PARTITIONS}`, kind: 'bench' })),
      );
      // A transaction of several statements, and one that is refused, on the same sessions.
      await scheduler.repeat('c0', 'bench', { everySeconds: 3600 });
      await expect(scheduler.pool.query('select 1 / 0')).rejects.toMatchObject({ code: 'postgres_22012' });
      await until(async () => {
        const [left] = await onServer(`select count(*)::int as n from _headrace.task where state <> 'done'`);
        return left!['n'] === 0;
      });
      expect(done.filter((id) => made.some((each) => each.id === id)).toSorted((a, b) => a - b)).toEqual(
        made.map(({ id }) => id).toSorted((a, b) => a - b),
      );
      expect(Math.max(...most.values())).toBe(CAP);
      expect(await scheduler.upkeep.reconcile()).toBe(0);
      // Each proves by a session past the pool that it lives.
      await until(async () => {
        const [held] = await onServer(
          `select count(*)::int as n from _headrace.worker w join pg_locks l on l.locktype = 'advisory'
            and (l.classid::bigint << 32) | l.objid::bigint = w.presence`,
        );
        return held!['n'] === WORKERS;
      });
      const [own] = await scheduler.pool.query(`select current_setting('synchronous_commit') as commits`);
      expect(own).toEqual({ commits: 'on' });
    } finally {
      await Promise.all(workers.map((worker) => worker.drain(5000)));
      await scheduler.close();
    }
    expect(events.filter(({ type }) => type === 'trouble')).toEqual([]);
    const clean = { statements: 0, commits: 'off', idle: '0', locks: 0, channels: 0 };
    expect(await leftInSessions()).toEqual([clean, clean]);
  });

  test('syncs of the command line are complete and proven; without the direct URL they say what is missing', async () => {
    const testbed = await startStripeTestbed({ rows: 600, limit: '1000/s,endpoint=1000/s' });
    const file = path.join(folder.folder, 'headrace.yaml');
    writeFileSync(
      file,
      JSON.stringify({
        connections: {
          shop: {
            destination: { type: 'postgres', url: '${DATABASE_URL}', direct_url: '${DATABASE_DIRECT_URL}' },
            source: {
              connector: 'stripe',
              api_key: TESTBED_LIVE_KEY,
              base_url: testbed.url,
              streams: ['customers'],
              rate_limit: { global: 1000, endpoint: 1000 },
            },
          },
        },
      }),
    );
    try {
      const env = { DATABASE_URL: pooler.url, DATABASE_DIRECT_URL: direct };
      const ran = await headrace(['sync', 'shop', '--config', file], { env });
      expect(ran.stdout + ran.stderr).toMatch(/proven/);
      expect(ran.code).toBe(0);
      // From the environment alone, on the same state: the lock is free again, and nothing is read anew.
      const again = await headrace(['sync', 'shop', '--config', file, '--to', pooler.url], { env });
      expect(again.code).toBe(0);
      const [rows] = await onServer('select count(*)::int as n, count(distinct id)::int as keys from shop.customers');
      expect(rows).toEqual({ n: 600, keys: 600 });
      const alone = await headrace(['sync', 'shop', '--config', file, '--to', pooler.url], {
        env: { DATABASE_URL: direct, DATABASE_DIRECT_URL: direct },
      });
      expect(alone.code).toBe(2);
      expect(alone.stderr).toMatch(/behind a pool in transaction mode[^]*direct_url/);
      const list = await headrace(['task', 'list', '--database', pooler.url, '--direct-url', direct]);
      expect(list.code).toBe(0);
    } finally {
      await testbed.close();
    }
    expect((await leftInSessions()).map(({ locks, statements }) => ({ locks, statements }))).toEqual([
      { locks: 0, statements: 0 },
      { locks: 0, statements: 0 },
    ]);
  });

  test('without a direct URL, or with one that is a pool too, the place and the next step are named', async () => {
    const refused = { code: 'pool_without_direct_url', place: expect.stringContaining('127.0.0.1:') as string };
    await expect(Scheduler.open(targetFromUrl(pooler.url))).rejects.toMatchObject(refused);
    await expect(Scheduler.open(targetFromUrl(direct, undefined, pooler.url))).rejects.toMatchObject(refused);
    await expect(openCoordination({}, { DATABASE_URL: pooler.url })).rejects.toThrow(
      /behind a pool in transaction mode/,
    );
    const destination = postgresDestination(pooler.url, 'other');
    await expect(destination.check()).rejects.toMatchObject(refused);
    await expect(
      destination.open({ connection: 'other', runId: 'r', streams: [], startedMs: 0, readOnly: false }),
    ).rejects.toMatchObject(refused);
    expect((await onServer(`select count(*)::int as n from pg_namespace where nspname = 'other'`))[0]).toEqual({
      n: 0,
    });
  });

  test('a direct URL of another database is refused before anything is written to it', async () => {
    const elsewhere = await freshDatabase();
    try {
      const wrong = targetFromUrl(pooler.url, undefined, urlOf(elsewhere.target));
      await expect(Scheduler.open(wrong)).rejects.toMatchObject({ code: 'direct_url_elsewhere' });
      const client = await connect(elsewhere.target, 'test');
      const { rows } = await client.query(`select count(*)::int as n from pg_namespace where nspname = '_headrace'`);
      await client.end();
      expect(rows).toEqual([{ n: 0 }]);
    } finally {
      await elsewhere.drop();
    }
  });

  test('a pool in session mode needs no direct URL', async () => {
    const sessions = await startPgBouncer(folder.folder, database.target, { mode: 'session', sessions: 8 });
    const destination = postgresDestination(sessions.url, 'kept');
    try {
      await destination.check();
    } finally {
      await destination.close();
      await sessions.close();
    }
  });

  test('each URL comes from a flag, the environment or the file, and a direct one never from a later place', async () => {
    const opened = async (flags: object, env: Record<string, string>) => {
      const coordination = await openCoordination(flags, env);
      await coordination.close();
      return coordination.target.direct?.url;
    };
    const environment = { DATABASE_URL: pooler.url, DATABASE_DIRECT_URL: direct };
    expect(await opened({}, environment)).toBe(direct);
    expect(await opened({ database: pooler.url, directUrl: direct }, {})).toBe(direct);
    expect(
      await opened({ directUrl: direct }, { DATABASE_URL: pooler.url, DATABASE_DIRECT_URL: 'postgres://x/y' }),
    ).toBe(direct);
    expect(await opened({ database: direct }, { DATABASE_DIRECT_URL: 'postgres://x/y' })).toBeUndefined();
    await expect(opened({ directUrl: direct }, {})).rejects.toMatchObject({ code: 'direct_url_alone' });
  });
});
