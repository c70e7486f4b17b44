/** One stream's table: its columns, how it grows, and rows made ready for it. */
import type pg from 'pg';
import type { PreparedRows, PrepareInput, StreamTarget } from '../contract.js';
import { ConfigError, FatalError } from '../../base/errors.js';
import { LIMITS } from '../../base/bounds.js';
import { fitIdentifier, qualified, quoteIdentifier, quoteLiteral } from '../../postgres/identifiers.js';
import type { DataRecord, JsonSchema } from '../../base/catalog.js';
import { CopyLines } from './copy-lines.js';
import { describe, setAside, type QuarantinedRow } from '../set-aside.js';
import { columnCommentSql, createSql, fieldOf, knownType, tableCommentSql } from './table-ddl.js';
import {
  asText,
  castSql,
  columnTypeOf,
  encode,
  escapeText,
  MISFIT,
  NULL,
  typeOfValue,
  UNSTORABLE_NUMBER,
  widen,
  type Column,
  type ColumnType,
} from './columns.js';

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
const META_NAMES = new Set<string>(META_COLUMNS.map(([name]) => name));

/** Characters of a value that are shown. */
const SHOWN = 40;
/** The table that a stream in mode `replace` fills before it is swapped in. */
const SHADOW_SUFFIX = '__headrace_next';

export interface TableRows extends PreparedRows {
  table: Table;
  /** COPY text, one line a row. */
  copy: Buffer;
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

export class Table {
  readonly columns: Column[] = [];
  /** Keys in quarantine, with the version of the row that did not fit. */
  readonly quarantined = new Map<string, number>();
  /** What the user should know of it. */
  readonly notes: string[] = [];
  private readonly byField = new Map<string, Column>();
  private readonly taken = new Set<string>([...META_NAMES, REST_COLUMN, ...SYSTEM_COLUMNS]);
  /** Where fields go that have no column of their own. */
  private rest: Column | undefined;
  /** Statements that must run before rows of the present width can be stored. */
  private pendingDdl: string[] = [];
  /** Rises with every change, so that connections know when their stage table is out of date. */
  layout = 0;
  readonly physicalName: string;

  constructor(
    readonly target: StreamTarget,
    readonly schema: string,
    readonly publicName: string,
  ) {
    this.physicalName =
      target.mode === 'replace'
        ? fitIdentifier(publicName.slice(0, LIMITS.identifierBytes - SHADOW_SUFFIX.length) + SHADOW_SUFFIX, new Set())
        : publicName;
  }

  get sqlName(): string {
    return qualified(this.schema, this.physicalName);
  }

  /** Whether rows have a key to be recognised by. */
  get keyed(): boolean {
    return this.target.primaryKey.length > 0 && this.target.mode !== 'append';
  }

  keyColumns(): Column[] {
    return this.target.primaryKey.map((field) => this.column(field));
  }

  column(field: string): Column {
    const column = this.byField.get(field);
    if (!column) throw new FatalError(`no column for field ${field}`, { code: 'no_column', place: this.physicalName });
    return column;
  }

  /** Creates the table, or takes over the one that is there; adds what the schema declares and it lacks. */
  async open(client: pg.Client): Promise<void> {
    const { rows } = await client.query(
      `select a.attname as name, format_type(a.atttypid, a.atttypmod) as type, col_description(a.attrelid, a.attnum) as comment
       from pg_attribute a where a.attrelid = to_regclass($1) and a.attnum > 0 and not a.attisdropped and a.attgenerated = '' order by a.attnum`,
      [this.sqlName],
    );
    const declared = Object.entries(this.target.schema.properties ?? {});
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
    const own = await this.ownColumns(client, names);
    for (const { name, type, comment } of rows) {
      if (META_NAMES.has(name)) continue;
      if (!own.has(name)) {
        // A column of the user's: never written, and its name is taken.
        this.taken.add(name.toLowerCase());
        continue;
      }
      if (name === REST_COLUMN) {
        this.adoptRest();
        continue;
      }
      const field = fieldOf(name, comment);
      const schema = this.target.schema.properties?.[field];
      this.adopt(field, name, knownType(type), schema !== undefined && isPromise);
      const wanted = schema && this.typeOf(field, schema);
      if (wanted && widen(knownType(type), wanted) !== knownType(type)) this.widenColumn(this.column(field), wanted);
    }
    for (const [field, schema] of declared)
      if (!this.byField.has(field)) this.grow(field, this.typeOf(field, schema), isPromise, LIMITS.declaredColumns);
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
    return this.pendingDdl.length > 0;
  }

  /** Runs what is pending, outside any transaction of rows. */
  async applyDdl(client: pg.Client): Promise<void> {
    // Each may be done twice: one is forgotten once it is known to be done.
    while (this.pendingDdl.length > 0) {
      await client.query(this.pendingDdl[0]!);
      this.pendingDdl.shift();
    }
  }

