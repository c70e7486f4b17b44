/**
 * Whether a table's columns are of the types that this process takes them for. COPY's binary format does not check:
 * eight bytes of an integer would be taken as text where another process, or the user, made it a column of text.
 */
import type pg from 'pg';
import { quoteLiteral } from '../../postgres/identifiers.js';
import { knownType } from './table-ddl.js';
import type { Table } from './table.js';

/** What `format_type` calls them. */
const OWN_NAMES = new Set(['boolean', 'bigint', 'numeric', 'timestamp with time zone', 'date', 'text', 'jsonb']);

/** They stay so until the transaction ends. `relation`: as SQL has it. */
export async function hasOwnTypes(client: pg.Client, relation: string, table: Table): Promise<boolean> {
  // Two statements have a list of results, which the type of `query` does not know.
  const results = (await client.query(
    `lock table ${relation} in row exclusive mode;
     select attname as name, format_type(atttypid, atttypmod) as type from pg_attribute
     where attrelid = ${quoteLiteral(relation)}::regclass and attnum > 0 and not attisdropped`,
  )) as unknown as pg.QueryResult<{ name: string; type: string }>[];
  const stored = new Map(results[1]!.rows.map(({ name, type }) => [name, type]));
  if (table.columns.some(({ name }) => !OWN_NAMES.has(stored.get(name) ?? 'text'))) table.refuseSlices();
  return table.columns.every(({ name, type }) => {
    const there = stored.get(name);
    return there === undefined || (OWN_NAMES.has(there) && knownType(there) === type);
  });
}
