/** DuckDB in this process: loads the library, opens files, and runs one piece of work after the other on each. */
import { realpathSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { DuckDBConnection, DuckDBInstance, DuckDBValue } from '@duckdb/node-api';
import { ConfigError, messageOf } from '../base/errors.js';
import { duckdbError } from './errors.js';

/** What DuckDB may hold in memory before it writes to a folder beside the file. */
const MEMORY = '1GB';
/** The write-ahead log is folded into the file when it has grown to this. */
const WAL = '64MB';

/**
 * A file is attached under a name of its own: opened as it is, stripe.duckdb would be a database `stripe`, and its
 * schema `stripe` could not be told from it.
 */
const FILE = '_headrace_file';

export type Library = typeof import('@duckdb/node-api');
export type Row = Record<string, unknown>;

let library: Promise<Library> | undefined;

/** The library. Throws ConfigError `duckdb_missing` where it is not installed: it is an optional dependency. */
export function loadLibrary(): Promise<Library> {
  library ??= import('@duckdb/node-api').catch((cause: unknown) => {
    library = undefined;
    throw new ConfigError('DuckDB is not installed here', {
      code: 'duckdb_missing',
      expected:
        'the package @duckdb/node-api, which npm installs beside headrace unless optional packages are left out',
      found: messageOf(cause).split('\n')[0]!.slice(0, 200),
      next: 'run npm install @duckdb/node-api where headrace is installed',
      cause,
    });
  });
  return library;
}

/** A database that this process has open, shared by all who work on it. */
interface Shared {
  instance: DuckDBInstance;
  isReadOnly: boolean;
  users: number;
  /** The end of the work that was asked for last. */
  turn: Promise<unknown>;
  /** What holders of the database know of each other. */
  notes: Map<string, unknown>;
}

const open = new Map<string, Promise<Shared>>();

export interface EngineOptions {
  readOnly?: boolean;
}

/** One user's way to a database. */
export class Engine {
  private closed = false;

  private constructor(
    readonly library: Library,
    private readonly shared: Shared,
    private readonly connection: DuckDBConnection,
    private readonly key: string,
    /** The file, as it is shown to people; empty where it is in memory. */
    readonly place: string,
  ) {}

  /** Opens a file, or a database in memory where none is named. Throws what `duckdbError` makes of DuckDB's errors. */
  static async open(file: string | undefined, { readOnly = false }: EngineOptions = {}): Promise<Engine> {
    const loaded = await loadLibrary();
    const key = file === undefined ? `:memory:${++inMemory}` : keyOf(file);
    const place = file ?? 'memory';
    try {
      const shared = await share(loaded, key, file, readOnly);
      shared.users++;
      try {
        const connection = await shared.instance.connect();
        if (file !== undefined) await connection.run(`use ${FILE}`);
        return new Engine(loaded, shared, connection, key, place);
      } catch (error) {
        leave(key, shared);
        throw error;
      }
    } catch (error) {
      throw duckdbError(error, place);
    }
  }

  get notes(): Map<string, unknown> {
    return this.shared.notes;
  }

  /** Rows of a statement. Big integers come as bigint, timestamps as DuckDB's own values: ask for text. */
  async rows(sql: string, values: DuckDBValue[] = []): Promise<Row[]> {
    return this.inTurn((connection) => rowsOf(connection, sql, values));
  }

  /** Work that nothing else of this process comes between. */
  inTurn<T>(work: (connection: DuckDBConnection) => Promise<T>): Promise<T> {
    const done = this.shared.turn.then(() => work(this.connection));
    this.shared.turn = done.catch(() => {});
    return done.catch((error: unknown) => {
      throw duckdbError(error, this.place);
    });
  }

  /** One transaction: all of the work, or nothing. */
  transaction<T>(work: (connection: DuckDBConnection) => Promise<T>): Promise<T> {
    return this.inTurn((connection) => inTransaction(connection, () => work(connection)));
  }

  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    await this.shared.turn;
    this.connection.closeSync();
    leave(this.key, this.shared);
  }
}

let inMemory = 0;

export async function rowsOf(connection: DuckDBConnection, sql: string, values: DuckDBValue[] = []): Promise<Row[]> {
  const reader = await connection.runAndReadAll(sql, values.length > 0 ? values : undefined);
  return reader.getRowObjects() as Row[];
}

/** What a statement of the user's gave, as plain values. */
export async function resultOf(connection: DuckDBConnection, sql: string): Promise<{ fields: string[]; rows: Row[] }> {
  const reader = await connection.runAndReadAll(sql);
  const rows = reader.getRowObjectsJS().map((row) => plain(row) as Row);
  return { fields: reader.deduplicatedColumnNames(), rows };
}

/** Integers as numbers where a number holds them, else as their digits. */
function plain(value: unknown): unknown {
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
  if (Array.isArray(value)) return value.map(plain);
  if (value === null || typeof value !== 'object' || Object.getPrototypeOf(value) !== Object.prototype) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plain(inner)]));
}

/** Rows that a statement changed. */
export async function changed(connection: DuckDBConnection, sql: string, values: DuckDBValue[] = []): Promise<number> {
  return (await connection.run(sql, values.length > 0 ? values : undefined)).rowsChanged;
}

/** A list of texts that comes as the JSON of parameter `at`: one value, however many there are. */
export function texts(at: number): string {
  return `from_json($${at}::varchar::json, '["VARCHAR"]')`;
}

export async function inTransaction<T>(connection: DuckDBConnection, work: () => Promise<T>): Promise<T> {
  await connection.run('begin transaction');
  try {
    const result = await work();
    await connection.run('commit');
    return result;
  } catch (error) {
    // A commit that failed has ended the transaction already.
    await connection.run('rollback').catch(() => {});
    throw error;
  }
}

async function share(loaded: Library, key: string, file: string | undefined, readOnly: boolean): Promise<Shared> {
  for (;;) {
    const there = open.get(key);
    if (!there) break;
    const shared = await there.catch(() => undefined);
    // Its last user left meanwhile.
    if (!shared || open.get(key) !== there) continue;
    if (!readOnly && shared.isReadOnly) throw new Error('the file is open read-only in this process');
    return shared;
  }
  const opening = create(loaded, file, readOnly);
  open.set(key, opening);
  opening.catch(() => open.delete(key));
  return opening;
}

async function create({ DuckDBInstance }: Library, file: string | undefined, readOnly: boolean): Promise<Shared> {
  const instance = await DuckDBInstance.create(':memory:', {
    memory_limit: MEMORY,
    checkpoint_threshold: WAL,
    temp_directory: file === undefined ? path.join(tmpdir(), `headrace-duckdb-${process.pid}`) : `${file}.tmp`,
    // Nothing is downloaded behind the user's back.
    autoinstall_known_extensions: 'false',
  });
  if (file !== undefined) {
    try {
      const connection = await instance.connect();
      await connection.run(`attach ${quoteText(file)} as ${FILE}${readOnly ? ' (read_only)' : ''}`);
      connection.closeSync();
    } catch (error) {
      instance.closeSync();
      throw error;
    }
  }
  return { instance, isReadOnly: readOnly, users: 0, turn: Promise.resolve(), notes: new Map() };
}

const quoteText = (text: string): string => `'${text.replaceAll("'", "''")}'`;

function leave(key: string, shared: Shared): void {
  if (--shared.users > 0) return;
  open.delete(key);
  shared.instance.closeSync();
}

/** One name for a file, however it is written. */
function keyOf(file: string): string {
  const full = path.resolve(file);
  try {
    return path.join(realpathSync(path.dirname(full)), path.basename(full));
  } catch {
    return full;
  }
}
