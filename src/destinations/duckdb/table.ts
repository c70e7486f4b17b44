/** One stream's table in DuckDB: made, taken over, widened, and filled. */
import type { DuckDBConnection } from '@duckdb/node-api';
import { LIMITS } from '../../base/bounds.js';
import { ConfigError } from '../../base/errors.js';
import { stringifyJson } from '../../base/json.js';
import {
  isNumber,
  knownType,
  refitSql,
  SQL_TYPES,
  textSql,
  widened,
  type Column,
  type ColumnType,
} from '../../duckdb/columns.js';
import { inTransaction, rowsOf, texts, type Library } from '../../duckdb/engine.js';
import { fitIdentifier, qualified, quoteIdentifier } from '../../postgres/identifiers.js';
import type { PrepareInput, StreamTarget } from '../contract.js';
import { widenKey } from './wider-key.js';
import { appendRows, type Into } from './append.js';
import { META_COLUMNS, Shape, type ShapedRows } from './shape.js';

/** The table that a stream in mode `replace` fills before it is swapped in. */
const SHADOW_SUFFIX = '__headrace_next';
const META_NAMES: ReadonlySet<string> = new Set(META_COLUMNS.map(([name]) => name));

export interface TableRows extends ShapedRows {
  table: Table;
}

interface ColumnThere {
  name: string;
  type: string;
}

/** Tables of a schema by their names, with their columns in order. */
export type TablesThere = ReadonlyMap<string, ColumnThere[]>;

/** Asked once for all tables of a schema: DuckDB goes through the columns of all files for each answer. */
export async function tablesOf(connection: DuckDBConnection, schema: string): Promise<TablesThere> {
  const rows = await rowsOf(
    connection,
    `select table_name as relation, column_name as name, data_type as type from duckdb_columns()
     where database_name = current_database() and schema_name = $1 order by table_name, column_index`,
    [schema],
  );
  const tables = new Map<string, ColumnThere[]>();
  for (const { relation, ...column } of rows as unknown as (ColumnThere & { relation: string })[]) {
    const columns = tables.get(relation);
    if (columns) columns.push(column);
    else tables.set(relation, [column]);
  }
  return tables;
}

export class Table extends Shape {
  readonly physicalName: string;
  /** Only looked for, and not there yet. */
  isMissing = false;
  /** Its columns in their order: ours, Headrace's own by name, and undefined for those of the user's. */
  private order: (Column | string | undefined)[] = [];
  /** Names and types of the columns as they were seen last. */
  private seen = '';

  constructor(
    target: StreamTarget,
    readonly schema: string,
    readonly publicName: string,
  ) {
    super(target);
    this.physicalName =
      target.mode === 'replace'
        ? fitIdentifier(publicName.slice(0, LIMITS.identifierBytes - SHADOW_SUFFIX.length) + SHADOW_SUFFIX, new Set())
        : publicName;
  }

  get sqlName(): string {
    return qualified(this.schema, this.physicalName);
  }

  get publicSqlName(): string {
    return qualified(this.schema, this.publicName);
  }

  /** The columns of its rows, Headrace's own among them. */
  get dataNames(): string[] {
    return [...this.columns.map(({ name }) => name), ...META_COLUMNS.map(([name]) => name)].map(quoteIdentifier);
  }

  get keyNames(): string[] {
    return this.keyColumns.map(({ name }) => quoteIdentifier(name));
  }

  /** SQL for the key as one text. */
  keySql(alias: string): string {
    return this.keyColumns.map((column) => this.textSql(alias, column)).join(` || chr(1) || `);
  }

  /** SQL for what a column holds as text: of JSON that is a text, that text. */
  textSql(alias: string, { name, type }: Column): string {
    const value = `${alias}.${quoteIdentifier(name)}`;
    return type === 'json'
      ? `(case when json_type(${value}) = 'VARCHAR' then ${value} ->> '$' else ${value}::varchar end)`
      : textSql(value, type);
  }

