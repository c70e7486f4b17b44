/** A terminal that is closed: SIGHUP, and screens that take nothing any more. */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { startStripeTestbed, TESTBED_LIVE_KEY, type StripeTestbed } from '../../src/testbed/index.js';
import { headrace, MAIN, onceEach, scratch } from '../support.js';
import { HAS_TERMINAL, onTerminal } from '../terminal.js';
import { until } from '../service-support.js';

let work: { folder: string; drop: () => void };
let testbed: StripeTestbed;
beforeEach(async () => {
  work = scratch();
  testbed = await startStripeTestbed({ rows: 3000, latency: { medianMs: 50 }, limit: '20/s' });
});
afterEach(async () => {
  await testbed.close();
  work.drop();
});

const args = () => ['sync', 'stripe', '--base-url', testbed.url, '--streams', 'customers', '--data-dir', 'data'];
const env = { STRIPE_API_KEY: TESTBED_LIVE_KEY };

/** The embedded server of the folder, by its own pid file. */
function serverPid(): number | undefined {
  const file = path.join(work.folder, 'data', 'postgres', 'data', 'postmaster.pid');
  return existsSync(file) ? Number(readFileSync(file, 'utf8').split('\n')[0]) : undefined;
}

async function resumes(): Promise<void> {
  await testbed.close();
  testbed = await startStripeTestbed({ rows: 3000 });
  const resumed = await headrace(args(), { cwd: work.folder, env });
  expect(resumed.code, resumed.stderr).toBe(0);
  expect(resumed.stdout).toMatch(onceEach('3,000'));
}

const started = () => until(async () => serverPid() !== undefined && testbed.stats().requests > 5);

describe.skipIf(!HAS_TERMINAL)('a terminal that is closed (skipped without util-linux script)', () => {
  test('pauses the sync, leaves no database behind, and the next run goes on', async () => {
    const session = onTerminal(args(), { cwd: work.folder, env });
    await session.shows('█');
    await started();
    const before = testbed.stats().requests;
    session.closes();
    await session.ended;
    await until(async () => serverPid() === undefined);
    expect(testbed.stats().requests).toBeLessThan(before + 200);
    await resumes();
  });
});

describe('without a terminal', () => {
  test.each(['SIGHUP', 'SIGTERM', 'SIGINT'] as const)('%s pauses: exit 75, and nothing left behind', async (signal) => {
    const child = spawn(process.execPath, [MAIN, ...args(), '-q'], {
      cwd: work.folder,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
    await started();
    child.kill(signal);
    // A terminal that closes may send it twice.
    if (signal === 'SIGHUP') child.kill(signal);
    expect(await ended).toBe(75);
    expect(serverPid()).toBeUndefined();
    await resumes();
  });

  test('a command that has nothing to pause takes its database with it', async () => {
    expect((await headrace([...args(), '-q'], { cwd: work.folder, env })).code).toBe(0);
    const child = spawn(process.execPath, [MAIN, 'query', 'select pg_sleep(60)', '--data-dir', 'data'], {
      cwd: work.folder,
      stdio: 'ignore',
    });
    const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
    await until(async () => serverPid() !== undefined);
    child.kill('SIGHUP');
    expect(await ended).toBe(129);
    expect(serverPid()).toBeUndefined();
  });
});
