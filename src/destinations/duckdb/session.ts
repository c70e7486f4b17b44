/** One connection's work on a DuckDB file: its tables, its state, and who holds it. */
import { existsSync } from 'node:fs';
import path from 'node:path';
import type { DuckDBConnection } from '@duckdb/node-api';
import type { DataRecord } from '../../base/catalog.js';
import { ConfigError, FatalError } from '../../base/errors.js';
import { makeFolder } from '../../base/folder.js';
import { isOfRows } from '../../duckdb/errors.js';
import { Engine, inTransaction, loadLibrary } from '../../duckdb/engine.js';
import { fitIdentifier, qualified, quoteIdentifier } from '../../postgres/identifiers.js';
import type {
  Batch,
  CommitReceipt,
  Counts,
  DestinationSession,
  OpenOptions,
  PreparedRows,
  PrepareInput,
  StateEntry,
  StateWrite,
  Unseen,
} from '../contract.js';
import { beginAccount, publish, quarantined, recallQuarantine, restart } from './account.js';
import { withoutRefused } from './careful.js';
import { commitBatch, QUARANTINE_TABLE, writeState } from './commit.js';
import { beginRun, isLaidOut, layOut, refuseNewer } from './layout.js';
import { keysWithin, lookup, newest, strangers } from './look.js';
import { forgetUnseen, unseen } from './reread.js';
import { Table, tablesOf, type TableRows } from './table.js';

const COUNTED = ['read', 'inserted', 'updated', 'unchanged', 'quarantined', 'deleted'] as const;

export class DuckdbSession implements DestinationSession {
  readonly capabilities = { keys: true };
  private readonly tables = new Map<string, Table>();
  private isOpen = true;

  private constructor(
    private readonly engine: Engine,
    private readonly schema: string,
    private readonly options: OpenOptions,
  ) {}

  /** Throws ConfigError where the file cannot be opened, `connection_locked` where another has it. */
  static async open(file: string, schema: string, options: OpenOptions): Promise<DuckdbSession> {
    await loadLibrary();
    if (!options.readOnly) makeFolder(path.dirname(file));
    else if (!existsSync(file)) throw nothingYet(file);
    const engine = await Engine.open(file, { readOnly: options.readOnly });
    const session = new DuckdbSession(engine, schema, options);
    try {
      session.takeHold();
      await engine.inTurn((db) => session.openTables(db));
      return session;
    } catch (error) {
      await session.close();
      throw error;
    }
  }

  async loadState(): Promise<StateEntry[]> {
    const rows = await this.engine.rows(
      `select stream, key, version, value::varchar as value from _headrace.state where connection = $1 order by stream,
        key`,
      [this.options.connection],
    );
    return rows.map(({ stream, key, version, value }) => ({
      stream: stream as string,
      key: key as string,
      version: version as number,
      value: JSON.parse(value as string) as unknown,
    }));
  }

  async writeState(writes: StateWrite[]): Promise<void> {
    await this.engine.transaction((db) => writeState(db, writes, this.options.connection));
  }

  prepare(input: PrepareInput): PreparedRows {
    return this.table(input.stream).prepare(input);
  }

  commit(batch: Batch): Promise<CommitReceipt> {
    const given = { ...batch, rows: batch.rows as TableRows[] };
    const context = {
      library: this.engine.library,
      connection: this.options.connection,
      runId: this.options.runId,
      schema: this.schema,
    };
    return this.engine.inTurn(async (db) => {
      for (const table of new Set(given.rows.map((part) => part.table))) await table.fit(db);
      const store = (what: typeof given, straight: boolean) =>
        inTransaction(db, () => commitBatch(db, what, { ...context, straight }));
      if (batch.firstLoad) {
        try {
          return await store(given, true);
        } catch (error) {
          // A key that is there already: the rare case of a first load goes the careful way.
          if (!isOfRows(error)) throw error;
        }
      }
      try {
        return await store(given, false);
      } catch (error) {
        if (!isOfRows(error)) throw error;
        return await store({ ...given, rows: await withoutRefused(db, given.rows, context) }, false);
      }
    });
  }

  async counts(): Promise<Record<string, Counts>> {
    const rows = await this.engine.rows(
      `select stream, ${COUNTED.map((name) => `${name}::double as ${name}`).join(', ')} from _headrace.counter
        where connection = $1`,
      [this.options.connection],
    );
    // The columns are those of COUNTED, which are the counts.
    return Object.fromEntries(rows.map(({ stream, ...counts }) => [stream as string, counts as unknown as Counts]));
  }

  async stored(stream: string): Promise<{ keys: number; deleted: number }> {
    const [row] = await this.engine.rows(
      `select count(*)::integer as keys, count("_headrace_deleted_at")::integer as deleted
        from ${this.table(stream).sqlName}`,
    );
    return row as { keys: number; deleted: number };
  }

