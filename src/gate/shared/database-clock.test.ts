import fc from 'fast-check';
import { expect, test } from 'vitest';
import { DatabaseClock } from './database-clock.js';

test('the truth lies within what is known, and slow answers spoil nothing', () => {
  const exchange = fc.record({
    afterMs: fc.double({ min: 0, max: 5000, noNaN: true }),
    thereMs: fc.double({ min: 0.05, max: 400, noNaN: true }),
    backMs: fc.double({ min: 0.05, max: 400, noNaN: true }),
  });
  fc.assert(
    fc.property(
      fc.double({ min: -1e6, max: 1e12, noNaN: true }),
      fc.double({ min: -1e-4, max: 1e-4, noNaN: true }),
      fc.array(exchange, { minLength: 1, maxLength: 30 }),
      (ahead, drift, exchanges) => {
        const clock = new DatabaseClock();
        const database = (ms: number) => ms * (1 + drift) + ahead;
        let now = 0;
        let fastest = Infinity;
        for (const { afterMs, thereMs, backMs } of exchanges) {
          const sent = (now += afterMs);
          const read = sent + thereMs;
          now = read + backMs;
          clock.observe(database(read), sent, now);
          fastest = Math.min(fastest, backMs);
          expect(clock.aheadMs).toBeLessThanOrEqual(database(now) - now + 1e-3);
          expect(clock.aheadMs).toBeGreaterThanOrEqual(database(now) - now - fastest - now * 1.2e-3 - 1e-3);
          expect(clock.earliest(database(now))).toBeLessThanOrEqual(now + 1e-3);
        }
      },
    ),
  );
});

test('a clock that was set is believed at once', () => {
  const clock = new DatabaseClock();
  expect(clock.observe(1000, 0, 2)).toBe(0);
  expect(clock.aheadMs).toBe(998);
  expect(clock.observe(500, 10, 12)).toBeCloseTo(-508, 0);
  expect(clock.aheadMs).toBe(488);
  expect(clock.observe(9_000_000, 20, 21)).toBeGreaterThan(8_999_000);
  expect(clock.aheadMs).toBe(8_999_979);
});
