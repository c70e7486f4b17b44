/**
 * What admission costs with a million connections in one database: each its own partition, scheduled. Rows are laid
 * directly, for time's sake; then schedules are ticked, tasks claimed and ended as workers do, by four clients. The
 * figures of docs/scale.md. Then what each statement costs the server, and with those costs a simulation in virtual time: a
 * million connections in 100,000 partitions, 2,000 workers of 16 slots, synced every six hours down to every five
 * minutes, in one database of 16 cores and in shards. --connections N; --simulate: that alone, with the costs of
 * docs/scale.md.
 */
import { parseArgs } from 'node:util';
import { EmbeddedServer } from '../src/postgres/embedded/server.js';
import { Scheduler } from '../src/fleet/scheduler/scheduler.js';
import { scratch } from './lib/processes.js';
import { finish, printTable, round } from './lib/report.js';
import { measureCosts } from './lib/scale-costs.js';
import { simulateScale, type Costs, type ScaleResult } from './lib/scale-world.js';

const { values } = parseArgs({
  strict: false,
  options: { connections: { type: 'string' }, simulate: { type: 'boolean' } },
});
const CONNECTIONS = Number(values['connections'] ?? 1_000_000);
const TASK_SECONDS = 30;
/** As docs/scale.md has them. */
const DOCUMENTED: Costs = {
  tick: 1.337,
  exchange: 0.606,
  emptyClaim: 0.033,
  heartbeat: 0.051,
  turn: 0.009,
  reap: 1.255,
  progress: 0.026,
};
const CLIENTS = 4;
const DUE = 20_000;

if (values['simulate']) {
  simulated(DOCUMENTED);
  process.exit();
}

const { folder, drop } = scratch();
const server = await EmbeddedServer.open(folder);
const scheduler = await Scheduler.open(server.target, CLIENTS + 1);
const { pool } = scheduler;
await pool.query(
  `insert into _headrace.app (id, rate_limit, frequency_seconds) select 'app' || n, 100, 1
    from generate_series(0, 99) n`,
);
await pool.query(
  `insert into _headrace.partition (id, app, cap) select 'app' || (n % 100) || '/' || n, 'app' || (n % 100), 50
    from generate_series(1, ${CONNECTIONS}) n`,
);
await pool.query(
  `insert into _headrace.connection (id, partition_id, cap) select 'customer-' || n, 'app' || (n % 100) || '/' || n, 4
    from generate_series(1, ${CONNECTIONS}) n`,
);
await pool.query(
  `insert into _headrace.schedule (connection_id, kind, every_seconds, next_at) select 'customer-' || n, 'sync', 21600,
    now() + n * interval '21600 seconds' / ${CONNECTIONS} + interval '1 hour'
    from generate_series(1, ${CONNECTIONS}) n`,
);
await pool.query('analyze');
await pool.query(
  `update _headrace.schedule set next_at = now() - interval '1 second'
    where connection_id in (select 'customer-' || (n * ${Math.floor(CONNECTIONS / DUE)})
    from generate_series(1, ${DUE}) n)`,
);

const rate = async (count: number, work: () => Promise<unknown>) => {
  const startedMs = performance.now();
  await work();
  return round(count / ((performance.now() - startedMs) / 1000), 0);
};
let ticked = 0;
const ticksPerSecond = await rate(DUE, async () => {
  for (let n = -1; n !== 0; ticked += n) n = await scheduler.tick();
});

for (let n = 0; n < CLIENTS; n++)
  await scheduler.join({ id: `w${n}`, host: 'bench', pid: n, version: 'bench', slots: 100 }, 600_000);
async function workOff(count: number, batch: number): Promise<number> {
  let left = count;
  return rate(count, () =>
    Promise.all(
      Array.from({ length: CLIENTS }, async (_, n) => {
        while (left > 0) {
          left -= batch;
          const tasks = await scheduler.claim(`w${n}`, batch);
          await scheduler.complete(tasks);
          if (tasks.length < batch) throw new Error('there was less to do than was asked for');
        }
      }),
    ),
  );
}
const singly = await workOff(6_000, 1);
const inTens = await workOff(12_000, 10);
const costs = { ...(await measureCosts(server.target, scheduler, 'customer-1')), tick: 1000 / ticksPerSecond };
const emptyStartedMs = performance.now();
for (let n = 0; n < 500; n++) await scheduler.claim('w0', 1);
const emptyMs = (performance.now() - emptyStartedMs) / 500;
const [{ mb }] = (await pool.query<{ mb: number }>(
  `select round(sum(pg_total_relation_size(c.oid)) / 1048576.0)::float8 as mb from pg_class c join pg_namespace n
    on n.oid = c.relnamespace where n.nspname = '_headrace' and c.relkind = 'r'`,
)) as [{ mb: number }];
await scheduler.close();
await server.close();
drop();

