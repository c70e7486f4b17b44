/** One connection's work on a PostgreSQL: its tables, its state, and the lock that keeps a second run out. */
import type pg from 'pg';
import {
  addCounts,
  noCounts,
  type Batch,
  type CommitReceipt,
  type Counts,
  type DestinationSession,
  type DestinationWait,
  type OpenOptions,
  type PreparedRows,
  type PrepareInput,
  type StateEntry,
  type StateWrite,
  type Unseen,
} from '../contract.js';
import { systemClock } from '../../base/clock.js';
import { LIMITS } from '../../base/bounds.js';
import { codeOf, ConfigError, FatalError, messageOf, PausedError, RetriableError } from '../../base/errors.js';
import { parseJson, stringifyJson } from '../../base/json.js';
import type { PostgresTarget } from '../../postgres/connect.js';
import { describePostgresError } from '../../postgres/database-errors.js';
import { fitIdentifier, qualified, quoteIdentifier } from '../../postgres/identifiers.js';
import { layoutVersion, migrate } from '../../postgres/migrations.js';
import type { DataRecord } from '../../base/catalog.js';
import { isOfRows } from './careful.js';
import { commitBatch, inTransaction, QUARANTINE_TABLE, writeState, type CommitContext } from './commit.js';
import { DatabaseLink, type Backend } from './link.js';
import { PostgresLoans } from './loans.js';
import { retakeLock, takeLock } from './lock.js';
import { REST_COLUMN, Table, type TableRows } from './table.js';

const COUNTED = ['read', 'inserted', 'updated', 'unchanged', 'quarantined', 'deleted'] as const;
/** A batch that met a deadlock or a serialisation failure is tried again this often. */
const COMMIT_ATTEMPTS = 5;
const REOPEN_MS = 500;
const TRY_AGAIN = new Set(['40P01', '40001']);

type Stages = CommitContext['stages'];

export interface SessionParts {
  /** How long a database that is gone is waited for. */
  waitMs?: number | undefined;
  /** Makes the server run again, where that is ours to do. */
  revive?: (() => Promise<void>) | undefined;
}

export class PostgresSession implements DestinationSession {
  readonly capabilities = { keys: true };
  readonly loans: PostgresLoans;
  private readonly tables = new Map<string, Table>();
  private ddl: Promise<void> = Promise.resolve();
  /** Entries as this session left them: a database that forgot one of them after a crash is found out. */
  private readonly versions = new Map<string, number>();

  private constructor(
    private readonly target: PostgresTarget,
    private readonly schema: string,
    private readonly link: DatabaseLink<Stages>,
    private readonly options: OpenOptions,
  ) {
    this.loans = new PostgresLoans(link, options.connection);
  }

  /** A server that answers at all, and is lost while the session opens, is waited for as later on. */
  static async open(
    target: PostgresTarget,
    schema: string,
    options: OpenOptions,
    parts: SessionParts = {},
  ): Promise<PostgresSession> {
    const sinceMs = systemClock.monotonic();
    const untilMs = sinceMs + (parts.waitMs ?? LIMITS.databaseWaitMs);
    const lost: Backend[] = [];
    for (;;) {
      try {
        return await PostgresSession.openOnce(target, schema, options, { ...parts, lost });
      } catch (error) {
        const isOver = options.signal?.aborted || systemClock.monotonic() + REOPEN_MS > untilMs;
        if (codeOf(error) !== 'database_lost' || isOver) throw error;
        options.onWait?.({ reason: `the database is gone (${messageOf(error)})`, sinceMs, untilMs });
        await systemClock.sleep(REOPEN_MS, options.signal);
      }
    }
  }

