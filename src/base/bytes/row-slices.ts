/**
 * A page of JSON as slices of its bytes: one pass finds its rows and their values, checks all of it, and makes objects
 * of nothing but what lies around the rows.
 */
import { isAscii, isUtf8 } from 'node:buffer';
import type { DataRecord } from '../catalog.js';
import { parseJson } from '../json.js';
import { FieldNames } from './field-names.js';
import { endOfKey, endOfValue, KIND, lastKind, NOT_JSON, pastBlank, pastColon, type Kind } from './json-values.js';

const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const OPEN_LIST = 0x5b;
const CLOSE_LIST = 0x5d;

/** Integers that tell of one field of a row. */
const PER_FIELD = 4;

/** Rows of one page. */
export class RowSlices {
  constructor(
    /** UTF-8. */
    readonly bytes: Buffer,
    readonly names: FieldNames,
    readonly isAscii: boolean,
    /** Of row i, at 3i: where it begins, where it ends, and its first field. Behind the last row, the end of fields. */
    private readonly rows: Int32Array,
    /** Of field i, at 4i: its name's number, where its value begins and ends, and the value's kind. */
    private readonly fields: Int32Array,
    /** The fields that are of a row; others came, and are none of it. Undefined: all are. */
    readonly wanted?: ReadonlySet<string>,
  ) {}

  get count(): number {
    return (this.rows.length - 3) / 3;
  }

  /** Fields of a row are those from here to `firstField` of the next. */
  firstField(row: number): number {
    return this.rows[3 * row + 2]!;
  }

  startOf(row: number): number {
    return this.rows[3 * row]!;
  }

  endOf(row: number): number {
    return this.rows[3 * row + 1]!;
  }

  nameOf(field: number): number {
    return this.fields[PER_FIELD * field]!;
  }

  from(field: number): number {
    return this.fields[PER_FIELD * field + 1]!;
  }

  to(field: number): number {
    return this.fields[PER_FIELD * field + 2]!;
  }

  kind(field: number): Kind {
    return this.fields[PER_FIELD * field + 3]! as Kind;
  }

  /** The last field of a row with this name: of doubled ones, it is what JSON.parse keeps. -1: none. */
  find(row: number, name: number): number {
    for (let field = this.firstField(row + 1) - 1; field >= this.firstField(row); field--)
      if (this.nameOf(field) === name) return field;
    return -1;
  }

  /** The value of a field, as JSON.parse has it. */
  valueOf(field: number): unknown {
    const from = this.from(field);
    const to = this.to(field);
    switch (this.kind(field)) {
      case KIND.string:
        return this.text(from + 1, to - 1);
      case KIND.integer:
        return integerAt(this.bytes, from, to);
      default:
        return parseJson(this.text(from, to));
    }
  }

  /** A row, whole. */
  record(row: number): DataRecord {
    const record = parseJson(this.text(this.startOf(row), this.endOf(row))) as DataRecord;
    const { wanted } = this;
    return wanted ? Object.fromEntries(Object.entries(record).filter(([field]) => wanted.has(field))) : record;
  }

  text(from: number, to: number): string {
    return this.isAscii ? this.bytes.toString('latin1', from, to) : this.bytes.toString('utf8', from, to);
  }
}

/** The number that a value of kind `integer` is. */
export function integerAt(bytes: Uint8Array, from: number, to: number): number {
  const isNegative = bytes[from] === 0x2d;
  let value = 0;
  for (let i = isNegative ? from + 1 : from; i < to; i++) value = value * 10 + bytes[i]! - 0x30;
  return isNegative ? -value : value;
}

/** A page: its rows, and what lies around them with an empty list in their place. */
export interface SlicedPage {
  rows: RowSlices;
  around: unknown;
}

/**
 * Slices a page whose rows are the list at `path`, an empty path where the page is the list. Undefined where it is
 * anything but strict JSON in UTF-8 with a list of objects there: JSON.parse, or its error, tells more. Never gives a
 * row that JSON.parse would not have given. `wanted`: the fields that are of a row, where others come as well.
 */
export function sliceRows(
  bytes: Buffer,
  path: readonly string[],
  names: FieldNames,
  wanted?: ReadonlySet<string>,
): SlicedPage | undefined {
  const ascii = isAscii(bytes);
  if (!ascii && !isUtf8(bytes)) return undefined;
  try {
    const found: Found = { from: -1, to: -1 };
    const tape = new Tape();
    const end = pastBlank(bytes, endAtPath(bytes, pastBlank(bytes, 0), path, 0, found, tape, names));
    if (end !== bytes.length || found.from < 0) return undefined;
    const rows = new RowSlices(bytes, names, ascii, tape.takeRows(), tape.takeFields(), wanted);
    const around = parseJson(`${rows.text(0, found.from)}[]${rows.text(found.to, bytes.length)}`);
    return { rows, around };
  } catch (error) {
    if (error !== NOT_JSON) throw error;
    return undefined;
  }
}

/** Where the list of rows lies. */
interface Found {
  from: number;
  to: number;
}

