import { expect, test } from 'vitest';
import { LIMITS } from '../../base/bounds.js';
import { parseRetryAfter, readRetryAfter } from './retry-after.js';

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
  // Points in time, in seconds and milliseconds of the epoch.
  [String(now / 1000 + 30), 30_000],
  [String(now + 30_000), 30_000],
  [String(now / 1000 - 30), 0],
  // Never more than a day.
  ['99999999999999', LIMITS.statedMs],
  ['9'.repeat(400), LIMITS.statedMs],
  ['200000', LIMITS.statedMs],
  ['1e9', undefined],
  ['Infinity', undefined],
  ['0x10', undefined],
])('Retry-After %j', (value, expected) => {
  expect(parseRetryAfter(value, now)).toBe(expected);
});

test("a date without the server's own clock says nothing", () => {
  expect(parseRetryAfter('Sat, 21 Nov 2026 10:00:30 GMT', undefined)).toBeUndefined();
});

test.each([
  ['3600', undefined],
  ['3601', 'Retry-After beyond an hour'],
  ['99999999999999', 'Retry-After beyond an hour'],
  ['Sat, 21 Nov 2026 09:00:00 GMT', 'Retry-After in the past'],
  [String(now / 1000 - 30), 'Retry-After in the past'],
  ['Sat, 21 Nov 2026 10:00:00 GMT', undefined],
])('Retry-After %j is doubtful: %j', (value, doubt) => {
  expect(readRetryAfter(value, now)?.doubt).toBe(doubt);
});