  /** Encodes a page. Rows that do not fit are set aside with their reason. */
  prepare(input: PrepareInput, runId: string): TableRows {
    const { records } = input;
    this.growFor(records);
    const extractedAt = new Date(input.version).toISOString();
    const meta = `${escapeText(runId)}\t${extractedAt}\t${escapeText(input.page)}\t${input.version}\t${NULL}\n`;
    const keyed = this.target.primaryKey.length > 0;
    const keys: string[] | undefined =
      keyed && (input.remember !== undefined || input.scope !== undefined) ? [] : undefined;
    const quarantine: QuarantinedRow[] = [];
    const lines = new CopyLines();
    const good: DataRecord[] = [];
    for (const record of records) {
      const fault = this.tryRow(record, lines, meta);
      if (fault !== undefined) quarantine.push(setAside(this, record, fault, input));
      else {
        good.push(record);
        keys?.push(this.keyText(record));
      }
    }
    const fits = this.leaving([...good, ...(input.deleted ?? [])], input.version);
    for (const { key } of quarantine) if (key !== null) this.quarantined.set(key, input.version);
    const copy = lines.take();
    return {
      stream: input.stream,
      table: this,
      rows: lines.count,
      bytes: copy.length + 256,
      quarantined: quarantine.length,
      copy,
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

  /** Keys that are in quarantine for a row that is not newer than these. */
  private leaving(records: DataRecord[], version: number): string[] {
    if (this.quarantined.size === 0 || this.target.primaryKey.length === 0) return [];
    return records
      .map((record) => this.keyText(record))
      .filter((key) => (this.quarantined.get(key) ?? Infinity) <= version);
  }

  /** The key as one text, as `keySql` writes it. */
  keyText(record: DataRecord): string {
    return this.target.primaryKey.map((field) => String(record[field])).join('\u0001');
  }

  keySql(alias: string): string {
    return this.keyColumns()
      .map((column) => `${alias}.${quoteIdentifier(column.name)}::text`)
      .join(` || chr(1) || `);
  }

  /** Whatever is wrong with a row concerns that row alone. */
  private tryRow(record: DataRecord, lines: CopyLines, meta: string): string | undefined {
    try {
      return this.encodeRow(record, lines, meta);
    } catch (error) {
      if (error instanceof RangeError) return 'nested too deep, or too large to be written';
      throw error;
    }
  }

  private encodeRow(record: DataRecord, lines: CopyLines, meta: string): string | undefined {
    if (record === null || typeof record !== 'object' || Array.isArray(record)) return 'not an object';
    let line = '';
    let keyBytes = 0;
    for (const column of this.columns) {
      const value = column === this.rest ? this.restOf(record) : record[column.field];
      if (column.key && (value === null || value === undefined)) return `key field ${column.field} is missing`;
      let text = encode(value, column.type);
      if (text === MISFIT) {
        if (column.declared || column.type !== 'text')
          return `field ${column.field}: expected ${column.type}, found ${describe(value)}`;
        text = asText(value);
      }
      if (text === UNSTORABLE_NUMBER)
        return `field ${column.field}: a number that is NaN, infinite or beyond 1e308 cannot be stored`;
      if (column.key) keyBytes += Buffer.byteLength(text);
      line += `${text}\t`;
    }
    if (keyBytes > LIMITS.keyBytes)
      return `the key has ${keyBytes} bytes, where at most ${LIMITS.keyBytes} fit an index`;
    lines.push(line + meta);
    return undefined;
  }

  /** The fields that have no column. */
  private restOf(record: DataRecord): DataRecord | null {
    let rest: DataRecord | null = null;
    for (const field in record) if (!this.byField.has(field)) (rest ??= {})[field] = record[field];
    return rest;
  }

  /** Adds columns for fields that the table lacks, and widens where numbers outgrow their column. */
  private growFor(records: DataRecord[]): void {
    for (const record of records) {
      if (record === null || typeof record !== 'object') continue;
      for (const field in record) {
        const column = this.byField.get(field);
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
          if (moment) this.tellWidened(column, String(value));
          if ((numbers || moment || !column.declared) && widen(column.type, type) !== column.type)
            this.widenColumn(column, type);
        }
      }
    }
  }

  private adopt(field: string, name: string, type: ColumnType, declared: boolean): Column {
    const column: Column = { field, name, type, declared, key: this.target.primaryKey.includes(field) };
    this.columns.push(column);
    this.byField.set(field, column);
    this.taken.add(name.toLowerCase());
    return column;
  }

  /** Past the bound, a field goes to the column of the rest. */
  private grow(field: string, type: ColumnType, declared: boolean, most: number = LIMITS.columns): void {
    if (this.columns.length >= most && !this.target.primaryKey.includes(field)) {
      if (this.rest) return;
      this.adoptRest();
      this.addColumn(this.rest!);
      return;
    }
    const column = this.adopt(field, fitIdentifier(field, this.taken), type, declared);
    this.addColumn(column);
    this.pendingDdl.push(...columnCommentSql(this.sqlName, column, this.target.schema));
  }

  private addColumn({ name, type }: Column): void {
    this.pendingDdl.push(
      `alter table ${this.sqlName} add column if not exists ${quoteIdentifier(name)} ${type}`,
      `insert into _headrace.field (schema, relation, name) values (${[...this.place, name].map(quoteLiteral).join(', ')}) on conflict do nothing`,
    );
    this.layout++;
  }

  private adoptRest(): void {
    this.rest = { field: REST_COLUMN, name: REST_COLUMN, type: 'jsonb', declared: false, key: false };
    this.columns.push(this.rest);
  }

  private widenColumn(column: Column, to: ColumnType): void {
    const from = column.type;
    column.type = widen(from, to);
    const name = quoteIdentifier(column.name);
    this.pendingDdl.push(
      `alter table ${this.sqlName} alter column ${name} type ${column.type} using ${castSql(name, from, column.type)}`,
    );
    this.layout++;
  }

  private tellWidened({ field, type }: Column, value: string): void {
    const shown = value.length > SHOWN ? `${value.slice(0, SHOWN)}…` : value;
    this.notes.push(
      `${this.target.name}: column ${field} is text now: ${JSON.stringify(shown)} is no ${type === 'date' ? 'date' : 'date with a time and a zone'}`,
    );
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
      this.adopt(field, fitIdentifier(field, this.taken), this.typeOf(field, schema), this.isPromise);
    return this;
  }

  private get isPromise(): boolean {
    return this.target.schemaIsHint !== true;
  }
}
