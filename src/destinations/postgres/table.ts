/** One stream's table: its columns, how it grows, and rows made ready for it. */
import type pg from 'pg';
import { widened, widenOrKeep, type Widening } from './views.js';
import { widenedNote } from '../widened-note.js';
import type { PreparedRows, PrepareInput, StreamTarget } from '../contract.js';
import { ConfigError, FatalError } from '../../base/errors.js';
import { LIMITS } from '../../base/bounds.js';
import { fitIdentifier, qualified, quoteIdentifier, quoteLiteral } from '../../postgres/identifiers.js';
import { propertyOf, type DataRecord, type JsonSchema } from '../../base/catalog.js';
import { slicesOf, wholeRecord } from '../../base/bytes/sliced-record.js';
import { encodeRecords, type EncodedRows } from './row-encoding.js';
import { SlicedRows } from './sliced-rows.js';
import { keyText } from '../key-text.js';
import { writtenKeys } from './stored-text.js';
import { setAside, type QuarantinedRow } from '../set-aside.js';
import { checkKey, columnCommentSql, createSql, fieldOfColumn, knownType, tableCommentSql } from './table-ddl.js';
import { columnTypeOf, escapeText, NULL, typeOfValue, widen, type Column, type ColumnType } from './columns.js';

/** Columns that every table has, in the order in which rows carry them. */
export const META_COLUMNS = [
  ['_headrace_run_id', 'text'],
  ['_headrace_extracted_at', 'timestamptz'],
  ['_headrace_page', 'text'],
  ['_headrace_version', 'bigint'],
  ['_headrace_deleted_at', 'timestamptz'],
] as const;

/** Fields that came when the table had all the columns that it may have, as one object. */
export const REST_COLUMN = '_headrace_rest';
/** Every table of PostgreSQL has these already. */
const SYSTEM_COLUMNS = ['tableoid', 'xmin', 'cmin', 'xmax', 'cmax', 'ctid'];
const META_TYPES = META_COLUMNS.map(([, type]) => type);
const META_NAMES = new Set<string>(META_COLUMNS.map(([name]) => name));
/** The table that a stream in mode `replace` fills before it is swapped in. */
const SHADOW_SUFFIX = '__headrace_next';
export interface TableRows extends PreparedRows {
  table: Table;
  /** Rows in COPY's text or, where there are types, in its binary format; see `EncodedRows`. */
  copy: Buffer;
  types?: readonly ColumnType[] | undefined;
  /** How many of the table's columns the lines have; more may have come since. */
  width: number;
  keys: string[] | undefined;
  generation: number | undefined;
  quarantine: QuarantinedRow[];
  /** Keys that were in quarantine, and fit now or are gone. */
  fits: string[];
  deleted: DataRecord[];
  scope: { field: string; value: string } | undefined;
  version: number;
  records: number;
}

/** What a table looks like; one for all streams that share it. */
interface Layout {
  columns: Column[];
  byField: Map<string, Column>;
  taken: Set<string>;
  /** Where fields go that have no column of their own. */
  rest: Column | undefined;
  /** Statements that must run before rows of the present width can be stored. */
  pendingDdl: (string | Widening)[];
  /** Rises with every change. */
  changes: number;
  /** Rows may be stored by their slices. */
  isSliced: boolean;
}

export class Table {
  /** Keys in quarantine, with the version of the row that did not fit. */
  readonly quarantined = new Map<string, number>();
  /** What the user should know of it. */
  readonly notes: string[] = [];
  readonly physicalName: string;
  private readonly shape: Layout;
  private readonly sliced: SlicedRows;
  private readonly written = writtenKeys((field) => this.shape.byField.get(field)?.type === 'jsonb');

  /** `sibling`: another stream's, of the same table. */
  constructor(
    readonly target: StreamTarget,
    readonly schema: string,
    readonly publicName: string,
    private readonly sibling?: Table,
  ) {
    this.physicalName =
      target.mode === 'replace'
        ? fitIdentifier(publicName.slice(0, LIMITS.identifierBytes - SHADOW_SUFFIX.length) + SHADOW_SUFFIX, new Set())
        : publicName;
    this.shape = sibling?.shape ?? {
      columns: [],
      byField: new Map(),
      taken: new Set([...META_NAMES, REST_COLUMN, ...SYSTEM_COLUMNS]),
      rest: undefined,
      pendingDdl: [],
      changes: 0,
      isSliced: true,
    };
    this.sliced = new SlicedRows(this.shape, (record) => this.growFor([record]));
  }

