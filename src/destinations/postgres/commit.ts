/** One batch, one transaction: rows, tombstones, quarantine, ledger entries and counters together. */
import { pipeline } from 'node:stream/promises';
import { Readable } from 'node:stream';
import type pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { addCounts, noCounts, type Batch, type CommitReceipt, type Counts, type StateWrite } from '../contract.js';
import { codeOf, LedgerConflictError } from '../../base/errors.js';
import { stringifyJson } from '../../base/json.js';
import { qualified, quoteIdentifier } from '../../postgres/identifiers.js';
import { storeCarefully } from './careful.js';
import type { ColumnType } from './columns.js';
import { BINARY_HEADER, BINARY_TRAILER, textLines } from './copy-binary.js';
import { hasOwnTypes } from './own-types.js';
import { META_COLUMNS, type Table, type TableRows } from './table.js';

export interface CommitContext {
  connection: string;
  runId: string;
  schema: string;
  /** Stage tables of this connection: table -> layout they were made for. */
  stages: Map<Table, number>;
  /** Find the rows that the database refuses, and set them aside. */
  careful?: boolean;
}

const UNIQUE_VIOLATION = '23505';
const META_NAMES = META_COLUMNS.map(([name]) => quoteIdentifier(name));
export const QUARANTINE_TABLE = '_headrace_quarantine';

export async function commitBatch(client: pg.Client, batch: Batch, context: CommitContext): Promise<CommitReceipt> {
  const counts: Record<string, Counts> = {};
  // A stage that was made in a transaction that failed is not there.
  const failed = (error: unknown) => {
    context.stages.clear();
    throw error;
  };
  await inTransaction(client, async () => {
    let parts = batch.rows as TableRows[];
    if (context.careful) {
      const stored = await storeCarefully(client, parts, (rows) =>
        storeRows(client, rows[0]!.table, rows, batch.firstLoad, context).catch(failed),
      );
      parts = stored.parts;
      for (const [stream, more] of Object.entries(stored.counts)) addCounts(counts, stream, more);
    } else
      for (const [table, rows] of groupByTable(parts))
        addCounts(counts, table.target.name, await storeRows(client, table, rows, batch.firstLoad, context));
    for (const part of parts) {
      const extra = noCounts();
      extra.read = part.quarantine.length;
      extra.quarantined = part.quarantine.length;
      extra.deleted = await setTombstones(client, part);
      addCounts(counts, part.stream, extra);
    }
    await leaveQuarantine(client, parts, context);
    await storeQuarantine(client, parts, context);
    await rememberKeys(client, parts, context);
    await writeState(client, batch.state, context.connection);
    await addToCounters(client, counts, context.connection);
  }).catch(failed);
  return { counts };
}

/** A commit that was done and whose counts were lost with the connection: the stored counters have them. */
export function receiptUnknown(batch: Batch): CommitReceipt {
  const counts: Record<string, Counts> = {};
  for (const { stream, rows, quarantined } of batch.rows)
    addCounts(counts, stream, { ...noCounts(), read: rows + quarantined, unchanged: rows, quarantined });
  return { counts };
}

export async function inTransaction<T>(client: pg.Client, work: () => Promise<T>): Promise<T> {
  await client.query('begin');
  try {
    const result = await work();
    await client.query('commit');
    return result;
  } catch (error) {
    await client.query('rollback').catch(() => {});
    throw error;
  }
}

function groupByTable(parts: TableRows[]): Map<Table, TableRows[]> {
  const groups = new Map<Table, TableRows[]>();
  for (const part of parts) {
    if (part.rows === 0) continue;
    const group = groups.get(part.table);
    if (group) group.push(part);
    else groups.set(part.table, [part]);
  }
  return groups;
}

async function storeRows(
  client: pg.Client,
  table: Table,
  parts: TableRows[],
  firstLoad: boolean,
  context: CommitContext,
): Promise<Counts> {
  const counts = noCounts();
  const rows = parts.reduce((sum, part) => sum + part.rows, 0);
  counts.read = rows;
  if (!table.keyed) {
    await copyAll(client, table.sqlName, table, parts);
    counts.inserted = rows;
    return counts;
  }
  if (firstLoad) {
    await client.query('savepoint straight');
    try {
      await copyAll(client, table.sqlName, table, parts);
      counts.inserted = rows;
      return counts;
    } catch (error) {
      // A key that is there already: the rare case of a first load goes the careful way.
      if (codeOf(error) !== UNIQUE_VIOLATION) throw error;
      await client.query('rollback to savepoint straight');
    }
  }
  const stage = await stageOf(client, table, context);
  await copyAll(client, stage, table, parts);
  const { rows: result } = await client.query(mergeStatement(table, stage));
  await client.query(`truncate ${stage}`);
  counts.inserted = Number(result[0].inserted);
  counts.updated = Number(result[0].updated);
  counts.unchanged = rows - counts.inserted - counts.updated;
  return counts;
}

