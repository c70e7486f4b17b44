/** A row as a line of COPY's text, or why it cannot be one. */
import { LIMITS } from '../../base/bounds.js';
import { fieldOf, setField, type DataRecord } from '../../base/catalog.js';
import { describe } from '../set-aside.js';
import { asText, encode, MISFIT, UNSTORABLE_NUMBER, type Column, type ColumnType } from './columns.js';
import { CopyLines } from './copy-lines.js';
import { heldText } from './views.js';

/** What rows are written by. */
export interface RowLayout {
  columns: readonly Column[];
  byField: ReadonlyMap<string, Column>;
  /** Where fields go that have no column of their own. */
  rest: Column | undefined;
}

/** Rows that were encoded, and those that could not be, each with what is wrong with it. */
export interface EncodedRows {
  copy: Buffer;
  count: number;
  /** Of COPY's binary format: the types of all columns of the rows, as they were then. Undefined: its text. */
  types?: readonly ColumnType[] | undefined;
  good: DataRecord[];
  bad: { record: DataRecord; fault: string }[];
}

/** Encodes records as lines of COPY's text. `meta`: the end of each. */
export function encodeRecords(records: readonly DataRecord[], meta: string, layout: RowLayout): EncodedRows {
  const lines = new CopyLines();
  const good: DataRecord[] = [];
  const bad: EncodedRows['bad'] = [];
  for (const record of records) {
    const fault = addRow(record, lines, meta, layout);
    if (fault === undefined) good.push(record);
    else bad.push({ record, fault });
  }
  return { copy: lines.take(), count: lines.count, good, bad };
}

/** Where lines go. */
type Lines = Pick<CopyLines, 'push'>;

/** Adds the row's line; returns what is wrong with it, where something is: that concerns this row alone. */
export function addRow(record: DataRecord, lines: Lines, meta: string, layout: RowLayout): string | undefined {
  try {
    return encodeRow(record, lines, meta, layout);
  } catch (error) {
    if (error instanceof RangeError) return 'nested too deep, or too large to be written';
    throw error;
  }
}

function encodeRow(record: DataRecord, lines: Lines, meta: string, layout: RowLayout): string | undefined {
  if (record === null || typeof record !== 'object' || Array.isArray(record)) return 'not an object';
  let line = '';
  let keyBytes = 0;
  for (const column of layout.columns) {
    const value = column === layout.rest ? restOf(record, layout) : fieldOf(record, column.field);
    if (column.key && (value === null || value === undefined)) return `key field ${column.field} is missing`;
    let text = encode(value, column.type);
    if (text === MISFIT) {
      if (column.declared || column.type !== 'text')
        return `field ${column.field}: expected ${column.type}, found ${describe(value)}${heldText([column])}`;
      text = asText(value);
    }
    if (text === UNSTORABLE_NUMBER)
      return `field ${column.field}: a number that is NaN, infinite or beyond 1e308 cannot be stored`;
    if (column.key) keyBytes += Buffer.byteLength(text);
    line += `${text}\t`;
  }
  if (keyBytes > LIMITS.keyBytes) return `the key has ${keyBytes} bytes, where at most ${LIMITS.keyBytes} fit an index`;
  lines.push(line + meta);
  return undefined;
}

/** The fields that have no column. */
function restOf(record: DataRecord, { byField }: RowLayout): DataRecord | null {
  let rest: DataRecord | null = null;
  for (const field in record) if (!byField.has(field)) setField((rest ??= {}), field, record[field]);
  return rest;
}
