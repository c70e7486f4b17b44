/**
 * Rows of COPY's binary format, gathered in memory that is used again for every page. Integers are big-endian; each
 * field is its length and its bytes. https://www.postgresql.org/docs/current/sql-copy.html
 */
import { dayOf, parseInstant } from '../../base/instant.js';
import { NULL, type ColumnType } from './columns.js';
import { digitsOf, numericText } from './numeric-binary.js';

/** What a COPY begins and ends with. */
export const BINARY_HEADER = Buffer.from('PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0', 'latin1');
export const BINARY_TRAILER = Buffer.from([0xff, 0xff]);

/** PostgreSQL counts from 2000. */
const EPOCH_MICROSECONDS = 946_684_800_000_000n;
const EPOCH_DAYS = 10_957;
const DAY_MS = 86_400_000;
const TWO_TO_32 = 2 ** 32;

const FIRST_BYTES = 256 * 1024;
/** More than this is not kept for the next page. */
const MOST_KEPT_BYTES = 8 * 1024 * 1024;
/** Fewer bytes are copied faster one by one. */
const FEW_BYTES = 24;
/** UTF-8 bytes of a UTF-16 code unit, at most. */
const MOST_PER_UNIT = 3;
/** Bytes of a field beside those of its value, at most: its length, jsonb's version, or the head of a numeric. */
const BESIDE = 16;
const NO_VALUE = 0xffffffff;

let room = Buffer.allocUnsafeSlow(FIRST_BYTES);

/** Rows of one page only: nothing else may be gathered before `take`. */
export class BinaryRows {
  count = 0;
  private at = 0;
  private begun = 0;

  /** Begins a row of so many fields, whose values are at most so many bytes. */
  begin(fields: number, bytes: number): void {
    this.begun = this.at;
    this.reserve(bytes + BESIDE * fields + 2);
    room[this.at++] = fields >>> 8;
    room[this.at++] = fields & 0xff;
  }

  /** The row that was begun is complete. */
  end(): void {
    this.count++;
  }

  /** The row that was begun does not come. */
  drop(): void {
    this.at = this.begun;
  }

  null(): void {
    this.put32(NO_VALUE);
  }

  /** A value that is written as it came: text, or what text is made of. */
  slice(bytes: Buffer, from: number, to: number): void {
    this.put32(to - from);
    this.copy(bytes, from, to);
  }

  json(bytes: Buffer, from: number, to: number): void {
    this.put32(to - from + 1);
    room[this.at++] = 1;
    this.copy(bytes, from, to);
  }

  text(text: string): void {
    this.reserve(MOST_PER_UNIT * text.length + BESIDE);
    const length = room.write(text, this.at + 4, 'utf8');
    this.put32(length);
    this.at += length;
  }

  boolean(value: boolean): void {
    this.put32(1);
    room[this.at++] = value ? 1 : 0;
  }

  /** An integer that a double holds. */
  integer(value: number): void {
    this.put32(8);
    const high = Math.floor(value / TWO_TO_32);
    this.put32(high);
    this.put32(value - high * TWO_TO_32);
  }

  bigint(value: bigint): void {
    this.put32(8);
    this.at = room.writeBigInt64BE(value, this.at);
  }

  /** Decimal digits, with a point and an exponent or without. */
  numeric(text: string): void {
    const { sign, weight, scale, groups } = digitsOf(text);
    this.reserve(2 * groups.length + BESIDE);
    this.put32(8 + 2 * groups.length);
    for (const part of [groups.length, weight, sign, scale, ...groups]) {
      room[this.at++] = (part >>> 8) & 0xff;
      room[this.at++] = part & 0xff;
    }
  }

  /** False: the text is no moment. */
  instant(text: string): boolean {
    const microseconds = parseInstant(text);
    if (microseconds !== undefined) this.bigint(microseconds - EPOCH_MICROSECONDS);
    return microseconds !== undefined;
  }

  /** False: the text is no day. */
  day(text: string): boolean {
    const day = dayOf(text);
    if (day === undefined) return false;
    this.put32(4);
    this.put32(day - EPOCH_DAYS);
    return true;
  }

  /** Fields that were encoded before. */
  fields(bytes: Buffer): void {
    this.reserve(bytes.length);
    this.copy(bytes, 0, bytes.length);
  }

  /** Fields of a line of COPY text, whose columns are of these types. */
  line(line: string, types: readonly ColumnType[]): void {
    const cells = line.slice(0, -1).split('\t');
    for (const [index, type] of types.entries()) this.cell(cells[index]!, type);
  }

