/** Numbers from texts, as Python's `int` and `float` read them. */
import { intOf } from './values.js';

/** Python's whitespace, which is not quite JavaScript's. */
export const SPACE = '[\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]';

const FLOAT = /^[+-]?(?:(?:\d+(?:_\d+)*)?\.?(?:\d+(?:_\d+)*)?(?:[eE][+-]?\d+(?:_\d+)*)?)$/;
const trimmed = (text: string) => text.replace(new RegExp(`^${SPACE}+|${SPACE}+$`, 'g'), '');

/** NaN and infinities included; undefined where the text is no number. */
export function floatFrom(text: string): number | undefined {
  const word = trimmed(text);
  const named = /^([+-]?)(inf|infinity|nan)$/i.exec(word);
  if (named) return named[2]!.toLowerCase() === 'nan' ? Number.NaN : named[1] === '-' ? -Infinity : Infinity;
  if (!FLOAT.test(word) || !/\d/.test(word.replace(/[eE].*$/, ''))) return undefined;
  return Number(word.replaceAll('_', ''));
}

/** Undefined where the text is no integer of this base. */
export function integerFrom(text: string, base = 10): number | bigint | undefined {
  const match = /^([+-]?)(0[xXoObB])?(_?)([\da-zA-Z]+(?:_[\da-zA-Z]+)*)$/.exec(trimmed(text));
  if (!match) return undefined;
  // Groups as in the expression above.
  const [, sign, prefix, underscore, body] = match as unknown as [string, string, string | undefined, string, string];
  let radix = base;
  let digits = body;
  if (prefix !== undefined) {
    const named = { x: 16, o: 8, b: 2 }[prefix[1]!.toLowerCase()]!;
    if (base === 0 || base === named) radix = named;
    else digits = prefix + underscore + body;
  } else if (underscore !== '') return undefined;
  if (radix === 0) {
    if (/^0+[1-9]/.test(digits.replaceAll('_', ''))) return undefined;
    radix = 10;
  }
  let value = 0n;
  for (const char of digits.replaceAll('_', '').toLowerCase()) {
    const digit = Number.parseInt(char, 36);
    if (Number.isNaN(digit) || digit >= radix) return undefined;
    value = value * BigInt(radix) + BigInt(digit);
  }
  return intOf(sign === '-' ? -value : value);
}
