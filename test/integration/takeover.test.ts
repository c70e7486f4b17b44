/** A process that is killed with requests in flight leaves nothing behind that the next one would wait for. */
import { spawn, spawnSync } from 'node:child_process';
import { hostname } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, expect, test } from 'vitest';
import { systemClock } from '../../src/base/clock.js';
import { CONNECTION_LOCK } from '../../src/destinations/postgres/lock.js';
import { connect } from '../../src/postgres/connect.js';
import { startStripeTestbed, TESTBED_LIVE_KEY, type StripeTestbed } from '../../src/testbed/index.js';
import { until } from '../patience.js';
import { headrace, MAIN, scratch, syncStripe, testDatabase, uniqueName } from '../support.js';

const work = scratch();
let testbed: StripeTestbed | undefined;

afterAll(() => work.drop());

afterEach(async () => {
  await testbed?.close();
  testbed = undefined;
});

test('after five kills with requests in flight, the next run begins to read at once', async () => {
  testbed = await startStripeTestbed({
    // More pages than the five runs ask for before they are killed, and a few for the last.
    collections: { customers: { rows: 24_000, shape: 'growth' } },
    latency: { medianMs: 500 },
    limit: 'stripe-live',
  });
  const args = ['sync', 'stripe', '--base-url', testbed.url, '--streams', 'customers', '--json'];
  const env = { STRIPE_API_KEY: TESTBED_LIVE_KEY, HEADRACE_DATA_DIR: path.join(work.folder, '.headrace') };
  for (let kill = 0; kill < 5; kill++) {
    const before = testbed.stats().requests;
    const child = spawn(process.execPath, [MAIN, ...args], { env: { ...process.env, ...env }, stdio: 'ignore' });
    await until(() => testbed!.stats().requests >= before + 30, { what: `requests of run ${kill + 1}` });
    child.kill('SIGKILL');
    await new Promise((resolve) => child.once('close', resolve));
    // Longer than a member is remembered, so that the next one is alone.
    await systemClock.sleep(2300);
  }
  const { code, stdout } = await headrace(args, { env });
  expect(code).toBe(0);
  expect(stdout).toContain('"outcome":"complete"');
});

test('the session of a killed run that is still in a statement is waited for', async () => {
  testbed = await startStripeTestbed({ rows: 50 });
  const connection = uniqueName();
  const destination = await testDatabase(connection);
  const { target } = destination;
  const run = () => syncStripe({ url: testbed!.url, destination, connection, source: { streams: ['customers'] } });
  expect((await run()).outcome).toBe('complete');
  const dead = await connect(target, 'dead');
  await dead.query(`select pg_advisory_lock(hashtextextended($1, ${CONNECTION_LOCK}))`, [connection]);
  await dead.query('insert into _headrace.run (id, connection, host, pid) values ($1, $2, $3, $4)', [
    uniqueName(),
    connection,
    hostname(),
    spawnSync('true').pid,
  ]);
  const next = run();
  // Its session ends only after the next one has asked.
  await until(
    async () =>
      (await dead.query(`select 1 from pg_stat_activity where application_name = $1`, [`headrace ${connection}`])).rows
        .length > 0,
    { what: 'the session of the next run' },
  );
  await dead.end();
  expect((await next).outcome).toBe('complete');
  await destination.close();
});
