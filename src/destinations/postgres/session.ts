/** One connection's work on a PostgreSQL: its tables, its state, and the lock that keeps a second run out. */
import { hostname } from 'node:os';
import type pg from 'pg';
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
} from '../contract.js';
import { codeOf, ConfigError, FatalError } from '../../base/errors.js';
import { LIMITS } from '../../base/bounds.js';
import { connect, type PostgresTarget } from '../../postgres/connect.js';
import { describePostgresError } from '../../postgres/database-errors.js';
import { fitIdentifier, qualified, quoteIdentifier } from '../../postgres/identifiers.js';
import { layoutVersion, migrate } from '../../postgres/migrations.js';
import type { DataRecord } from '../../base/catalog.js';
import { commitBatch, QUARANTINE_TABLE, writeState, type CommitContext } from './commit.js';
import { CONNECTION_LOCK, PostgresLoans } from './loans.js';
import { Table, type TableRows } from './table.js';

const COUNTED = ['read', 'inserted', 'updated', 'unchanged', 'quarantined', 'deleted'] as const;
/** A batch that met a deadlock or a serialisation failure is tried again this often. */
const COMMIT_ATTEMPTS = 5;
const TRY_AGAIN = new Set(['40P01', '40001']);

interface Writer {
  client: pg.Client;
  stages: CommitContext['stages'];
}

export class PostgresSession implements DestinationSession {
  readonly capabilities = { keys: true };
  readonly loans: PostgresLoans;
  private readonly tables = new Map<string, Table>();
  private readonly idle: Writer[] = [];
  private readonly waiting: ((writer: Writer) => void)[] = [];
  private writers = 0;
  private ddl: Promise<void> = Promise.resolve();

  private constructor(
    private readonly target: PostgresTarget,
    private readonly schema: string,
    private readonly main: pg.Client,
    private readonly options: OpenOptions,
  ) {
    this.loans = new PostgresLoans(main, options.connection);
  }

  static async open(target: PostgresTarget, schema: string, options: OpenOptions): Promise<PostgresSession> {
    const main = await connect(target, `headrace ${options.connection}`.slice(0, 63));
    const session = new PostgresSession(target, schema, main, options);
    try {
      if (options.readOnly) {
        if ((await layoutVersion(main)) === 0)
          throw new ConfigError("this database holds nothing of Headrace's yet", {
            code: 'no_state',
            place: target.description,
            next: 'run headrace sync first',
          });
      } else {
        await migrate(main);
        if (!options.beside) await session.lock();
      }
      await session.prepareTables();
      return session;
    } catch (error) {
      await session.close();
      throw describePostgresError(error, target.description);
    }
  }

  async loadState(): Promise<StateEntry[]> {
    const { rows } = await this.query(
      'select stream, key, version, value from _headrace.state where connection = $1 order by stream, key',
      [this.options.connection],
    );
    return rows;
  }

  async writeState(writes: StateWrite[]): Promise<void> {
    await this.withWriter(async ({ client }) => {
      await client.query('begin');
      try {
        await writeState(client, writes, this.options.connection);
        await client.query('commit');
      } catch (error) {
        await client.query('rollback').catch(() => {});
        throw error;
      }
    });
  }

  prepare(input: PrepareInput): PreparedRows {
    return this.table(input.stream).prepare(input, this.options.runId);
  }

