/** What a person sees of a run on a real terminal, at three sizes, while it is redrawn and resized. */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { startStripeTestbed, TESTBED_LIVE_KEY } from '../../src/testbed/index.js';
import { until } from '../patience.js';
import { MAIN, scratch } from '../support.js';
import { HAS_TMUX, inTmux, type Screen } from '../tmux.js';

const DRAWS = path.join(import.meta.dirname, '../draws-progress.mjs');
const ROOT = path.join(import.meta.dirname, '../..');
const SIZES = [
  [40, 12],
  [80, 24],
  [120, 40],
] as const;

let screen: Screen | undefined;
afterEach(() => {
  screen?.close();
  screen = undefined;
});

const draw = (columns: number, rows: number, lastsMs?: number) =>
  inTmux([process.execPath, DRAWS, ...(lastsMs === undefined ? [] : [String(lastsMs)])], { columns, rows, cwd: ROOT });
/** Until it was redrawn so many times more. */
const settle = (times = 12) => {
  const own = screen!;
  const from = own.drawn();
  return until(() => own.drawn() >= from + times, { what: 'so many drawings' });
};
const times = (text: string, part: string) => text.split(part).length - 1;

describe.skipIf(!HAS_TMUX)('on a terminal that draws (skipped without tmux)', () => {
  test.each(SIZES)('%i columns, %i rows: one drawing, redrawn in place', async (columns, rows) => {
    screen = draw(columns, rows);
    await screen.shows('customers');
    await settle();
    expect(screen.text()).toMatchSnapshot();
    for (const once of ['$ headrace sync', 'customers', '✗ invoices', '顧客'])
      expect(times(screen.history(), once)).toBe(1);
  });

  test('it follows every change of size, and leaves no copies', async () => {
    screen = draw(120, 40);
    await screen.shows('customers');
    const seen: Record<string, string> = {};
    for (const [columns, rows] of [
      [80, 24],
      [40, 24],
      [100, 30],
      [40, 20],
      [120, 40],
    ] as const) {
      screen.resize(columns, rows);
      await settle(6);
      const text = screen.text();
      // What a terminal wrapped and pushed above its first row is its own; of what is seen, each line is there once.
      for (const once of ['customers', '顧客', 'rows;'])
        expect(`${columns}: ${times(text, once)}\n${text}`).toBe(`${columns}: 1\n${text}`);
      seen[columns] = text;
    }
    screen.close();
    // The same as on a terminal that always had this size.
    screen = draw(120, 40);
    await screen.shows('customers');
    expect(seen['120']!.split('\n').slice(-9)).toEqual(screen.text().split('\n').slice(-9));
  });

  test('when it ends, nothing of the drawing stays', async () => {
    screen = draw(80, 24, 1500);
    expect(await screen.shows('Paused.')).toBe('$ headrace sync stripe\nPaused.');
  });

  test('a real sync names the limit that binds each stream, and what they could use together', async () => {
    const testbed = await startStripeTestbed({ rows: 40_000, latency: { medianMs: 30 }, limit: '100/s,endpoint=20/s' });
    const work = scratch();
    try {
      screen = inTmux(
        [
          process.execPath,
          MAIN,
          'sync',
          'stripe',
          '--base-url',
          testbed.url,
          '--streams',
          'customers',
          '--max-endpoint-rate',
          '20',
        ],
        { columns: 120, rows: 40, cwd: work.folder, env: { STRIPE_API_KEY: TESTBED_LIVE_KEY } },
      );
      const text = await screen.shows(/customers .* of 20\/s, /);
      expect(text).toMatch(
        /▸ customers [█▓▒░]{24} +[\d,]+ rows +(?:\d+ ranges +)?\d+\.\d of 20\/s, (?:endpoint|max_endpoint_rate)/,
      );
      // One endpoint can have 20 a second: that is the whole of what it could use, whatever the account has.
      const used = /((?:[5-9]|1\d|2\d)\.\d) requests\/s \((\d+)% of the limit\)/;
      const [, rate, percent] = used.exec(await screen.shows(used))!;
      expect(Math.abs(Number(percent) - (100 * Number(rate)) / 20)).toBeLessThan(15);
    } finally {
      screen?.close();
      // The terminal went away: the run pauses, and its database is the last to leave.
      await until(() => !existsSync(path.join(work.folder, '.headrace/postgres/data/postmaster.pid')));
      await testbed.close();
      work.drop();
    }
  });
});
