import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ConfigError } from '../../base/errors.js';
import { assertCadence, nextDue, secondsOf } from './cadence.js';

const at = (text: string) => Date.parse(text);

describe('when a repeated task is due', () => {
  test('an interval keeps its phase, and what was missed is not made up for', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 100_000 }),
        fc.integer({ min: 0, max: 1e12 }),
        fc.integer({ min: -1e9, max: 1e9 }),
        (everySeconds, dueMs, lateMs) => {
          const now = dueMs + lateMs;
          const next = nextDue({ everySeconds }, dueMs, now);
          expect(next).toBeGreaterThan(now);
          expect((next - dueMs) % (everySeconds * 1000)).toBe(0);
          expect(next - Math.max(now, dueMs - 1)).toBeLessThanOrEqual(Math.max(everySeconds * 1000, dueMs - now));
        },
      ),
    );
  });

  test.each([
    ['0 3 * * *', 'UTC', '2026-03-28T12:00:00Z', '2026-03-29T03:00:00Z'],
    ['0 3 * * *', 'Europe/Berlin', '2026-03-27T12:00:00Z', '2026-03-28T02:00:00Z'],
    ['0 3 * * *', 'Europe/Berlin', '2026-03-29T12:00:00Z', '2026-03-30T01:00:00Z'],
    ['0 3 * * *', 'Europe/Berlin', '2026-10-25T12:00:00Z', '2026-10-26T02:00:00Z'],
    ['*/15 * * * *', 'UTC', '2026-01-01T00:00:00Z', '2026-01-01T00:15:00Z'],
    ['0 9 * * 1', 'America/New_York', '2026-11-21T00:00:00Z', '2026-11-23T14:00:00Z'],
    ['0 0 29 2 *', 'UTC', '2026-01-01T00:00:00Z', '2028-02-29T00:00:00Z'],
  ])('%s in %s after %s: %s', (cron, timeZone, after, expected) => {
    expect(new Date(nextDue({ cron, timeZone }, 0, at(after))).toISOString()).toBe(
      new Date(at(expected)).toISOString(),
    );
  });

  test.each(['15m', '90s', '6h', '1d'])('%s is read', (text) => {
    expect(secondsOf(text, 'every')).toBe({ '15m': 900, '90s': 90, '6h': 21_600, '1d': 86_400 }[text]);
  });

  test.each(['', '15', '1.5h', '-1m', '0s', '99999999999d', '1w'])('%j is refused', (text) => {
    expect(() => secondsOf(text, 'every')).toThrow(ConfigError);
  });

  test.each([
    { cron: '* * *' },
    { cron: '61 * * * *' },
    { cron: '0 0 31 2 *' },
    { cron: '* * * * * *' },
    { everySeconds: -5 },
    { cron: '0 0 * * *', timeZone: 'Nowhere/Land' },
  ])('%j is refused', (cadence) => {
    expect(() => assertCadence(cadence, 'here')).toThrow(ConfigError);
  });
});
