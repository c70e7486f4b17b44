/** What people see and type on a terminal. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { startStripeTestbed, TESTBED_LIVE_KEY } from '../../src/testbed/index.js';
import { headrace, onceEach, scratch } from '../support.js';
import { HAS_TERMINAL, onTerminal } from '../terminal.js';

const ENTER = '\r';
const UP = '\u001b[A';
const CONTROL_C = '\u0003';

let work: { folder: string; drop: () => void };
beforeEach(() => {
  work = scratch();
});
afterEach(() => work.drop());

describe.skipIf(!HAS_TERMINAL)('on a terminal (skipped without util-linux script)', () => {
  test('init asks, tries the key, offers the streams, and writes what check understands', async () => {
    const testbed = await startStripeTestbed({ rows: 250 });
    try {
      const init = onTerminal(['init', '--base-url', testbed.url], { cwd: work.folder });
      await init.shows('Which connector?');
      init.types('stri');
      await init.shows('Stripe');
      init.types(ENTER);
      await init.shows('Name of the connection');
      init.types(`Not a name${ENTER}`);
      await init.shows('beginning with a letter');
      init.types(`${'\u007f'.repeat(10)}billing${ENTER}`);
      await init.shows('Read from which day on?');
      init.types(`2014-05-01${ENTER}`);
      await init.shows('STRIPE_API_KEY is not set');
      init.types(`sk_live_wrong${ENTER}`);
      await init.shows('What now?');
      init.types(ENTER);
      await init.shows('STRIPE_API_KEY is not set');
      init.types(`${TESTBED_LIVE_KEY}${ENTER}`);
      await init.shows('It works: account acct_');
      await init.shows('Which streams?');
      // None, then the first.
      init.types(`a `);
      await init.shows('❯◉');
      init.types(ENTER);
      await init.shows('Where should rows go?');
      init.types(`${UP}${ENTER}`);
      const { code, screen } = await init.ended;
      expect(code, screen).toBe(0);
      expect(screen).toContain('Wrote headrace.yaml');
      expect(screen).toMatch(/balance_transactions +[\d,]+ to [\d,]+ rows; changes: /);
      expect(screen).not.toContain(TESTBED_LIVE_KEY);
      const yaml = readFileSync(path.join(work.folder, 'headrace.yaml'), 'utf8');
      for (const part of [
        'billing:',
        'api_key: ${STRIPE_API_KEY}',
        'start_date: 2014-05-01',
        'type: ndjson',
        'path: data',
      ])
        expect(yaml).toContain(part);
      expect(yaml).toMatch(/streams:\n +- apple_pay_domains\n +destination/);
      expect(readdirSync(work.folder)).toEqual(['headrace.yaml']);
      const check = await headrace(['check', 'billing'], {
        cwd: work.folder,
        env: { STRIPE_API_KEY: TESTBED_LIVE_KEY },
      });
      expect(check).toMatchObject({ code: 0, stdout: expect.stringContaining('the key works') });
    } finally {
      await testbed.close();
    }
  });

  test('init without a key at hand goes on without trying it', async () => {
    const init = onTerminal(['init', 'stripe'], { cwd: work.folder });
    await init.shows('Name of the connection');
    init.types(ENTER);
    await init.shows('Read from which day on?');
    init.types(ENTER);
    await init.shows('Enter: later');
    init.types(ENTER);
    await init.shows('Where should rows go?');
    init.types(ENTER);
    expect((await init.ended).code).toBe(0);
    expect(readFileSync(path.join(work.folder, 'headrace.yaml'), 'utf8')).not.toContain('streams');
  });

  test('Ctrl-C while the key is tried leaves nothing either', async () => {
    const testbed = await startStripeTestbed({ rows: 10, latency: { medianMs: 5000 } });
    try {
      const init = onTerminal(['init', 'stripe', '--base-url', testbed.url], {
        cwd: work.folder,
        env: { STRIPE_API_KEY: TESTBED_LIVE_KEY },
      });
      await init.shows('Name of the connection');
      init.types(ENTER);
      await init.shows('Read from which day on?');
      init.types(ENTER);
      await init.shows('Trying it');
      init.types(CONTROL_C);
      const { code, screen } = await init.ended;
      expect(screen).toContain('Nothing was written.');
      expect(code).toBe(130);
      expect(readdirSync(work.folder)).toEqual([]);
    } finally {
      await testbed.close();
    }
  });

  test('Ctrl-C leaves init without a file and without a trace', async () => {
    const init = onTerminal(['init'], { cwd: work.folder });
    await init.shows('Which connector?');
    init.types(CONTROL_C);
    const { code, screen } = await init.ended;
    expect(code).toBe(130);
    expect(screen).not.toMatch(/at .*\.js:\d+|ExitPromptError/);
    expect(existsSync(path.join(work.folder, 'headrace.yaml'))).toBe(false);
  });

  test('sync draws bars over the span; Ctrl-C pauses and says how to go on', async () => {
    const testbed = await startStripeTestbed({ rows: 5000, latency: { medianMs: 50 }, limit: '20/s' });
    try {
      const args = ['sync', 'stripe', '--base-url', testbed.url, '--streams', 'customers'];
      const env = { STRIPE_API_KEY: TESTBED_LIVE_KEY };
      const sync = onTerminal(args, { cwd: work.folder, env });
      await sync.shows('customers');
      await sync.shows('█');
      sync.types(CONTROL_C);
      const { code, screen } = await sync.ended;
      expect(code).toBe(75);
      expect(screen).toMatch(/Paused[\s\S]*headrace sync stripe/);
      expect(screen).not.toContain(TESTBED_LIVE_KEY);
      expect(await headrace(args, { cwd: work.folder, env })).toMatchObject({
        code: 0,
        stdout: expect.stringMatching(onceEach('5,000')),
      });
    } finally {
      await testbed.close();
    }
  });
});
