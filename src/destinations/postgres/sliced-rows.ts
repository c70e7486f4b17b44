/**
 * Rows that are known by their slices, written as COPY's binary format out of the page's own bytes. One that has a new
 * field, or a value that does not fit its column as it is, is made a record of and goes the way of all records.
 */
import type { DataRecord } from '../../base/catalog.js';
import type { FieldNames } from '../../base/bytes/field-names.js';
import { KIND } from '../../base/bytes/json-values.js';
import { integerAt, type RowSlices } from '../../base/bytes/row-slices.js';
import { rowOf, slicesOf, wholeRecord } from '../../base/bytes/sliced-record.js';
import { LIMITS } from '../../base/bounds.js';
import type { Column, ColumnType } from './columns.js';
import { BinaryRows } from './copy-binary.js';
import { addRow, type EncodedRows, type RowLayout } from './row-encoding.js';

/** What rows are written for. */
export interface SlicedTarget extends RowLayout {
  /** Rises with every change of the columns. */
  changes: number;
}

/** The columns behind those of the row, in both forms, and their types. */
export interface MetaFields {
  line: string;
  types: readonly ColumnType[];
}

/** No column, or one that is not of the row. */
const UNKNOWN = -1;
const HIDDEN = -2;
/** Digits of an integer that eight bytes hold, whatever they are. */
const BIGINT_DIGITS = 18;
/** Characters of a decimal that a double holds, whatever they are. */
const DOUBLE_CHARACTERS = 16;
const MINUS = 0x2d;
const POINT = 0x2e;

/** Encodes the rows of one table's pages. */
export class SlicedRows {
  private names: FieldNames | undefined;
  private wanted: ReadonlySet<string> | undefined;
  private changes = -1;
  /** By number of a name: the place of its column. */
  private places: number[] = [];
  /** By place: the row's field, or -1. */
  private fields = new Int32Array(0);

  constructor(
    private readonly layout: SlicedTarget,
    /** Gives the table the columns that a record needs. */
    private readonly grow: (record: DataRecord) => void,
  ) {}

  /** Encodes a page. A column that comes on the way, or becomes wider, is one of all its rows: they begin anew. */
  encode(records: readonly DataRecord[], meta: MetaFields): EncodedRows {
    const wholes = new Map<DataRecord, DataRecord>();
    for (;;) {
      const { changes } = this.layout;
      const encoded = this.encodeOnce(records, meta, wholes);
      if (this.layout.changes === changes) return encoded!;
    }
  }

  /** Undefined where the columns changed on the way. */
  private encodeOnce(
    records: readonly DataRecord[],
    meta: MetaFields,
    wholes: Map<DataRecord, DataRecord>,
  ): EncodedRows | undefined {
    const { layout } = this;
    const { columns, changes } = layout;
    const types = [...columns.map(({ type }) => type), ...meta.types];
    const metaFields = encodedMeta(meta);
    const rows = new BinaryRows();
    const good: DataRecord[] = [];
    const bad: EncodedRows['bad'] = [];
    const slow = { push: (line: string) => pushLine(rows, line, types) };
    for (const record of records) {
      const slices = wholes.has(record) ? undefined : slicesOf(record);
      if (slices && this.write(rows, slices, rowOf(record), metaFields, types.length)) {
        good.push(record);
        continue;
      }
      let whole = wholes.get(record);
      if (!whole) wholes.set(record, (whole = wholeRecord(record)));
      this.grow(whole);
      if (layout.changes !== changes) return undefined;
      const fault = addRow(whole, slow, meta.line, layout);
      if (fault === undefined) good.push(whole);
      else bad.push({ record: whole, fault });
    }
    return { copy: rows.take(), count: rows.count, types, good, bad };
  }

  /** Writes a row; false where it must be made a record of. */
  private write(rows: BinaryRows, slices: RowSlices, row: number, meta: Buffer, width: number): boolean {
    if (!this.place(slices, row)) return false;
    const { columns } = this.layout;
    const { fields } = this;
    rows.begin(width, slices.endOf(row) - slices.startOf(row) + meta.length);
    let keyBytes = 0;
    for (let at = 0; at < columns.length; at++) {
      const column = columns[at]!;
      const field = fields[at]!;
      const isNull = field < 0 || slices.kind(field) === KIND.null;
      if (column.key && !isNull) keyBytes += slices.to(field) - slices.from(field);
      if (isNull ? column.key : !writeValue(rows, slices, field, column)) {
        rows.drop();
        return false;
      }
      if (isNull) rows.null();
    }
    // Escapes count as well where that is looked at closely.
    if (2 * keyBytes > LIMITS.keyBytes) {
      rows.drop();
      return false;
    }
    rows.fields(meta);
    rows.end();
    return true;
  }

