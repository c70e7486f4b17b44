/** The key of a row as one text, by which rows that came are compared with rows that are stored. */
import { fieldOf, type DataRecord } from '../base/catalog.js';
import { ExactNumber, stringifyJson } from '../base/json.js';

/** What stands between the parts, as `chr(1)` does in SQL. */
const BETWEEN = '\u0001';

/** As SQL writes the key of the stored row: what no column can store is in it what it became there. */
export function keyText(record: DataRecord, primaryKey: readonly string[]): string {
  return primaryKey.map((field) => storableText(partText(fieldOf(record, field)))).join(BETWEEN);
}

function partText(value: unknown): string {
  if (typeof value === 'string') return value;
  const isNested = typeof value === 'object' && value !== null && !(value instanceof ExactNumber);
  return isNested ? stringifyJson(value) : String(value);
}

/** NUL and halves of surrogate pairs become U+FFFD, as in every destination. */
export function storableText(text: string): string {
  const clean = text.includes('\0') ? text.replaceAll('\0', '\ufffd') : text;
  return clean.isWellFormed() ? clean : clean.toWellFormed();
}
