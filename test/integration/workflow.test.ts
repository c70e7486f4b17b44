/** Tasks as durable workflows: the same one by itself, on a real Restate server, and on DBOS. */
import { spawn, type ChildProcess } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { restateBinary, RestateServer } from '../../bench/lib/restate.js';
import { restateEngine } from '../../src/fleet/executors/restate/index.js';
import { connect } from '../../src/postgres/connect.js';
import { Scheduler } from '../../src/fleet/scheduler/scheduler.js';
import { startStripeTestbed, TESTBED_LIVE_KEY, type StripeTestbed } from '../../src/testbed/index.js';
import { until } from '../patience.js';
import { freshDatabase, headrace, MAIN, scratch, urlOf } from '../support.js';

const CHARGES = 6_000;
let database: Awaited<ReturnType<typeof freshDatabase>>;
let scheduler: Scheduler;
let testbed: StripeTestbed;
let folder: ReturnType<typeof scratch>;
const processes = new Set<ChildProcess>();

beforeAll(async () => {
  database = await freshDatabase();
  scheduler = await Scheduler.open(database.target);
  folder = scratch();
  testbed = await startStripeTestbed({
    rows: 500,
    collections: { charges: { rows: CHARGES } },
    limit: '60/s,endpoint=60/s',
  });
  writeFileSync(
    path.join(folder.folder, 'headrace.yaml'),
    JSON.stringify({
      database: '${DATABASE_URL}',
      connections: {
        acme: {
          destination: { type: 'postgres', url: '${DATABASE_URL}' },
          source: {
            connector: 'stripe',
            api_key: '${STRIPE_API_KEY}',
            base_url: testbed.url,
            streams: ['customers', 'charges', 'refunds'],
            rate_limit: { global: 60, endpoint: 60 },
          },
        },
      },
    }),
  );
});
afterAll(async () => {
  for (const child of processes) child.kill('SIGKILL');
  await scheduler?.close();
  await testbed?.close();
  folder?.drop();
  await database?.drop();
});

const env = () => ({ DATABASE_URL: urlOf(database.target), STRIPE_API_KEY: TESTBED_LIVE_KEY });
const task = (kind: string, exclusive = true) => ({ connection: 'acme', kind, payload: {}, exclusive });
async function one(sql: string): Promise<Record<string, any>> {
  const client = await connect(database.target, 'test');
  try {
    return ((await client.query(sql)).rows[0] ?? {}) as Record<string, any>;
  } finally {
    await client.end();
  }
}
const running = () => one('select coalesce(sum(running), 0)::int as n from _headrace.partition');
async function charges(): Promise<{ n: number; keys: number }> {
  const { there } = await one(`select to_regclass('acme.charges') is not null as there`);
  if (!there) return { n: 0, keys: 0 };
  return (await one('select count(*)::int as n, count(distinct id)::int as keys from acme.charges')) as {
    n: number;
    keys: number;
  };
}

function start(args: string[]): { child: ChildProcess; told: (type: string) => Promise<Record<string, any>> } {
  const child = spawn(process.execPath, [MAIN, 'worker', '--json', ...args], {
    cwd: folder.folder,
    env: { ...process.env, ...env() },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  processes.add(child);
  const events: Record<string, any>[] = [];
  let rest = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop()!;
    for (const line of lines.filter(Boolean)) events.push(JSON.parse(line) as Record<string, any>);
  });
  return { child, told: (type) => until(async () => events.find((event) => event['type'] === type)) };
}

describe.skipIf(restateBinary() === undefined)('on a Restate server (skipped where npm has none to install)', () => {
  let restate: RestateServer;
  beforeAll(async () => {
    restate = await RestateServer.open(path.join(folder.folder, 'restate'));
    // Made known to the scheduler.
    expect((await headrace(['task', 'enqueue', 'acme', 'check'], { cwd: folder.folder, env: env() })).code).toBe(0);
    await scheduler.pool.query(`select _headrace.control('connection', 'acme', 'cancel')`);
  });
  afterAll(async () => restate?.kill());

  test('a sync goes on where its journal stands, whoever is killed; cancelled it stops, and frees its slot', async () => {
    const engine = restateEngine({ ingress: restate.ingress, admin: restate.admin });
    const first = start(['--endpoint', '0']);
    const { url } = await first.told('endpoint');
    const port = new URL(String(url)).port;
    await restate.register(String(url));

    const stopped = await engine.start('to-cancel', task('sync'));
    await until(async () => (await charges()).n > 200);
    await engine.cancel(stopped);
    await until(async () => (await engine.outcome(stopped))?.state === 'cancelled');
    await until(async () => (await running())['n'] === 0);
    const { n: committed } = await charges();
    expect(committed).toBeLessThan(CHARGES);

    const handle = await engine.start('acme-sync', task('sync'));
    expect(await engine.start('acme-sync', task('sync'))).toBe(handle);
    await until(async () => (await charges()).n > committed + 500);
    first.child.kill('SIGKILL');
    await restate.restart();
    await start(['--endpoint', port]).told('endpoint');
    const outcome = await until(() => engine.outcome(handle));
    expect(outcome).toMatchObject({ state: 'done', result: { outcome: 'complete', proof: { streams: 3 } } });
    expect(await charges()).toEqual({ n: CHARGES, keys: CHARGES });
    expect(await running()).toEqual({ n: 0 });
    expect(await scheduler.upkeep.reconcile()).toBe(0);

    // While there is no room it waits by the engine's timer, and holds nothing.
    await scheduler.control('connection', 'acme', 'pause');
    const waiting = await engine.start('waits', task('check', false));
    await until(async () => (await restate.journalOf(waiting)).includes('plan: room'));
    expect(await running()).toEqual({ n: 0 });
    await scheduler.control('connection', 'acme', 'resume');
    expect(await until(() => engine.outcome(waiting))).toMatchObject({ state: 'done' });

    // The command line hands over, and waits for the end.
    const told = await headrace(['task', 'enqueue', 'acme', 'check', '--engine', restate.ingress, '--wait'], {
      cwd: folder.folder,
      env: env(),
    });
    expect(told).toMatchObject({ code: 0, stdout: expect.stringContaining('done') });
  });
});

test('without an engine: killed on the way, the next worker goes on in the journal', async () => {
  const client = await connect(database.target, 'test');
  await client.query('drop schema if exists acme cascade');
  await client.query(
    `delete from _headrace.state where connection = 'acme'; delete from _headrace.counter where connection = 'acme'`,
  );
  await client.end();
  const first = start(['--journal', '--slots', '2']);
  await first.told('joined');
  expect((await headrace(['task', 'enqueue', 'acme', 'sync'], { cwd: folder.folder, env: env() })).code).toBe(0);
  await until(async () => (await charges()).n > 500);
  first.child.kill('SIGKILL');
  expect((await one(`select count(*)::int as n from _headrace.journal where step = 'plan'`))['n']).toBe(1);
  start(['--journal']);
  await until(
    async () =>
      (await one(`select state from _headrace.task where kind = 'sync' order by id desc limit 1`))['state'] === 'done',
  );
  expect(await charges()).toEqual({ n: CHARGES, keys: CHARGES });
  expect(
    (
      await one(`select result->>'outcome' as outcome from _headrace.task where kind = 'sync' order by id desc limit 1`)
    )['outcome'],
  ).toBe('complete');
  expect((await one('select count(*)::int as n from _headrace.journal'))['n']).toBe(0);
});
