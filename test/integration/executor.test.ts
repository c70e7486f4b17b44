/**
 * Tasks that another process runs than the one that admitted them: adoption by itself, and through a real Restate
 * server.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { restateBinary, RestateServer } from '../../bench/lib/restate.js';
import { connect } from '../../src/postgres/connect.js';
import { Scheduler } from '../../src/fleet/scheduler/scheduler.js';
import { LeaseLostError } from '../../src/fleet/scheduler/scheduler-errors.js';
import { startStripeTestbed, TESTBED_LIVE_KEY, type StripeTestbed } from '../../src/testbed/index.js';
import { until } from '../patience.js';
import { freshDatabase, headrace, MAIN, scratch, urlOf } from '../support.js';

describe('adoption', () => {
  let database: Awaited<ReturnType<typeof freshDatabase>>;
  let scheduler: Scheduler;
  beforeEach(async () => {
    database = await freshDatabase();
    scheduler = await Scheduler.open(database.target);
    await scheduler.define({
      id: 'a',
      partition: 'p',
      app: 'x',
      limit: { requests: 2, frequencySeconds: 1 },
      maxConcurrent: 4,
    });
    for (const id of ['dispatcher', 'one', 'two'])
      await scheduler.join({ id, host: 'h', pid: 1, version: 'v', slots: 10 }, 60_000);
  });
  afterEach(async () => {
    await scheduler.close();
    await database.drop();
  });

  test('of two deliveries one is run; who claimed it can no longer end it; the cap holds all the while', async () => {
    await scheduler.enqueue([
      { connection: 'a', kind: 'bench' },
      { connection: 'a', kind: 'bench' },
    ]);
    const [task] = await scheduler.claim('dispatcher', 5);
    expect(await scheduler.claim('dispatcher', 5)).toEqual([]);
    expect(await scheduler.held([task!])).toEqual([task!.id]);
    const both = await Promise.all(['one', 'two'].map((worker) => scheduler.adopt(task!, worker)));
    const [mine, ...others] = both.filter((each) => each !== undefined);
    expect(others).toEqual([]);
    expect(mine).toEqual({ ...task!, attempt: task!.attempt + 1 });
    expect(await scheduler.held([task!])).toEqual([]);
    expect(await scheduler.adopt(task!, 'two')).toBeUndefined();
    expect(await scheduler.complete([task!])).toEqual([false]);
    expect(await scheduler.claim('dispatcher', 5)).toEqual([]);
    expect(await scheduler.complete([mine!])).toEqual([true]);
    expect(await scheduler.claim('dispatcher', 5)).toHaveLength(1);
    expect(await scheduler.upkeep.reconcile()).toBe(0);
  });

  test('a task of a worker that died is given back, and what was delivered before finds nothing', async () => {
    await scheduler.enqueue([{ connection: 'a', kind: 'bench' }]);
    const [task] = await scheduler.claim('dispatcher', 1);
    const mine = await scheduler.adopt(task!, 'one');
    await scheduler.leave('one');
    expect(await scheduler.reap()).toBe(1);
    expect(await scheduler.complete([mine!])).toEqual([false]);
    const again = await until(async () => (await scheduler.claim('dispatcher', 1))[0]);
    expect(again.attempt).toBe(mine!.attempt + 1);
    expect(await scheduler.adopt(task!, 'two')).toBeUndefined();
    expect(await scheduler.adopt(again, 'two')).toMatchObject({ attempt: again.attempt + 1 });
  });

  test('a worker without a lease adopts nothing', async () => {
    await scheduler.enqueue([{ connection: 'a', kind: 'bench' }]);
    const [task] = await scheduler.claim('dispatcher', 1);
    await expect(scheduler.adopt(task!, 'stranger')).rejects.toThrow(LeaseLostError);
    expect(await scheduler.adopt(task!, 'one')).toBeDefined();
  });
});

describe('the command line', () => {
  test('refuses roles that exclude each other, and unsigned deliveries from elsewhere', async () => {
    expect(await headrace(['worker', '--dispatch', 'http://127.0.0.1:1', '--endpoint', '0'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('one of them'),
    });
    expect(await headrace(['worker', '--endpoint', '0', '--endpoint-host', '0.0.0.0'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('RESTATE_IDENTITY_KEYS'),
    });
  });
});

describe.skipIf(restateBinary() === undefined)(
  'through a Restate server (skipped where npm has none to install)',
  () => {
    let database: Awaited<ReturnType<typeof freshDatabase>>;
    let testbed: StripeTestbed;
    let restate: RestateServer;
    let folder: ReturnType<typeof scratch>;
    let url: string;
    const processes = new Set<ChildProcess>();

    beforeAll(async () => {
      database = await freshDatabase();
      url = urlOf(database.target);
      folder = scratch();
      testbed = await startStripeTestbed({
        rows: 1000,
        collections: { charges: { rows: 12_000 } },
        limit: '60/s,endpoint=60/s',
      });
      restate = await RestateServer.open(path.join(folder.folder, 'restate'));
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
                streams: ['customers', 'charges'],
                rate_limit: { global: 60, endpoint: 60 },
              },
            },
          },
        }),
      );
    });
    afterAll(async () => {
      for (const child of processes) child.kill('SIGKILL');
      await restate?.kill();
      await testbed?.close();
      folder?.drop();
      await database?.drop();
    });

    const env = () => ({ DATABASE_URL: url, STRIPE_API_KEY: TESTBED_LIVE_KEY });
    function start(args: string[]): { child: ChildProcess; told: (type: string) => Promise<Record<string, any>> } {
      const child = spawn(process.execPath, [MAIN, 'worker', '--json', ...args], {
        cwd: folder.folder,
        env: { ...process.env, ...env() },
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      processes.add(child);
      const events: Record<string, any>[] = [];
      child.stdout.setEncoding('utf8').on('data', (text: string) =>
        text
          .split('\n')
          .filter(Boolean)
          .forEach((line) => events.push(JSON.parse(line) as Record<string, any>)),
      );
      return { child, told: (type) => until(async () => events.find((event) => event['type'] === type)) };
    }

    test('a sync is handed over, its endpoint and the server are killed, and nothing is missing or double', async () => {
      const first = start(['--endpoint', '0']);
      const { url: endpoint } = await first.told('endpoint');
      const port = new URL(String(endpoint)).port;
      await restate.register(String(endpoint));
      const dispatcher = start(['--dispatch', restate.ingress]);
      await dispatcher.told('joined');
      expect((await headrace(['task', 'enqueue', 'acme', 'sync'], { cwd: folder.folder, env: env() })).code).toBe(0);
      const client = await connect(database.target, 'test');
      const one = async (sql: string) => ((await client.query(sql)).rows[0] ?? {}) as Record<string, any>;
      try {
        await until(
          async () =>
            (await one(`select to_regclass('acme.charges') is not null as there`))['there'] &&
            (await one('select count(*) as n from acme.charges'))['n'] > 500,
        );
        first.child.kill('SIGKILL');
        await restate.restart();
        await start(['--endpoint', port]).told('endpoint');
        await until(
          async () => (await one(`select state from _headrace.task where kind = 'sync'`))['state'] === 'done',
        );
        expect(await one('select count(*) as n, count(distinct id) as keys from acme.charges')).toEqual({
          n: 12_000,
          keys: 12_000,
        });
        expect(
          await one(
            `select attempt > 2 as again, result->>'outcome' as outcome from _headrace.task where kind = 'sync'`,
          ),
        ).toEqual({ again: true, outcome: 'complete' });
        expect(await one('select max(running) as running from _headrace.partition')).toEqual({ running: 0 });
      } finally {
        await client.end();
      }
    });
  },
);
