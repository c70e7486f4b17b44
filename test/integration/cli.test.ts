import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { startStripeTestbed, TESTBED_LIVE_KEY, type StripeTestbed } from '../../src/testbed/index.js';
import { HoldingClock } from '../holding-clock.js';
import { headrace, scratch } from '../support.js';
import { seededRandom } from '../../src/base/random.js';

let testbed: StripeTestbed;
let work: { folder: string; drop: () => void };
const LOAD = { STRIPE_API_KEY: TESTBED_LIVE_KEY };

beforeAll(async () => {
  testbed = await startStripeTestbed({ rows: 400, latency: { medianMs: 20 }, limit: 'stripe-live' });
});
afterAll(() => testbed.close());
beforeEach(() => {
  work = scratch();
});
afterEach(() => work.drop());

const run = (args: string[], env: Record<string, string> = LOAD, more: Parameters<typeof headrace>[1] = {}) =>
  headrace(args, { env, cwd: work.folder, ...more });
const target = () => ['--base-url', testbed.url];
const FEW = ['--streams', 'customers,coupons'];

describe('headrace', () => {
  test('--help, --version and a typo', async () => {
    expect(await run(['--help'])).toMatchObject({ code: 0, stdout: expect.stringContaining('Exit codes') });
    expect((await run(['--version'])).stdout.trim()).toBe(
      JSON.parse(readFileSync(path.join(import.meta.dirname, '../../package.json'), 'utf8')).version,
    );
    expect(await run(['snyc'])).toMatchObject({ code: 2, stderr: expect.stringContaining('Did you mean sync') });
    expect((await run(['sync', '--mode', 'sideways'])).code).toBe(2);
  });

  test('check, sync, verify, state, query: from nothing to proven rows', async () => {
    expect(await run(['check', 'stripe', ...target()])).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/the key works[\s\S]*can be written to/),
    });
    const sync = await run(['sync', 'stripe', ...target(), ...FEW]);
    expect(sync).toMatchObject({ code: 0, stdout: expect.stringMatching(/Complete: 2 streams/) });
    expect(sync.stdout + sync.stderr).not.toContain(TESTBED_LIVE_KEY);
    const verify = await run(['verify', 'stripe', ...target(), ...FEW, '--api', '--samples', '3', '--json']);
    expect(verify.code).toBe(0);
    expect(JSON.parse(verify.stdout)).toMatchObject({
      proven: true,
      samples: expect.arrayContaining([expect.objectContaining({ stream: 'customers', missing: [], extra: [] })]),
    });
    expect((await run(['query', 'select count(*) as n from stripe.customers', '--json'], {})).stdout.trim()).toBe(
      '{"n":400}',
    );
    expect((await run(['query', 'delete from stripe.customers'], {})).code).toBe(2);
    expect((await run(['state', 'show', 'stripe', ...target()])).stdout).toMatch(/customers +yes +stated/);
    await run(
      ['query', 'delete from stripe.customers where created = (select min(created) from stripe.customers)', '--write'],
      {},
    );
    expect(await run(['verify', 'stripe', ...target(), ...FEW])).toMatchObject({
      code: 3,
      stdout: expect.stringContaining('the destination holds'),
    });
  });

  test('state goes out and in again; a part of a stream can be read again', async () => {
    await run(['sync', 'stripe', ...target(), ...FEW, '-q']);
    const exported = await run(['state', 'export', 'stripe', ...target()]);
    const file = path.join(work.folder, 'state.json');
    writeFileSync(file, exported.stdout);
    expect(await run(['state', 'reset', 'stripe', ...target(), '--stream', 'customers'])).toMatchObject({ code: 0 });
    expect((await run(['state', 'show', 'stripe', ...target()])).stdout).not.toContain('customers');
    expect(await run(['state', 'import', file, 'stripe', ...target()])).toMatchObject({
      code: 0,
      stderr: expect.stringContaining('entries imported'),
    });
    expect((await run(['state', 'export', 'stripe', ...target()])).stdout).toBe(exported.stdout);
    expect(
      await run([
        'state',
        'reset',
        'stripe',
        ...target(),
        '--stream',
        'customers',
        '--from',
        '1700000000',
        '--before',
        '1750000000',
      ]),
    ).toMatchObject({ code: 0 });
    expect((await run(['state', 'show', 'stripe', ...target()])).stdout).toMatch(/customers +no/);
    expect(await run(['sync', 'stripe', ...target(), ...FEW])).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('Complete'),
    });
    for (const [text, code] of [
      ['{', 'not JSON'],
      ['{"headrace_state":2}', 'headrace_state'],
      ['{"headrace_state":1,"connection":"a","entries":[{"stream":"s","key":"stream","value":1}]}', 'cannot be read'],
    ]) {
      writeFileSync(file, text!);
      expect(await run(['state', 'import', file, 'stripe', ...target()])).toMatchObject({
        code: 2,
        stderr: expect.stringContaining(code!),
      });
    }
    expect((await run(['state', 'import', path.join(work.folder, 'nope.json'), 'stripe', ...target()])).code).toBe(2);
  });

  test('discover and plan tell without storing anything', async () => {
    expect((await run(['discover', 'stripe', ...target()])).stdout).toMatch(
      /payment_methods +\w+ +id +\d+ +for each of customers/,
    );
    const plan = await run(['plan', 'stripe', ...target(), ...FEW, '--json']);
    expect(JSON.parse(plan.stdout)).toMatchObject({
      type: 'plan',
      streams: [
        expect.objectContaining({ stream: 'coupons', rows: 4, exact: true }),
        expect.objectContaining({ stream: 'customers' }),
      ],
    });
    expect(existsSync(path.join(work.folder, '.headrace'))).toBe(false);
  });

  test('--json is one event a line, from started to finished', async () => {
    const { stdout, code } = await run(['sync', 'stripe', ...target(), ...FEW, '--json']);
    const events = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { type: string; summary?: { outcome: string } });
    expect(code).toBe(0);
    expect(events[0]!.type).toBe('started');
    expect(events.map((event) => event.type)).toContain('committed');
    expect(events.find((event) => event.type === 'finished')!.summary!.outcome).toBe('complete');
  });

  test('ndjson files, resumed', async () => {
    const out = path.join(work.folder, 'files');
    expect((await run(['sync', 'stripe', ...target(), ...FEW, '--to', `ndjson:${out}`])).code).toBe(0);
    const file = path.join(out, 'customers.ndjson');
    const lines = readFileSync(file, 'utf8');
    expect(lines.trim().split('\n')).toHaveLength(400);
    writeFileSync(file, `${lines}{"torn":`);
    expect((await run(['sync', 'stripe', ...target(), ...FEW, '--to', `ndjson:${out}`])).code).toBe(0);
    expect(readFileSync(file, 'utf8')).toBe(lines);
  });

  test('init writes a file that check understands, and leaves an existing one alone', async () => {
    expect(await run(['init', '--yes'])).toMatchObject({ code: 0 });
    expect(readFileSync(path.join(work.folder, 'headrace.yaml'), 'utf8')).toContain('${STRIPE_API_KEY}');
    expect((await run(['init', '--yes'])).code).toBe(2);
    expect((await run(['init', '-f', 'other.yaml'])).stderr).toContain('--yes');
    expect((await run(['check', 'stripe', ...target()])).code).toBe(0);
    expect(await run(['check', 'stripe', ...target()], {})).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/STRIPE_API_KEY is not set[\s\S]*headrace\.yaml:\d+/),
    });
  });

  test('limits tells what is known before a run, and what the run found out; ceilings are kept and checked', async () => {
    expect(await run(['limits', 'stripe', ...target()])).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('usual for this API'),
    });
    const ran = await run(['sync', 'stripe', ...target(), ...FEW, '--max-rate', '90', '--json', '--metrics', 'm.prom']);
    expect(readFileSync(path.join(work.folder, 'm.prom'), 'utf8')).toContain(
      'headrace_limit_per_second{connection="stripe",limit="max_rate"',
    );
    expect(ran.code).toBe(0);
    const after = await run(['limits', 'stripe', ...target(), '--json']);
    const known = after.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(known.map((limit) => limit.name)).toEqual(
      expect.arrayContaining(['global', 'endpoint customers', 'max_rate']),
    );
    expect(known.find((limit) => limit.name === 'max_rate')).toMatchObject({ knownBy: 'configuration', perSecond: 90 });
    expect(after.stdout + ran.stdout).not.toContain(TESTBED_LIVE_KEY);
    expect(await run(['sync', 'stripe', ...target(), '--share', '150%'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('1% to 100%'),
    });
    expect((await run(['sync', 'stripe', ...target(), '--max-rate', '0'])).code).toBe(2);
    expect(await run(['sync', 'stripe', ...target(), ...FEW, '--metrics', 'nowhere/m.prom'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('metrics cannot be written'),
    });
  });

  test('completion scripts name the commands', async () => {
    for (const shell of ['bash', 'zsh', 'fish']) expect((await run(['completion', shell])).stdout).toContain('sync');
    expect((await run(['completion', 'tcsh'])).code).toBe(2);
  });

  test('Ctrl-C pauses with exit code 75 and says how to go on; the same command ends complete', async () => {
    const clock = new HoldingClock();
    const slow = await startStripeTestbed({ rows: 15000, latency: { medianMs: 20 }, limit: 'stripe-live' }, clock);
    try {
      const args = ['sync', 'stripe', '--base-url', slow.url, '--streams', 'customers'];
      clock.holdAfter(40);
      const paused = await run(args, LOAD, { signal: { name: 'SIGINT', when: () => clock.isHolding } });
      expect(paused).toMatchObject({
        code: 75,
        stdout: expect.stringContaining('Continue with: headrace sync stripe'),
        stderr: expect.stringContaining('Pausing'),
      });
      clock.release();
      const again = await run(args);
      expect(again).toMatchObject({ code: 0, stdout: expect.stringContaining('Complete') });
      expect(
        (
          await run(['query', 'select count(*) as n, count(distinct id) as d from stripe.customers', '--json'], {})
        ).stdout.trim(),
      ).toBe('{"n":15000,"d":15000}');
    } finally {
      clock.release();
      await slow.close();
    }
  });

  test('SIGKILL at random instants, resumed each time: nothing missing, nothing double (invariants 2 and 3)', async () => {
    const faulty = await startStripeTestbed({
      rows: 0,
      collections: { customers: { rows: 4000, shape: 'bulk' } },
      latency: { medianMs: 30 },
      limit: 'stripe-live',
      seed: 11,
      faults: { '500': 0.02, reset: 0.02, cursor: 0.03, empty: 0.03, json: 0.01 },
    });
    try {
      const args = ['sync', 'stripe', '--base-url', faulty.url, '--streams', 'customers', '-q'];
      const killed = (when: () => boolean) => run(args, LOAD, { signal: { name: 'SIGKILL', when } });
      // While its database is made; then after so many requests, at whatever it does with their answers.
      expect((await killed(() => existsSync(path.join(work.folder, '.headrace', 'postgres')))).code).toBeNull();
      const random = seededRandom(11);
      for (const most of [3, 8, 12, 16]) {
        const until = faulty.stats().requests + 1 + random.integer(most);
        await killed(() => faulty.stats().requests >= until);
      }
      const last = await run(args);
      expect(last, last.stderr).toMatchObject({ code: 0, stdout: expect.stringContaining('Complete') });
      expect(
        (
          await run(['query', 'select count(*) as n, count(distinct id) as d from stripe.customers', '--json'], {})
        ).stdout.trim(),
      ).toBe('{"n":4000,"d":4000}');
    } finally {
      await faulty.close();
    }
  });
});

