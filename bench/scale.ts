/**
 * What admission costs with a million connections in one database: each its own partition, scheduled. Rows are laid
 * directly, for time's sake; then schedules are ticked, tasks claimed and ended as workers do, by four clients. The
 * figures of docs/scale.md. --connections N.
 */
import { parseArgs } from 'node:util';
import { EmbeddedServer } from '../src/postgres/embedded/server.js';
import { Scheduler } from '../src/fleet/scheduler/scheduler.js';
import { scratch } from './lib/processes.js';
import { finish, printTable, round } from './lib/report.js';

const { values } = parseArgs({ strict: false, options: { connections: { type: 'string' } } });
const CONNECTIONS = Number(values['connections'] ?? 1_000_000);
const CLIENTS = 4;
const DUE = 20_000;

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
while ((await scheduler.complete(await scheduler.claim('w0', 100))).length > 0);
const startedMs = performance.now();
for (let n = 0; n < 500; n++) await scheduler.claim('w0', 1);
const emptyMs = (performance.now() - startedMs) / 500;
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
  ],
);
finish({
  bench: 'scale',
  figures: {
    connections: CONNECTIONS,
    ticks_per_second: ticksPerSecond,
    claims_per_second_singly: singly,
    claims_per_second_in_tens: inTens,
    empty_claim_ms: round(emptyMs, 3),
    mib: mb,
  },
  // A million connections every hour are 278 tasks a second.
  targets: {
    ticks_per_second: { atLeast: 278 },
    claims_per_second_singly: { atLeast: 278 },
    empty_claim_ms: { atMost: 1 },
  },
});