/** Rows of one width and format go in one COPY; a page that was encoded before a column came leaves that column out. */
async function copyAll(client: pg.Client, into: string, table: Table, parts: TableRows[]): Promise<void> {
  const takesBinary = parts.some(({ types }) => types) && (await hasOwnTypes(client, into, table));
  const groups = new Map<string, { width: number; isBinary: boolean; buffers: Buffer[] }>();
  for (const part of parts) {
    const isBinary = part.types !== undefined && takesBinary && isOfTypes(part.types, part.width, table);
    const copy = part.types && !isBinary ? Buffer.concat(textLines(part.copy, part.types)) : part.copy;
    const group = groups.get(`${part.width} ${isBinary}`);
    if (group) group.buffers.push(copy);
    else groups.set(`${part.width} ${isBinary}`, { width: part.width, isBinary, buffers: [copy] });
  }
  for (const { width, isBinary, buffers } of groups.values()) {
    const columns = [...table.columns.slice(0, width).map((column) => quoteIdentifier(column.name)), ...META_NAMES];
    const chunks = isBinary ? [BINARY_HEADER, ...buffers, BINARY_TRAILER] : buffers;
    const format = isBinary ? ' (format binary)' : '';
    const target = client.query(copyFrom(`copy ${into} (${columns.join(', ')}) from stdin${format}`));
    await pipeline(Readable.from(chunks), target);
  }
}

/** A column may have become wider since. */
function isOfTypes(types: readonly ColumnType[], width: number, { columns }: Table): boolean {
  return columns.slice(0, width).every(({ type }, at) => type === types[at]);
}

async function stageOf(client: pg.Client, table: Table, context: CommitContext): Promise<string> {
  const stage = `pg_temp.${quoteIdentifier(`stage_${Buffer.from(table.physicalName).toString('hex').slice(0, 40)}_${table.physicalName.length}`)}`;
  if (context.stages.get(table.first) !== table.layout) {
    await client.query(`drop table if exists ${stage}`);
    await client.query(
      `create temp table ${stage.replace('pg_temp.', '')} (like ${table.sqlName}) on commit delete rows`,
    );
    context.stages.set(table.first, table.layout);
  }
  return stage;
}

/**
 * Keys are deduplicated (the later read wins) and sorted, so that two connections lock them in one order; unchanged
 * rows stay as they are.
 */
function mergeStatement(table: Table, stage: string): string {
  const data = table.columns.map((column) => quoteIdentifier(column.name));
  const all = [...data, ...META_NAMES];
  const keys = table.keyColumns().map((column) => quoteIdentifier(column.name));
  const compared = [...data.filter((name) => !keys.includes(name)), quoteIdentifier('_headrace_deleted_at')];
  const row = (alias: string) => `row(${compared.map((name) => `${alias}.${name}`).join(', ')})`;
  return `
    with merged as (
      insert into ${table.sqlName} as t (${all.join(', ')})
      select distinct on (${keys.join(', ')}) ${all.join(', ')} from ${stage}
      order by ${keys.join(', ')}, "_headrace_version" desc, ctid desc
      on conflict (${keys.join(', ')}) do update set ${all
        .filter((name) => !keys.includes(name))
        .map((name) => `${name} = excluded.${name}`)
        .join(', ')}
      where excluded."_headrace_version" >= t."_headrace_version" and ${row('t')} is distinct from ${row('excluded')}
      returning (xmax = 0) as is_new
    )
    select count(*) filter (where is_new) as inserted, count(*) filter (where not is_new) as updated from merged`;
}

async function setTombstones(client: pg.Client, part: TableRows): Promise<number> {
  const { table } = part;
  let deleted = 0;
  const mark = `update ${table.sqlName} t set "_headrace_deleted_at" = to_timestamp($1::bigint / 1000.0),
    "_headrace_version" = $1
    where t."_headrace_deleted_at" is null and t."_headrace_version" <= $1`;
  if (part.deleted.length > 0) {
    const keys = part.deleted.map((record) => table.keyText(record));
    deleted +=
      (await client.query(`${mark} and ${table.keySql('t')} = any($2::text[])`, [part.version, keys])).rowCount ?? 0;
  }
  if (part.scope) {
    const column = quoteIdentifier(table.column(part.scope.field).name);
    deleted +=
      (
        await client.query(`${mark} and t.${column} = $2 and not (${table.keySql('t')} = any($3::text[]))`, [
          part.version,
          part.scope.value,
          part.keys ?? [],
        ])
      ).rowCount ?? 0;
  }
  return deleted;
}