  private static async openOnce(
    target: PostgresTarget,
    schema: string,
    options: OpenOptions,
    parts: SessionParts & { lost: Backend[] },
  ): Promise<PostgresSession> {
    const { connection, runId, signal, onWait } = options;
    const holdsLock = !options.readOnly && !options.beside;
    const link = await DatabaseLink.open<Stages>({
      ...parts,
      target,
      name: connection,
      clock: systemClock,
      signal,
      onWait,
      noStages: () => new Map(),
      relock: async (client) => {
        if (holdsLock) await retakeLock(client, { connection, runId, place: target.description });
        await session.checkNothingForgotten(client);
      },
    });
    const session = new PostgresSession(target, schema, link, options);
    try {
      const main = link.first;
      if (options.readOnly) {
        if ((await layoutVersion(main)) === 0)
          throw new ConfigError("this database holds nothing of Headrace's yet", {
            code: 'no_state',
            place: target.description,
            next: 'run headrace sync first',
          });
      } else {
        await migrate(main);
        if (holdsLock) await takeLock(main, { connection, runId, place: target.description });
      }
      await session.prepareTables(main);
      link.begin();
      return session;
    } catch (error) {
      await session.close();
      throw describePostgresError(error, target.description);
    }
  }

  waits(): DestinationWait[] {
    return this.link.waits();
  }

  async loadState(): Promise<StateEntry[]> {
    const { rows } = await this.link.query(
      'select stream, key, version, value from _headrace.state where connection = $1 order by stream, key',
      [this.options.connection],
    );
    return rows;
  }

  async writeState(writes: StateWrite[]): Promise<void> {
    if (writes.length === 0) return;
    await this.link.onWriter(
      'a checkpoint',
      ({ client }) => inTransaction(client, () => writeState(client, writes, this.options.connection)),
      async (client) => ((await this.wereWritten(client, writes)) ? { result: undefined } : undefined),
    );
    this.noteWritten(writes);
  }

  prepare(input: PrepareInput): PreparedRows {
    return this.table(input.stream).prepare(input, this.options.runId);
  }

  async commit(batch: Batch): Promise<CommitReceipt> {
    const tables = new Set((batch.rows as TableRows[]).map((part) => part.table));
    for (const table of tables) if (table.hasPendingDdl) await this.runDdl(table);
    let careful = false;
    for (let attempt = 1; ; attempt++) {
      try {
        const receipt = await this.commitOnce(batch, careful);
        this.noteWritten(batch.state);
        return receipt;
      } catch (error) {
        // Some row of it cannot be stored: each that cannot goes to the quarantine, the others are stored.
        if (!careful && isOfRows(sqlStateOf(error))) {
          careful = true;
          continue;
        }
        if (attempt < COMMIT_ATTEMPTS && TRY_AGAIN.has(sqlStateOf(error))) continue;
        throw error;
      }
    }
  }

  private commitOnce(batch: Batch, careful: boolean): Promise<CommitReceipt> {
    const { connection, runId } = this.options;
    return this.link.onWriter(
      'a commit',
      ({ client, stages }) => commitBatch(client, batch, { connection, runId, schema: this.schema, stages, careful }),
      async (client) => {
        if (batch.state.length > 0)
          return (await this.wereWritten(client, batch.state)) ? { result: receiptUnknown(batch) } : undefined;
        const adds = (batch.rows as TableRows[]).some((part) => part.rows > 0 && !part.table.keyed);
        if (!adds) return undefined;
        throw new RetriableError('whether rows without a key were stored is unknown', {
          code: 'commit_unknown',
          place: this.target.description,
          next: 'run the same command again; it continues where it stopped',
        });
      },
    );
  }

  /**
   * Whether writes whose outcome is unknown were done: they are one transaction, so the first tells for all. The value
   * tells ours from another's, who raised the version.
   */
  private async wereWritten(client: pg.Client, writes: StateWrite[]): Promise<boolean> {
    const { stream, key, expect, value } = writes[0]!;
    const { rows } = await client.query<{ version: number; same: boolean }>(
      'select version, value = $4::jsonb as same from _headrace.state where connection = $1 and stream = $2 and key = $3',
      [this.options.connection, stream, key, value === null ? null : stringifyJson(value)],
    );
    return value === null ? rows.length === 0 : rows[0]?.version === expect + 1 && rows[0].same;
  }

  private noteWritten(writes: StateWrite[]): void {
    for (const { stream, key, expect, value } of writes) {
      if (value === null) this.versions.delete(`${stream} ${key}`);
      else this.versions.set(`${stream} ${key}`, expect + 1);
    }
  }

