/**
 * The columns of one stream: how they grow, and rows made ready for them. Holds no SQL: what changed is told as data.
 */
import { fieldOf, propertyOf, setField, type DataRecord, type JsonSchema } from '../../base/catalog.js';
import { LIMITS } from '../../base/bounds.js';
import { FatalError } from '../../base/errors.js';
import {
  asText,
  jsonText,
  askedBy,
  columnTypeOf,
  encode,
  isNumber,
  isTime,
  MISFIT,
  typeFor,
  UNSTORABLE_NUMBER,
  widened,
  type Asked,
  type Cell,
  type Column,
  type ColumnType,
} from '../../duckdb/columns.js';
import { fitIdentifier } from '../../postgres/identifiers.js';
import type { PreparedRows, PrepareInput, StreamTarget } from '../contract.js';
import { keyText, type WrittenKeys } from '../key-text.js';
import { widenedNote } from '../widened-note.js';
import { describe, setAside, type QuarantinedRow } from '../set-aside.js';

/** Columns that every table has, with their types in SQL. */
export const META_COLUMNS = [
  ['_headrace_run_id', 'varchar'],
  ['_headrace_extracted_at', 'timestamptz'],
  ['_headrace_page', 'varchar'],
  ['_headrace_version', 'bigint'],
  ['_headrace_deleted_at', 'timestamptz'],
] as const;
/** Fields that came when there were all the columns that there may be, as one object. */
export const REST_COLUMN = '_headrace_rest';
/** The part of a day, where files are parted by one. */
export const DAY_COLUMN = '_headrace_day';
const META_NAMES: readonly string[] = META_COLUMNS.map(([name]) => name);
/** What a cell takes beside its text. */
const CELL_BYTES = 16;

/** A change of columns that rows of the present width wait for. */
export type Change = { add: Column } | { widen: Column; from: ColumnType; to: ColumnType };

/** A page's rows as cells, row after row. */
export interface ShapedRows extends PreparedRows {
  cells: Cell[];
  /** Columns that the rows have, with the types that their cells were made for; more may have come since. */
  types: ColumnType[];
  /** Keys of all rows that came, also of those in quarantine; undefined where nobody asks for them. */
  keys: string[] | undefined;
  generation: number | undefined;
  quarantine: QuarantinedRow[];
  /** Keys that were in quarantine, and fit now or are gone. */
  fits: string[];
  deleted: DataRecord[];
  scope: { field: string; value: string } | undefined;
  version: number;
  page: string;
}

/** Columns of JSON keep a value as it is written. */
const WRITTEN: WrittenKeys = {
  numberText: String,
  nestedText: (value) => String(jsonText(value)),
};

export class Shape {
  readonly columns: Column[] = [];
  /** Keys in quarantine, with the version of the row that did not fit. */
  readonly quarantined = new Map<string, number>();
  /** What the user should know of it. */
  readonly notes: string[] = [];
  /** In the order in which they are to be made. */
  changes: Change[] = [];
  readonly taken: Set<string>;
  private readonly byField = new Map<string, Column>();
  private rest: Column | undefined;

  constructor(readonly target: StreamTarget) {
    this.taken = new Set([...META_NAMES, REST_COLUMN, DAY_COLUMN, 'rowid']);
  }

  get keyColumns(): Column[] {
    return this.target.primaryKey.map((field) => this.column(field));
  }

  /** Whether rows have a key to be recognised by. */
  get isKeyed(): boolean {
    return this.target.primaryKey.length > 0 && this.target.mode !== 'append';
  }

  column(field: string): Column {
    const column = this.byField.get(field);
    if (!column) throw new FatalError(`no column for field ${field}`, { code: 'no_column', place: this.target.name });
    return column;
  }

  has(field: string): boolean {
    return this.byField.has(field);
  }

  /** A column that is there. */
  adopt(field: string, name: string, type: ColumnType, large = false): void {
    const schema = this.target.schemaIsHint === true ? undefined : propertyOf(this.target.schema, field);
    // What is promised now as something else is written as text into a column that is text: no fault of the row's.
    const declared = schema !== undefined && (type !== 'text' || this.typeOf(field, schema) === 'text');
    const column = { field, name, type, declared, large, key: this.target.primaryKey.includes(field) };
    this.columns.push(column);
    this.taken.add(name.toLowerCase());
    if (name === REST_COLUMN) this.rest = column;
    else this.byField.set(field, column);
  }

  private typeOf(field: string, schema: JsonSchema): ColumnType {
    return columnTypeOf(schema, this.target.primaryKey.includes(field));
  }

  /** What the schema declares and the columns lack. */
  declare(): void {
    const declared = Object.entries(this.target.schema.properties ?? {});
    for (const [field, schema] of declared) {
      const type = this.typeOf(field, schema);
      const column = this.byField.get(field);
      if (!column) this.grow(field, type, LIMITS.declaredColumns);
      else if (isNumber(type) && isNumber(column.type)) this.widen(column, type);
    }
    for (const field of this.target.primaryKey) if (!this.byField.has(field)) this.grow(field, 'text');
  }