printTable(
  [`${CONNECTIONS.toLocaleString('en-US')} connections`, 'value'],
  [
    ['schedules ticked a second', ticksPerSecond],
    ['claims and ends a second, singly', singly],
    ['claims and ends a second, in tens', inTens],
    ['empty claim, ms', round(emptyMs, 2)],
    ['tables and indexes, MiB', mb],
    ...Object.entries(costs).map(([name, ms]) => [
      name === 'sessionMib' ? 'a session, MiB' : `${name}, ms of a core`,
      round(ms, 3),
    ]),
  ],
);
const worlds = simulated(costs);
finish({
  bench: 'scale',
  figures: {
    connections: CONNECTIONS,
    ticks_per_second: ticksPerSecond,
    claims_per_second_singly: singly,
    claims_per_second_in_tens: inTens,
    empty_claim_ms: round(emptyMs, 3),
    mib: mb,
    ...Object.fromEntries(Object.entries(costs).map(([name, ms]) => [`cost_${name}`, round(ms, 4)])),
    hourly_use: round(worlds.get('every hour, 1 shard')!.use),
    hourly_wait_p99_seconds: round(worlds.get('every hour, 1 shard')!.wait.p99, 2),
    hourly_fairness: round(worlds.get('every hour, 1 shard')!.fairness),
  },
  // A million connections every hour are 278 tasks a second.
  targets: {
    ticks_per_second: { atLeast: 278 },
    claims_per_second_singly: { atLeast: 278 },
    empty_claim_ms: { atMost: 1 },
    // Counters are looked at by one statement a minute.
    cost_recount: { atMost: 2000 },
    hourly_use: { atMost: 0.7 },
    hourly_wait_p99_seconds: { atMost: 2 },
    hourly_fairness: { atLeast: 0.95 },
  },
});

/** Prints what a million connections ask of so many databases; by name. */
function simulated(given: Costs): Map<string, ScaleResult> {
  const out = new Map<string, ScaleResult>();
  const rows: (string | number)[][] = [];
  for (const [name, everySeconds] of [
    ['6 hours', 21_600],
    ['hour', 3600],
    ['15 minutes', 900],
    ['5 minutes', 300],
  ] as const)
    for (const shards of [1, 4, 16]) {
      if (shards > 1 && everySeconds > 900) continue;
      const world = simulateScale(
        {
          connections: 1_000_000,
          partitions: 100_000,
          // As many as the tasks need, and no fewer than 2,000.
          workers: Math.max(2000, Math.ceil((1.3 * 1_000_000 * TASK_SECONDS) / everySeconds / 16)),
          slots: 16,
          shards,
          cores: 16,
          everySeconds,
          taskSeconds: TASK_SECONDS,
          seconds: 240,
        },
        given,
      );
      const title = `every ${name}, ${shards} ${shards === 1 ? 'shard' : 'shards'}`;
      out.set(title, world);
      const [most, cores] = Object.entries(world.cores).toSorted(([, a], [, b]) => b - a)[0]!;
      rows.push([
        title,
        round(world.tasksPerSecond, 0),
        `${round(world.use * 100, 1)}%`,
        `${most} ${round(cores, 2)}`,
        `${round(world.wait.p50, 2)} / ${round(world.wait.p99, 2)}`,
        `${round(world.largeWait.p99, 0)}`,
        round(world.fairness),
        world.sessions,
      ]);
    }
  printTable(
    [
      'of each database of 16 cores',
      'tasks/s',
      'in use',
      'most of it',
      'waits p50/p99, s',
      'behind a full cap p99, s',
      'fair',
      'sessions',
    ],
    rows,
  );
  return out;
}
