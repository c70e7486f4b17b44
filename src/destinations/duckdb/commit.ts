/** One batch, one transaction: rows, tombstones, quarantine, ledger entries and counters together. */
import type { DuckDBConnection } from '@duckdb/node-api';
import { LedgerConflictError } from '../../base/errors.js';
import { stringifyJson } from '../../base/json.js';
import { changed, rowsOf, texts, type Library } from '../../duckdb/engine.js';
import { qualified, quoteIdentifier } from '../../postgres/identifiers.js';
import { addCounts, noCounts, type Batch, type CommitReceipt, type Counts, type StateWrite } from '../contract.js';
import type { Table, TableRows } from './table.js';

export interface CommitContext {
  library: Library;
  connection: string;
  runId: string;
  schema: string;
  /** Rows are most likely new: they go straight into the table. One that is not fails the whole. */
  straight: boolean;
}

export const QUARANTINE_TABLE = '_headrace_quarantine';
const STAGE = 'headrace_stage';
const FRESH = 'headrace_fresh';

/** Carries a batch out, within a transaction of the caller's. */
export async function commitBatch(
  db: DuckDBConnection,
  batch: Omit<Batch, 'rows'> & { rows: TableRows[] },
  context: CommitContext,
): Promise<CommitReceipt> {
  const counts: Record<string, Counts> = {};
  for (const [table, parts] of byTable(batch.rows))
    addCounts(counts, table.target.name, await storeRows(db, table, parts, context));
  for (const part of batch.rows) {
    const extra = { ...noCounts(), read: part.quarantine.length, quarantined: part.quarantine.length };
    extra.deleted = await setTombstones(db, part);
    addCounts(counts, part.stream, extra);
  }
  await leaveQuarantine(db, batch.rows, context);
  await storeQuarantine(db, batch.rows, context);
  await rememberKeys(db, batch.rows, context);
  await writeState(db, batch.state, context.connection);
  await addToCounters(db, counts, context.connection);
  return { counts };
}

function byTable(parts: TableRows[]): Map<Table, TableRows[]> {
  const groups = new Map<Table, TableRows[]>();
  for (const part of parts) {
    if (part.rows === 0) continue;
    const group = groups.get(part.table);
    if (group) group.push(part);
    else groups.set(part.table, [part]);
  }
  return groups;
}

/** Stores rows of one table, and tells what became of them. */
export async function storeRows(
  db: DuckDBConnection,
  table: Table,
  parts: TableRows[],
  { library, runId, straight }: Pick<CommitContext, 'library' | 'runId' | 'straight'>,
): Promise<Counts> {
  const counts = noCounts();
  counts.read = parts.reduce((sum, part) => sum + part.rows, 0);
  if (!table.isKeyed || straight) {
    await table.append(library, db, { schema: table.schema, name: table.physicalName }, parts, runId);
    counts.inserted = counts.read;
    return counts;
  }
  await db.run(`create or replace temp table ${STAGE} as select * from ${table.sqlName} limit 0`);
  await table.append(library, db, { schema: null, name: STAGE }, parts, runId);
  const { inserted, updated } = await merge(db, table);
  await db.run(`drop table ${STAGE}`);
  return { ...counts, inserted, updated, unchanged: counts.read - inserted - updated };
}

/**
 * Keys are deduplicated, the later read wins; unchanged rows stay as they are. What is to be written is counted first:
 * an upsert of DuckDB does not tell what it did.
 */
async function merge(db: DuckDBConnection, table: Table): Promise<{ inserted: number; updated: number }> {
  const all = table.dataNames;
  const keys = table.keyNames;
  const compared = [...all.slice(0, table.columns.length), quoteIdentifier('_headrace_deleted_at')].filter(
    (name) => !keys.includes(name),
  );
  const row = (alias: string) => `row(${compared.map((name) => `${alias}.${name}`).join(', ')})`;
  const same = keys.map((key) => `t.${key} = s.${key}`).join(' and ');
  await db.run(
    `create or replace temp table ${FRESH} as
     select s.*, t."_headrace_version" is null as headrace_is_new from (
       select * from ${STAGE}
       qualify row_number() over (partition by ${keys.join(', ')} order by "_headrace_version" desc, rowid desc) = 1
     ) s left join ${table.sqlName} t on ${same}
     where t."_headrace_version" is null
       or (s."_headrace_version" >= t."_headrace_version" and ${row('t')} is distinct from ${row('s')})`,
  );
  const [counts] = await rowsOf(
    db,
    `select (count(*) filter (where headrace_is_new))::integer as inserted,
      (count(*) filter (where not headrace_is_new))::integer as updated from ${FRESH}`,
  );
  await db.run(
    `insert into ${table.sqlName} (${all.join(', ')}) select ${all.join(', ')} from ${FRESH}
     on conflict (${keys.join(', ')}) do update set ${all
       .filter((name) => !keys.includes(name))
       .map((name) => `${name} = excluded.${name}`)
       .join(', ')}`,
  );
  await db.run(`drop table ${FRESH}`);
  return counts as { inserted: number; updated: number };
}