  /** Makes a page ready. Rows that do not fit are set aside with their reason. */
  prepare(input: PrepareInput): ShapedRows {
    this.growFor(input.records);
    const hasKey = this.target.primaryKey.length > 0;
    const keys: string[] | undefined = hasKey && (input.remember !== undefined || input.scope) ? [] : undefined;
    const quarantine: QuarantinedRow[] = [];
    const cells: Cell[] = [];
    const good: DataRecord[] = [];
    const keyed = { target: this.target, keyText: (record: DataRecord) => this.keyText(record) };
    for (const record of input.records) {
      const start = cells.length;
      const fault = this.tryRow(record, cells);
      if (fault === undefined) {
        good.push(record);
        keys?.push(this.keyText(record));
      } else {
        cells.length = start;
        const aside = setAside(keyed, record, fault, input);
        quarantine.push(aside);
        // It came: what is stored of it is not gone.
        if (aside.key !== null) keys?.push(this.keyText(record));
      }
    }
    const deleted = input.deleted ?? [];
    const fits = this.leaving([...good, ...deleted], input.version);
    for (const { key } of quarantine) if (key !== null) this.quarantined.set(key, input.version);
    return {
      stream: input.stream,
      rows: good.length,
      bytes: weightOf(cells) + 256,
      quarantined: quarantine.length,
      cells,
      types: this.columns.map(({ type }) => type),
      keys,
      generation: input.remember,
      quarantine,
      fits,
      deleted,
      scope: input.scope,
      version: input.version,
      page: input.page,
    };
  }

  /** The key as one text, as SQL writes it too. */
  keyText(record: DataRecord): string {
    return keyText(record, this.target.primaryKey, WRITTEN);
  }

  /** A row by the names of its fields. */
  fieldsOf(row: DataRecord): DataRecord {
    const out: DataRecord = {};
    for (const { name, field } of this.columns)
      if (name === REST_COLUMN) for (const [own, value] of Object.entries(row[name] ?? {})) setField(out, own, value);
      else if (Object.hasOwn(row, name)) setField(out, field, row[name]);
    return out;
  }

  private leaving(records: DataRecord[], version: number): string[] {
    if (this.quarantined.size === 0 || this.target.primaryKey.length === 0) return [];
    return records
      .map((record) => this.keyText(record))
      .filter((key) => (this.quarantined.get(key) ?? Infinity) <= version);
  }

  private tryRow(record: DataRecord, cells: Cell[]): string | undefined {
    try {
      return this.encodeRow(record, cells);
    } catch (error) {
      if (error instanceof RangeError) return 'nested too deep, or too large to be written';
      throw error;
    }
  }

  private encodeRow(record: DataRecord, cells: Cell[]): string | undefined {
    if (record === null || typeof record !== 'object' || Array.isArray(record)) return 'not an object';
    for (const column of this.columns) {
      const value = column === this.rest ? this.restOf(record) : fieldOf(record, column.field);
      if (column.key && (value === null || value === undefined)) return `key field ${column.field} is missing`;
      let cell = encode(value, column.type);
      if (cell === MISFIT) {
        if (column.declared || column.type !== 'text')
          return `field ${column.field}: expected ${column.type}, found ${describe(value)}`;
        cell = asText(value);
      }
      if (cell === UNSTORABLE_NUMBER)
        return `field ${column.field}: a number that is NaN, infinite or beyond 1e308 cannot be stored`;
      cells.push(cell);
    }
    return undefined;
  }

  private restOf(record: DataRecord): DataRecord | null {
    let rest: DataRecord | null = null;
    for (const field in record) if (!this.byField.has(field)) setField((rest ??= {}), field, record[field]);
    return rest;
  }

  /** Adds columns for fields that there are none for, and widens where numbers outgrow their column. */
  private growFor(records: DataRecord[]): void {
    for (const record of records) {
      if (record === null || typeof record !== 'object') continue;
      for (const field in record) {
        const column = this.byField.get(field);
        if (column && (column.type === 'json' || column.type === 'text')) continue;
        const asked = askedBy(record[field], column?.type);
        if (asked === undefined) continue;
        if (!column) this.grow(field, asked);
        else if (column.type !== asked) this.meetValue(column, asked, record[field]);
      }
    }
  }

  private meetValue(column: Column, asked: Asked, value: unknown): void {
    // A format says less than a type: APIs write moments in many ways.
    const isMoment = isTime(column.type) && asked === 'text';
    if (isMoment) this.notes.push(widenedNote(this.target.name, column, String(value)));
    if (isMoment || !column.declared || (isNumber(asked) && isNumber(column.type))) this.widen(column, asked);
  }

  /** Past the bound, a field goes to the column of the rest. */
  private grow(field: string, asked: Asked, most: number = LIMITS.columns): void {
    if (this.columns.length >= most && !this.target.primaryKey.includes(field)) {
      if (this.rest) return;
      this.adopt(REST_COLUMN, REST_COLUMN, 'json');
    } else this.adopt(field, fitIdentifier(field, this.taken), typeFor(asked), asked === 'large');
    this.changes.push({ add: this.columns.at(-1)! });
  }

  private widen(column: Column, asked: Asked): void {
    const { type: from } = column;
    const to = widened(column, asked);
    if (asked === 'large') column.large = true;
    if (to === from) return;
    column.type = to;
    this.changes.push({ widen: column, from, to });
  }
}

function weightOf(cells: Cell[]): number {
  let bytes = cells.length * CELL_BYTES;
  for (const cell of cells) if (typeof cell === 'string') bytes += cell.length;
  return bytes;
}