  /** A server that commits asynchronously may lose the last commits in a crash: then what this run knows is not so. */
  private async checkNothingForgotten(client: pg.Client): Promise<void> {
    if (this.versions.size === 0) return;
    const { rows } = await client.query<{ stream: string; key: string; version: number }>(
      'select stream, key, version from _headrace.state where connection = $1',
      [this.options.connection],
    );
    const stored = new Map(rows.map(({ stream, key, version }) => [`${stream} ${key}`, version]));
    // Who shares a read deletes entries of others; nobody lowers a version.
    const isShared = this.options.beside === true || this.loans.lent;
    const lost = [...this.versions].filter(
      ([entry, version]) => (stored.get(entry) ?? (isShared ? Infinity : 0)) < version,
    );
    if (lost.length === 0) return;
    throw new PausedError('the database forgot the last commits when it crashed', {
      code: 'commits_forgotten',
      place: this.target.description,
      expected: 'the state as this run left it',
      found: `${lost.length} older entries, the first ${lost[0]![0]}`,
      next: 'run the same command again; it continues from what is stored',
    });
  }

  async counts(): Promise<Record<string, Counts>> {
    const { rows } = await this.link.query(
      `select stream, ${COUNTED.join(', ')} from _headrace.counter where connection = $1`,
      [this.options.connection],
    );
    return Object.fromEntries(rows.map(({ stream, ...counts }) => [stream, counts as Counts]));
  }

  async stored(stream: string): Promise<{ keys: number; deleted: number }> {
    const { rows } = await this.link.query(
      `select count(*) as keys, count("_headrace_deleted_at") as deleted from ${this.table(stream).sqlName}`,
    );
    return rows[0];
  }

  /** Rows without a key cannot be compared: those of earlier readings give way to the last one's. */
  private async forgetEarlier(table: Table, stream: string, generation: number): Promise<number> {
    return this.once('rows of earlier readings', async (client) => {
      const { rowCount } = await client.query(`delete from ${table.sqlName} where "_headrace_page" not like $1`, [
        `${generation}.%`,
      ]);
      await client.query(
        'update _headrace.counter set inserted = inserted - $3, read = read - $3 where connection = $1 and stream = $2',
        [this.options.connection, stream, rowCount],
      );
      return 0;
    });
  }

