/** The schema and the tables of a session, made or taken over. */
import type pg from 'pg';
import { fitIdentifier, qualified, quoteIdentifier } from '../../postgres/identifiers.js';
import type { OpenOptions } from '../contract.js';
import { recallQuarantine } from './account.js';
import { QUARANTINE_TABLE } from './commit.js';
import { refuseReplace } from './table-ddl.js';
import { Table } from './table.js';

/** Two that begin at once must not create the same table. */
export async function prepareTables(
  main: pg.Client,
  schema: string,
  options: OpenOptions,
): Promise<Map<string, Table>> {
  if (options.readOnly) return openTables(main, schema, options);
  await main.query('select pg_advisory_lock(hashtextextended($1, 7205513))', [options.connection]);
  try {
    await prepareSchema(main, schema);
    return await openTables(main, schema, options);
  } finally {
    await main.query('select pg_advisory_unlock(hashtextextended($1, 7205513))', [options.connection]);
  }
}

async function prepareSchema(main: pg.Client, schema: string): Promise<void> {
  await main.query(`create schema if not exists ${quoteIdentifier(schema)}`);
  await main.query(`create table if not exists ${qualified(schema, QUARANTINE_TABLE)} (
      stream text not null, digest text not null, key text, reason text not null, raw text not null, page text,
        run_id text not null,
      at timestamptz not null default now(), primary key (stream, digest))`);
}

/** Parts of one stream share its table. */
async function openTables(
  main: pg.Client,
  schema: string,
  { streams, readOnly }: OpenOptions,
): Promise<Map<string, Table>> {
  const tables = new Map<string, Table>();
  const taken = new Set<string>([QUARANTINE_TABLE]);
  const shared = new Map<string, Table>();
  for (const target of streams) {
    const of = target.part?.of ?? target.name;
    const sibling = shared.get(of);
    const name = sibling?.publicName ?? fitIdentifier(of, taken);
    taken.add(name.toLowerCase());
    const table = new Table(target, schema, name, sibling);
    if (target.part) refuseReplace(target);
    shared.set(of, sibling ?? table);
    tables.set(target.name, table);
    if (!readOnly) {
      await table.open(main);
      await recallQuarantine(main, table);
    } else if ((await main.query('select to_regclass($1) is not null as there', [table.sqlName])).rows[0].there)
      await table.open(main);
  }
  return tables;
}
