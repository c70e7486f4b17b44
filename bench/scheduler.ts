/**
 * Claims and completions a second: 8 processes, 1,000 partitions of 100 tasks, one at a time and ten at a time; four
 * processes, with pg-boss with its group caps and without, and graphile-worker, which keeps no cap, beside it in one run;
 * an empty claim while everything is saturated; the turns that small partitions wait for beside a large one. All are
 * filled in the same order, and analyzed.
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
const ours = async (processes: number, batch: number) => {
  const { target, scheduler } = await filled();
  const rate = await race(
    processes,
    process.execPath,
    [
      '--import',
      'tsx',
      path.join(import.meta.dirname, 'lib', 'claimer.ts'),
      JSON.stringify(target),
      String(batch),
      String(seconds),
    ],
    root,
  );
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
const beside = { single: await ours(CLIENTS, 1), tens: await ours(CLIENTS, 10) };
const rows: (string | number)[][] = [
  [`Headrace, ${PROCESSES} processes`, Math.round(single), Math.round(tens), `${round(empty)} ms`, round(rounds, 2)],
  [`Headrace, ${CLIENTS} processes`, Math.round(beside.single), Math.round(beside.tens), '', ''],
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

/** What any database tells its planner after a while. */
async function settled(target: PostgresTarget): Promise<void> {
  const client = await connect(target, 'bench');
  await client.query('vacuum analyze');
  await client.end();
}

const boss = installPgBoss();
for (const cap of boss ? [CAP, 0] : []) {
  const theirs: number[] = [];
  for (const batch of [1, 10]) {
    const target = await fresh();
    const connection = connectionOf(target);
    runPgBoss(boss!, 'pg-boss-fill.mjs', [connection, String(PARTITIONS), String(TASKS)]);
    await settled(target);
    const script = path.join(import.meta.dirname, 'lib', 'pg-boss-claimer.mjs');
    const args = [script, connection, String(batch), String(seconds), String(cap)];
    theirs.push(await race(CLIENTS, boss!.node, args, boss!.folder));
  }
  const [name, key] = cap === 0 ? ['no caps', 'times_pg_boss_without_caps'] : ['group caps', 'times_pg_boss'];
  rows.push([`pg-boss ${boss!.version}, ${name}`, Math.round(theirs[0]!), Math.round(theirs[1]!), '', '']);
  figures[key] = round(beside.single / theirs[0]!, 2);
  figures[`${key}_in_tens`] = round(beside.tens / theirs[1]!, 2);
}
if (boss) targets['times_pg_boss_in_tens'] = { atLeast: 3 };

const graphile = installGraphile();
if (graphile) {
  const theirs: number[] = [];
  for (const batch of [1, 10]) {
    const target = await fresh();
    const connection = connectionOf(target);
    fillGraphile(graphile, connection, PARTITIONS * TASKS);
    await settled(target);
    const args = [graphileScript('claimer'), connection, String(batch), String(seconds)];
    theirs.push(await race(CLIENTS, process.execPath, args, graphile.folder));
  }
  rows.push([`graphile-worker ${graphile.version}, no caps`, Math.round(theirs[0]!), Math.round(theirs[1]!), '', '']);
  figures['times_graphile'] = round(beside.single / theirs[0]!, 2);
  figures['times_graphile_in_tens'] = round(beside.tens / theirs[1]!, 2);
  targets['times_graphile'] = { atLeast: 1 };
}

await admin.end();
await server.close();
drop();
printTable(['1,000 partitions x 100 tasks', 'singly/s', 'in tens/s', 'empty claim', 'a small one waits, rounds'], rows);
finish({
  bench: 'scheduler',
  figures,
  targets,
});
