/** JSON as APIs send it: integers past 2^53 keep every digit, as bigint. */
import { isSafeNumber, parse as parseLossless } from 'lossless-json';

/** An integer of 16 digits or more, where a value may stand. Cheap to look for; a hit inside a string only costs the slow parser. */
const LONG_INTEGER = /[:[,]\s*-?\d{16}/;

export function parseJson(text: string): unknown {
  if (!LONG_INTEGER.test(text)) return JSON.parse(text);
  return parseLossless(text, undefined, (digits) => (/^-?\d+$/.test(digits) && !isSafeNumber(digits) ? BigInt(digits) : Number(digits)));
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
