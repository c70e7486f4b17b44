/** Headrace's own tables in a DuckDB file, and the record of its runs. */
import { hostname } from 'node:os';
import type { DuckDBConnection } from '@duckdb/node-api';
import { ConfigError } from '../../base/errors.js';
import { rowsOf } from '../../duckdb/engine.js';
import type { OpenOptions } from '../contract.js';

const LAYOUT = 1;

/** Whether the file holds anything of Headrace's. */
export async function isLaidOut(db: DuckDBConnection): Promise<boolean> {
  const [row] = await rowsOf(
    db,
    `select count(*)::integer as tables from duckdb_tables() where database_name = current_database()
      and schema_name = '_headrace' and table_name = 'layout'`,
  );
  return row!['tables'] === 1;
}

/** Makes what is missing. Throws ConfigError where a newer Headrace laid it out. */
export async function layOut(db: DuckDBConnection, place: string): Promise<void> {
  if (await isLaidOut(db)) return refuseNewer(db, place);
  await db.run('create schema if not exists _headrace');
  await db.run(`create table _headrace.state (connection varchar not null, stream varchar not null,
    key varchar not null,
    version integer not null, value json not null)`);
  await db.run(`create table _headrace.counter (connection varchar not null, stream varchar not null,
    read bigint not null,
    inserted bigint not null, updated bigint not null, unchanged bigint not null, quarantined bigint not null,
      deleted bigint not null,
    primary key (connection, stream))`);
  await db.run(`create table _headrace.run (id varchar primary key, connection varchar not null, host varchar not null,
    pid integer not null,
    started_at timestamptz not null default now(), finished_at timestamptz, outcome varchar, summary json)`);
  await db.run(`create table _headrace.seen (connection varchar not null, stream varchar not null,
    generation integer not null,
    key varchar not null)`);
  await db.run(`create table _headrace.field (schema_name varchar not null, relation varchar not null,
    name varchar not null,
    field varchar not null, primary key (schema_name, relation, name))`);
  await db.run('create table _headrace.layout (version integer not null)');
  await db.run(`insert into _headrace.layout values (${LAYOUT})`);
}

export async function refuseNewer(db: DuckDBConnection, place: string): Promise<void> {
  const [row] = await rowsOf(db, 'select max(version) as version from _headrace.layout');
  if ((row!['version'] as number) > LAYOUT)
    throw new ConfigError('a newer Headrace wrote this file', {
      code: 'newer_layout',
      place,
      expected: `layout ${LAYOUT} or older`,
      found: `layout ${row!['version'] as number}`,
      next: 'update headrace here',
    });
}

/** Begins the record of a run. Those of the connection that never ended were killed: nobody else has the file. */
export async function beginRun(db: DuckDBConnection, { connection, runId }: OpenOptions): Promise<void> {
  await db.run(
    `update _headrace.run set finished_at = now(), outcome = 'killed' where connection = $1 and finished_at is null
      and id <> $2`,
    [connection, runId],
  );
  await db.run(
    `insert into _headrace.run (id, connection, host, pid) values ($1, $2, $3, $4::integer)
     on conflict (id) do update set finished_at = null, outcome = null`,
    [runId, connection, hostname(), process.pid],
  );
}
