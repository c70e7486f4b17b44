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

  // Both changes of the clocks in the year, of zones whose clocks go by an hour, by half of one, and not at all.
  const CHANGES = [
    ['America/New_York', '2025-11-02T03:00:00Z'],
    ['America/New_York', '2025-03-09T04:00:00Z'],
    ['Europe/Berlin', '2026-10-24T22:00:00Z'],
    ['Europe/Berlin', '2026-03-28T22:00:00Z'],
    ['Australia/Lord_Howe', '2026-04-04T12:00:00Z'],
    ['Australia/Lord_Howe', '2026-10-03T12:00:00Z'],
    ['Asia/Kolkata', '2026-03-28T22:00:00Z'],
    ['UTC', '2026-03-28T22:00:00Z'],
  ] as const;
  const series = (cron: string, timeZone: string, from: string, hours: number) => {
    const times: number[] = [];
    for (let now = at(from); times.length < 1000;) {
      now = nextDue({ cron, timeZone }, 0, now);
      if (now > at(from) + hours * 3_600_000) return times;
      times.push(now);
    }
    return times;
  };
  test.each(CHANGES)('every quarter of an hour in %s from %s on: none is left out, none comes twice', (zone, from) => {
    for (const cron of ['*/15 * * * *', '0,15,30,45 * * * *', '*/15 0-23 * * *']) {
      const times = series(cron, zone, from, 8);
      expect(`${cron} ${times.length}`).toBe(`${cron} 32`);
      expect(new Set(times.map((time, i) => time - (times[i - 1] ?? at(from))))).toEqual(new Set([900_000]));
    }
  });

  test.each(CHANGES)('in %s from %s on, what is due next is always still to come', (zone, from) => {
    for (const cron of ['*/15 * * * *', '30 1 * * *', '0 2 * * *', '5 1-3 * * *', '*/20 1 * * *'])
      for (let minute = 0; minute < 10 * 60; minute += 7) {
        const now = at(from) + minute * 60_000;
        expect(nextDue({ cron, timeZone: zone }, 0, now)).toBeGreaterThan(now);
      }
  });

  test.each(CHANGES)('a time of the day in %s from %s on: once', (zone, from) => {
    for (const cron of ['30 1 * * *', '0 4 * * *', '15 5 * * *'])
      expect(`${cron} ${series(cron, zone, from, 24).length}`).toBe(`${cron} 1`);
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
