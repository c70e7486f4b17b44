/**
 * Claims and completions a second: 8 processes, 1,000 partitions of 100 tasks, one at a time and ten at a time; four
 * processes, with pg-boss with its group caps and without, and graphile-worker, which keeps no cap, beside it in one
 * run; an empty claim while everything is saturated; the turns that small partitions wait for beside a large one. Those
 * that are compared are filled in the same order, and take turns.
 * --seconds N for each run (default 12).
 */
import { spawn } from 'node:child_process';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { connect, type PostgresTarget } from '../src/postgres/connect.js';
import { EmbeddedServer } from '../src/postgres/embedded/server.js';
import { Scheduler } from '../src/fleet/scheduler/scheduler.js';
import { fillGraphile, graphileScript, installGraphile } from './lib/graphile.js';
import { connectionOf, installPgBoss, runPgBoss } from './lib/pg-boss.js';
import { scratch } from './lib/processes.js';
import { finish, printTable, round } from './lib/report.js';

const { values } = parseArgs({ strict: false, options: { seconds: { type: 'string' } } });
const seconds = Number(values['seconds'] ?? 12);
const PROCESSES = 8;
/** Beside others. */
const CLIENTS = 4;
const PARTITIONS = 1000;
const TASKS = 100;
const CAP = 2;
/** Of each that is compared, one after the other. */
const TURNS = 5;

const { folder, drop } = scratch();
const server = await EmbeddedServer.open(folder);
const admin = await connect(server.target, 'bench');
let databases = 0;

async function fresh(): Promise<PostgresTarget> {
  const database = `bench${++databases}`;
  await admin.query(`create database ${database}`);
  return { ...server.target, options: { ...server.target.options, database } };
}

async function filled(): Promise<{ target: PostgresTarget; scheduler: Scheduler }> {
  const target = await fresh();
  const scheduler = await Scheduler.open(target, 2);
  for (let p = 0; p < PARTITIONS; p++)
    await scheduler.define({
      id: `c${p}`,
      partition: `p${p}`,
      app: 'bench',
      limit: { requests: 2 * CAP, frequencySeconds: 1 },
      maxConcurrent: CAP,
    });
  for (let n = 0; n < TASKS; n += 10)
    await scheduler.enqueue(
      Array.from({ length: PARTITIONS * 10 }, (_, i) => ({ connection: `c${i % PARTITIONS}`, kind: 'bench' })),
    );
  await scheduler.pool.query('vacuum analyze _headrace.task');
  await scheduler.pool.query('vacuum analyze _headrace.partition');
  await scheduler.pool.query('vacuum analyze _headrace.connection');
  return { target, scheduler };
}

/** Pairs of claim and completion a second, over all processes. */
async function race(processes: number, command: string, args: string[], cwd: string): Promise<number> {
  const children = Array.from({ length: processes }, () =>
    spawn(command, args, { cwd, stdio: ['pipe', 'pipe', 'inherit'] }),
  );
  const ready = children.map((child) => new Promise<void>((resolve) => child.stdout.once('data', () => resolve())));
  await Promise.all(ready);
  const outputs = children.map((child) => {
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
    return new Promise<{ done: number; seconds: number }>((resolve) =>
      child.once('close', () => resolve(JSON.parse(text) as { done: number; seconds: number })),
    );
  });
  for (const child of children) child.stdin.write('go\n');
  const results = await Promise.all(outputs);
  return results.reduce((sum, { done }) => sum + done, 0) / Math.max(...results.map((result) => result.seconds));
}

const root = path.join(import.meta.dirname, '..');
const claimer = (target: PostgresTarget, batch: number, forSeconds: number) => [
  '--import',
  'tsx',
  path.join(import.meta.dirname, 'lib', 'claimer.ts'),
  JSON.stringify(target),
  String(batch),
  String(forSeconds),
];
const ours = async (processes: number, batch: number) => {
  const { target, scheduler } = await filled();
  const rate = await race(processes, process.execPath, claimer(target, batch, seconds), root);
  await scheduler.close();
  return rate;
};

/** Server time of a claim while every partition runs as many as it may: median, milliseconds. */
async function emptyClaim(): Promise<number> {
  const { target, scheduler } = await filled();
  await scheduler.join({ id: 'w', host: 'bench', pid: 0, version: 'bench', slots: 1 }, 3_600_000);
  for (let n = 0; n < CAP; n++) await scheduler.claim('w', PARTITIONS);
  const client = await connect(target, 'bench');
  const times: number[] = [];
  for (let i = 0; i < 300; i++) {
    const { rows } = await client.query(`explain (analyze, format json) select * from _headrace.claim('w', 10)`);
    const [{ 'Execution Time': ms, Plan: plan }] = rows[0]['QUERY PLAN'] as [
      { 'Execution Time': number; Plan: { 'Actual Rows': number } },
    ];
    if (plan['Actual Rows'] !== 0) throw new Error('a claim above the cap');
    times.push(ms);
  }
  await client.end();
  await scheduler.close();
  return times.toSorted((a, b) => a - b)[150]!;
}

/**
 * One partition with 100,000 tasks among 99 with 10: how many rounds a small one waits for its last task, less its own
 * ten.
 */
