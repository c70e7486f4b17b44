/**
 * A fleet for a long time: `headrace serve`, three workers, 200 connections of 40 accounts on schedules of 5 to 60 s,
 * and a kill a minute: of two of the workers, and in the first half of the service, so that the third worker is old at
 * the end and the service lives through the second half. How late each run began; whether memory stays where it was;
 * whether any task was lost. --minutes N (60), --connections N, --seed N.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism, loadavg } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import type pg from 'pg';
import { seededRandom } from '../src/base/random.js';
import { connect } from '../src/postgres/connect.js';
import { EmbeddedServer } from '../src/postgres/embedded/server.js';
import { LIVE_KEY, MAIN, scratch, startTestbedProcess } from './lib/processes.js';
import { finish, printTable, round } from './lib/report.js';
import { Lateness, medianOf, type Sighting } from './lib/soak-figures.js';

const { values } = parseArgs({
  strict: false,
  options: { minutes: { type: 'string' }, connections: { type: 'string' }, seed: { type: 'string' } },
});
const MINUTES = Number(values['minutes'] ?? 60);
const CONNECTIONS = Number(values['connections'] ?? 200);
const SEED = Number(values['seed'] ?? 1);
const ACCOUNTS = 40;
const ROWS = 20;
const LOOK_MS = 500;
const MEMORY_MS = 5_000;
const KILL_MS = 60_000;
/** Of its life, a process is left out of what memory is compared: code is compiled, pools and caches fill. */
const WARM = 0.25;
/** A life shorter than this tells nothing of memory. */
const LONG_MS = Math.max(120_000, MINUTES * 60_000 * 0.45);
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const random = seededRandom(SEED);

const { folder, drop } = scratch();
const testbed = await startTestbedProcess([
  '--rows',
  String(ROWS),
  '--limit',
  '100/s',
  '--latency',
  '5',
  '--seed',
  '7',
]);
const everySeconds = (n: number) => 5 + Math.round((n * 55) / Math.max(1, CONNECTIONS - 1));
const file = path.join(folder, 'headrace.yaml');
writeFileSync(
  file,
  JSON.stringify({
    version: 1,
    data_dir: '.headrace',
    connections: Object.fromEntries(
      Array.from({ length: CONNECTIONS }, (_, n) => [
        `shop${n}`,
        {
          schedule: { every: `${everySeconds(n)}s` },
          source: {
            connector: 'stripe',
            api_key: LIVE_KEY,
            account: `acct_${n % ACCOUNTS}`,
            base_url: testbed.url,
            streams: ['customers'],
          },
        },
      ]),
    ),
  }),
);
const database = await EmbeddedServer.open(path.join(folder, '.headrace'));
const client = await connect(database.target, 'bench');

/** One life of a process, and its resident memory every few seconds, MiB. */
interface Life {
  name: string;
  child: ChildProcess;
  startedMs: number;
  memory: number[];
}
const lives: Life[] = [];
const living = new Map<string, Life>();
let isOver = false;
function start(name: string, args: string[]): void {
  const child = spawn(process.execPath, [MAIN, ...args, '--config', file, '--json'], { stdio: 'ignore', cwd: folder });
  const life: Life = { name, child, startedMs: performance.now(), memory: [] };
  lives.push(life);
  living.set(name, life);
  child.once('exit', () => {
    if (!isOver) start(name, args);
  });
}

