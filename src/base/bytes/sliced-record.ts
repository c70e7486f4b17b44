/**
 * A row that is known by its slices: an object of the fields alone that are asked for on the way to its table, which
 * knows where the rest of it lies.
 */
import { setField, type DataRecord } from '../catalog.js';
import type { RowSlices } from './row-slices.js';

const ROWS = Symbol('rows');
const ROW = Symbol('row');

/** `names`: numbers of the fields that are asked for. */
export function slicedRecord(rows: RowSlices, row: number, names: readonly number[]): DataRecord {
  const record: DataRecord & { [ROWS]?: RowSlices; [ROW]?: number } = { [ROWS]: rows, [ROW]: row };
  for (const name of names) {
    const field = rows.find(row, name);
    if (field >= 0) setField(record, rows.names.names[name]!, rows.valueOf(field));
  }
  return record;
}

/** The slices that a record is one of; undefined where it is an object like any other. */
export function slicesOf(record: DataRecord): RowSlices | undefined {
  return (record as { [ROWS]?: RowSlices } | null)?.[ROWS];
}

/** Which row of its slices it is. */
export function rowOf(record: DataRecord): number {
  return (record as { [ROW]?: number })[ROW]!;
}

/** The record with all that came of it. */
export function wholeRecord(record: DataRecord): DataRecord {
  return slicesOf(record)?.record(rowOf(record)) ?? record;
}