/** The place after the value at `at`, which holds the list of rows at the rest of the path. */
function endAtPath(
  bytes: Buffer,
  at: number,
  path: readonly string[],
  level: number,
  found: Found,
  tape: Tape,
  names: FieldNames,
): number {
  if (level === path.length) {
    // A key that comes twice: which of them counts is JSON.parse's to say.
    if (found.from >= 0) throw NOT_JSON;
    found.from = at;
    found.to = endOfRows(bytes, at, tape, names);
    return found.to;
  }
  if (bytes[at] !== OPEN_OBJECT) throw NOT_JSON;
  let isThere = false;
  let i = pastBlank(bytes, at + 1);
  if (bytes[i] === CLOSE_OBJECT) throw NOT_JSON;
  for (;;) {
    const end = endOfKey(bytes, i);
    const value = pastColon(bytes, end);
    if (keyAt(bytes, i, end) === path[level]) {
      if (isThere) throw NOT_JSON;
      isThere = true;
      i = endAtPath(bytes, value, path, level + 1, found, tape, names);
    } else i = endOfValue(bytes, value);
    i = pastBlank(bytes, i);
    if (bytes[i] === CLOSE_OBJECT) return i + 1;
    if (bytes[i] !== COMMA) throw NOT_JSON;
    i = pastBlank(bytes, i + 1);
  }
}

/** The key between two quotes, which is known to be one. */
function keyAt(bytes: Buffer, from: number, to: number): string {
  for (let i = from + 1; i < to; i++)
    if (bytes[i] === BACKSLASH) return JSON.parse(bytes.toString('utf8', from, to)) as string;
  return bytes.toString('utf8', from + 1, to - 1);
}

function endOfRows(bytes: Buffer, at: number, tape: Tape, names: FieldNames): number {
  if (bytes[at] !== OPEN_LIST) throw NOT_JSON;
  let i = pastBlank(bytes, at + 1);
  if (bytes[i] === CLOSE_LIST) return i + 1;
  for (;;) {
    if (bytes[i] !== OPEN_OBJECT) throw NOT_JSON;
    const end = endOfRow(bytes, i, tape, names);
    tape.endRow(i, end);
    i = pastBlank(bytes, end);
    if (bytes[i] === CLOSE_LIST) return i + 1;
    if (bytes[i] !== COMMA) throw NOT_JSON;
    i = pastBlank(bytes, i + 1);
  }
}

function endOfRow(bytes: Buffer, at: number, tape: Tape, names: FieldNames): number {
  let i = pastBlank(bytes, at + 1);
  if (bytes[i] === CLOSE_OBJECT) return i + 1;
  for (let before = -1; ;) {
    let number = names.expectedAfter(before, bytes, i);
    let from: number;
    if (number >= 0) from = pastColon(bytes, i + names.lengthOf(number) + 2);
    else {
      const end = endOfKey(bytes, i);
      from = pastColon(bytes, end);
      number = names.numberOf(keyAt(bytes, i, end));
      // A name with escapes is longer than what it says, and cannot be known by its bytes.
      if (end - i === names.lengthOf(number) + 2) names.expect(before, number);
    }
    i = endOfValue(bytes, from);
    tape.field(number, from, i, lastKind());
    before = number;
    i = pastBlank(bytes, i);
    if (bytes[i] === CLOSE_OBJECT) return i + 1;
    if (bytes[i] !== COMMA) throw NOT_JSON;
    i = pastBlank(bytes, i + 1);
  }
}

/** Room that is used again for every page. */
let rowRoom = new Int32Array(3 * 256);
let fieldRoom = new Int32Array(PER_FIELD * 8192);

/** What is found in one page. Only one may be filled at a time. */
class Tape {
  private rows = 0;
  private fields = 0;
  private firstOfRow = 0;

  field(number: number, from: number, to: number, kind: Kind): void {
    const at = PER_FIELD * this.fields++;
    if (at + PER_FIELD > fieldRoom.length) fieldRoom = larger(fieldRoom);
    fieldRoom[at] = number;
    fieldRoom[at + 1] = from;
    fieldRoom[at + 2] = to;
    fieldRoom[at + 3] = kind;
  }

  endRow(from: number, to: number): void {
    const at = 3 * this.rows++;
    // One more is behind the last.
    if (at + 6 > rowRoom.length) rowRoom = larger(rowRoom);
    rowRoom[at] = from;
    rowRoom[at + 1] = to;
    rowRoom[at + 2] = this.firstOfRow;
    this.firstOfRow = this.fields;
  }

  takeRows(): Int32Array {
    const rows = rowRoom.slice(0, 3 * this.rows + 3);
    rows[3 * this.rows + 2] = this.fields;
    return rows;
  }

  takeFields(): Int32Array {
    return fieldRoom.slice(0, PER_FIELD * this.fields);
  }
}

/** Rooms stay as large as the largest page made them, which the size of an answer bounds. */
function larger(room: Int32Array): Int32Array<ArrayBuffer> {
  const more = new Int32Array(2 * room.length);
  more.set(room);
  return more;
}
