import { expect, test } from 'vitest';
import { parseRetryAfter } from './retry-after.js';

const now = Date.parse('Sat, 21 Nov 2026 10:00:00 GMT');

test.each([
  ['120', 120_000],
  ['0', 0],
  ['1.5', 1500],
  [' 3 ', 3000],
  ['Sat, 21 Nov 2026 10:00:30 GMT', 30_000],
  ['Sat, 21 Nov 2026 09:00:00 GMT', 0],
  ['soon', undefined],
  ['', undefined],
  ['-5', undefined],
  [undefined, undefined],
])('Retry-After %j', (value, expected) => {
  expect(parseRetryAfter(value, now)).toBe(expected);
});

test("a date without the server's own clock says nothing", () => {
  expect(parseRetryAfter('Sat, 21 Nov 2026 10:00:30 GMT', undefined)).toBeUndefined();
});
