/** The key of a row as one text, by which rows that came are compared with rows that are stored. */
import { fieldOf, type DataRecord } from '../base/catalog.js';
import { ExactNumber, storableText } from '../base/json.js';

/** What stands between the parts, as `chr(1)` does in SQL. */
const BETWEEN = '\u0001';

/**
 * As SQL writes the key of the stored row: what no column can store is in it what it became there. `numberText` and
 * `nestedText`: how a number that is no safe integer, and a list or an object, is stored in the column of that field.
 */
export function keyText(record: DataRecord, primaryKey: readonly string[], written: WrittenKeys): string {
  return primaryKey.map((field) => partText(fieldOf(record, field), field, written)).join(BETWEEN);
}

export interface WrittenKeys {
  numberText(value: number | bigint | ExactNumber, field: string): string;
  nestedText(value: object, field: string): string;
}

function partText(value: unknown, field: string, written: WrittenKeys): string {
  if (typeof value === 'string') return storableText(value);
  if (Number.isSafeInteger(value)) return String(value);
  if (typeof value === 'number' || typeof value === 'bigint' || value instanceof ExactNumber)
    return written.numberText(value, field);
  return typeof value === 'object' && value !== null ? written.nestedText(value, field) : String(value);
}
