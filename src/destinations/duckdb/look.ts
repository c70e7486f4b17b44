/** Looks at what a table holds. */
import type { DuckDBConnection } from '@duckdb/node-api';
import type { DataRecord } from '../../base/catalog.js';
import { parseJson, stringifyJson } from '../../base/json.js';
import { isTime, textSql, type Column } from '../../duckdb/columns.js';
import { rowsOf, texts, type Row } from '../../duckdb/engine.js';
import { quoteIdentifier } from '../../postgres/identifiers.js';
import type { Shape } from './shape.js';
import type { Table } from './table.js';

const LIVE = '"_headrace_deleted_at" is null';

/** Live rows of the keys; null where one is missing. */
export async function lookup(db: DuckDBConnection, table: Table, keys: DataRecord[]): Promise<(DataRecord | null)[]> {
  const wanted = keys.map((key) => table.keyText(key));
  const rows = await rowsOf(
    db,
    `select ${table.keySql('t')} as headrace_key, ${fieldsSql(table.columns)} from ${table.sqlName} t
     where ${table.keySql('t')} in (select unnest(${texts(1)})) and ${LIVE}`,
    [stringifyJson(wanted)],
  );
  const found = new Map(rows.map((row) => [row['headrace_key'] as string, rowOf(table, row)]));
  return wanted.map((key) => found.get(key) ?? null);
}

/** The columns of a row for `rowOf`: JSON as its text, which alone has every digit, and moments as theirs. */
export function fieldsSql(columns: readonly Column[]): string {
  return columns
    .map(({ name, type }, at) => {
      const column = `t.${quoteIdentifier(name)}`;
      return `${type === 'json' || isTime(type) ? textSql(column, type) : column} as c${at}`;
    })
    .join(', ');
}

/** A row as it was read, or those of its columns. */
export function rowOf(table: Shape, row: Row, columns: readonly Column[] = table.columns): DataRecord {
  const values = columns.map(({ name, type }, at) => {
    const value = row[`c${at}`];
    if (type === 'json' && typeof value === 'string') return [name, parseJson(value)];
    const isSafe = typeof value === 'bigint' && Number.isSafeInteger(Number(value));
    return [name, isSafe ? Number(value) : value];
  });
  return table.fieldsOf(Object.fromEntries(values) as DataRecord);
}

/** Keys of live rows with a field in [gte, lt). */
export async function keysWithin(
  db: DuckDBConnection,
  table: Table,
  { field, gte, lt }: { field: string; gte: number; lt: number },
  limit: number,
): Promise<DataRecord[]> {
  const column = positionSql(table, field);
  const rows = await rowsOf(
    db,
    `select ${fieldsSql(table.keyColumns)} from ${table.sqlName} t
     where ${column} >= $1 and ${column} < $2 and ${LIVE} order by ${column} desc limit $3`,
    [gte, lt, limit],
  );
  return rows.map((row) => rowOf(table, row, table.keyColumns));
}

/** SQL for a field that is a position. */
export function positionSql(table: Table, field: string): string {
  const { name, type } = table.column(field);
  const column = `t.${quoteIdentifier(name)}`;
  return type === 'bigint' || type === 'double' ? column : `try_cast(${column}::varchar as double)`;
}

/** Keys of live rows that no run of Headrace wrote. */
export async function strangers(db: DuckDBConnection, table: Table, limit: number): Promise<DataRecord[]> {
  if (table.target.primaryKey.length === 0) return [];
  const rows = await rowsOf(
    db,
    `select ${fieldsSql(table.keyColumns)} from ${table.sqlName} t
     where ${LIVE} and not exists (select 1 from _headrace.run r where r.id = t."_headrace_run_id")
     order by ${table.keyNames.join(', ')} limit $1`,
    [limit],
  );
  return rows.map((row) => rowOf(table, row, table.keyColumns));
}

/** Live rows that were written last. */
export async function newest(db: DuckDBConnection, table: Table, limit: number): Promise<DataRecord[]> {
  if (table.isMissing) return [];
  const rows = await rowsOf(
    db,
    `select ${fieldsSql(table.columns)} from ${table.sqlName} t where ${LIVE}
     order by "_headrace_version" desc nulls last limit $1`,
    [limit],
  );
  return rows.map((row) => rowOf(table, row));
}