/** A row that fits at a later read, or is gone, is set aside no longer. */
async function leaveQuarantine(client: pg.Client, parts: TableRows[], context: CommitContext): Promise<void> {
  for (const { stream, fits } of parts) {
    if (fits.length === 0) continue;
    await client.query(
      `delete from ${qualified(context.schema, QUARANTINE_TABLE)} where stream = $1 and key = any($2::text[])`,
      [stream, fits],
    );
  }
}

async function storeQuarantine(client: pg.Client, parts: TableRows[], context: CommitContext): Promise<void> {
  const rows = parts.flatMap((part) => part.quarantine);
  if (rows.length === 0) return;
  for (const { table, quarantine, version } of parts)
    for (const { key } of quarantine) if (key !== null) table.quarantined.set(key, version);
  const column = (pick: (row: (typeof rows)[number]) => string | null) => rows.map(pick);
  await client.query(
    `insert into ${qualified(context.schema, QUARANTINE_TABLE)} as q (stream, digest, key, reason, raw, page, run_id)
     select distinct on (stream, digest) stream, digest, key, reason, raw, page, $7
     from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[]) as r(stream, digest, key,
       reason, raw, page)
     order by stream, digest
     on conflict (stream, digest) do update set run_id = excluded.run_id, page = excluded.page`,
    [
      column((r) => r.stream),
      column((r) => r.digest),
      column((r) => r.key),
      column((r) => r.reason),
      column((r) => r.raw),
      column((r) => r.page),
      context.runId,
    ],
  );
}

async function rememberKeys(client: pg.Client, parts: TableRows[], context: CommitContext): Promise<void> {
  for (const part of parts) {
    if (part.generation === undefined || !part.keys || part.keys.length === 0) continue;
    await client.query(
      `insert into _headrace.seen (connection, stream, generation, key)
       select $1, $2, $3, k from unnest($4::text[]) as k order by k on conflict do nothing`,
      [context.connection, part.stream, part.generation, part.keys],
    );
  }
}

/** Compare-and-set of ledger entries. Throws LedgerConflictError where another process was there first. */
export async function writeState(client: pg.Client, writes: StateWrite[], connection: string): Promise<void> {
  const ordered = writes.toSorted((a, b) =>
    a.stream < b.stream ? -1 : a.stream > b.stream ? 1 : a.key < b.key ? -1 : 1,
  );
  const inserts = ordered.filter((write) => write.expect === 0 && write.value !== null);
  const updates = ordered.filter((write) => write.expect > 0 && write.value !== null);
  const deletes = ordered.filter((write) => write.expect > 0 && write.value === null);
  let done = 0;
  const run = async (sql: string, list: StateWrite[], values: boolean) => {
    if (list.length === 0) return;
    const parameters: unknown[] = [
      connection,
      list.map((w) => w.stream),
      list.map((w) => w.key),
      list.map((w) => w.expect),
    ];
    if (values) parameters.push(list.map((w) => stringifyJson(w.value)));
    done += (await client.query(sql, parameters)).rowCount ?? 0;
  };
  await run(
    `insert into _headrace.state (connection, stream, key, version, value)
     select $1, w.stream, w.key, w.expect + 1, w.value::jsonb
       from unnest($2::text[], $3::text[], $4::bigint[], $5::text[]) as w(stream, key, expect, value)
     on conflict do nothing`,
    inserts,
    true,
  );
  await run(
    `update _headrace.state s set version = w.expect + 1, value = w.value::jsonb
      from unnest($2::text[], $3::text[], $4::bigint[], $5::text[]) as w(stream, key, expect, value)
     where s.connection = $1 and s.stream = w.stream and s.key = w.key and s.version = w.expect`,
    updates,
    true,
  );
  await run(
    `delete from _headrace.state s using unnest($2::text[], $3::text[], $4::bigint[]) as w(stream, key, expect)
     where s.connection = $1 and s.stream = w.stream and s.key = w.key and s.version = w.expect`,
    deletes,
    false,
  );
  const expected = inserts.length + updates.length + deletes.length;
  if (done !== expected) {
    throw new LedgerConflictError("another process changed this stream's ledger", {
      code: 'ledger_conflict',
      expected: `${expected} entries as this run left them`,
      found: `${done}`,
      next: 'run again; the sync continues from what is committed',
    });
  }
}

async function addToCounters(client: pg.Client, counts: Record<string, Counts>, connection: string): Promise<void> {
  for (const [stream, c] of Object.entries(counts).toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    await client.query(
      `insert into _headrace.counter as t (connection, stream, read, inserted, updated, unchanged, quarantined,
        deleted) values ($1, $2, $3, $4, $5, $6, $7, $8)
       on conflict (connection, stream) do update set read = t.read + $3, inserted = t.inserted + $4,
         updated = t.updated + $5,
         unchanged = t.unchanged + $6, quarantined = t.quarantined + $7, deleted = t.deleted + $8`,
      [connection, stream, c.read, c.inserted, c.updated, c.unchanged, c.quarantined, c.deleted],
    );
  }
}