async function setTombstones(db: DuckDBConnection, part: TableRows): Promise<number> {
  const { table } = part;
  let deleted = 0;
  const mark = `update ${table.sqlName} t
    set "_headrace_deleted_at" = epoch_ms($1::bigint)::timestamp at time zone 'UTC', "_headrace_version" = $1
    where t."_headrace_deleted_at" is null and t."_headrace_version" <= $1`;
  const version = BigInt(part.version);
  if (part.deleted.length > 0) {
    const keys = part.deleted.map((record) => table.keyText(record));
    deleted += await changed(db, `${mark} and ${table.keySql('t')} in (select unnest(${texts(2)}))`, [
      version,
      stringifyJson(keys),
    ]);
  }
  if (part.scope) {
    const text = table.textSql('t', table.column(part.scope.field));
    deleted += await changed(
      db,
      `${mark} and ${text} = $2 and not (${table.keySql('t')} in (select unnest(${texts(3)})))`,
      [version, part.scope.value, stringifyJson(part.keys ?? [])],
    );
  }
  return deleted;
}

/** A row that fits at a later read, or is gone, is set aside no longer. */
async function leaveQuarantine(db: DuckDBConnection, parts: TableRows[], { schema }: CommitContext): Promise<void> {
  for (const { stream, fits } of parts)
    if (fits.length > 0)
      await db.run(
        `delete from ${qualified(schema, QUARANTINE_TABLE)} where stream = $1 and key in (select unnest(${texts(2)}))`,
        [stream, stringifyJson(fits)],
      );
}

async function storeQuarantine(
  db: DuckDBConnection,
  parts: TableRows[],
  { schema, runId }: CommitContext,
): Promise<void> {
  for (const { table, quarantine, version } of parts)
    for (const { stream, digest, key, reason, raw, page } of quarantine) {
      if (key !== null) table.quarantined.set(key, version);
      await db.run(
        `insert into ${qualified(schema, QUARANTINE_TABLE)} (stream, digest, key, reason, raw, page, run_id)
         values ($1, $2, $3, $4, $5, $6, $7) on conflict (stream, digest) do update set run_id = excluded.run_id,
           page = excluded.page`,
        [stream, digest, key, reason, raw, page, runId],
      );
    }
}

async function rememberKeys(db: DuckDBConnection, parts: TableRows[], context: CommitContext): Promise<void> {
  for (const { stream, generation, keys } of parts) {
    if (generation === undefined || !keys || keys.length === 0) continue;
    await db.run(`insert into _headrace.seen select $1, $2, $3::integer, unnest(${texts(4)})`, [
      context.connection,
      stream,
      generation,
      stringifyJson(keys),
    ]);
  }
}

/** Compare-and-set of ledger entries. Throws LedgerConflictError where another one was there first. */
export async function writeState(db: DuckDBConnection, writes: StateWrite[], connection: string): Promise<void> {
  if (writes.length === 0) return;
  const stored = new Map(
    (await rowsOf(db, 'select stream, key, version from _headrace.state where connection = $1', [connection])).map(
      ({ stream, key, version }) => [`${stream as string}\u0001${key as string}`, version as number],
    ),
  );
  for (const { stream, key, expect, value } of writes) {
    const there = stored.get(`${stream}\u0001${key}`) ?? 0;
    if (there !== expect)
      throw new LedgerConflictError("another process changed this stream's ledger", {
        code: 'ledger_conflict',
        expected: `version ${expect} of ${stream} ${key}`,
        found: `version ${there}`,
        next: 'run again; the sync continues from what is committed',
      });
    const place = [connection, stream, key];
    if (value === null)
      await db.run('delete from _headrace.state where connection = $1 and stream = $2 and key = $3', place);
    else if (expect === 0)
      await db.run('insert into _headrace.state values ($1, $2, $3, 1, $4)', [...place, stringifyJson(value)]);
    else
      await db.run(
        `update _headrace.state set version = version + 1, value = $4 where connection = $1 and stream = $2
          and key = $3`,
        [...place, stringifyJson(value)],
      );
  }
}

async function addToCounters(db: DuckDBConnection, counts: Record<string, Counts>, connection: string): Promise<void> {
  for (const [stream, c] of Object.entries(counts))
    await db.run(
      `insert into _headrace.counter as t values ($1, $2, $3, $4, $5, $6, $7, $8)
       on conflict (connection, stream) do update set read = t.read + excluded.read,
         inserted = t.inserted + excluded.inserted,
         updated = t.updated + excluded.updated, unchanged = t.unchanged + excluded.unchanged,
         quarantined = t.quarantined + excluded.quarantined, deleted = t.deleted + excluded.deleted`,
      [connection, stream, c.read, c.inserted, c.updated, c.unchanged, c.quarantined, c.deleted],
    );
}
