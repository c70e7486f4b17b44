/** What PostgreSQL writes for values that it stores in another form than they came in. */
import { ExactNumber, storableText, stringifyJson } from '../../base/json.js';
import type { WrittenKeys } from '../key-text.js';

/** A number as `numeric` writes it: without an exponent, with the digits that it came with. */
export function plainNumber(value: number | bigint | ExactNumber): string {
  const text = String(value);
  const [, sign, whole, fraction = '', exponent] = /^(-?)(\d+)(?:\.(\d+))?(?:e([+-]?\d+))?$/i.exec(text) ?? [];
  if (whole === undefined) return text;
  const digits = whole + fraction;
  // More is told by the database itself: no column can hold it.
  const point = whole.length + Math.max(-MOST_DIGITS, Math.min(MOST_DIGITS, Number(exponent ?? 0)));
  const before = (point > 0 ? digits.slice(0, point).padEnd(point, '0') : '').replace(/^0+(?=\d)/, '') || '0';
  const after = point > 0 ? digits.slice(point) : '0'.repeat(-point) + digits;
  const isZero = /^0*$/.test(digits);
  return `${isZero ? '' : sign}${before}${after === '' ? '' : `.${after}`}`;
}

const MOST_DIGITS = 131_072;

/** A value as the text of a `jsonb`: fields by the length of their names, then by their bytes; the last of two counts. */
export function jsonbText(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(storableText(value));
  if (typeof value === 'number' || typeof value === 'bigint' || value instanceof ExactNumber) return plainNumber(value);
  if (Array.isArray(value)) return `[${value.map(jsonbText).join(', ')}]`;
  if (typeof value !== 'object' || value === null) return String(value);
  const fields = new Map(Object.entries(value).map(([name, inner]) => [storableText(name), inner] as const));
  const bytes = [...fields].map(([name, inner]) => ({ name: Buffer.from(name), inner }));
  const sorted = bytes.toSorted((a, b) => a.name.length - b.name.length || a.name.compare(b.name));
  return `{${sorted.map(({ name, inner }) => `${JSON.stringify(name.toString())}: ${jsonbText(inner)}`).join(', ')}}`;
}

/** How the parts of a key are stored. `isJson`: the field's column is `jsonb`; else it takes them as text. */
export const writtenKeys = (isJson: (field: string) => boolean): WrittenKeys => ({
  numberText: plainNumber,
  nestedText: (value, field) => (isJson(field) ? jsonbText(value) : storableText(stringifyJson(value))),
});
