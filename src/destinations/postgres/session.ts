/** One connection's work on a PostgreSQL: its tables, its state, and the lock that keeps a second run out. */
import type pg from 'pg';
import {
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
import { codeOf, ConfigError, FatalError, messageOf, RetriableError } from '../../base/errors.js';
import { stringifyJson } from '../../base/json.js';
import type { PostgresTarget } from '../../postgres/connect.js';
import { describePostgresError } from '../../postgres/database-errors.js';
import { assertOwnSession } from '../../postgres/own-session.js';
import { layoutVersion, migrate } from '../../postgres/migrations.js';
import type { DataRecord } from '../../base/catalog.js';
import { isOfRows } from './careful.js';
import { commitBatch, inTransaction, receiptUnknown, writeState, type CommitContext } from './commit.js';
import { DatabaseLink, type Backend } from './link.js';
import { PostgresLoans } from './loans.js';
import { retakeLock, takeLock } from './lock.js';
import { beginAccount, quarantined } from './account.js';
import { keysWithin, lookup, newest, strangers } from './look.js';
import { publish, restart } from './replace.js';
import { forgetUnseen, unseen } from './reread.js';
import { prepareTables } from './prepare-tables.js';
import type { Table, TableRows } from './table.js';
import type { TableWork } from './work.js';
import { WrittenEntries } from './written.js';

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
  readonly capabilities = { keys: true, slices: true };
  readonly loans: PostgresLoans;
  private readonly tables = new Map<string, Table>();
  private ddl: Promise<void> = Promise.resolve();
  private readonly written = new WrittenEntries();

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
        await session.written.check(
          client,
          connection,
          target.description,
          options.beside === true || session.loans.lent,
        );
      },
    });
    const session = new PostgresSession(target, schema, link, options);
    try {
      const main = link.first;
      await assertOwnSession(main, target);
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
      for (const [stream, table] of await prepareTables(main, schema, options)) session.tables.set(stream, table);
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
    this.written.begin(writes);
    await this.link.onWriter(
      'a checkpoint',
      ({ client }) => inTransaction(client, () => writeState(client, writes, this.options.connection)),
      async (client) => ((await this.wereWritten(client, writes)) ? { result: undefined } : undefined),
    );
    this.written.note(writes);
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
        this.written.begin(batch.state);
        const receipt = await this.commitOnce(batch, careful);
        this.written.note(batch.state);
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
      `select version, value = $4::jsonb as same from _headrace.state where connection = $1 and stream = $2
        and key = $3`,
      [this.options.connection, stream, key, value === null ? null : stringifyJson(value)],
    );
    return value === null ? rows.length === 0 : rows[0]?.version === expect + 1 && rows[0].same;
  }

  async counts(): Promise<Record<string, Counts>> {
    const { rows } = await this.link.query(
      `select stream, ${COUNTED.join(', ')} from _headrace.counter where connection = $1`,
      [this.options.connection],
    );
    return Object.fromEntries(rows.map(({ stream, ...counts }) => [stream, counts as Counts]));
  }

  async stored(stream: string): Promise<{ keys: number; deleted: number }> {
    const table = this.table(stream);
    const { rows } = await this.link.query(
      `select count(*) as keys, count("_headrace_deleted_at") as deleted from ${table.sqlName} t
        where ${table.isOwn('t')}`,
    );
    return rows[0];
  }

  unseen(stream: string, generation: number, limit: number): Promise<Unseen> {
    return unseen(this.work, this.table(stream), generation, limit);
  }

  forgetUnseen(
    stream: string,
    generation: number,
    within: { field: string; gte: number | null; lt: number } | undefined,
  ): Promise<number> {
    return forgetUnseen(this.work, this.table(stream), generation, within);
  }

  beginAccount(stream: string): Promise<number> {
    return beginAccount(this.work, this.table(stream));
  }

  quarantined(stream: string): Promise<number> {
    return quarantined(this.work, stream);
  }

  strangers(stream: string, limit: number): Promise<DataRecord[]> {
    return strangers(this.work, this.table(stream), limit);
  }

  async restart(stream: string): Promise<void> {
    const table = this.table(stream);
    if (table.target.mode === 'replace') await restart(this.work, table);
  }

  async publish(stream: string): Promise<void> {
    const table = this.table(stream);
    if (table.target.mode === 'replace') await publish(this.work, table);
  }

  lookup(stream: string, keys: DataRecord[]): Promise<(DataRecord | null)[]> {
    return lookup(this.work, this.table(stream), keys);
  }

  keysWithin(stream: string, field: string, gte: number, lt: number, limit: number): Promise<DataRecord[]> {
    return keysWithin(this.work, this.table(stream), { field, gte, lt }, limit);
  }

  newest(stream: string, limit: number): Promise<DataRecord[]> {
    return newest(this.work, this.table(stream), limit);
  }

  notes(): string[] {
    return [...this.tables.values()].flatMap((table) => table.notes);
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

  private get work(): TableWork {
    return {
      connection: this.options.connection,
      schema: this.schema,
      place: this.target.description,
      query: (sql, parameters) => this.link.query(sql, parameters),
      once: (what, work) => this.once(what, work),
    };
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

  /** One at a time, so that two batches do not add the same column. One that fails fails its own batch alone. */
  private runDdl(table: Table): Promise<void> {
    const run = this.ddl.then(async () => {
      if (table.hasPendingDdl) await this.link.onWriter('a change of columns', ({ client }) => table.applyDdl(client));
    });
    this.ddl = run.catch(() => {});
    return run;
  }
}

function sqlStateOf(error: unknown): string {
  return codeOf((error as { cause?: unknown }).cause) ?? codeOf(error) ?? '';
}