  unseen(stream: string, generation: number, limit: number): Promise<Unseen> {
    return this.engine.inTurn((db) => unseen(db, this.table(stream), this.options.connection, generation, limit));
  }

  forgetUnseen(
    stream: string,
    generation: number,
    within: { field: string; gte: number | null; lt: number } | undefined,
  ): Promise<number> {
    return this.engine.transaction((db) =>
      forgetUnseen(db, this.table(stream), this.options.connection, generation, within),
    );
  }

  beginAccount(stream: string): Promise<number> {
    return this.engine.transaction((db) => beginAccount(db, this.table(stream), this.options.connection));
  }

  quarantined(stream: string): Promise<number> {
    return this.engine.inTurn((db) => quarantined(db, this.schema, stream, this.options.connection));
  }

  strangers(stream: string, limit: number): Promise<DataRecord[]> {
    return this.engine.inTurn((db) => strangers(db, this.table(stream), limit));
  }

  async restart(stream: string): Promise<void> {
    const table = this.table(stream);
    if (table.target.mode === 'replace')
      await this.engine.transaction((db) => restart(db, table, this.options.connection));
  }

  async publish(stream: string): Promise<void> {
    const table = this.table(stream);
    if (table.target.mode === 'replace') await this.engine.transaction((db) => publish(db, table));
  }

  lookup(stream: string, keys: DataRecord[]): Promise<(DataRecord | null)[]> {
    return this.engine.inTurn((db) => lookup(db, this.table(stream), keys));
  }

  keysWithin(stream: string, field: string, gte: number, lt: number, limit: number): Promise<DataRecord[]> {
    return this.engine.inTurn((db) => keysWithin(db, this.table(stream), { field, gte, lt }, limit));
  }

  newest(stream: string, limit: number): Promise<DataRecord[]> {
    return this.engine.inTurn((db) => newest(db, this.table(stream), limit));
  }

  async finishRun(outcome: string, summary: unknown): Promise<void> {
    await this.engine.rows('update _headrace.run set finished_at = now(), outcome = $2, summary = $3 where id = $1', [
      this.options.runId,
      outcome,
      JSON.stringify(summary),
    ]);
  }

  async close(): Promise<void> {
    if (!this.isOpen) return;
    this.isOpen = false;
    if (this.engine.notes.get(this.options.connection) === this.options)
      this.engine.notes.delete(this.options.connection);
    await this.engine.close();
  }

  /** Another process cannot have the file open; another run of this one could. */
  private takeHold(): void {
    const { connection, readOnly, beside } = this.options;
    if (readOnly || beside) return;
    const holder = this.engine.notes.get(connection) as OpenOptions | undefined;
    if (holder)
      throw new ConfigError(`connection ${connection} is being synced by another run`, {
        code: 'connection_locked',
        place: this.engine.place,
        found: `run ${holder.runId}, process ${process.pid}, started ${new Date(holder.startedMs).toISOString()}`,
        next: 'wait for it to end, or stop that process; everything it committed stays',
      });
    this.engine.notes.set(connection, this.options);
  }

  notes(): string[] {
    return [...this.tables.values()].flatMap((table) => table.notes);
  }

  private async openTables(db: DuckDBConnection): Promise<void> {
    const { readOnly, beside, streams } = this.options;
    if (readOnly) {
      if (!(await isLaidOut(db))) throw nothingYet(this.engine.place);
      await refuseNewer(db, this.engine.place);
    } else {
      await inTransaction(db, async () => {
        await layOut(db, this.engine.place);
        if (!beside) await beginRun(db, this.options);
        await db.run(`create schema if not exists ${quoteIdentifier(this.schema)}`);
        await db.run(`create table if not exists ${qualified(this.schema, QUARANTINE_TABLE)} (
          stream varchar not null, digest varchar not null, key varchar, reason varchar not null, raw varchar not null,
            page varchar,
          run_id varchar not null, "at" timestamptz not null default now(), primary key (stream, digest))`);
      });
    }
    const taken = new Set<string>([QUARANTINE_TABLE]);
    const there = await tablesOf(db, this.schema);
    for (const target of streams) {
      const name = fitIdentifier(target.name, taken);
      taken.add(name.toLowerCase());
      const table = new Table(target, this.schema, name);
      this.tables.set(target.name, table);
      await table.open(db, there, readOnly);
      if (!readOnly) await recallQuarantine(db, table);
    }
  }

  private table(stream: string): Table {
    const table = this.tables.get(stream);
    if (!table)
      throw new FatalError(`stream ${stream} was not opened`, { code: 'stream_not_open', place: this.engine.place });
    return table;
  }
}

export function nothingYet(place: string): ConfigError {
  return new ConfigError("this file holds nothing of Headrace's yet", {
    code: 'no_state',
    place,
    next: 'run headrace sync first',
  });
}