  /** Finds the field of each column; false where a field has no column. */
  private place(slices: RowSlices, row: number): boolean {
    const { layout, fields } = this;
    if (this.names !== slices.names || this.wanted !== slices.wanted || this.changes !== layout.changes) {
      this.names = slices.names;
      this.wanted = slices.wanted;
      this.changes = layout.changes;
      this.places = [];
      if (fields.length !== layout.columns.length) {
        this.fields = new Int32Array(layout.columns.length);
        return this.place(slices, row);
      }
    }
    const { places } = this;
    fields.fill(-1);
    const end = slices.firstField(row + 1);
    for (let field = slices.firstField(row); field < end; field++) {
      const name = slices.nameOf(field);
      const place = (places[name] ??= this.placeOf(slices, name));
      if (place >= 0) fields[place] = field;
      // What is null asks for no column.
      else if (place === UNKNOWN && (layout.rest !== undefined || slices.kind(field) !== KIND.null)) return false;
    }
    return true;
  }

  private placeOf({ names, wanted }: RowSlices, number: number): number {
    const name = names.names[number]!;
    if (wanted && !wanted.has(name)) return HIDDEN;
    const column = this.layout.byField.get(name);
    return column ? this.layout.columns.indexOf(column) : UNKNOWN;
  }
}

/** Writes a value that is not null; false where its bytes do not fit the column as they are. */
function writeValue(rows: BinaryRows, slices: RowSlices, field: number, column: Column): boolean {
  const kind = slices.kind(field);
  const from = slices.from(field);
  const to = slices.to(field);
  const { bytes } = slices;
  switch (column.type) {
    case 'text':
      if (kind === KIND.string) rows.slice(bytes, from + 1, to - 1);
      else if (kind === KIND.escaped) rows.text(slices.valueOf(field) as string);
      else if (!column.declared && (kind === KIND.integer || kind === KIND.true || kind === KIND.false))
        rows.slice(bytes, from, to);
      else return false;
      return true;
    case 'jsonb':
      // A key is compared as text: what can be written in several ways goes the way on which it is written in one.
      if (column.key ? kind !== KIND.string && kind !== KIND.integer : isOdd(kind)) return false;
      rows.json(bytes, from, to);
      return true;
    case 'bigint':
      if (kind === KIND.integer) rows.integer(integerAt(bytes, from, to));
      else if (kind === KIND.decimal && isLongInteger(bytes, from, to)) rows.bigint(BigInt(slices.text(from, to)));
      else return false;
      return true;
    case 'numeric':
      if (kind === KIND.integer) rows.numeric(slices.text(from, to));
      else {
        const digits = kind === KIND.decimal && !column.key ? digitsOf(slices.text(from, to)) : undefined;
        if (digits === undefined) return false;
        rows.numeric(digits);
      }
      return true;
    case 'boolean':
      if (kind !== KIND.true && kind !== KIND.false) return false;
      rows.boolean(kind === KIND.true);
      return true;
    case 'timestamptz':
      return kind === KIND.string && rows.instant(slices.text(from + 1, to - 1));
    case 'date':
      return kind === KIND.string && rows.day(slices.text(from + 1, to - 1));
  }
}

/** The digits of a decimal as a number would tell them: 1.50 is 1.5. Undefined: who reads numbers knows. */
function digitsOf(text: string): string | undefined {
  if (!text.includes('.') || !text.endsWith('0')) return text;
  return text.length <= DOUBLE_CHARACTERS ? text.replace(/\.?0+$/, '') : undefined;
}

const isOdd = (kind: number): boolean => kind === KIND.oddNumber || kind === KIND.oddString || kind === KIND.oddNested;

/** Whether a decimal is digits alone, and few enough for eight bytes. */
function isLongInteger(bytes: Buffer, from: number, to: number): boolean {
  if (to - from - (bytes[from] === MINUS ? 1 : 0) > BIGINT_DIGITS) return false;
  for (let i = from; i < to; i++) if (bytes[i] === POINT) return false;
  return true;
}

function pushLine(rows: BinaryRows, line: string, types: readonly ColumnType[]): void {
  rows.begin(types.length, 0);
  rows.line(line, types);
  rows.end();
}

function encodedMeta({ line, types }: MetaFields): Buffer {
  const rows = new BinaryRows();
  rows.line(line, types);
  return rows.take();
}
