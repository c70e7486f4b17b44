/** JSON as APIs send it: integers past 2^53 keep every digit, as bigint. */
import { isSafeNumber, parse as parseLossless } from 'lossless-json';

/** Integers past 2^53 have at least this many digits. A run of digits inside a string only costs the slow parser. */
const LONG_DIGITS = 16;

export function parseJson(text: string): unknown {
  if (!hasLongInteger(text)) return JSON.parse(text);
  return parseLossless(text, undefined, {
    parseNumber: (digits) => (/^-?\d+$/.test(digits) && !isSafeNumber(digits) ? BigInt(digits) : Number(digits)),
    // As JSON.parse has it, and Python.
    onDuplicateKey: ({ newValue }) => newValue,
  });
}

/** JSON.stringify that writes bigint as digits. */
export function stringifyJson(value: unknown): string {
  try {
    return JSON.stringify(value);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    const marked = JSON.stringify(value, (_, v) => (typeof v === 'bigint' ? `\u0001${v}\u0001` : v));
    return marked.replace(/"\\u0001(-?\d+)\\u0001"/g, '$1');
  }
}

/**
 * A run of 16 digits covers one of every 16 places: only those are looked at, and their neighbours where one is a
 * digit.
 */
function hasLongInteger(text: string): boolean {
  for (let at = LONG_DIGITS - 1; at < text.length; at += LONG_DIGITS) {
    if (!isDigit(text, at)) continue;
    let from = at;
    let to = at;
    while (from > 0 && isDigit(text, from - 1)) from--;
    while (to + 1 < text.length && isDigit(text, to + 1)) to++;
    if (to - from + 1 >= LONG_DIGITS && startsValue(text, from)) return true;
  }
  return false;
}

function isDigit(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  return code >= 48 && code <= 57;
}

/** Whether a number at this place is a value of its own, not the end of a string or of a fraction. */
function startsValue(text: string, at: number): boolean {
  let before = at - 1;
  if (text[before] === '-') before--;
  while (before >= 0 && /\s/.test(text[before]!)) before--;
  return before < 0 || ':[,'.includes(text[before]!);
}
