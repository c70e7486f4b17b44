import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ExactNumber, hasUnstorableNumber, identityText, parseJson, stringifyJson } from './json.js';

test('integers past 2^53 keep every digit, wherever they stand', () => {
  expect(parseJson('{"a":9007199254740993,"b":[-12345678901234567890],"c":{"d": 123456789012345678}}')).toEqual({
    a: 9007199254740993n,
    b: [-12345678901234567890n],
    c: { d: 123456789012345678n },
  });
  expect(stringifyJson(parseJson('{"a":[9007199254740993,{"b":1}]}'))).toBe('{"a":[9007199254740993,{"b":1}]}');
});

test('digits in texts are texts; decimals keep every digit, and short ones stay numbers', () => {
  const text = '{"a":"12345678901234567890","b":0.12345678901234567890,"c":[{"d":123456789012345678.12,"e":0.1}]}';
  expect(parseJson(text)).toEqual({
    a: '12345678901234567890',
    b: new ExactNumber('0.12345678901234567890'),
    c: [{ d: new ExactNumber('123456789012345678.12'), e: 0.1 }],
  });
  expect(stringifyJson(parseJson(text))).toBe(text);
  expect(parseJson('[0.30000000000000004]')).toEqual([0.1 + 0.2]);
  expect(() => JSON.stringify(parseJson(text))).toThrow(TypeError);
});

test('NaN, Infinity and what is too large are told apart from numbers that can be stored', () => {
  for (const number of ['NaN', '-Infinity', '1e400', '-1E+999'])
    for (const more of ['0', '9007199254740993', '"NaN: Infinity"'])
      expect(hasUnstorableNumber(parseJson(`{"a":[{"b":${number}}],"c":${more}}`)), `${number} ${more}`).toBe(true);
  expect(parseJson('{"a":NaN,"b":"x NaN, \\"Infinity"}')).toEqual({ a: Infinity, b: 'x NaN, "Infinity' });
  expect(hasUnstorableNumber(parseJson('{"a":[1,null,"NaN",0.12345678901234567890]}'))).toBe(false);
});

test('of a key that comes twice the last counts, whatever else the text holds', () => {
  for (const more of ['1', '9007199254740993', '0.12345678901234567890'])
    expect(parseJson(`{"a":1,"b":${more},"a":{"x":2}}`)).toMatchObject({ a: { x: 2 } });
});

test('any JSON is read as JSON.parse reads it, but for digits', () => {
  fc.assert(
    fc.property(fc.json(), (text) => {
      expect(JSON.parse(stringifyJson(parseJson(text)))).toEqual(JSON.parse(text));
    }),
    { numRuns: 500 },
  );
});

test('any long decimal is found at any offset, and written as it came', () => {
  const digits = (least: number) => fc.array(fc.integer({ min: 1, max: 9 }), { minLength: least, maxLength: 25 });
  fc.assert(
    fc.property(digits(1), digits(17), fc.nat(40), fc.boolean(), (whole, part, pad, minus) => {
      const number = `${minus ? '-' : ''}${whole.join('')}.${part.join('')}`;
      const text = `[1,{"a":"${'x'.repeat(pad)}","b":${number}}]`;
      expect(stringifyJson(parseJson(text))).toBe(text);
    }),
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

/** JSON with `depth` levels around a value, as lists and objects in turns. */
function nested(depth: number, inner: string): string {
  const opening = (at: number) => (at % 2 === 0 ? '[' : '{"a":');
  const levels = Array.from({ length: depth }, (_, at) => at);
  return (
    levels.map(opening).join('') +
    inner +
    levels
      .toReversed()
      .map((at) => (at % 2 === 0 ? ']' : '}'))
      .join('')
  );
}

test.each([10, 3_000, 20_000])('a value nested %i levels deep is read, and written to tell it from others', (depth) => {
  for (const inner of [
    '1',
    '12345678901234567890',
    '0.12345678901234567890',
    '"s\\"x: 5, n\\\\"',
    '{"__proto__":[9007199254740993]}',
  ]) {
    const text = nested(depth, inner);
    expect(identityText(parseJson(text)) === text, inner).toBe(true);
  }
});

test('a text that looks like a number between marks stays a text, whatever stands beside it', () => {
  const digits = fc.constantFrom('1', '-1.5e3', '9007199254740993');
  fc.assert(
    fc.property(digits, digits, fc.nat(2), (text, number, marks) => {
      const mark = '\\u0001'.repeat(marks);
      const json = `{"a":"${mark}${text}${mark}","b":[${number === '-1.5e3' ? '-1500' : number}]}`;
      expect(stringifyJson(parseJson(json))).toBe(json);
    }),
  );
});

test('a number that JSON cannot hold is named where the row is shown', () => {
  expect(identityText(parseJson('{"a":1e400,"b":null,"c":[12345678901234567890]}'), 'none')).toBe(
    '{"a":"none","b":null,"c":[12345678901234567890]}',
  );
});