  /** The bytes, in memory of their own. */
  take(): Buffer {
    const rows = Buffer.from(room.subarray(0, this.at));
    if (room.length > MOST_KEPT_BYTES) room = Buffer.allocUnsafeSlow(FIRST_BYTES);
    return rows;
  }

  private cell(cell: string, type: ColumnType): void {
    if (cell === NULL) return this.null();
    switch (type) {
      case 'text':
        return this.text(unescaped(cell));
      case 'jsonb': {
        const json = Buffer.from(unescaped(cell));
        this.reserve(json.length + BESIDE);
        return this.json(json, 0, json.length);
      }
      case 'boolean':
        return this.boolean(cell === 'true');
      case 'bigint':
        return this.bigint(BigInt(cell));
      case 'numeric':
        return this.numeric(cell);
      case 'timestamptz':
        return void this.instant(cell);
      case 'date':
        return void this.day(cell);
    }
  }

  private reserve(bytes: number): void {
    if (this.at + bytes <= room.length) return;
    const larger = Buffer.allocUnsafeSlow(2 * room.length + bytes);
    room.copy(larger, 0, 0, this.at);
    room = larger;
  }

  private copy(bytes: Buffer, from: number, to: number): void {
    if (to - from > FEW_BYTES) this.at += bytes.copy(room, this.at, from, to);
    else for (let i = from; i < to; i++) room[this.at++] = bytes[i]!;
  }

  private put32(value: number): void {
    const at = this.at;
    room[at] = value >>> 24;
    room[at + 1] = value >>> 16;
    room[at + 2] = value >>> 8;
    room[at + 3] = value;
    this.at = at + 4;
  }
}

/** Rows as they are in COPY's text, for a table whose columns are other ones by now. One Buffer a row. */
export function textLines(rows: Buffer, types: readonly ColumnType[]): Buffer[] {
  const lines: Buffer[] = [];
  for (let at = 0; at < rows.length;) {
    const count = rows.readInt16BE(at);
    at += 2;
    const cells: string[] = [];
    for (let field = 0; field < count; field++) {
      const length = rows.readInt32BE(at);
      at += 4;
      cells.push(length < 0 ? NULL : cellText(rows.subarray(at, at + length), types[field]!));
      at += Math.max(0, length);
    }
    lines.push(Buffer.from(`${cells.join('\t')}\n`));
  }
  return lines;
}

function cellText(value: Buffer, type: ColumnType): string {
  switch (type) {
    case 'text':
      return escaped(value.toString('utf8'));
    case 'jsonb':
      return escaped(value.toString('utf8', 1));
    case 'boolean':
      return value[0] === 1 ? 'true' : 'false';
    case 'bigint':
      return String(value.readBigInt64BE());
    case 'numeric':
      return numericText(value);
    case 'timestamptz':
      return instantText(value.readBigInt64BE() + EPOCH_MICROSECONDS);
    case 'date':
      return new Date((value.readInt32BE() + EPOCH_DAYS) * DAY_MS).toISOString().slice(0, 10);
  }
}

/** As most APIs write it, and as PostgreSQL reads it: years before the first count backwards. */
function instantText(microseconds: bigint): string {
  const part = ((microseconds % 1_000_000n) + 1_000_000n) % 1_000_000n;
  const date = new Date(Number((microseconds - part) / 1000n));
  const fraction = part === 0n ? '' : `.${String(part).padStart(6, '0').replace(/0+$/, '')}`;
  const time = date.toISOString().slice(-'-01-01T00:00:00.000Z'.length, -'.000Z'.length);
  return yearsText(date, `${time}${fraction}Z`);
}

function yearsText(date: Date, rest: string): string {
  const year = date.getUTCFullYear();
  return year > 0 ? String(year).padStart(4, '0') + rest : `${String(1 - year).padStart(4, '0')}${rest} BC`;
}

const ESCAPES: Record<string, string> = { '\\': '\\\\', '\n': '\\n', '\r': '\\r', '\t': '\\t' };
const PLAIN: Record<string, string> = { '\\\\': '\\', '\\n': '\n', '\\r': '\r', '\\t': '\t' };

const escaped = (text: string): string => text.replace(/[\\\n\r\t]/g, (char) => ESCAPES[char]!);

/** A cell of COPY text, as it was before its escapes. */
export const unescaped = (cell: string): string => cell.replace(/\\[\\nrt]/g, (escape) => PLAIN[escape]!);