  async unseen(stream: string, generation: number, limit: number): Promise<Unseen> {
    const table = this.table(stream);
    if (table.target.primaryKey.length === 0) return this.unseenWithoutKeys(table, generation);
    const { rows } = await this.link.query(
      `with live as (select ${table.keySql('t')} as key, t.ctid as place from ${table.sqlName} t where t."_headrace_deleted_at" is null),
         gone as (select key, place from live l where not exists
           (select 1 from _headrace.seen s where s.connection = $1 and s.stream = $2 and s.generation = $3 and s.key = l.key))
       select (select count(*) from live) as live, count(*) as gone, coalesce(md5(string_agg(key, ',' order by key)), '') as digest,
         (select coalesce(array_agg(to_jsonb(t)), '{}') from (select place from gone order by key limit $4) first
            join ${table.sqlName} t on t.ctid = first.place) as sample from gone`,
      [this.options.connection, stream, generation, limit],
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
  private async unseenWithoutKeys(table: Table, generation: number): Promise<Unseen> {
    if (table.target.mode === 'append') return { rows: 0, live: 0, sample: [], digest: '' };
    const { rows } = await this.link.query(
      `select count(*) filter (where "_headrace_page" like $1) as now, count(*) filter (where "_headrace_page" not like $1) as before,
         max(split_part("_headrace_page", '.', 1)) filter (where "_headrace_page" not like $1) as earlier from ${table.sqlName}`,
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

  async forgetUnseen(
    stream: string,
    generation: number,
    within: { field: string; gte: number | null; lt: number } | undefined,
  ): Promise<number> {
    const table = this.table(stream);
    if (table.target.primaryKey.length === 0)
      return within || table.target.mode === 'append' ? 0 : this.forgetEarlier(table, stream, generation);
    const column = within && `t.${quoteIdentifier(table.column(within.field).name)}`;
    const parameters: unknown[] = [this.options.connection, stream, generation];
    let where = '';
    if (within) {
      parameters.push(within.lt);
      where += ` and ${column} < $4`;
      if (within.gte !== null) {
        parameters.push(within.gte);
        where += ` and ${column} >= $5`;
      }
    }
    return this.once('rows that are gone', async (client) => {
      const { rowCount } = await client.query(
        `update ${table.sqlName} t set "_headrace_deleted_at" = now()
           where t."_headrace_deleted_at" is null${where}
             and not exists (select 1 from _headrace.seen s where s.connection = $1 and s.stream = $2 and s.generation = $3 and s.key = ${table.keySql('t')})`,
        parameters,
      );
      await client.query('delete from _headrace.seen where connection = $1 and stream = $2 and generation <= $3', [
        this.options.connection,
        stream,
        generation,
      ]);
      await client.query('update _headrace.counter set deleted = deleted + $3 where connection = $1 and stream = $2', [
        this.options.connection,
        stream,
        rowCount,
      ]);
      return rowCount ?? 0;
    });
  }

  async restart(stream: string): Promise<void> {
    const table = this.table(stream);
    if (table.target.mode !== 'replace') return;
    await this.refuseUnderViews(table);
    await this.once('an empty table', async (client) => {
      await client.query(`truncate ${table.sqlName}`);
      await client.query('delete from _headrace.counter where connection = $1 and stream = $2', [
        this.options.connection,
        stream,
      ]);
    });
  }

  /** A table cannot be replaced under a view: that is said before everything is read for it. */
  private async refuseUnderViews(table: Table): Promise<void> {
    const name = qualified(this.schema, table.publicName);
    const { rows } = await this.link.query(
      `select distinct r.ev_class::regclass::text as view from pg_depend d join pg_rewrite r on r.oid = d.objid
       where d.classid = 'pg_rewrite'::regclass and d.refclassid = 'pg_class'::regclass and d.refobjid = to_regclass($1)
         and r.ev_class <> d.refobjid order by 1`,
      [name],
    );
    if (rows.length === 0) return;
    throw new ConfigError(`mode replace cannot swap table ${this.schema}.${table.publicName} under a view`, {
      code: 'views_depend',
      place: this.target.description,
      expected: 'no view over the table, or mode upsert',
      found: rows.map(({ view }) => view as string).join(', '),
      next: 'drop the view and create it again after the run, or use mode upsert',
    });
  }

  async publish(stream: string): Promise<void> {
    const table = this.table(stream);
    if (table.target.mode !== 'replace') return;
    await this.once('a new table', async (client) => {
      const name = qualified(this.schema, table.publicName);
      // Who may read the old table may read the new one.
      const { rows: grants } = await client.query<{ sql: string }>(
        `select format('grant %s on table %s to %s%s', g.privilege_type, $1::text,
                  case g.grantee when 0 then 'public' else quote_ident(pg_get_userbyid(g.grantee)) end,
                  case when g.is_grantable then ' with grant option' else '' end) as sql
         from pg_class c, aclexplode(c.relacl) g where c.oid = to_regclass($1) and g.grantee <> c.relowner`,
        [name],
      );
      await client.query(`drop table if exists ${name}`);
      await client.query(`alter table ${table.sqlName} rename to ${quoteIdentifier(table.publicName)}`);
      for (const { sql } of grants) await client.query(sql);
    });
  }

  async lookup(stream: string, keys: DataRecord[]): Promise<(DataRecord | null)[]> {
    const table = this.table(stream);
    const wanted = keys.map((key) => table.keyText(key));
    const { rows } = await this.link.query(
      `select ${table.keySql('t')} as headrace_key, to_jsonb(t)::text as headrace_row from ${table.sqlName} t where ${table.keySql('t')} = any($1::text[])`,
      [wanted],
    );
    const found = new Map(
      rows.map((row) => [row.headrace_key, fieldsOf(table, parseJson(row.headrace_row) as DataRecord)]),
    );
    return wanted.map((key) => found.get(key) ?? null);
  }

  async keysWithin(stream: string, field: string, gte: number, lt: number, limit: number): Promise<DataRecord[]> {
    const table = this.table(stream);
    const column = quoteIdentifier(table.column(field).name);
    const { rows } = await this.link.query(
      `select ${table
        .keyColumns()
        .map((key) => quoteIdentifier(key.name))
        .join(', ')} from ${table.sqlName}
       where ${column} >= $1 and ${column} < $2 and "_headrace_deleted_at" is null order by ${column} desc limit $3`,
      [gte, lt, limit],
    );
    return rows.map((row) => fieldsOf(table, row));
  }

  async finishRun(outcome: string, summary: unknown): Promise<void> {
    // The last commit waits for the disk, and with it all that came before.
    await this.link.onMain('the end of the run', async (client) => {
      await client.query('set synchronous_commit = on');
      await client.query('update _headrace.run set finished_at = now(), outcome = $2, summary = $3 where id = $1', [
        this.options.runId,
        outcome,
        JSON.stringify(summary),
      ]);
    });
  }

  async close(): Promise<void> {
    await this.link.close();
  }

  /** One transaction that must not be done twice: where its outcome is unknown, the server knows. */
  private once<T>(what: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
    let done: { id: number; result: T } | undefined;
    return this.link.onWriter(
      what,
      ({ client }) => {
        done = undefined;
        return inTransaction(client, async () => {
          const result = await work(client);
          done = { id: (await client.query('select txid_current() as id')).rows[0].id, result };
          return result;
        });
      },
      async (client) => {
        if (!done) return undefined;
        const { rows } = await client.query('select txid_status($1) as status', [done.id]);
        return rows[0].status === 'committed' ? { result: done.result } : undefined;
      },
    );
  }

  private table(stream: string): Table {
    const table = this.tables.get(stream);
    if (!table)
      throw new FatalError(`stream ${stream} was not opened`, {
        code: 'stream_not_open',
        place: this.target.description,
      });
    return table;
  }

  private async prepareSchema(main: pg.Client): Promise<void> {
    await main.query(`create schema if not exists ${quoteIdentifier(this.schema)}`);
    await main.query(`create table if not exists ${qualified(this.schema, QUARANTINE_TABLE)} (
      stream text not null, digest text not null, key text, reason text not null, raw text not null, page text, run_id text not null,
      at timestamptz not null default now(), primary key (stream, digest))`);
  }

  /** Two that begin at once must not create the same table. */
  private async prepareTables(main: pg.Client): Promise<void> {
    if (this.options.readOnly) return this.openTables(main);
    await main.query('select pg_advisory_lock(hashtextextended($1, 7205513))', [this.options.connection]);
    try {
      await this.prepareSchema(main);
      await this.openTables(main);
    } finally {
      await main.query('select pg_advisory_unlock(hashtextextended($1, 7205513))', [this.options.connection]);
    }
  }

  private async openTables(main: pg.Client): Promise<void> {
    const taken = new Set<string>([QUARANTINE_TABLE]);
    for (const target of this.options.streams) {
      const name = fitIdentifier(target.name, taken);
      taken.add(name.toLowerCase());
      const table = new Table(target, this.schema, name);
      this.tables.set(target.name, table);
      if (!this.options.readOnly) await table.open(main);
      else if ((await main.query('select to_regclass($1) is not null as there', [table.sqlName])).rows[0].there)
        await table.open(main);
    }
  }

  /** One at a time, so that two batches do not add the same column. One that fails fails its own batch alone. */
  private runDdl(table: Table): Promise<void> {
    const run = this.ddl.then(async () => {
      if (table.hasPendingDdl) await this.link.onWriter('a change of columns', ({ client }) => table.applyDdl(client));
    });
    this.ddl = run.catch(() => {});
    return run;
  }
}

/** A commit that was done and whose counts were lost with the connection: the stored counters have them. */
function receiptUnknown(batch: Batch): CommitReceipt {
  const counts: Record<string, Counts> = {};
  for (const { stream, rows, quarantined } of batch.rows)
    addCounts(counts, stream, { ...noCounts(), read: rows + quarantined, unchanged: rows, quarantined });
  return { counts };
}

function fieldsOf(table: Table, row: DataRecord): DataRecord {
  const out: DataRecord = {};
  for (const { name, field } of table.columns)
    if (name === REST_COLUMN) Object.assign(out, row[name]);
    else if (name in row) out[field] = row[name];
  return out;
}

function sqlStateOf(error: unknown): string {
  return codeOf((error as { cause?: unknown }).cause) ?? codeOf(error) ?? '';
}
