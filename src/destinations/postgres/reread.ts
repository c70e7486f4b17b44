/** What a re-read did not bring: found, and marked. */
import type { Unseen } from '../contract.js';
import type { DataRecord } from '../../base/catalog.js';
import { quoteIdentifier } from '../../postgres/identifiers.js';
import type { Table } from './table.js';
import { fieldsOf, type TableWork } from './work.js';

/** Rows without a key cannot be compared: those of earlier readings give way to the last one's. */
async function forgetEarlier(work: TableWork, table: Table, generation: number): Promise<number> {
  return work.once('rows of earlier readings', async (client) => {
    const { rowCount } = await client.query(`delete from ${table.sqlName} where "_headrace_page" not like $1`, [
      `${generation}.%`,
    ]);
    await client.query(
      'update _headrace.counter set inserted = inserted - $3, read = read - $3 where connection = $1 and stream = $2',
      [work.connection, table.target.name, rowCount],
    );
    return 0;
  });
}

/** Live rows that a finished re-read did not see. */
export async function unseen(work: TableWork, table: Table, generation: number, limit: number): Promise<Unseen> {
  const stream = table.target.name;
  if (table.target.primaryKey.length === 0) return unseenWithoutKeys(work, table, generation);
  const { rows } = await work.query(
    `with live as (select ${table.keySql('t')} as key, t.ctid as place from ${table.sqlName} t
         where ${table.isOwn('t')} and t."_headrace_deleted_at" is null),
       gone as (select key, place from live l where not exists
         (select 1 from _headrace.seen s where s.connection = $1 and s.stream = $2 and s.generation = $3
           and s.key = l.key))
     select (select count(*) from live) as live, count(*) as gone,
       coalesce(md5(string_agg(key, ',' order by key)), '') as digest,
       (select coalesce(array_agg(to_jsonb(t)), '{}') from (select place from gone order by key limit $4) first
          join ${table.sqlName} t on t.ctid = first.place) as sample from gone`,
    [work.connection, stream, generation, limit],
  );
  const [found] = rows;
  return {
    rows: Number(found.gone),
    live: Number(found.live),
    sample: found.sample.map((row: DataRecord) => fieldsOf(table, row)),
    digest: found.digest,
  };
}

/** Rows without a key are counted: fewer than before are there. */
async function unseenWithoutKeys(work: TableWork, table: Table, generation: number): Promise<Unseen> {
  if (table.target.mode === 'append') return { rows: 0, live: 0, sample: [], digest: '' };
  const { rows } = await work.query(
    `select count(*) filter (where "_headrace_page" like $1) as now,
      count(*) filter (where "_headrace_page" not like $1) as before,
       max(split_part("_headrace_page", '.', 1)) filter (where "_headrace_page" not like $1) as earlier
         from ${table.sqlName}`,
    [`${generation}.%`],
  );
  const [now, before] = [Number(rows[0].now), Number(rows[0].before)];
  return {
    rows: Math.max(0, before - now),
    live: before,
    sample: [],
    digest: `${before}:${now}`,
    earlier: rows[0].earlier === null ? undefined : Number(rows[0].earlier),
  };
}

/** Marks rows deleted that a finished re-read did not see. */
export async function forgetUnseen(
  work: TableWork,
  table: Table,
  generation: number,
  within: { field: string; gte: number | null; lt: number } | undefined,
): Promise<number> {
  const stream = table.target.name;
  if (table.target.primaryKey.length === 0)
    return within || table.target.mode === 'append' ? 0 : forgetEarlier(work, table, generation);
  const column = within && `t.${quoteIdentifier(table.column(within.field).name)}`;
  const parameters: unknown[] = [work.connection, stream, generation];
  let where = '';
  if (within) {
    parameters.push(within.lt);
    where += ` and ${column} < $4`;
    if (within.gte !== null) {
      parameters.push(within.gte);
      where += ` and ${column} >= $5`;
    }
  }
  return work.once('rows that are gone', async (client) => {
    const { rowCount } = await client.query(
      `update ${table.sqlName} t set "_headrace_deleted_at" = now()
         where ${table.isOwn('t')} and t."_headrace_deleted_at" is null${where}
           and not exists (select 1 from _headrace.seen s where s.connection = $1 and s.stream = $2
             and s.generation = $3 and s.key = ${table.keySql('t')})`,
      parameters,
    );
    await client.query('delete from _headrace.seen where connection = $1 and stream = $2 and generation <= $3', [
      work.connection,
      stream,
      generation,
    ]);
    await client.query('update _headrace.counter set deleted = deleted + $3 where connection = $1 and stream = $2', [
      work.connection,
      stream,
      rowCount,
    ]);
    return rowCount ?? 0;
  });
}
