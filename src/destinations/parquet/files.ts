/** Parquet files, written and merged by DuckDB in memory. */
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { randomBytes } from 'node:crypto';
import { codeOf } from '../../base/errors.js';
import { Engine, resultOf, type Row } from '../../duckdb/engine.js';
import { refitSql, SQL_TYPES, type Column } from '../../duckdb/columns.js';
import { qualified, quoteIdentifier } from '../../postgres/identifiers.js';
import { appendRows } from '../duckdb/append.js';
import { fieldsSql } from '../duckdb/look.js';
import { DAY_COLUMN, META_COLUMNS, type Shape, type ShapedRows } from '../duckdb/shape.js';
import { filesSql, literal, META, plainSql, rowsOfFiles, unusedName } from './file-rows.js';
import type { QuarantinedRow } from '../set-aside.js';
import type { DataFile } from './manifest.js';
import type { Store } from './store.js';

/** Files are merged up to this size, and a merged one is cut about there. */
export const FILE_BYTES = 128 * 1024 * 1024;
const OPTIONS = 'format parquet, compression zstd';
/** Folders below the system's for temporary files, each with the process that made it. */
const SPOOL = 'headrace-parquet-';
const STAGE = 'headrace_rows';
const MICROS_A_SECOND = 1_000_000;

export class ParquetFiles {
  private readonly spool = mkdtempSync(path.join(tmpdir(), `${SPOOL}${process.pid}-`));

  private constructor(
    private readonly engine: Engine,
    private readonly store: Store,
  ) {}

  static async open(store: Store): Promise<ParquetFiles> {
    removeLeftSpools();
    return new ParquetFiles(await Engine.open(undefined), store);
  }

  async close(): Promise<void> {
    await this.engine.close();
    rmSync(this.spool, { recursive: true, force: true });
  }

  /** Rows of a stream as one file. */
  async writeRows(folder: string, shape: Shape, parts: ShapedRows[], runId: string): Promise<DataFile> {
    const columns = [
      ...shape.columns.map(({ name, type }) => `${quoteIdentifier(name)} ${SQL_TYPES[type]}`),
      ...META_COLUMNS.map(([name, type]) => `${quoteIdentifier(name)} ${type}`),
    ];
    const rows = parts.reduce((sum, part) => sum + part.rows, 0);
    return this.write(folder, rows, 0, async (file) =>
      this.engine.inTurn(async (db) => {
        await db.run(`create or replace temp table ${STAGE} (${columns.join(', ')})`);
        const order = [...shape.columns, ...META];
        await appendRows(this.engine.library, db, { schema: null, name: STAGE }, { shape, order, parts, runId });
        const select = [...shape.columns.map(plainSql), ...META.map(quoteIdentifier)].join(', ');
        await db.run(`copy (select ${select} from ${STAGE}) to ${literal(file)} (${OPTIONS})`);
        await db.run(`drop table ${STAGE}`);
      }),
    );
  }

  /** Keys of objects that are gone, as one file: as text each, as `Shape.keyText` writes them. */
  async writeDeletions(folder: string, shape: Shape, parts: ShapedRows[]): Promise<DataFile> {
    const gone = parts.flatMap(({ deleted, version }) =>
      deleted.map((record) => [shape.keyText(record), String(version)]),
    );
    return this.write(folder, gone.length, gone.length, (file) =>
      this.copyList(file, gone, [
        'v[1] as _headrace_key',
        "epoch_ms(v[2]::bigint)::timestamp at time zone 'UTC' as _headrace_deleted_at",
        'v[2]::bigint as _headrace_version',
      ]),
    );
  }

  async writeQuarantine(folder: string, rows: QuarantinedRow[], runId: string): Promise<DataFile> {
    const names = ['stream', 'key', 'reason', 'raw', 'page', 'run_id'];
    const list = rows.map(({ stream, key, reason, raw, page }) => [stream, key, reason, raw, page, runId]);
    return this.write(folder, rows.length, 0, (file) =>
      this.copyList(
        file,
        list,
        names.map((name, at) => `v[${at + 1}] as ${name}`),
      ),
    );
  }

