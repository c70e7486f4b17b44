/** Views over a table: PostgreSQL changes no column's type under one, and drops no table. */
import type pg from 'pg';
import { codeOf } from '../../base/errors.js';
import { quoteIdentifier } from '../../postgres/identifiers.js';
import { castSql, widen, type Column, type ColumnType } from './columns.js';

/** A column that is to take more than its type does. */
export interface Widening {
  sql: string;
  column: Column;
  /** Its type until then. */
  from: ColumnType;
}

/** Gives a column the type that holds both, and tells how its table gets it. `table`: as SQL has it. */
export function widened(table: string, column: Column, to: ColumnType): Widening {
  const from = column.type;
  column.type = widen(from, to);
  const name = quoteIdentifier(column.name);
  const cast = castSql(name, from, column.type);
  return { column, from, sql: `alter table ${table} alter column ${name} type ${column.type} using ${cast}` };
}

type Query = (sql: string, values: unknown[]) => Promise<{ rows: Record<string, unknown>[] }>;

/** The names of the views that read a table. `table`: as SQL has it. */
export async function viewsOver(query: Query, table: string): Promise<string[]> {
  const { rows } = await query(
    `select distinct r.ev_class::regclass::text as view from pg_depend d join pg_rewrite r on r.oid = d.objid
     where d.classid = 'pg_rewrite'::regclass and d.refclassid = 'pg_class'::regclass and d.refobjid = to_regclass($1)
       and r.ev_class <> d.refobjid order by 1`,
    [table],
  );
  return rows.map(({ view }) => String(view));
}

/** PostgreSQL's codes for a column that a view, a generated column or a policy reads. */
const DEPENDED_ON = new Set(['0A000', '2BP01']);

/**
 * Widens a column; one that a view reads stays as it is, and says so: the rows that do not fit it are set aside, and
 * all others go on. Returns whether it was widened.
 */
export async function widenOrKeep(client: pg.Client, table: string, { sql, column, from }: Widening): Promise<boolean> {
  try {
    await client.query(sql);
    return true;
  } catch (error) {
    if (!DEPENDED_ON.has(codeOf(error) ?? '')) throw error;
    const views = await viewsOver((text, values) => client.query(text, values), table);
    column.type = from;
    column.heldBy = views.length > 0 ? `view ${views.join(', ')}` : 'something that reads it';
    return false;
  }
}

/** What a row's reason says of columns that cannot be widened. */
export function heldText(columns: readonly Column[]): string {
  const held = columns.filter(({ heldBy }) => heldBy !== undefined);
  return held.map(({ name, type, heldBy }) => `; column ${name} stays ${type} while ${heldBy} depends on it`).join('');
}