async function fairness(): Promise<number> {
  const target = await fresh();
  const scheduler = await Scheduler.open(target, 2);
  for (let p = 0; p < 100; p++)
    await scheduler.define({
      id: `c${p}`,
      partition: `p${p}`,
      app: 'bench',
      limit: { requests: 2, frequencySeconds: 1 },
      maxConcurrent: 1,
    });
  for (let n = 0; n < 10; n++)
    await scheduler.enqueue(Array.from({ length: 10_000 }, () => ({ connection: 'c0', kind: 'bench' })));
  for (let p = 1; p < 100; p++)
    await scheduler.enqueue(Array.from({ length: 10 }, () => ({ connection: `c${p}`, kind: 'bench' })));
  await scheduler.join({ id: 'w', host: 'bench', pid: 0, version: 'bench', slots: 1 }, 3_600_000);
  const waits = new Map<string, number>();
  let most = 0;
  // A round gives every partition that has work one task.
  for (let claim = 0; claim < 990; claim++) {
    const [task] = await scheduler.claim('w', 1);
    if (task!.connection !== 'c0') {
      most = Math.max(most, (claim - (waits.get(task!.connection) ?? 0)) / 100);
      waits.set(task!.connection, claim);
    }
    await scheduler.complete([task!]);
  }
  await scheduler.close();
  return most;
}

const single = await ours(PROCESSES, 1);
const tens = await ours(PROCESSES, 10);
const empty = await emptyClaim();
const rounds = await fairness();
const rows: (string | number)[][] = [
  [`Headrace, ${PROCESSES} processes`, Math.round(single), Math.round(tens), `${round(empty)} ms`, round(rounds, 2)],
];
const figures: Record<string, number> = {
  claim_complete_per_second: round(single, 0),
  claim_complete_in_tens_per_second: round(tens, 0),
  empty_claim_ms: round(empty),
  small_partition_waits_rounds: round(rounds, 2),
};
const targets: Parameters<typeof finish>[0]['targets'] & object = {
  claim_complete_per_second: { atLeast: 1200 },
  claim_complete_in_tens_per_second: { atLeast: 6000 },
  empty_claim_ms: { atMost: 0.1 },
  small_partition_waits_rounds: { atMost: 2 },
};

/** One that is compared with others: its database is filled before, and it runs for a while whenever it is its turn. */
interface Contender {
  name: string;
  run: (forSeconds: number) => Promise<number>;
}

const boss = installPgBoss();
const graphile = installGraphile();

async function contenders(batch: number): Promise<Contender[]> {
  const { target, scheduler } = await filled();
  await scheduler.close();
  const out: Contender[] = [
    { name: 'headrace', run: (s) => race(CLIENTS, process.execPath, claimer(target, batch, s), root) },
  ];
  for (const cap of boss ? [CAP, 0] : []) {
    const connection = await settled((own) =>
      runPgBoss(boss!, 'pg-boss-fill.mjs', [own, String(PARTITIONS), String(TASKS)]),
    );
    const script = path.join(import.meta.dirname, 'lib', 'pg-boss-claimer.mjs');
    out.push({
      name: cap === 0 ? 'pg_boss_without_caps' : 'pg_boss',
      run: (s) => race(CLIENTS, boss!.node, [script, connection, String(batch), String(s), String(cap)], boss!.folder),
    });
  }
  if (graphile) {
    const connection = await settled((own) => fillGraphile(graphile, own, PARTITIONS * TASKS));
    out.push({
      name: 'graphile',
      run: (s) =>
        race(
          CLIENTS,
          process.execPath,
          [graphileScript('claimer'), connection, String(batch), String(s)],
          graphile.folder,
        ),
    });
  }
  return out;
}

/** A database that `fill` has filled, and that knows it, as any does after a while. */
async function settled(fill: (connection: string) => unknown): Promise<string> {
  const target = await fresh();
  const connection = connectionOf(target);
  fill(connection);
  const client = await connect(target, 'bench');
  await client.query('vacuum analyze');
  await client.end();
  return connection;
}

/** Rates by name: medians over turns, so that whatever else the machine does meets all alike. */
async function compared(batch: number): Promise<Map<string, number>> {
  const all = await contenders(batch);
  const rates = new Map<string, number[]>(all.map(({ name }) => [name, []]));
  for (let turn = 0; turn < TURNS; turn++)
    for (const { name, run } of all) rates.get(name)!.push(await run(seconds / TURNS));
  return new Map([...rates].map(([name, each]) => [name, each.toSorted((a, b) => a - b)[Math.floor(TURNS / 2)]!]));
}

const [besides, besidesInTens] = [await compared(1), await compared(10)];
const NAMES: Record<string, string> = {
  headrace: `Headrace, ${CLIENTS} processes`,
  pg_boss: `pg-boss ${boss?.version}, group caps`,
  pg_boss_without_caps: `pg-boss ${boss?.version}, no caps`,
  graphile: `graphile-worker ${graphile?.version}, no caps`,
};
for (const [name, rate] of besides) {
  rows.push([NAMES[name]!, Math.round(rate), Math.round(besidesInTens.get(name)!), '', '']);
  if (name === 'headrace') continue;
  figures[`times_${name}`] = round(besides.get('headrace')! / rate, 2);
  figures[`times_${name}_in_tens`] = round(besidesInTens.get('headrace')! / besidesInTens.get(name)!, 2);
}
if (boss) targets['times_pg_boss_in_tens'] = { atLeast: 3 };
if (graphile) targets['times_graphile'] = { atLeast: 1 };

await admin.end();
await server.close();
drop();
printTable(['1,000 partitions x 100 tasks', 'singly/s', 'in tens/s', 'empty claim', 'a small one waits, rounds'], rows);
finish({
  bench: 'scheduler',
  figures,
  targets,
});
