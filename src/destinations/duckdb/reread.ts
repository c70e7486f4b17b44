/** What a re-read did not bring: found, and marked. */
import type { DuckDBConnection } from '@duckdb/node-api';
import { changed, rowsOf } from '../../duckdb/engine.js';
import type { Unseen } from '../contract.js';
import { fieldsSql, positionSql, rowOf } from './look.js';
import type { Table } from './table.js';

const SEEN = 'from _headrace.seen s where s.connection = $1 and s.stream = $2 and s.generation = $3::integer';

/** Live rows that a finished re-read did not see. */
export async function unseen(
  db: DuckDBConnection,
  table: Table,
  connection: string,
  generation: number,
  limit: number,
): Promise<Unseen> {
  if (table.target.primaryKey.length === 0) return unseenWithoutKeys(db, table, generation);
  const gone = `from ${table.sqlName} t where t."_headrace_deleted_at" is null and ${table.keySql('t')} not in (select key ${SEEN})`;
  const place = [connection, table.target.name, generation];
  const [found] = await rowsOf(
    db,
    `select count(*)::integer as gone, md5(coalesce(string_agg(key, ',' order by key), '')) as digest,
       (select count(*)::integer from ${table.sqlName} where "_headrace_deleted_at" is null) as live
     from (select ${table.keySql('t')} as key ${gone})`,
    place,
  );
  const sample = await rowsOf(db, `select ${fieldsSql(table.columns)} ${gone} order by ${table.keySql('t')} limit $4`, [
    ...place,
    limit,
  ]);
  const rows = found!['gone'] as number;
  return {
    rows,
    live: found!['live'] as number,
    sample: sample.map((row) => rowOf(table, row)),
    digest: rows === 0 ? '' : (found!['digest'] as string),
  };
}

/** Rows without a key are counted: fewer than before are there. */
async function unseenWithoutKeys(db: DuckDBConnection, table: Table, generation: number): Promise<Unseen> {
  if (table.target.mode === 'append') return { rows: 0, live: 0, sample: [], digest: '' };
  const [row] = await rowsOf(
    db,
    `select (count(*) filter (where starts_with("_headrace_page", $1)))::integer as now,
       (count(*) filter (where not starts_with("_headrace_page", $1)))::integer as before,
       max(split_part("_headrace_page", '.', 1)) filter (where not starts_with("_headrace_page", $1)) as earlier
         from ${table.sqlName}`,
    [`${generation}.`],
  );
  const [now, before] = [row!['now'] as number, row!['before'] as number];
  return {
    rows: Math.max(0, before - now),
    live: before,
    sample: [],
    digest: `${before}:${now}`,
    earlier: row!['earlier'] === null ? undefined : Number(row!['earlier']),
  };
}

/** Marks rows deleted that a finished re-read did not see, within a transaction of the caller's. */
export async function forgetUnseen(
  db: DuckDBConnection,
  table: Table,
  connection: string,
  generation: number,
  within: { field: string; gte: number | null; lt: number } | undefined,
): Promise<number> {
  const stream = table.target.name;
  if (table.target.primaryKey.length === 0)
    return within || table.target.mode === 'append' ? 0 : forgetEarlier(db, table, connection, generation);
  const values: (string | number)[] = [connection, stream, generation];
  let where = '';
  if (within) {
    const column = positionSql(table, within.field);
    values.push(within.lt);
    where += ` and ${column} < $4`;
    if (within.gte !== null) {
      values.push(within.gte);
      where += ` and ${column} >= $5`;
    }
  }
  const marked = await changed(
    db,
    `update ${table.sqlName} t set "_headrace_deleted_at" = now()
     where t."_headrace_deleted_at" is null${where} and ${table.keySql('t')} not in (select key ${SEEN})`,
    values,
  );
  await db.run('delete from _headrace.seen where connection = $1 and stream = $2 and generation <= $3', [
    connection,
    stream,
    generation,
  ]);
  await db.run('update _headrace.counter set deleted = deleted + $3 where connection = $1 and stream = $2', [
    connection,
    stream,
    marked,
  ]);
  return marked;
}

/** Rows without a key cannot be compared: those of earlier readings give way to the last one's. */
async function forgetEarlier(
  db: DuckDBConnection,
  table: Table,
  connection: string,
  generation: number,
): Promise<number> {
  const gone = await changed(db, `delete from ${table.sqlName} where not starts_with("_headrace_page", $1)`, [
    `${generation}.`,
  ]);
  await db.run(
    'update _headrace.counter set inserted = inserted - $3, read = read - $3 where connection = $1 and stream = $2',
    [connection, table.target.name, gone],
  );
  return 0;
}