  async commit(batch: Batch): Promise<CommitReceipt> {
    const tables = new Set((batch.rows as TableRows[]).map((part) => part.table));
    for (const table of tables) if (table.hasPendingDdl) await this.runDdl(table);
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.withWriter(({ client, stages }) =>
          commitBatch(client, batch, {
            connection: this.options.connection,
            runId: this.options.runId,
            schema: this.schema,
            stages,
          }),
        );
      } catch (error) {
        if (attempt < COMMIT_ATTEMPTS && TRY_AGAIN.has(sqlStateOf(error))) continue;
        throw error;
      }
    }
  }

  async counts(): Promise<Record<string, Counts>> {
    const { rows } = await this.query(
      `select stream, ${COUNTED.join(', ')} from _headrace.counter where connection = $1`,
      [this.options.connection],
    );
    return Object.fromEntries(rows.map(({ stream, ...counts }) => [stream, counts as Counts]));
  }

  async stored(stream: string): Promise<{ keys: number; deleted: number }> {
    const { rows } = await this.query(
      `select count(*) as keys, count("_headrace_deleted_at") as deleted from ${this.table(stream).sqlName}`,
    );
    return rows[0];
  }

  /** Rows without a key cannot be compared: those of earlier readings give way to the last one's. */
  private async forgetEarlier(table: Table, stream: string, generation: number): Promise<number> {
    return this.withWriter(async ({ client }) => {
      await client.query('begin');
      try {
        const { rowCount } = await client.query(`delete from ${table.sqlName} where "_headrace_page" not like $1`, [
          `${generation}.%`,
        ]);
        await client.query(
          'update _headrace.counter set inserted = inserted - $3, read = read - $3 where connection = $1 and stream = $2',
          [this.options.connection, stream, rowCount],
        );
        await client.query('commit');
      } catch (error) {
        await client.query('rollback').catch(() => {});
        throw error;
      }
      return 0;
    });
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
    return this.withWriter(async ({ client }) => {
      await client.query('begin');
      try {
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
        await client.query(
          'update _headrace.counter set deleted = deleted + $3 where connection = $1 and stream = $2',
          [this.options.connection, stream, rowCount],
        );
        await client.query('commit');
        return rowCount ?? 0;
      } catch (error) {
        await client.query('rollback').catch(() => {});
        throw error;
      }
    });
  }

  async restart(stream: string): Promise<void> {
    const table = this.table(stream);
    if (table.target.mode !== 'replace') return;
    await this.withWriter(async ({ client }) => {
      await client.query('begin');
      await client.query(`truncate ${table.sqlName}`);
      await client.query('delete from _headrace.counter where connection = $1 and stream = $2', [
        this.options.connection,
        stream,
      ]);
      await client.query('commit');
    });
  }

  async publish(stream: string): Promise<void> {
    const table = this.table(stream);
    if (table.target.mode !== 'replace') return;
    await this.withWriter(async ({ client }) => {
      const name = qualified(this.schema, table.publicName);
      await client.query('begin');
      await client.query(`drop table if exists ${name}`);
      await client.query(`alter table ${table.sqlName} rename to ${quoteIdentifier(table.publicName)}`);
      await client.query('commit');
    });
  }

  async lookup(stream: string, keys: DataRecord[]): Promise<(DataRecord | null)[]> {
    const table = this.table(stream);
    const wanted = keys.map((key) => table.keyText(key));
    const { rows } = await this.query(
      `select ${table.keySql('t')} as headrace_key, to_jsonb(t) as headrace_row from ${table.sqlName} t where ${table.keySql('t')} = any($1::text[])`,
      [wanted],
    );
    const found = new Map(rows.map((row) => [row.headrace_key, fieldsOf(table, row.headrace_row)]));
    return wanted.map((key) => found.get(key) ?? null);
  }

  async keysWithin(stream: string, field: string, gte: number, lt: number, limit: number): Promise<DataRecord[]> {
    const table = this.table(stream);
    const column = quoteIdentifier(table.column(field).name);
    const { rows } = await this.query(
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
    await this.main.query('set synchronous_commit = on');
    await this.query('update _headrace.run set finished_at = now(), outcome = $2, summary = $3 where id = $1', [
      this.options.runId,
      outcome,
      JSON.stringify(summary),
    ]);
  }

  async close(): Promise<void> {
    await Promise.all(
      [this.main, ...this.idle.map((writer) => writer.client)].map((client) => client.end().catch(() => {})),
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

  /** A lock that PostgreSQL drops with the connection, so a killed run never leaves it behind. */
  private async lock(): Promise<void> {
    const { connection, runId } = this.options;
    const { rows } = await this.main.query(
      `select pg_try_advisory_lock(hashtextextended($1, ${CONNECTION_LOCK})) as got`,
      [connection],
    );
    if (!rows[0].got) {
      const holder = await this.main.query(
        'select id, host, pid, started_at from _headrace.run where connection = $1 and finished_at is null order by started_at desc limit 1',
        [connection],
      );
      const by = holder.rows[0];
      throw new ConfigError(`connection ${connection} is being synced by another run`, {
        code: 'connection_locked',
        place: this.target.description,
        found: by
          ? `run ${by.id}, process ${by.pid} on ${by.host}, started ${new Date(by.started_at).toISOString()}`
          : 'a run that has not said who it is yet',
        next: 'wait for it to end, or stop that process; everything it committed stays',
      });
    }
    await this.main.query(
      "update _headrace.run set finished_at = now(), outcome = 'killed' where connection = $1 and finished_at is null",
      [connection],
    );
    await this.main.query('insert into _headrace.run (id, connection, host, pid) values ($1, $2, $3, $4)', [
      runId,
      connection,
      hostname(),
      process.pid,
    ]);
  }

  private async prepareSchema(): Promise<void> {
    await this.main.query(`create schema if not exists ${quoteIdentifier(this.schema)}`);
    await this.main.query(`create table if not exists ${qualified(this.schema, QUARANTINE_TABLE)} (
      stream text not null, digest text not null, key text, reason text not null, raw text not null, page text, run_id text not null,
      at timestamptz not null default now(), primary key (stream, digest))`);
  }

  /** Two that begin at once must not create the same table. */
  private async prepareTables(): Promise<void> {
    if (this.options.readOnly) return this.openTables();
    await this.main.query('select pg_advisory_lock(hashtextextended($1, 7205513))', [this.options.connection]);
    try {
      await this.prepareSchema();
      await this.openTables();
    } finally {
      await this.main.query('select pg_advisory_unlock(hashtextextended($1, 7205513))', [this.options.connection]);
    }
  }

  private async openTables(): Promise<void> {
    const taken = new Set<string>([QUARANTINE_TABLE]);
    for (const target of this.options.streams) {
      const name = fitIdentifier(target.name, taken);
      taken.add(name.toLowerCase());
      const table = new Table(target, this.schema, name);
      this.tables.set(target.name, table);
      if (!this.options.readOnly) await table.open(this.main);
      else if ((await this.main.query('select to_regclass($1) is not null as there', [table.sqlName])).rows[0].there)
        await table.open(this.main);
    }
  }

  /** One at a time, so that two batches do not add the same column. */
  private runDdl(table: Table): Promise<void> {
    this.ddl = this.ddl.then(async () => {
      if (table.hasPendingDdl) await this.withWriter(({ client }) => table.applyDdl(client));
    });
    return this.ddl;
  }

  private async query(sql: string, parameters: unknown[] = []): Promise<pg.QueryResult> {
    try {
      return await this.main.query(sql, parameters);
    } catch (error) {
      throw describePostgresError(error, this.target.description);
    }
  }

  private async withWriter<T>(work: (writer: Writer) => Promise<T>): Promise<T> {
    const writer = await this.takeWriter();
    try {
      return await work(writer);
    } catch (error) {
      throw describePostgresError(error, this.target.description);
    } finally {
      const next = this.waiting.shift();
      if (next) next(writer);
      else this.idle.push(writer);
    }
  }

  private async takeWriter(): Promise<Writer> {
    const free = this.idle.pop();
    if (free) return free;
    if (this.writers >= LIMITS.writers) return new Promise((resolve) => this.waiting.push(resolve));
    this.writers++;
    try {
      return {
        client: await connect(this.target, `headrace ${this.options.connection} writer`.slice(0, 63)),
        stages: new Map(),
      };
    } catch (error) {
      this.writers--;
      throw error;
    }
  }
}

function fieldsOf(table: Table, row: DataRecord): DataRecord {
  const out: DataRecord = {};
  for (const column of table.columns) if (column.name in row) out[column.field] = row[column.name];
  return out;
}

function sqlStateOf(error: unknown): string {
  return codeOf((error as { cause?: unknown }).cause) ?? codeOf(error) ?? '';
}
