import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ConfigError } from '../../base/errors.js';
import {
  maxConcurrentProcessesPerConcurrencyPartition as cap,
  maxConcurrentProcessesPerConcurrencyPartitionFromAppSchema as capOf,
  persistedCap,
} from './cap.js';

describe('the cap of a concurrency partition', () => {
  test.each([
    [300_000, 86_400, 1],
    [10_000, 60, 83],
    [100, 1, 50],
    [1, 1, 1],
    [3, 1, 1],
    [4, 1, 2],
    [5, 1, 2],
    [1000, 60, 8],
    [50_000, 60, 416],
    [1_000_000_000_000, 1, 2_147_483_647],
  ])('%d requests in %d seconds: %d', (limit, seconds, expected) => {
    expect(cap(limit, seconds)).toBe(expected);
    expect(capOf({ rateLimit: { requests: limit, frequencySeconds: seconds } })).toBe(expected);
  });

  test.each([0, -1, 1.5, Number.NaN, Infinity, undefined, null, '100', 1_000_000_000_001, 10n, true, {}])(
    '%s is refused, as limit and as frequency',
    (value) => {
      for (const compute of [() => cap(value as number, 60), () => cap(60, value as number)]) {
        expect(compute).toThrow(ConfigError);
        expect(compute).toThrow(/no whole number above zero/);
      }
    },
  );

  test.each([
    undefined,
    null,
    {},
    { rateLimit: null },
    { rateLimit: 5 },
    { rateLimit: {} },
    { rateLimit: { requests: 5 } },
  ])('an app schema %j is refused', (schema) => {
    expect(() => capOf(schema as never)).toThrow(ConfigError);
  });

  test('it is at least 1, grows with the limit, and never passes half of the requests a second', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 10_000_000 }), fc.integer({ min: 1, max: 1_000_000 }), (limit, seconds) => {
        const found = cap(limit, seconds);
        expect(found).toBeGreaterThanOrEqual(1);
        expect(cap(limit + 1, seconds)).toBeGreaterThanOrEqual(found);
        if (found > 1) expect(found * 2 * seconds).toBeLessThanOrEqual(limit);
      }),
    );
  });

  test('a floor belongs to what is stored, not to the rule', () => {
    expect(persistedCap(1)).toBe(1);
    expect(persistedCap(1, 2)).toBe(2);
    expect(persistedCap(83, 2)).toBe(83);
    expect(() => persistedCap(1, 0)).toThrow(ConfigError);
  });
});
