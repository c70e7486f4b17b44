import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseJson, stringifyJson } from './json.js';

test('integers past 2^53 keep every digit, wherever they stand', () => {
  expect(parseJson('{"a":9007199254740993,"b":[-12345678901234567890],"c":{"d": 123456789012345678}}')).toEqual({
    a: 9007199254740993n,
    b: [-12345678901234567890n],
    c: { d: 123456789012345678n },
  });
  expect(stringifyJson(parseJson('{"a":[9007199254740993,{"b":1}]}'))).toBe('{"a":[9007199254740993,{"b":1}]}');
});

test('digits in texts and fractions do not change what is read', () => {
  expect(parseJson('{"a":"12345678901234567890","b":0.12345678901234567890}')).toEqual({
    a: '12345678901234567890',
    b: 0.12345678901234568,
  });
});

test('any JSON is read as JSON.parse reads it, but for large integers', () => {
  fc.assert(
    fc.property(fc.json(), (text) => {
      expect(JSON.parse(JSON.stringify(parseJson(text), (_, v) => (typeof v === 'bigint' ? Number(v) : v)))).toEqual(
        JSON.parse(text),
      );
    }),
    { numRuns: 500 },
  );
});

test('any large integer is found at any offset', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 2n ** 53n, max: 2n ** 63n }), fc.nat(40), (value, pad) => {
      expect(parseJson(`${' '.repeat(pad)}[1,${value}]`)).toEqual([1, value]);
    }),
  );
});

test('broken JSON is an error', () => {
  expect(() => parseJson('{"a":')).toThrow();
  expect(() => parseJson('{"a":12345678901234567890')).toThrow();
});