  /**
   * Creates the table, or takes over the one that is there: `tables` are the schema's, as `tablesOf` found them.
   * `readOnly`: only looks.
   */
  async open(connection: DuckDBConnection, tables: TablesThere, readOnly: boolean): Promise<void> {
    const there = tables.get(this.physicalName);
    if (!there) {
      this.isMissing = readOnly;
      if (readOnly) return;
      this.declare();
      this.changes = [];
      // Together: a column that is not registered would be taken for one of the user's.
      await inTransaction(connection, async () => {
        await connection.run(this.createStatement());
        await connection.run('delete from _headrace.field where schema_name = $1 and relation = $2', this.place);
        await this.register(connection, this.columns);
      });
      this.order = [...this.columns, ...META_COLUMNS.map(([name]) => name)];
      this.seen = await this.look(connection);
      return;
    }
    const names = new Set(there.map(({ name }) => name));
    const missing = META_COLUMNS.filter(([name]) => !names.has(name)).map(([name]) => name);
    if (missing.length > 0)
      throw new ConfigError(`table ${this.schema}.${this.physicalName} is not Headrace's`, {
        code: 'foreign_table',
        expected: `columns ${missing.join(', ')}`,
        found: 'a table without them',
        next: 'choose another schema for this connection, or rename the table',
      });
    await this.adoptAll(connection, there);
    if (readOnly) return;
    this.declare();
    await this.applyChanges(connection);
    this.seen = await this.look(connection);
  }

  private get place(): [string, string] {
    return [this.schema, this.physicalName];
  }

  private async registered(connection: DuckDBConnection): Promise<ReadonlyMap<string, string>> {
    const rows = await rowsOf(
      connection,
      'select name, field from _headrace.field where schema_name = $1 and relation = $2',
      this.place,
    );
    return new Map(rows.map(({ name, field }) => [name as string, registeredField(field as string)]));
  }

  /** Makes the changes that rows wait for, in the table as it is now: others of this process may have changed it. */
  async fit(connection: DuckDBConnection): Promise<void> {
    if ((await this.look(connection)) !== this.seen) await this.readAgain(connection);
    if (this.changes.length === 0) return;
    await this.applyChanges(connection);
    this.seen = await this.look(connection);
  }

  private async look(connection: DuckDBConnection): Promise<string> {
    const reader = await connection.runAndReadAll(`select * from ${this.sqlName} limit 0`);
    return JSON.stringify([reader.columnNames(), reader.columnTypes().map(String)]);
  }

  private async readAgain(connection: DuckDBConnection): Promise<void> {
    const there = (await tablesOf(connection, this.schema)).get(this.physicalName) ?? [];
    const fields = await this.registered(connection);
    const isMissing = new Set(this.columns);
    this.order = [];
    for (const { name, type } of there) {
      const field = fields.get(name);
      this.taken.add(name.toLowerCase());
      if (META_NAMES.has(name)) this.order.push(name);
      else if (field === undefined) this.order.push(undefined);
      else {
        const own = this.columns.find((column) => column.field === field);
        if (own) this.meet(own, name, knownType(type));
        else this.adopt(field, name, knownType(type));
        const column = own ?? this.columns.at(-1)!;
        isMissing.delete(column);
        this.order.push(column);
      }
    }
    const names = new Set(there.map(({ name }) => name.toLowerCase()));
    for (const column of isMissing) {
      // Another field's column has its name by now.
      if (names.has(column.name.toLowerCase())) column.name = fitIdentifier(column.field, this.taken);
      this.taken.add(column.name.toLowerCase());
      if (!this.changes.some((change) => 'add' in change && change.add === column)) this.changes.push({ add: column });
    }
    this.seen = await this.look(connection);
  }

  /** A column that another made, or widened: ours is that one, wide enough for both. */
  private meet(column: Column, name: string, stored: ColumnType): void {
    this.changes = this.changes.filter((change) => ('add' in change ? change.add : change.widen) !== column);
    column.name = name;
    const wanted = column.type;
    // Numbers that only their digits tell asked for JSON, which holds any other number as well.
    const holdsAll = wanted === 'json' && isNumber(stored);
    column.type = holdsAll ? wanted : widened({ type: stored, large: column.large }, wanted);
    if (column.type !== stored) this.changes.push({ widen: column, from: stored, to: column.type });
  }

