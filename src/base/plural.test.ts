import fc from 'fast-check';
import { expect, test } from 'vitest';
import { count, countOf } from './plural.js';

test('numbers are told as the platform tells them in English', () => {
  fc.assert(
    fc.property(
      fc.oneof(fc.integer(), fc.double({ min: -1e20, max: 1e20, noNaN: true }), fc.maxSafeInteger()),
      (value) => {
        // The platform knows a negative zero.
        expect(count(value)).toBe((Math.round(value) + 0).toLocaleString('en-US'));
      },
    ),
  );
  expect(countOf(1, 'row')).toBe('1 row');
  expect(countOf(12_345, 'entry', 'entries')).toBe('12,345 entries');
});
