import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isDate, parseInstant } from './instant.js';

test.each([
  ['2026-01-01T00:00:00Z', 1767225600000000n],
  ['2026-01-01T02:00:00+02:00', 1767225600000000n],
  ['2026-01-01 00:00:00.000001-00:00', 1767225600000001n],
  ['2026-01-01T00:00:00.1230000Z', 1767225600123000n],
  ['0001-01-01T00:00:00Z', -62135596800000000n],
])('%s', (text, at) => expect(parseInstant(text)).toBe(at));

test.each([
  '2026-01-01',
  '2026-01-01T00:00:00', // no zone: nobody knows which moment
  '2026-02-30T00:00:00Z',
  '2026-01-01T24:00:00Z',
  '2026-01-01T00:00:60Z',
  '2026-01-01T00:00:00.0000001Z', // finer than a microsecond
  '2026-01-01T00:00:00+16:00',
  '0000-01-01T00:00:00Z',
  '20260101T000000Z',
  'infinity',
  ' 2026-01-01T00:00:00Z',
  '2026-01-01T00:00:00Z\n',
])('%j is none', (text) => expect(parseInstant(text)).toBeUndefined());

test('agrees with the clock to the millisecond', () => {
  fc.assert(
    fc.property(
      fc.date({
        min: new Date('0001-01-01T00:00:00Z'),
        max: new Date('9999-12-31T23:59:59.999Z'),
        noInvalidDate: true,
      }),
      (date) => {
        expect(parseInstant(date.toISOString())).toBe(BigInt(date.getTime()) * 1000n);
      },
    ),
  );
});

test('days of the calendar', () => {
  expect(['2024-02-29', '0001-01-01', '9999-12-31'].every(isDate)).toBe(true);
  expect(
    ['2023-02-29', '2024-13-01', '0000-01-01', '2024-1-1', '2024-01-01 ', '2024-01-01T00:00:00Z'].some(isDate),
  ).toBe(false);
});