  private async adoptAll(connection: DuckDBConnection, there: ColumnThere[]): Promise<void> {
    const fields = await this.registered(connection);
    for (const { name, type } of there) {
      const field = fields.get(name);
      if (META_NAMES.has(name)) this.order.push(name);
      else if (field === undefined) {
        // A column of the user's: never written, and its name is taken.
        this.taken.add(name.toLowerCase());
        this.order.push(undefined);
      } else {
        this.adopt(field, name, knownType(type));
        this.order.push(this.columns.at(-1));
      }
    }
    const integers = this.columns.filter(({ type }) => type === 'bigint');
    if (integers.length === 0) return;
    const [row] = await rowsOf(
      connection,
      `select ${integers
        .map(
          ({ name }, at) =>
            `coalesce(max(${quoteIdentifier(name)}) > 9007199254740991
              or min(${quoteIdentifier(name)}) < -9007199254740991, false) as c${at}`,
        )
        .join(', ')} from ${this.sqlName}`,
    );
    integers.forEach((column, at) => (column.large = row![`c${at}`] === true));
  }

  /** Makes the changes that rows wait for. One is forgotten once it is known to be done. */
  async applyChanges(connection: DuckDBConnection): Promise<void> {
    while (this.changes.length > 0) {
      const change = this.changes[0]!;
      if ('add' in change) {
        // Its type may have been widened since.
        const { add } = change;
        await inTransaction(connection, async () => {
          await connection.run(
            `alter table ${this.sqlName} add column ${quoteIdentifier(add.name)} ${SQL_TYPES[this.firstTypeOf(add)]}`,
          );
          await this.register(connection, [add]);
        });
        this.order.push(add);
      } else {
        const name = quoteIdentifier(change.widen.name);
        const [type, using] = [SQL_TYPES[change.to], refitSql(name, change.from, change.to)];
        if (this.isKeyed && change.widen.key) await this.widenKey(connection, change.widen.name, type, using);
        else
          await connection.run(`alter table ${this.sqlName} alter column ${name} set data type ${type} using ${using}`);
      }
      this.changes.shift();
    }
  }

  private widenKey(connection: DuckDBConnection, column: string, type: string, using: string): Promise<void> {
    const key = this.keyColumns.map(({ name }) => name);
    return widenKey(connection, { schema: this.schema, table: this.physicalName, key, column, type, using });
  }

  private firstTypeOf(column: Column): Column['type'] {
    for (const change of this.changes) if ('widen' in change && change.widen === column) return change.from;
    return column.type;
  }

  override prepare(input: PrepareInput): TableRows {
    return { ...super.prepare(input), table: this };
  }

  /** Appends rows to a table with this one's columns. */
  append(
    library: Library,
    connection: DuckDBConnection,
    into: Into,
    parts: ShapedRows[],
    runId: string,
  ): Promise<void> {
    return appendRows(library, connection, into, { shape: this, order: this.order, parts, runId });
  }

  private async register(connection: DuckDBConnection, columns: Column[]): Promise<void> {
    await connection.run(
      `insert into _headrace.field (schema_name, relation, name, field)
       select $1, $2, unnest(${texts(3)}), unnest(${texts(4)})
       on conflict (schema_name, relation, name) do update set field = excluded.field`,
      [
        ...this.place,
        stringifyJson(columns.map(({ name }) => name)),
        stringifyJson(columns.map(({ field }) => registeredText(field))),
      ],
    );
  }

  private createStatement(): string {
    const columns = this.columns.map(
      ({ name, type, key }) => `${quoteIdentifier(name)} ${SQL_TYPES[type]}${key ? ' not null' : ''}`,
    );
    const meta = META_COLUMNS.map(([name, type]) => `${quoteIdentifier(name)} ${type}`);
    const key = this.isKeyed ? [`primary key (${this.keyNames.join(', ')})`] : [];
    return `create table if not exists ${this.sqlName} (${[...columns, ...meta, ...key].join(', ')})`;
  }
}

/** What comes before a field's name that is no text for DuckDB: it is kept as JSON. */
const AS_JSON = 'json:';

function registeredText(field: string): string {
  const isStorable = field.isWellFormed() && !field.includes('\0') && !field.startsWith(AS_JSON);
  return isStorable ? field : AS_JSON + JSON.stringify(field);
}

function registeredField(text: string): string {
  if (!text.startsWith(`${AS_JSON}"`)) return text;
  return JSON.parse(text.slice(AS_JSON.length)) as string;
}