/** Resident memory of a process without what it shares, MiB: of a server's backends, the buffers are counted once. */
function memoryOf(pid: number): number {
  try {
    return Number(/RssAnon:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024;
  } catch {
    return 0;
  }
}

/** Processes of a parent, by what /proc says. */
function childrenOf(pid: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((each) => {
      try {
        return Number(readFileSync(`/proc/${each}/stat`, 'utf8').split(') ')[1]!.split(' ')[1]) === pid;
      } catch {
        return false; // it has ended
      }
    });
}

const postmaster = Number(
  (await client.query(`select split_part(pg_read_file('postmaster.pid'), e'\\n', 1) as pid`)).rows[0].pid,
);
const databaseMemory: number[] = [];
const loads: number[] = [];
function lookAtMemory(): void {
  for (const life of living.values()) if (life.child.pid) life.memory.push(memoryOf(life.child.pid));
  databaseMemory.push([postmaster, ...childrenOf(postmaster)].reduce((sum, pid) => sum + memoryOf(pid), 0));
  loads.push(loadavg()[0]!);
}

async function sightings(of: pg.Client): Promise<Sighting[]> {
  return (
    await of.query(
      `select s.connection_id as connection, (extract(epoch from s.next_at) * 1000)::float8 as "nextMs",
         (extract(epoch from now()) * 1000)::float8 as "nowMs", s.every_seconds::int as "everySeconds", w.id as task,
         (extract(epoch from w.enqueued_at) * 1000)::float8 as "enqueuedMs",
         (extract(epoch from case when w.state in ('running', 'done') then w.started_at end) * 1000)::float8 as "startedMs"
       from _headrace.schedule s left join lateral (select * from _headrace.task t where t.connection_id = s.connection_id
         and t.kind = 'sync' order by t.id desc limit 1) w on true`,
    )
  ).rows as Sighting[];
}

start('serve', ['serve', '--port', '0']);
for (const n of [1, 2, 3]) start(`worker ${n}`, ['worker']);
while (
  ((await client.query('select count(*)::int as n from _headrace.schedule').catch(() => undefined))?.rows[0].n ?? 0) <
  CONNECTIONS
)
  await sleep(200);
// Every connection's first read is no repeated run yet.
const undone = `select count(*)::int as n from _headrace.connection c where not exists (select 1 from _headrace.task t
  where t.connection_id = c.id and t.state = 'done')`;
while ((await client.query(undone)).rows[0].n > 0) await sleep(500);
await client.query(`create index bench_task on _headrace.task (connection_id, id) where kind = 'sync'`);

const lateness = new Lateness();
const startedMs = performance.now();
const endMs = startedMs + MINUTES * 60_000;
const kills: string[] = [];
let nextKillMs = startedMs + KILL_MS;
let nextMemoryMs = startedMs;
let nextReportMs = startedMs + 60_000;
while (performance.now() < endMs) {
  lateness.look(await sightings(client));
  const nowMs = performance.now();
  if (nowMs >= nextMemoryMs) {
    nextMemoryMs = nowMs + MEMORY_MS;
    lookAtMemory();
  }
  if (nowMs >= nextKillMs && nowMs < endMs - KILL_MS / 2) {
    nextKillMs += KILL_MS;
    const victims =
      nowMs < startedMs + (endMs - startedMs) / 2 ? ['serve', 'worker 1', 'worker 2'] : ['worker 1', 'worker 2'];
    const victim = victims[random.integer(victims.length)]!;
    kills.push(victim);
    living.get(victim)!.child.kill('SIGKILL');
  }
  if (nowMs >= nextReportMs) {
    nextReportMs += 60_000;
    const memory = [...living.values()].map(({ name, memory: m }) => `${name} ${Math.round(m.at(-1) ?? 0)}`).join(', ');
    console.log(
      `${Math.round((nowMs - startedMs) / 60_000)} min: ${lateness.runs} runs, latest of the minute ${round(lateness.takeWorst(), 1)} s,`,
      `load ${round(loadavg()[0]!, 1)}; MiB: ${memory}, database ${Math.round(databaseMemory.at(-1) ?? 0)}`,
    );
  }
  await sleep(LOOK_MS);
}
isOver = true;
const [{ dead, failed }] = (
  await client.query(
    `select count(*) filter (where state = 'dead')::int as dead, count(*) filter (where failures > 0)::int as failed
     from _headrace.task`,
  )
).rows as [{ dead: number; failed: number }];
let short = 0;
for (let n = 0; n < CONNECTIONS; n++) {
  const { rows: found } = await client.query(`select count(distinct id)::int as n from shop${n}.customers`);
  if (found[0].n !== ROWS) short++;
}
// The database stops with the last of those who use it.
for (const { child } of living.values()) {
  const exited = new Promise((resolve) => child.once('exit', resolve));
  if (child.kill('SIGKILL')) await exited;
}
await client.end();
await database.close();
testbed.stop();
drop();

/** How far memory moved, of the median, from the first to the last third of what is looked at: 0.1 is a tenth. */
function growth(memory: number[]): number {
  const seen = memory.slice(Math.floor(memory.length * WARM));
  const third = Math.ceil(seen.length / 3);
  return medianOf(seen.slice(-third)) / medianOf(seen.slice(0, third)) - 1;
}
const long = lives.filter(({ memory }) => memory.length * MEMORY_MS >= LONG_MS);
const rows: (string | number)[][] = [
  ['runs', lateness.runs],
  ['began late, median', `${round(lateness.median(), 2)} s`],
  ['99th percentile', `${round(lateness.part(0.99), 2)} s`],
  ['the latest', `${round(lateness.most(), 2)} s`],
  ['later than 10 s', lateness.over(10)],
  ['kills', kills.length],
  ['dead letters', dead],
  ['tables not whole', short],
  ['tasks that failed and began again', failed],
];
const figures: Record<string, number> = {
  runs: lateness.runs,
  late_p50_seconds: round(lateness.median()),
  late_p99_seconds: round(lateness.part(0.99)),
  late_most_seconds: round(lateness.most()),
  kills: kills.length,
  dead_letters: dead,
  tables_not_whole: short,
  load_median: round(medianOf(loads), 1),
};
const targets: Parameters<typeof finish>[0]['targets'] & object = {
  late_most_seconds: { atMost: 10 },
  dead_letters: { atMost: 0 },
  tables_not_whole: { atMost: 0 },
};
for (const { name, memory } of [...long, { name: 'database', memory: databaseMemory }]) {
  const key = `${name.replaceAll(' ', '_')}_memory_moved`;
  figures[key] = round(Math.abs(growth(memory)));
  targets[key] = { atMost: 0.1 };
  rows.push([
    `memory of ${name}, MiB, and what it grew`,
    `${Math.round(medianOf(memory))}, ${round(growth(memory) * 100, 1)}%`,
  ]);
}
rows.push([
  'cores; load of the machine, median and most',
  `${availableParallelism()}; ${round(medianOf(loads), 1)}, ${round(Math.max(...loads), 1)}`,
]);
printTable([`${MINUTES} minutes, ${CONNECTIONS} connections`, 'value'], rows);
finish({ bench: 'soak', figures, targets });
process.exit();