  get columns(): Column[] {
    return this.shape.columns;
  }

  /** Rises with every change, so that connections know when their stage table is out of date. */
  get layout(): number {
    return this.shape.changes;
  }

  /** Stands for the table, whichever of its streams is meant. */
  get first(): Table {
    return this.sibling?.first ?? this;
  }

  /** The condition under which a row of the table `alias` is one of this stream. */
  isOwn(alias: string): string {
    const { part } = this.target;
    return part ? `${alias}.${quoteIdentifier(this.column(part.field).name)} = ${quoteLiteral(part.value)}` : 'true';
  }

  get sqlName(): string {
    return qualified(this.schema, this.physicalName);
  }

  get keyed(): boolean {
    return this.target.primaryKey.length > 0 && this.target.mode !== 'append';
  }

  keyColumns(): Column[] {
    return this.target.primaryKey.map((field) => this.column(field));
  }

  column(field: string): Column {
    const column = this.shape.byField.get(field);
    if (!column) throw new FatalError(`no column for field ${field}`, { code: 'no_column', place: this.physicalName });
    return column;
  }

  /** Creates the table, or takes over the one that is there; adds what the schema declares and it lacks. */
  async open(client: pg.Client): Promise<void> {
    if (this.sibling) return;
    const { rows } = await client.query(
      `select a.attname as name, format_type(a.atttypid, a.atttypmod) as type,
        col_description(a.attrelid, a.attnum) as comment,
        exists (select 1 from pg_index i where i.indrelid = a.attrelid and i.indisprimary and a.attnum = any(i.indkey))
          as is_key
       from pg_attribute a where a.attrelid = to_regclass($1) and a.attnum > 0 and not a.attisdropped
         and a.attgenerated = '' order by a.attnum`,
      [this.sqlName],
    );
    const { isPromise } = this;
    if (rows.length === 0) {
      this.declare();
      await client.query('delete from _headrace.field where schema = $1 and relation = $2', this.place);
      await client.query(this.creation().join(';\n'));
      await this.register(
        client,
        this.columns.map(({ name }) => name),
      );
      return;
    }
    const names = new Set(rows.map((row) => row.name));
    const missing = META_COLUMNS.filter(([name]) => !names.has(name)).map(([name]) => name);
    if (missing.length > 0) {
      throw new ConfigError(`table ${this.schema}.${this.physicalName} is not Headrace's`, {
        code: 'foreign_table',
        expected: `columns ${missing.join(', ')}`,
        found: 'a table without them',
        next: 'choose another schema for this connection, or rename the table',
      });
    }
    if (this.keyed) checkKey(this.sqlName, this.target.primaryKey, rows);
    const own = await this.ownColumns(client, names);
    for (const { name, type, comment } of rows) {
      if (META_NAMES.has(name)) continue;
      if (!own.has(name)) {
        // A column of the user's: never written, and its name is taken.
        this.shape.taken.add(name.toLowerCase());
        continue;
      }
      if (name === REST_COLUMN) {
        this.adoptRest();
        continue;
      }
      const field = fieldOfColumn(name, comment);
      const schema = propertyOf(this.target.schema, field);
      const stored = knownType(type);
      const wanted = schema && this.typeOf(field, schema);
      const next = wanted ? widen(stored, wanted) : stored;
      // What is promised now as something else is written as text into a column that is text: no fault of the row's.
      this.adopt(field, name, stored, wanted !== undefined && isPromise && (next !== 'text' || wanted === 'text'));
      if (wanted && next !== stored) this.widenColumn(this.column(field), wanted);
    }
    for (const [field, schema] of Object.entries(this.target.schema.properties ?? {}))
      if (!this.shape.byField.has(field))
        this.grow(field, this.typeOf(field, schema), isPromise, LIMITS.declaredColumns);
    await this.applyDdl(client);
  }

