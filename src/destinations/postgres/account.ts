/** The account of a stream: counters that agree with its table, and rows in quarantine. */
import type pg from 'pg';
import { qualified } from '../../postgres/identifiers.js';
import { QUARANTINE_TABLE } from './commit.js';
import type { Table } from './table.js';
import type { TableWork } from './work.js';

const OWN_RUNS = 'run_id in (select id from _headrace.run where connection = $1)';

/**
 * A stream that is read whole begins with what its table holds: what other hands changed before is no part of what this
 * reading must account for. Returns how many of the rows are not this connection's.
 */
export function beginAccount(work: TableWork, table: Table): Promise<number> {
  const stream = table.target.name;
  return work.once('a new account', async (client) => {
    const { rows } = await client.query(
      `select (select count(*) from ${table.sqlName} t where ${table.isOwn('t')}) as held,
         coalesce((select inserted from _headrace.counter where connection = $1 and stream = $2), 0) as inserted`,
      [work.connection, stream],
    );
    const held = Number(rows[0].held);
    // Rows without a key give way to those of the next reading, whoever wrote them.
    const own = table.target.primaryKey.length === 0 ? held : Math.min(held, Number(rows[0].inserted));
    await client.query(
      `insert into _headrace.counter (connection, stream, read, inserted) values ($1, $2, $3, $3)
       on conflict (connection, stream) do update set read = $3, inserted = $3, updated = 0, unchanged = 0,
         quarantined = 0`,
      [work.connection, stream, own],
    );
    await emptyQuarantine(client, work, table);
    return held - own;
  });
}

/** A stream that is read whole brings again what does not fit. */
export async function emptyQuarantine(client: pg.Client, work: TableWork, table: Table): Promise<void> {
  await client.query(`delete from ${qualified(work.schema, QUARANTINE_TABLE)} where stream = $2 and ${OWN_RUNS}`, [
    work.connection,
    table.target.name,
  ]);
  table.quarantined.clear();
}

/** Rows that this connection has in quarantine now. */
export async function quarantined(work: TableWork, stream: string): Promise<number> {
  const { rows } = await work.query(
    `select count(*) as rows from ${qualified(work.schema, QUARANTINE_TABLE)} where stream = $2 and ${OWN_RUNS}`,
    [work.connection, stream],
  );
  return Number(rows[0].rows);
}

/** Keys in quarantine, so that they leave it when they fit. */
export async function recallQuarantine(client: pg.Client, table: Table): Promise<void> {
  const { rows } = await client.query<{ key: string }>(
    `select distinct key from ${qualified(table.schema, QUARANTINE_TABLE)} where stream = $1 and key is not null`,
    [table.target.name],
  );
  for (const { key } of rows) table.quarantined.set(key, 0);
}
