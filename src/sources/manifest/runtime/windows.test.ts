import { describe, expect, test } from 'vitest';
import { clampingOf, precisionOf, stepFrom } from './windows.js';

const at = (text: string) => Date.parse(text.length === 10 ? `${text}T00:00:00Z` : text) / 1000;
const text = (seconds: number) => new Date(seconds * 1000).toISOString().slice(0, 10);

test.each([
  ['2024-01-31', 1, '2024-02-29'],
  ['2023-01-31', 1, '2023-02-28'],
  ['2024-11-15', 3, '2025-02-15'],
  ['2024-02-29', 12, '2025-02-28'],
  ['2024-12-31', 1, '2025-01-31'],
])('%s and %i months is %s', (from, months, expected) => {
  expect(text(stepFrom(at(from), { ms: 0, months }))).toBe(expected);
});

test('a step keeps the time of day', () => {
  expect(stepFrom(at('2024-01-31T13:30:05Z'), { ms: 0, months: 1 })).toBe(at('2024-02-29T13:30:05Z'));
  expect(stepFrom(at('2024-01-31T13:30:05Z'), { ms: 86_400_000, months: 0 })).toBe(at('2024-02-01T13:30:05Z'));
});

/** Expected values are what the classes of Airbyte's CDK answer. */
describe('clamping', () => {
  test.each([
    ['DAY', undefined, '2026-11-18', '2026-11-18', '2026-11-18'],
    ['DAY', undefined, '2026-11-18T10:00:00Z', '2026-11-18', '2026-11-19'],
    ['WEEK', 'MONDAY', '2026-11-18', '2026-11-16', '2026-11-23'],
    ['WEEK', 'MONDAY', '2026-11-16', '2026-11-16', '2026-11-16'],
    ['WEEK', 'SUNDAY', '2026-11-18', '2026-11-15', '2026-11-22'],
    ['WEEK', 'THURSDAY', '2026-11-18', '2026-11-12', '2026-11-19'],
    ['MONTH', undefined, '2026-11-18', '2026-11-01', '2026-12-01'],
    ['MONTH', undefined, '2026-12-18', '2026-12-01', '2027-01-01'],
    ['MONTH', undefined, '2026-12-01', '2026-12-01', '2026-12-01'],
  ])('%s %s of %s', (target, weekday, value, floor, ceil) => {
    const clamping = clampingOf({ target, ...(weekday ? { target_details: { weekday } } : {}) })!;
    expect([text(clamping.floor(at(value))), text(clamping.ceil(at(value)))]).toEqual([floor, ceil]);
  });
});

test.each([
  ['%Y-%m-%d', 86_400],
  ['%Y%m%d%H', 3600],
  ['%Y-%m-%dT%H:%M', 60],
  ['%Y-%m-%dT%H:%M:%SZ', 1],
  ['%s', 1],
  ['%ms', 1],
])('%s tells times of %i seconds apart', (format, seconds) => {
  expect(precisionOf(format)).toBe(seconds);
});