  private typeOf(field: string, schema: JsonSchema): ColumnType {
    return columnTypeOf(schema, this.target.primaryKey.includes(field));
  }

  private get place(): [string, string] {
    return [this.schema, this.physicalName];
  }

  /** The columns that Headrace made; all of them where the table is from before that was written down. */
  private async ownColumns(client: pg.Client, all: ReadonlySet<string>): Promise<ReadonlySet<string>> {
    const { rows: known } = await client.query("select to_regclass('_headrace.field') is not null as there");
    if (!known[0].there) return all;
    const { rows } = await client.query(
      'select name from _headrace.field where schema = $1 and relation = $2',
      this.place,
    );
    if (rows.length > 0) return new Set(rows.map(({ name }) => name as string));
    await this.register(client, [...all]);
    return all;
  }

  private async register(client: pg.Client, names: string[]): Promise<void> {
    // A table of its first day has no column yet, and is Headrace's nevertheless.
    await client.query(
      'insert into _headrace.field (schema, relation, name) select $1, $2, unnest($3::text[]) on conflict do nothing',
      [...this.place, [...names, META_COLUMNS[0][0]]],
    );
  }

  get hasPendingDdl(): boolean {
    return this.shape.pendingDdl.length > 0;
  }

  /** Runs what is pending, outside any transaction of rows. */
  async applyDdl(client: pg.Client): Promise<void> {
    // Each may be done twice: one is forgotten once it is known to be done.
    while (this.shape.pendingDdl.length > 0) {
      const next = this.shape.pendingDdl[0]!;
      if (typeof next === 'string') await client.query(next);
      else if (!(await widenOrKeep(client, this.sqlName, next))) this.shape.changes++;
      this.shape.pendingDdl.shift();
    }
  }

  /** Encodes a page. Rows that do not fit are set aside with their reason. */
  prepare(input: PrepareInput, runId: string): TableRows {
    const { records } = input;
    const extractedAt = new Date(input.version).toISOString();
    const meta = `${escapeText(runId)}\t${extractedAt}\t${escapeText(input.page)}\t${input.version}\t${NULL}\n`;
    const { copy, count, types, good, bad } = this.encode(records, meta);
    const quarantine = bad.map(({ record, fault }) => setAside(this, record, fault, input));
    const keyed = this.target.primaryKey.length > 0;
    const keys =
      keyed && (input.remember !== undefined || input.scope) ? good.map((record) => this.keyText(record)) : undefined;
    const fits = this.leaving([...good, ...(input.deleted ?? [])], input.version);
    for (const { key } of quarantine) {
      if (key === null) continue;
      this.quarantined.set(key, input.version);
      // It came: what is stored of it is not gone.
      keys?.push(key);
    }
    return {
      stream: input.stream,
      table: this,
      rows: count,
      bytes: copy.length + 256,
      quarantined: quarantine.length,
      copy,
      types,
      width: this.columns.length,
      keys,
      generation: input.remember,
      quarantine,
      fits,
      deleted: input.deleted ?? [],
      scope: input.scope,
      version: input.version,
      records: records.length,
    };
  }

  /** Rows that are known by their slices become COPY's binary format while the table's columns are as expected. */
  private encode(records: DataRecord[], meta: string): EncodedRows {
    const { isSliced } = this.shape;
    if (isSliced && records.some(slicesOf)) return this.sliced.encode(records, { line: meta, types: META_TYPES });
    const wholes = isSliced ? records : records.map(wholeRecord);
    this.growFor(wholes);
    return encodeRecords(wholes, meta, this.shape);
  }

  /** Its columns are not of the types that Headrace gives them: rows come as text from now on. */
  refuseSlices(): void {
    this.shape.isSliced = false;
  }

  /** Keys that are in quarantine for a row that is not newer than these. */
  private leaving(records: DataRecord[], version: number): string[] {
    if (this.quarantined.size === 0 || this.target.primaryKey.length === 0) return [];
    return records
      .map((record) => this.keyText(record))
      .filter((key) => (this.quarantined.get(key) ?? Infinity) <= version);
  }

