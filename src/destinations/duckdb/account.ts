/** The account of a stream: counters that agree with its table, rows in quarantine, and tables that are replaced. */
import type { DuckDBConnection } from '@duckdb/node-api';
import { rowsOf } from '../../duckdb/engine.js';
import { qualified, quoteIdentifier } from '../../postgres/identifiers.js';
import { QUARANTINE_TABLE } from './commit.js';
import type { Table } from './table.js';

const OWN_RUNS = 'run_id in (select id from _headrace.run where connection = $1)';

/**
 * A stream that is read whole begins with what its table holds. Returns how many of the rows are not this connection's.
 */
export async function beginAccount(db: DuckDBConnection, table: Table, connection: string): Promise<number> {
  const stream = table.target.name;
  const [row] = await rowsOf(
    db,
    `select (select count(*)::integer from ${table.sqlName}) as held,
       coalesce((select inserted::integer from _headrace.counter where connection = $1 and stream = $2),
         0) as inserted`,
    [connection, stream],
  );
  const held = row!['held'] as number;
  // Rows without a key give way to those of the next reading, whoever wrote them.
  const own = table.target.primaryKey.length === 0 ? held : Math.min(held, row!['inserted'] as number);
  await db.run(
    `insert into _headrace.counter values ($1, $2, $3, $3, 0, 0, 0, 0)
     on conflict (connection, stream) do update set read = excluded.read, inserted = excluded.inserted, updated = 0,
       unchanged = 0, quarantined = 0`,
    [connection, stream, own],
  );
  await emptyQuarantine(db, table, connection);
  return held - own;
}

/** A stream that is read whole brings again what does not fit. */
async function emptyQuarantine(db: DuckDBConnection, table: Table, connection: string): Promise<void> {
  await db.run(`delete from ${qualified(table.schema, QUARANTINE_TABLE)} where stream = $2 and ${OWN_RUNS}`, [
    connection,
    table.target.name,
  ]);
  table.quarantined.clear();
}

/** Rows that this connection has in quarantine now. */
export async function quarantined(
  db: DuckDBConnection,
  schema: string,
  stream: string,
  connection: string,
): Promise<number> {
  const [row] = await rowsOf(
    db,
    `select count(*)::integer as held from ${qualified(schema, QUARANTINE_TABLE)} where stream = $2 and ${OWN_RUNS}`,
    [connection, stream],
  );
  return row!['held'] as number;
}

/** Keys in quarantine, so that they leave it when they fit. */
export async function recallQuarantine(db: DuckDBConnection, table: Table): Promise<void> {
  const rows = await rowsOf(
    db,
    `select distinct key from ${qualified(table.schema, QUARANTINE_TABLE)} where stream = $1 and key is not null`,
    [table.target.name],
  );
  for (const { key } of rows) table.quarantined.set(key as string, 0);
}

/** An empty table out of sight. */
export async function restart(db: DuckDBConnection, table: Table, connection: string): Promise<void> {
  await db.run(`delete from ${table.sqlName}`);
  await db.run('delete from _headrace.counter where connection = $1 and stream = $2', [connection, table.target.name]);
  await emptyQuarantine(db, table, connection);
}

/** The new table takes the place of the old one. */
export async function publish(db: DuckDBConnection, table: Table): Promise<void> {
  await db.run(`drop table if exists ${table.publicSqlName}`);
  await db.run(`alter table ${table.sqlName} rename to ${quoteIdentifier(table.publicName)}`);
  const { schema, publicName, physicalName } = table;
  await db.run('delete from _headrace.field where schema_name = $1 and relation = $2', [schema, publicName]);
  await db.run(
    `insert into _headrace.field select schema_name, $2, name, field from _headrace.field where schema_name = $1
      and relation = $3`,
    [schema, publicName, physicalName],
  );
}
