/**
 * Tasks as durable workflows, 5,000 on a Restate server and 5,000 on DBOS, of five steps each, in 50 partitions at caps
 * 1 to 3, while the server and the processes are killed at random. Then tasks that Headrace admits and a Restate server
 * delivers: 2,000 tasks, 50 partitions at caps 1 to 3 with
 * connections at caps 1 and 2, while the server, the dispatchers and the endpoints are killed at random. Then the audit
 * that scheduler-chaos makes: caps exceeded, tasks lost, effects doubled. --workflows N, --tasks N, --seed N.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { connect, type PostgresTarget } from '../src/postgres/connect.js';
import { seededRandom } from '../src/base/random.js';
import { Scheduler } from '../src/fleet/scheduler/scheduler.js';
import { AUDIT_TABLES, overruns, TASK_AUDIT } from './lib/caps-audit.js';
import { scratch } from './lib/processes.js';
import { finish, printTable, round } from './lib/report.js';
import { freePort, restateBinary, RestateServer } from './lib/restate.js';
import { RestartableServer } from './lib/restartable-server.js';
import { canRun, runWorkflowFleet } from './lib/workflow-fleet.js';

const { values } = parseArgs({
  strict: false,
  options: { workflows: { type: 'string' }, tasks: { type: 'string' }, seed: { type: 'string' } },
});
const WORKFLOWS = Number(values['workflows'] ?? 5000);
const TASKS = Number(values['tasks'] ?? 2000);
const PARTITIONS = 50;
const DISPATCHERS = 2;
const ENDPOINTS = 2;
const GIVE_UP_MS = 400_000;
const random = seededRandom(Number(values['seed'] ?? Date.now()));
const urlOf = ({ options }: PostgresTarget) =>
  `postgres://${options.user}:${encodeURIComponent(String(options.password))}@localhost/${options.database}?host=${encodeURIComponent(options.host!)}`;
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

if (restateBinary() === undefined) {
  console.error('this bench needs the Restate server, which npm has for Linux and macOS');
  process.exit(2);
}
const rows: (string | number)[][] = [];
const figures: Record<string, number> = { workflows: WORKFLOWS };
const targets: Record<string, { atMost: number } | { atLeast: number }> = {};
for (const engine of ['restate', 'dbos'] as const) {
  if (!canRun(engine)) {
    console.error(`${engine} cannot be installed here`);
    continue;
  }
  const place = scratch();
  const own = await RestartableServer.open(place.folder);
  const { kills, serverKills, lost, over, missing, again, wrong, seconds } = await runWorkflowFleet({
    engine,
    target: own.target,
    url: urlOf(own.target),
    folder: place.folder,
    workflows: WORKFLOWS,
    partitions: PARTITIONS,
    processes: 3,
    random,
    killEverySteps: 250,
    workMs: 20,
    peaceAt: WORKFLOWS * 0.02,
    giveUpMs: 900_000,
  });
  await own.stop();
  place.drop();
  rows.push([
    `${engine}, ${WORKFLOWS} workflows`,
    kills,
    serverKills,
    over,
    lost,
    missing,
    again,
    wrong,
    round(seconds, 0),
  ]);
  Object.assign(figures, {
    [`${engine}_caps_exceeded`]: over,
    [`${engine}_lost`]: lost,
    [`${engine}_steps_missing`]: missing,
    [`${engine}_steps_again`]: again,
    [`${engine}_slots_wrong`]: wrong,
    [`${engine}_kills`]: kills + serverKills,
    [`${engine}_seconds`]: round(seconds, 0),
  });
  // A step whose end was not journaled before a kill is done again; nothing else is.
  for (const name of ['caps_exceeded', 'lost', 'steps_missing', 'slots_wrong'])
    targets[`${engine}_${name}`] = { atMost: 0 };
}
printTable(
  [
    'kept as workflows',
    'kills',
    'of the server',
    'caps exceeded',
    'lost',
    'steps missing',
    'again',
    'slots wrong',
    'seconds',
  ],
  rows,
);

const { folder, drop } = scratch();
const database = await RestartableServer.open(folder);
const { target } = database;
const restate = await RestateServer.open(path.join(folder, 'restate'));
const scheduler = await Scheduler.open(target, 2);
const client = await connect(target, 'audit');
await client.query(
  `${AUDIT_TABLES} create table effect (task bigint not null, attempt integer not null); ${TASK_AUDIT}`,
);
for (let p = 0; p < PARTITIONS; p++) {
  for (const n of [0, 1])
    await scheduler.define({
      id: `c${p}_${n}`,
      partition: `p${p}`,
      app: `app${p}`,
      limit: { requests: 2 * (1 + (p % 3)), frequencySeconds: 1 },
      maxConcurrent: 1 + ((p + n) % 2),
    });
}
for (let n = 0; n < TASKS; n += 1000)
  await scheduler.enqueue(
    Array.from({ length: Math.min(1000, TASKS - n) }, () => ({
      connection: `c${random.integer(PARTITIONS)}_${random.integer(2)}`,
      kind: 'bench',
      maxAttempts: 1000,
    })),
  );

const counts = { endpoint_kills: 0, dispatcher_kills: 0, server_kills: 0, refused: 0 };
const processes = new Map<string, ChildProcess>();
let running = true;
function start(name: string, role: string, place: string): Promise<void> {
  return new Promise((resolve) => {
    const child = spawn(
      process.execPath,
      [path.join(import.meta.dirname, 'lib', 'restate-worker.mjs'), role, JSON.stringify(target), place, '250'],
      { stdio: ['ignore', 'pipe', 'ignore'] },
    );
    processes.set(name, child);
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      if (text.includes('ready')) resolve();
      counts.refused += text.split('refused').length - 1;
    });
    child.once('exit', () => running && void start(name, role, place));
  });
}
const ports: number[] = [];
for (let n = 0; n < ENDPOINTS; n++) ports.push(await freePort());
await Promise.all(ports.map((port, n) => start(`endpoint ${n}`, 'endpoint', String(port))));
// A server delivers to one address of a service: two endpoints stand behind one balancer in production, and take turns
// here.
await restate.register(`http://127.0.0.1:${ports[0]}`);
await Promise.all(Array.from({ length: DISPATCHERS }, (_, n) => start(`dispatcher ${n}`, 'dispatch', restate.ingress)));

const startedMs = performance.now();
let left = TASKS;
let at = 0;
while (left > 0 && performance.now() - startedMs < GIVE_UP_MS) {
  await sleep(300 + random.next() * 900);
  // The last few are left in peace.
  if (left > TASKS * 0.02) {
    const dice = random.next();
    if (dice < 0.4) {
      counts.endpoint_kills++;
      processes.get(`endpoint ${random.integer(ENDPOINTS)}`)?.kill('SIGKILL');
    } else if (dice < 0.7) {
      counts.dispatcher_kills++;
      processes.get(`dispatcher ${random.integer(DISPATCHERS)}`)?.kill('SIGKILL');
    } else if (dice < 0.85) {
      counts.server_kills++;
      await restate.restart();
    } else await restate.register(`http://127.0.0.1:${ports[++at % ENDPOINTS]}`).catch(() => {});
  }
  [{ n: left }] = (await client.query(`select count(*) as n from _headrace.task where state <> 'done'`)).rows as [
    { n: number },
  ];
}
const seconds = (performance.now() - startedMs) / 1000;
for (const row of (
  await client.query(`select id, state, attempt, worker, error from _headrace.task where state <> 'done' limit 5`)
).rows)
  console.log('not done:', JSON.stringify(row));
running = false;
for (const child of processes.values()) child.kill('SIGKILL');
await restate.kill();

const found = await overruns(client);
const [effects] = (await client.query('select count(*) as n, count(distinct task) as tasks from effect')).rows as [
  { n: number; tasks: number },
];
const oracle = (await client.query('select what from oracle')).rows.length;
await client.end();
await scheduler.close();
await database.stop();
drop();
printTable(
  ['50 partitions, Restate', 'starts', 'caps exceeded', 'tasks lost', 'effects doubled', 'took'],
  [
    [
      `${TASKS} tasks, disturbed`,
      found.starts / 2,
      found.over + oracle,
      TASKS - effects.tasks,
      effects.n - effects.tasks,
      `${round(seconds, 0)} s`,
    ],
  ],
);
console.log(
  `disturbed by: ${Object.entries(counts)
    .map(([name, n]) => `${n} ${name.replace('_', ' ')}`)
    .join(', ')}`,
);
finish({
  bench: 'executor',
  figures: {
    ...figures,
    tasks: TASKS,
    caps_exceeded: found.over + oracle,
    tasks_lost: Math.max(left, TASKS - effects.tasks),
    effects_doubled: effects.n - effects.tasks,
    ...counts,
  },
  targets: {
    ...targets,
    caps_exceeded: { atMost: 0 },
    tasks_lost: { atMost: 0 },
    effects_doubled: { atMost: 0 },
    endpoint_kills: { atLeast: 5 },
    dispatcher_kills: { atLeast: 5 },
    server_kills: { atLeast: 2 },
  },
});
process.exit();
