/** A key's column made wider: DuckDB changes no type under a key, so that the table is written anew. */
import type { DuckDBConnection } from '@duckdb/node-api';
import { inTransaction, rowsOf } from '../../duckdb/engine.js';
import { qualified, quoteIdentifier } from '../../postgres/identifiers.js';

export interface WiderKey {
  schema: string;
  table: string;
  /** Names of the key's columns. */
  key: readonly string[];
  /** The one that changes, its type from now on, and SQL that makes its values of what is stored. */
  column: string;
  type: string;
  using: string;
}

/** Rows, columns of the user's own, defaults and indexes stay as they are. */
export async function widenKey(
  db: DuckDBConnection,
  { schema, table, key, column, type, using }: WiderKey,
): Promise<void> {
  const place = [schema, table];
  const columns = await rowsOf(
    db,
    `select column_name as name, data_type as type, is_nullable as nullable, column_default as otherwise
     from duckdb_columns() where schema_name = $1 and table_name = $2 and database_name = current_database()
     order by column_index`,
    place,
  );
  const indexes = await rowsOf(
    db,
    `select sql from duckdb_indexes() where schema_name = $1 and table_name = $2 and sql is not null
     and database_name = current_database()`,
    place,
  );
  const definitions = columns.map(({ name, type: stored, nullable, otherwise }) =>
    [
      quoteIdentifier(name as string),
      name === column ? type : stored,
      nullable === true ? '' : 'not null',
      typeof otherwise === 'string' ? `default ${otherwise}` : '',
    ].join(' '),
  );
  const names = columns.map(({ name }) => quoteIdentifier(name as string));
  const values = columns.map(({ name }) => (name === column ? using : quoteIdentifier(name as string)));
  const wider = `${table}_headrace_wider`;
  await inTransaction(db, async () => {
    const keys = `primary key (${key.map(quoteIdentifier).join(', ')})`;
    await db.run(`create table ${qualified(schema, wider)} (${[...definitions, keys].join(', ')})`);
    await db.run(
      `insert into ${qualified(schema, wider)} (${names.join(', ')}) select ${values.join(', ')} from ${qualified(schema, table)}`,
    );
    await db.run(`drop table ${qualified(schema, table)}`);
    await db.run(`alter table ${qualified(schema, wider)} rename to ${quoteIdentifier(table)}`);
  });
  // An index would hold the table's new name.
  for (const { sql } of indexes) await db.run(sql as string);
}