  private copyList(file: string, list: (string | null)[][], columns: string[]): Promise<unknown> {
    const values = `select unnest(from_json($1::varchar::json, '[["VARCHAR"]]')) as v`;
    return this.engine.inTurn((db) =>
      db.run(`copy (select ${columns.join(', ')} from (${values})) to ${literal(file)} (${OPTIONS})`, [
        JSON.stringify(list),
      ]),
    );
  }

  private async write(
    folder: string,
    rows: number,
    deleted: number,
    make: (file: string) => Promise<unknown>,
  ): Promise<DataFile> {
    const file = path.join(this.spool, `${newName()}.parquet`);
    await make(file);
    return this.take(folder, file, rows, deleted);
  }

  private async take(folder: string, file: string, rows: number, deleted: number): Promise<DataFile> {
    const name = `${folder}/${path.basename(file)}`;
    const { size } = statSync(file);
    await this.store.put(name, file);
    return { name, rows, bytes: size, deleted };
  }

  /**
   * Files one after the other as one; nothing else changes, nor does the order of rows: of one key and version the last
   * counts. (A copy that is cut by size does not keep the order.)
   */
  async join(folder: string, shape: Shape, files: DataFile[]): Promise<DataFile> {
    const { sql } = await rowsOfFiles(this.engine, await this.source(files), shape);
    const select = [...shape.columns.map(({ name }) => quoteIdentifier(name)), ...META.map(quoteIdentifier)].join(', ');
    const file = path.join(this.spool, `${newName()}.parquet`);
    await this.engine.rows(`copy (select ${select} from ${sql}) to ${literal(file)} (${OPTIONS})`);
    const { n, gone } = await this.count(file);
    return this.take(folder, file, n, gone);
  }

  private async count(file: string): Promise<{ n: number; gone: number }> {
    const [counted] = await this.engine.rows(
      `select count(*)::integer as n, count("_headrace_deleted_at")::integer as gone
        from read_parquet(${literal(file)}, hive_partitioning = false)`,
    );
    return counted as { n: number; gone: number };
  }

  /** One row a key: the last read of it, with its deletion where that came later. `day`: parted by this field's day. */
  async merge(
    folder: string,
    shape: Shape,
    files: DataFile[],
    deletions: DataFile[],
    day: string | undefined,
  ): Promise<DataFile[]> {
    const dayColumn = day === undefined ? undefined : shape.columns.find(({ field }) => field === day);
    return this.split(folder, await this.mergedSql(shape, files, deletions), dayColumn);
  }

  /** SQL for the rows of a stream as they are now. */
  private async mergedSql(shape: Shape, files: DataFile[], deletions: DataFile[]): Promise<string> {
    const { sql: rows, place } = await rowsOfFiles(this.engine, await this.source(files), shape);
    const names = [...shape.columns.map(({ name }) => name), ...META].map(quoteIdentifier);
    if (shape.target.primaryKey.length === 0) return `select ${names.join(', ')} from ${rows}`;
    const key = unusedName('headrace_key', shape);
    const latest = ['"_headrace_version"', ...place].map((name) => `${name} desc`).join(', ');
    const last = `select *, ${keySql(shape)} as ${key} from ${rows}
      qualify row_number() over (partition by ${key} order by ${latest}) = 1`;
    const gone =
      deletions.length === 0
        ? `select null::varchar as k, null::timestamptz as at_time, null::bigint as v where false`
        : `select _headrace_key as k, max(_headrace_deleted_at) as at_time, max(_headrace_version) as v
           from read_parquet(${filesSql(await this.source(deletions))}, hive_partitioning = false) group by 1`;
    const select = names.map((name) =>
      name === '"_headrace_deleted_at"'
        ? `case when g.v >= l."_headrace_version" then g.at_time else l."_headrace_deleted_at" end as ${name}`
        : `l.${name}`,
    );
    return `with l as (${last}), g as (${gone}) select ${select.join(', ')} from l left join g on g.k = l.${key}`;
  }

