/**
 * One Stripe account with a limit of 100 requests a second, read by 1, 2 and 4 workers that are processes of their own:
 * how much of the limit is used, what is rejected, what is missing or double. Then 4 of them, one killed every 5 s.
 * --customers N (default 8,000: one request each, a read of a minute and a half).
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import type pg from 'pg';
import { connect } from '../src/postgres/connect.js';
import { EmbeddedServer } from '../src/postgres/embedded/server.js';
import { listTasks } from '../src/fleet/scheduler/overview.js';
import { Scheduler } from '../src/fleet/scheduler/scheduler.js';
import { taskOf } from '../src/fleet/tasks/kinds.js';
import { LIVE_KEY, MAIN, scratch, startTestbedProcess } from './lib/processes.js';
import { finish, printTable, round } from './lib/report.js';

const { values } = parseArgs({
  strict: false,
  options: {
    customers: { type: 'string' },
    debug: { type: 'boolean' },
    series: { type: 'boolean' },
    only: { type: 'string' },
  },
});
const CUSTOMERS = Number(values['customers'] ?? 8000);
const RATE = 100;
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

interface Result {
  used: number;
  rejected: number;
  missing: number;
  double: number;
  seconds: number;
  kills: number;
  /** Parts that other workers than the leader read. */
  parts: number;
}

async function read(workers: number, killEveryMs?: number): Promise<Result> {
  const { folder, drop } = scratch();
  const testbed = await startTestbedProcess([
    '--rows',
    String(CUSTOMERS),
    '--collection',
    'charges=60000',
    '--limit',
    `${RATE}/s`,
    '--latency',
    '40',
    '--seed',
    '7',
  ]);
  const file = configured(folder, testbed.url, workers);
  const server = await EmbeddedServer.open(path.join(folder, '.headrace'));
  const scheduler = await Scheduler.open(server.target);
  await scheduler.define({
    id: 'shop',
    partition: 'stripe/shop',
    app: 'stripe',
    limit: { requests: RATE, frequencySeconds: 1 },
    maxConcurrent: workers,
  });
  const fleet = startWorkers(workers, file, folder);
  await sleep(2500);
  const [made] = await scheduler.enqueue([{ ...taskOf('shop', 'sync', { parts: workers }), maxAttempts: 1000 }]);
  let kills = 0;
  let lastKillMs = performance.now();
  const series: { atMs: number; requests: number }[] = [];
  for (;;) {
    const { requests } = await testbed.stats();
    series.push({ atMs: performance.now(), requests });
    const [task] = await listTasks(scheduler.pool, { ids: [made!.id] });
    if (task!.state === 'done' || task!.state === 'dead') break;
    if (killEveryMs !== undefined && performance.now() - lastKillMs > killEveryMs) {
      lastKillMs = performance.now();
      fleet.children[kills++ % workers]!.kill('SIGKILL');
    }
    await sleep(250);
  }
  if (values['series']) printSeries(series);
  // Who helped says so at its end.
  for (let tries = 0; tries < 40 && (await listTasks(scheduler.pool, { states: ['running'] })).length > 0; tries++)
    await sleep(250);
  fleet.end();
  const stats = await testbed.stats();
  const { used, seconds } = useOf(series, stats.requests);
  const client = await connect(server.target, 'bench');
  const { missing, double } = await faultsOf(client, testbed.url);
  const [{ parts }] = (
    await client.query(
      `select coalesce(sum((result->>'parts')::int), 0)::int as parts from _headrace.task where kind = 'part'`,
    )
  ).rows as [{ parts: number }];
  await client.end();
  await scheduler.close();
  await server.close();
  testbed.stop();
  drop();
  return {
    used,
    rejected: stats.rejections / stats.requests,
    missing,
    double,
    seconds,
    kills,
    parts,
  };
}

/** Workers that are started again whenever they end, until `end`. */
function startWorkers(workers: number, file: string, folder: string): { children: ChildProcess[]; end: () => void } {
  const children: ChildProcess[] = [];
  let running = true;
  const start = (slot: number) => {
    const child = spawn(process.execPath, [MAIN, 'worker', '--slots', '1', '--config', file, '--json'], {
      stdio: ['ignore', values['debug'] ? 'inherit' : 'ignore', values['debug'] ? 'inherit' : 'ignore'],
      cwd: folder,
    });
    children[slot] = child;
    child.once('exit', () => {
      if (running) start(slot);
    });
  };
  for (let slot = 0; slot < workers; slot++) start(slot);
  return {
    children,
    end() {
      running = false;
      for (const child of children) child.kill('SIGKILL');
    },
  };
}

