/** Looks at what a table holds. */
import type { DataRecord } from '../../base/catalog.js';
import { parseJson } from '../../base/json.js';
import { quoteIdentifier } from '../../postgres/identifiers.js';
import type { Table } from './table.js';
import { fieldsOf, type TableWork } from './work.js';

/** Live rows of the keys; null where one is missing. */
export async function lookup(work: TableWork, table: Table, keys: DataRecord[]): Promise<(DataRecord | null)[]> {
  const wanted = keys.map((key) => table.keyText(key));
  const { rows } = await work.query(
    `select ${table.keySql('t')} as headrace_key, to_jsonb(t)::text as headrace_row from ${table.sqlName} t
      where ${table.keySql('t')} = any($1::text[]) and t."_headrace_deleted_at" is null`,
    [wanted],
  );
  const found = new Map(
    rows.map((row) => [row.headrace_key, fieldsOf(table, parseJson(row.headrace_row) as DataRecord)]),
  );
  return wanted.map((key) => found.get(key) ?? null);
}

/** Keys of live rows with a field in [gte, lt). */
export async function keysWithin(
  work: TableWork,
  table: Table,
  { field, gte, lt }: { field: string; gte: number; lt: number },
  limit: number,
): Promise<DataRecord[]> {
  const column = quoteIdentifier(table.column(field).name);
  const { rows } = await work.query(
    `select ${keysSql(table)} from ${table.sqlName} t
     where ${table.isOwn('t')} and ${column} >= $1 and ${column} < $2 and "_headrace_deleted_at" is null
       order by ${column} desc limit $3`,
    [gte, lt, limit],
  );
  return rows.map((row) => keyOf(table, row));
}

/** The columns of the key for `keyOf`: JSON as its text, which alone has every digit. */
function keysSql(table: Table): string {
  return table
    .keyColumns()
    .map(({ name, type }) => [quoteIdentifier(name), type] as const)
    .map(([name, type]) => (type === 'jsonb' ? `t.${name}::text as ${name}` : `t.${name}`))
    .join(', ');
}

function keyOf(table: Table, row: DataRecord): DataRecord {
  const key = { ...row };
  for (const { name, type } of table.keyColumns()) if (type === 'jsonb') key[name] = parseJson(row[name] as string);
  return fieldsOf(table, key);
}

/** Keys of live rows that no run of Headrace wrote. */
export async function strangers(work: TableWork, table: Table, limit: number): Promise<DataRecord[]> {
  if (table.target.primaryKey.length === 0) return [];
  const keys = table.keyColumns().map((key) => `t.${quoteIdentifier(key.name)}`);
  const { rows } = await work.query(
    `select ${keysSql(table)} from ${table.sqlName} t
     where ${table.isOwn('t')} and "_headrace_deleted_at" is null
       and not exists (select 1 from _headrace.run r where r.id = t."_headrace_run_id")
     order by ${keys.join(', ')} limit $1`,
    [limit],
  );
  return rows.map((row) => keyOf(table, row));
}

/** Blocks at a table's end that are looked at for its newest rows: 16 MB. Smaller tables are looked at as a whole. */
const BLOCKS = 2_048;

/** Live rows that were written last: of a large table, of those at its end, where new rows go. */
export async function newest(work: TableWork, table: Table, limit: number): Promise<DataRecord[]> {
  const name = table.sqlName;
  const { rows: found } = await work.query('select pg_relation_size(to_regclass($1)) / 8192 as blocks', [name]);
  if (found[0].blocks === null) return [];
  const blocks = Number(found[0].blocks);
  for (let window = BLOCKS; ; window *= 8) {
    const from = Math.max(0, blocks - window);
    const { rows } = await work.query(
      `select to_jsonb(t)::text as headrace_row from ${name} t
       where t.ctid >= '(${from},0)'::tid and t."_headrace_deleted_at" is null
         order by t."_headrace_version" desc nulls last limit $1`,
      [limit],
    );
    // A table whose end is full of tombstones is looked at further up, and not for ever.
    if (rows.length >= limit || from === 0 || window > 64 * BLOCKS)
      return rows.map((row) => fieldsOf(table, parseJson(row.headrace_row) as DataRecord));
  }
}