describe('bad input ends with place, expectation, finding and next step, and no stack trace', () => {
  const cases: [string, string[], Record<string, string>, number, RegExp][] = [
    ['no key', ['sync', 'stripe'], {}, 2, /STRIPE_API_KEY is not set[\s\S]*next: export/],
    [
      'a key that is none',
      ['sync', 'stripe'],
      { STRIPE_API_KEY: 'hunter2hunter2' },
      2,
      /api_key[\s\S]*expected: a secret or restricted key[\s\S]*found: a text of 14 characters/,
    ],
    [
      'a wrong key',
      ['check', 'stripe'],
      { STRIPE_API_KEY: ['sk', 'live', 'wrong0000001'].join('_') },
      2,
      /Stripe rejected the key[\s\S]*next:/,
    ],
    [
      'an unknown stream',
      ['sync', 'stripe', '--streams', 'custmers'],
      LOAD,
      2,
      /streams[\s\S]*expected[\s\S]*custmers/,
    ],
    ['an unknown connection', ['sync', 'nope'], LOAD, 2, /headrace\.yaml/],
    [
      'no such database server',
      ['sync', 'stripe', '--to', 'postgres://u:secretpw@127.0.0.1:1/x'],
      LOAD,
      2,
      /cannot be reached[\s\S]*127\.0\.0\.1:1\/x/,
    ],
    ['a destination that is none', ['sync', 'stripe', '--to', 'oracle://x'], LOAD, 2, /--to[\s\S]*embedded, postgres/],
    [
      'an API that is not there',
      ['check', 'stripe', '--base-url', 'http://127.0.0.1:1'],
      LOAD,
      1,
      /did not answer usefully[\s\S]*ECONNREFUSED/,
    ],
    [
      'a folder that cannot be written',
      ['sync', 'stripe', '--to', 'ndjson:/etc/passwd/x'],
      LOAD,
      2,
      /folder cannot be made[\s\S]*next: name another folder/,
    ],
    [
      'a testbed fault that is none',
      ['testbed', 'stripe', '--faults', 'explode'],
      {},
      2,
      /unknown fault[\s\S]*explode/,
    ],
    ['a number that is none', ['testbed', 'stripe', '--port', 'x'], {}, 2, /whole number/],
  ];
  test.each(cases)('%s', async (_name, args, env, code, pattern) => {
    const withUrl = args.includes('--base-url') || args[0] === 'testbed' ? args : [...args, '--base-url', testbed.url];
    const ran = await run(withUrl, env);
    expect(ran.stderr).toMatch(pattern);
    expect(ran.code).toBe(code);
    expect(ran.stderr).not.toMatch(/\n {4}at /);
    expect(ran.stdout + ran.stderr).not.toMatch(/secretpw|hunter2|wrong0000001/);
  });

  test('bad YAML names the line', async () => {
    mkdirSync(work.folder, { recursive: true });
    writeFileSync(path.join(work.folder, 'headrace.yaml'), 'connections:\n  a: [\n');
    expect(await run(['sync', 'a'])).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/not valid YAML[\s\S]*headrace\.yaml:\d+:\d+/),
    });
  });
});