  /** The key as one text, as `keySql` writes it. */
  keyText(record: DataRecord): string {
    return keyText(record, this.target.primaryKey, this.written);
  }

  keySql(alias: string): string {
    return this.keyColumns()
      .map(({ name, type }) => `(${alias}.${quoteIdentifier(name)}${type === 'jsonb' ? " #>> '{}'" : '::text'})`)
      .join(` || chr(1) || `);
  }

  /** Adds columns for fields that the table lacks, and widens where numbers outgrow their column. */
  private growFor(records: DataRecord[]): void {
    for (const record of records) {
      if (record === null || typeof record !== 'object') continue;
      for (const field in record) {
        const column = this.shape.byField.get(field);
        if (column && (column.type === 'jsonb' || column.type === 'text')) continue;
        const value = record[field];
        const type = typeOfValue(value, column?.type);
        if (type === undefined) continue;
        if (!column) this.grow(field, type, false);
        else if (column.type !== type) {
          const numbers =
            (column.type === 'bigint' || column.type === 'numeric') && (type === 'numeric' || type === 'bigint');
          // A format says less than a type: APIs write moments in many ways.
          const moment = (column.type === 'timestamptz' || column.type === 'date') && type === 'text';
          if (moment) this.notes.push(widenedNote(this.target.name, column, String(value)));
          if ((numbers || moment || !column.declared) && widen(column.type, type) !== column.type)
            this.widenColumn(column, type);
        }
      }
    }
  }

  private adopt(field: string, name: string, type: ColumnType, declared: boolean): Column {
    const column: Column = { field, name, type, declared, key: this.target.primaryKey.includes(field) };
    this.columns.push(column);
    this.shape.byField.set(field, column);
    this.shape.taken.add(name.toLowerCase());
    return column;
  }

  /** Past the bound, a field goes to the column of the rest. */
  private grow(field: string, type: ColumnType, declared: boolean, most: number = LIMITS.columns): void {
    if (this.columns.length >= most && !this.target.primaryKey.includes(field)) {
      if (this.shape.rest) return;
      this.adoptRest();
      this.addColumn(this.shape.rest!);
      return;
    }
    const column = this.adopt(field, fitIdentifier(field, this.shape.taken), type, declared);
    this.addColumn(column);
    this.shape.pendingDdl.push(...columnCommentSql(this.sqlName, column, this.target.schema));
  }

  private addColumn({ name, type }: Column): void {
    this.shape.pendingDdl.push(
      `alter table ${this.sqlName} add column if not exists ${quoteIdentifier(name)} ${type}`,
      `insert into _headrace.field (schema, relation, name)
        values (${[...this.place, name].map(quoteLiteral).join(', ')}) on conflict do nothing`,
    );
    this.shape.changes++;
  }

  private adoptRest(): void {
    this.shape.rest = { field: REST_COLUMN, name: REST_COLUMN, type: 'jsonb', declared: false, key: false };
    this.columns.push(this.shape.rest);
  }

  private widenColumn(column: Column, to: ColumnType): void {
    if (column.heldBy !== undefined) return;
    this.shape.pendingDdl.push(widened(this.sqlName, column, to));
    this.shape.changes++;
  }

  /** What creates the table, and says what it holds. */
  creation(): string[] {
    const { sqlName, columns, target } = this;
    return [
      createSql(sqlName, columns, META_COLUMNS, this.keyed ? this.keyColumns() : []),
      ...tableCommentSql(sqlName, target.schema),
      ...columns.flatMap((column) => columnCommentSql(sqlName, column, target.schema)),
    ];
  }

  /** Takes the columns that the schema declares. */
  declare(): this {
    for (const [field, schema] of Object.entries(this.target.schema.properties ?? {}).slice(0, LIMITS.declaredColumns))
      this.adopt(field, fitIdentifier(field, this.shape.taken), this.typeOf(field, schema), this.isPromise);
    return this;
  }

  private get isPromise(): boolean {
    return this.target.schemaIsHint !== true;
  }
}
