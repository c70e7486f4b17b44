/** What work on one table needs of the session. */
import type pg from 'pg';
import { setField, type DataRecord } from '../../base/catalog.js';
import { REST_COLUMN, type Table } from './table.js';

export interface TableWork {
  connection: string;
  schema: string;
  /** The database, as it is shown to people. */
  place: string;
  query(sql: string, parameters?: unknown[]): Promise<pg.QueryResult>;
  /** One transaction that is not done twice. */
  once<T>(what: string, work: (client: pg.Client) => Promise<T>): Promise<T>;
}

/** A row of a table by the names of its fields. */
export function fieldsOf(table: Table, row: DataRecord): DataRecord {
  const out: DataRecord = {};
  for (const { name, field } of table.columns)
    if (name === REST_COLUMN) for (const [own, value] of Object.entries(row[name] ?? {})) setField(out, own, value);
    else if (Object.hasOwn(row, name)) setField(out, field, row[name]);
  return out;
}