function configured(folder: string, url: string, workers: number): string {
  const file = path.join(folder, 'headrace.yaml');
  writeFileSync(
    file,
    JSON.stringify({
      version: 1,
      data_dir: '.headrace',
      connections: {
        shop: {
          max_concurrent_processes: workers,
          source: {
            connector: 'stripe',
            api_key: LIVE_KEY,
            base_url: url,
            streams: ['customers', 'tax_ids', 'charges'],
            rate_limit: { global: RATE, endpoint: RATE },
          },
        },
      },
    }),
  );
  return file;
}

/** How many requests had arrived when. */
type Series = { atMs: number; requests: number }[];

/** Requests a second, between each two points. */
function printSeries(series: Series): void {
  console.log(
    series
      .map((point, i) =>
        i === 0
          ? 0
          : Math.round((point.requests - series[i - 1]!.requests) / ((point.atMs - series[i - 1]!.atMs) / 1000)),
      )
      .join(' '),
  );
}

/** The part of the limit that was used, and over what time. */
function useOf(series: Series, requests: number): { used: number; seconds: number } {
  // From the first request to the last page but a few: the end of a read is a chain or two.
  const from = series.find((point) => point.requests > 5)!;
  const last = series.findLast((point) => point.requests < requests - RATE) ?? series.at(-1)!;
  const seconds = (last.atMs - from.atMs) / 1000;
  return { used: (last.requests - from.requests) / (seconds * RATE), seconds };
}

async function faultsOf(client: pg.Client, url: string): Promise<{ missing: number; double: number }> {
  const count = async (table: string) =>
    (await client.query(`select count(*) as n, count(distinct id) as keys from shop.${table}`)).rows[0] as {
      n: number;
      keys: number;
    };
  const expected: Record<string, number> = {
    customers: CUSTOMERS,
    charges: 60_000,
    tax_ids: await taxIds(url),
  };
  let missing = 0;
  let double = 0;
  for (const [table, rows] of Object.entries(expected)) {
    const { n, keys } = await count(table);
    missing += rows - keys;
    double += n - keys;
  }
  return { missing, double };
}

let known: number | undefined;
/** Rows of the stream of children, counted by a run that nothing disturbs. */
async function taxIds(url: string): Promise<number> {
  if (known !== undefined) return known;
  known = 0;
  const get = async (address: string) => {
    for (;;) {
      const response = await fetch(`${url}${address}`, { headers: { authorization: `Bearer ${LIVE_KEY}` } });
      if (response.status === 200) return (await response.json()) as { data: { id: string }[]; has_more: boolean };
      await sleep(200);
    }
  };
  for (let after = ''; ;) {
    const page = await get(`/v1/customers?limit=100${after}`);
    const lists = await Promise.all(
      page.data.map(async ({ id }, n) => {
        await sleep(n * 12);
        return get(`/v1/customers/${id}/tax_ids?limit=100`);
      }),
    );
    for (const list of lists) known += list.data.length;
    if (!page.has_more) return known;
    after = `&starting_after=${page.data.at(-1)!.id}`;
  }
}

const rows: (string | number)[][] = [];
const figures: Record<string, number> = {};
const targets: Record<string, { atMost: number } | { atLeast: number }> = {};
for (const [name, workers, killEveryMs] of [
  ['1 worker', 1],
  ['2 workers', 2],
  ['4 workers', 4],
  ['4, one killed every 5 s', 4, 5000],
] as const) {
  if (values['only'] !== undefined && values['only'] !== name) continue;
  const result = await read(workers, killEveryMs);
  rows.push([
    name,
    `${round(result.used * 100, 1)}%`,
    `${round(result.rejected * 100, 2)}%`,
    result.missing,
    result.double,
    result.parts,
    result.kills,
    round(result.seconds, 0),
  ]);
  const key = name.replaceAll(/[^a-z0-9]+/g, '_');
  figures[`${key}_used`] = round(result.used);
  figures[`${key}_rejected`] = round(result.rejected, 4);
  figures[`${key}_missing`] = result.missing;
  figures[`${key}_double`] = result.double;
  targets[`${key}_used`] = { atLeast: killEveryMs === undefined ? 0.95 : 0.75 };
  if (killEveryMs === undefined) targets[`${key}_rejected`] = { atMost: 0.005 };
  targets[`${key}_missing`] = { atMost: 0 };
  targets[`${key}_double`] = { atMost: 0 };
  console.log(rows.at(-1)!.join('  '));
}
printTable(
  ['one account at 100/s', 'of the limit', 'rejected', 'missing', 'double', 'parts lent', 'kills', 'seconds'],
  rows,
);
finish({ bench: 'fleet', figures, targets });
process.exit();