  private async source(files: DataFile[]): Promise<string[]> {
    const local: string[] = [];
    for (const { name } of files) local.push(await this.store.fetch(name, this.spool));
    return local;
  }

  /** Stores a query's rows as files of about 128 MB. */
  private async split(folder: string, query: string, day: Column | undefined): Promise<DataFile[]> {
    const out = path.join(this.spool, newName());
    const parted = day === undefined ? query : `select *, ${daySql(day)} as ${DAY_COLUMN} from (${query})`;
    const how = day === undefined ? `file_size_bytes ${FILE_BYTES}` : `partition_by (${DAY_COLUMN})`;
    await this.engine.rows(`copy (${parted}) to ${literal(out)} (${OPTIONS}, ${how}, filename_pattern '{uuidv7}')`);
    const made = readdirSync(out, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    const files: DataFile[] = [];
    for (const { parentPath, name } of made.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
      const file = path.join(parentPath, name);
      const { n, gone } = await this.count(file);
      if (n === 0) continue;
      const below = path.relative(out, parentPath).split(path.sep).join('/');
      files.push(await this.take(below ? `${folder}/${below}` : folder, file, n, gone));
    }
    rmSync(out, { recursive: true, force: true });
    return files;
  }

  /** Live rows as they are now, the last read first; columns as `rowOf` of DuckDB's tables wants them. */
  async newest(shape: Shape, files: DataFile[], deletions: DataFile[], limit: number): Promise<Row[]> {
    const now = await this.mergedSql(shape, files, deletions);
    return this.engine.rows(
      `select ${fieldsSql(shape.columns)} from (${now}) t where "_headrace_deleted_at" is null
       order by "_headrace_version" desc limit $1`,
      [limit],
    );
  }

  /** A statement over streams as views: each under its schema and name. */
  async query(
    sql: string,
    streams: { schema: string; shape: Shape; files: DataFile[]; deletions: DataFile[] }[],
  ): Promise<{ fields: string[]; rows: Row[] }> {
    for (const { schema, shape, files, deletions } of streams) {
      if (files.length === 0) continue;
      await this.engine.rows(`create schema if not exists ${quoteIdentifier(schema)}`);
      await this.engine.rows(
        `create view ${qualified(schema, shape.target.name)} as ${await this.mergedSql(shape, files, deletions)}`,
      );
    }
    return this.engine.inTurn((db) => resultOf(db, sql));
  }
}

/** A process that was killed left its folder behind. */
function removeLeftSpools(): void {
  for (const name of readdirSync(tmpdir())) {
    const pid = name.startsWith(SPOOL) ? Number(name.slice(SPOOL.length).split('-')[0]) : 0;
    if (pid > 0 && !isRunning(pid)) rmSync(path.join(tmpdir(), name), { recursive: true, force: true });
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return codeOf(error) === 'EPERM';
  }
}

function newName(): string {
  return randomBytes(12).toString('hex');
}

function keySql(shape: Shape): string {
  return shape.keyColumns
    .map(({ name, type }) => {
      const value = quoteIdentifier(name);
      return type === 'json' ? `(${value}::json ->> '$')` : refitSql(value, type, 'text');
    })
    .join(` || chr(1) || `);
}

/** The day, in UTC, of a field that holds seconds since 1970, a moment, a date, or one of these as text. */
function daySql({ name, type }: Column): string {
  return `strftime(${timeSql(quoteIdentifier(name), type)}, '%Y-%m-%d')`;
}

function timeSql(column: string, type: Column['type']): string {
  if (type === 'bigint' || type === 'double') return `make_timestamp((${column} * ${MICROS_A_SECOND})::bigint)`;
  return type === 'timestamptz' ? `make_timestamp(epoch_us(${column}))` : `try_cast(${column} as timestamp)`;
}
