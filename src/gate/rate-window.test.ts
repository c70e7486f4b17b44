/** The window of a ceiling: what it may never let through, and what a bad moment costs. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { RateWindow } from './rate-window.js';

const RULE = { requests: 100, windowMs: 1000 };
const JITTER_MS = 50;

/** Sends as soon as it may, until `endMs`; `lateMs` is how late each timer fires. */
function sends(window: RateWindow, endMs: number, lateMs: () => number = () => 0, startMs = 0): number[] {
  const times: number[] = [];
  for (let now = startMs; ;) {
    const waitMs = window.waitMs(now);
    if (waitMs > 0) now += Math.max(0.01, waitMs) + lateMs();
    if (now >= endMs) return times;
    if (waitMs > 0) continue;
    window.sent(now);
    times.push(now);
  }
}

function mostWithin(times: number[], spanMs: number): number {
  let most = 0;
  for (let i = 0, j = 0; i < times.length; i++) {
    while (times[i]! - times[j]! >= spanMs - 1e-6) j++;
    most = Math.max(most, i - j + 1);
  }
  return most;
}

describe('what it lets through', () => {
  test('no interval of a window and what the way varies by has more than the rule, however late timers are', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 200 }),
        fc.constantFrom(200, 1000, 10_000),
        fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 50 }),
        fc.double({ min: 0, max: 0.3, noNaN: true }),
        (requests, windowMs, dice, late) => {
          let n = 0;
          const window = new RateWindow({ requests, windowMs });
          // Most timers are right, a few late by up to a third of the window.
          const times = sends(window, 6 * windowMs, () => late * windowMs * dice[n++ % dice.length]! ** 8);
          expect(mostWithin(times, 1.05 * windowMs)).toBeLessThanOrEqual(requests);
        },
      ),
      { numRuns: 300 },
    );
  });

  test('what late timers left over is made up for, as far as the window has room', () => {
    let n = 0;
    const times = sends(new RateWindow(RULE), 10_500, () => (n++ % 50 === 25 ? 40 : 0.7));
    expect(times.length / 10.5).toBeGreaterThan(95);
  });
});

describe('a rejection although the rule was kept', () => {
  const filled = () => {
    const window = new RateWindow(RULE);
    return { window, times: sends(window, 3000) };
  };

  test('what left before the way was known to vary tells it once', () => {
    const { window, times } = filled();
    const before = window.rate();
    for (const sentMs of times.slice(-8)) expect(window.rejected(3060, sentMs)).toBe(true);
    expect(window.rate()).toBeCloseTo(100_000 / (1000 + 1.5 * JITTER_MS), 6);
    expect(window.rate()).toBeLessThan(before);
    const later = sends(window, 6000, undefined, 3100);
    expect(window.rejected(6060, later.at(-1)!)).toBe(true);
    expect(window.rate()).toBeCloseTo(100_000 / (1000 + 2.25 * JITTER_MS), 6);
  });

  test('one bad moment is allowed for again no more after a minute, and after two the second time', () => {
    const { window, times } = filled();
    const atFirst = window.rate();
    window.rejected(3060, times.at(-1)!);
    sends(window, 62_000, undefined, 3100);
    expect(window.rate()).toBeLessThan(atFirst);
    const later = sends(window, 70_000, undefined, 62_000);
    expect(window.rate()).toBe(atFirst);
    window.rejected(70_060, later.at(-1)!);
    sends(window, 185_000, undefined, 70_100);
    expect(window.rate()).toBeLessThan(atFirst);
    sends(window, 195_000, undefined, 185_000);
    expect(window.rate()).toBe(atFirst);
  });

  test('a window that is not nearly used up was not what was met', () => {
    const window = new RateWindow(RULE);
    const times = sends(window, 500);
    expect(window.rejected(560, times.at(-1)!)).toBe(false);
    expect(window.rate()).toBe(new RateWindow(RULE).rate());
  });
});
