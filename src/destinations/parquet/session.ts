/**
 * One connection's work on Parquet files. Rows are written to files first; then one manifest names them together with
 * the state that they imply. Files that no manifest names are no part of the data, and are removed by who writes next.
 */
import { hostname } from 'node:os';
import { ConfigError, FatalError, LedgerConflictError } from '../../base/errors.js';
import type { DataRecord } from '../../base/catalog.js';
import type { Clock } from '../../base/clock.js';
import type { Shape, ShapedRows } from '../duckdb/shape.js';
import {
  addCounts,
  noCounts,
  type Batch,
  type CommitReceipt,
  type Counts,
  type DestinationSession,
  type OpenOptions,
  type PreparedRows,
  type PrepareInput,
  type StateEntry,
  type StateWrite,
  type Unseen,
} from '../contract.js';
import { apply, byStream, neighbours, receiptOf, streamIn } from './changes.js';
import { FILE_BYTES, ParquetFiles } from './files.js';
import { GONE_MS, isAlive } from './holder.js';
import type { CommitLog } from './log.js';
import { filesOf, folderName, type DataFile, type Manifest } from './manifest.js';
import { shapeOf } from './shape-of.js';
import { newestRows } from './newest.js';
import type { Store } from './store.js';

/** Small files of one stream before they are joined, or their bytes. */
const SMALL_FILES = 100;
/** A file of this size is not joined with others any more. */
const LARGE = FILE_BYTES / 2;

interface Waiting {
  batch: Omit<Batch, 'rows'> & { rows: ShapedRows[] };
  done(receipt: CommitReceipt): void;
  failed(error: unknown): void;
}

export interface ParquetParts {
  store: Store;
  log: CommitLog;
  /** Folder of the connection, with a slash at its end. */
  folder: string;
  clock: Clock;
}

export class ParquetSession implements DestinationSession {
  readonly capabilities = { keys: false };
  private readonly shapes = new Map<string, Shape>();
  private readonly waiting: Waiting[] = [];
  private flushing: Promise<void> = Promise.resolve();
  private isFlushing = false;
  /** One change of the manifest at a time. */
  private turn: Promise<unknown> = Promise.resolve();
  private isOpen = true;

  private constructor(
    private readonly parts: ParquetParts,
    private readonly options: OpenOptions,
    private readonly files: ParquetFiles,
    private head: Manifest,
  ) {}

  static async open(parts: ParquetParts, options: OpenOptions): Promise<ParquetSession> {
    if (options.beside)
      throw new ConfigError('Parquet files are written by one process at a time', {
        code: 'not_shared',
        place: parts.store.description,
        expected: 'a PostgreSQL as destination, for webhooks and for several workers at once',
        found: 'parquet',
        next: 'use --to postgres://… or embedded',
      });
    const head = await parts.log.head();
    if (options.readOnly && head.commit === 0)
      throw new ConfigError("this place holds nothing of this connection's yet", {
        code: 'no_state',
        place: `${parts.store.description}/${parts.folder}`,
        next: 'run headrace sync first',
      });
    const files = await ParquetFiles.open(parts.store);
    const session = new ParquetSession(parts, options, files, head);
    try {
      for (const target of options.streams) session.shapes.set(target.name, shapeOf(target, head.streams[target.name]));
      if (!options.readOnly) await session.begin();
      return session;
    } catch (error) {
      await files.close();
      throw error;
    }
  }

  async loadState(): Promise<StateEntry[]> {
    return Object.values(this.head.entries);
  }

  writeState(writes: StateWrite[]): Promise<void> {
    return this.change((next) => apply(next, writes));
  }

  prepare(input: PrepareInput): PreparedRows {
    return this.shape(input.stream).prepare(input);
  }

  /** Batches that wait at the same time are one commit. */
  commit(batch: Batch): Promise<CommitReceipt> {
    return new Promise((done, failed) => {
      this.waiting.push({ batch: { ...batch, rows: batch.rows as ShapedRows[] }, done, failed });
      if (!this.isFlushing) this.flushing = this.flush();
    });
  }

  async counts(): Promise<Record<string, Counts>> {
    return structuredClone(this.head.counts);
  }

  async stored(stream: string): Promise<{ keys: number; deleted: number }> {
    const found = this.head.streams[stream];
    const files = found ? (this.isReplaced(stream) ? (found.next ?? found.files) : found.files) : [];
    const sum = (list: DataFile[], what: 'rows' | 'deleted') => list.reduce((total, file) => total + file[what], 0);
    return { keys: sum(files, 'rows'), deleted: sum(files, 'deleted') + sum(found?.deletions ?? [], 'deleted') };
  }

  async beginAccount(stream: string): Promise<number> {
    const { keys } = await this.stored(stream);
    await this.change((next) => {
      const { deleted } = next.counts[stream] ?? noCounts();
      next.counts[stream] = { ...noCounts(), read: keys, inserted: keys, deleted };
    });
    return 0;
  }

  async quarantined(stream: string): Promise<number> {
    return this.head.counts[stream]?.quarantined ?? 0;
  }

  async strangers(): Promise<DataRecord[]> {
    return [];
  }

  async unseen(): Promise<Unseen> {
    return { rows: 0, live: 0, sample: [], digest: '' };
  }

  async forgetUnseen(): Promise<number> {
    return 0;
  }

  async restart(stream: string): Promise<void> {
    if (!this.isReplaced(stream)) return;
    await this.change((next) => {
      streamIn(next, this.shape(stream)).next = [];
      delete next.counts[stream];
    });
  }

  async publish(stream: string): Promise<void> {
    if (!this.isReplaced(stream)) return;
    await this.change((next) => {
      const found = streamIn(next, this.shape(stream));
      if (found.next === undefined) return;
      Object.assign(found, { files: found.next, deletions: [] });
      delete found.next;
    });
    await this.removeUnnamed();
  }

  async lookup(): Promise<(DataRecord | null)[]> {
    throw noKeys(this.parts.store.description);
  }

  async keysWithin(): Promise<DataRecord[]> {
    throw noKeys(this.parts.store.description);
  }

  newest(stream: string, limit: number): Promise<DataRecord[]> {
    return newestRows(this.parts.log, this.files, this.shape(stream).target, limit);
  }

  async finishRun(): Promise<void> {
    for (const stream of this.shapes.keys()) await this.joinSmall(stream, 2);
    await this.removeUnnamed();
  }

  async close(): Promise<void> {
    if (!this.isOpen) return;
    this.isOpen = false;
    try {
      await this.flushing;
      // Whoever comes next need not ask whether this run still lives.
      if (!this.options.readOnly && this.head.holder?.runId === this.options.runId)
        await this.change((next) => void (next.holder = null));
    } catch (error) {
      if (!(error instanceof LedgerConflictError)) throw error;
    } finally {
      await this.files.close();
    }
  }

  notes(): string[] {
    return [...this.shapes.values()].flatMap((shape) => shape.notes);
  }

  /** Merges each stream to one row a key. Returns what there was and is. */
  async compact(day: string | undefined): Promise<{ stream: string; before: DataFile[]; after: DataFile[] }[]> {
    const out = [];
    for (const [stream, shape] of this.shapes) {
      const found = this.head.streams[stream];
      if (!found || found.files.length === 0) continue;
      const before = [...found.files, ...found.deletions];
      const after = await this.files.merge(this.folderOf(stream), shape, found.files, found.deletions, day);
      await this.change((next) => {
        const merged = sum(found.files) - sum(after);
        Object.assign(next.streams[stream]!, { files: after, deletions: [] });
        const counts = (next.counts[stream] ??= noCounts());
        counts.inserted -= merged;
        counts.updated += merged;
      });
      out.push({ stream, before, after });
    }
    await this.removeUnnamed();
    return out;
  }

  /** Takes the connection. From here on, no commit of an earlier run can win. */
  private async begin(): Promise<void> {
    const { connection } = this.options;
    const { holder } = this.head;
    if (holder && isAlive(holder, this.parts.clock.now()))
      throw new ConfigError(`connection ${connection} is being synced by another run`, {
        code: 'connection_locked',
        place: `${this.parts.store.description}/${this.parts.folder}`,
        found: `run ${holder.runId}, process ${holder.pid} on ${holder.host}, started ${new Date(holder.startedMs).toISOString()}`,
        next: `wait for it to end, or stop that process; of a machine that is gone, wait ${GONE_MS / 60_000} minutes`,
      });
    try {
      await this.change(() => {});
    } catch (error) {
      if (!(error instanceof LedgerConflictError)) throw error;
      throw new ConfigError(`connection ${connection} was taken by another run at the same time`, {
        code: 'connection_locked',
        place: `${this.parts.store.description}/${this.parts.folder}`,
        next: 'wait for it to end',
        cause: error,
      });
    }
    await this.removeUnnamed();
  }

  private async flush(): Promise<void> {
    this.isFlushing = true;
    // Batches that are asked for in the same turn go together.
    await Promise.resolve();
    while (this.waiting.length > 0) {
      const batches = this.waiting.splice(0);
      try {
        await this.commitAll(batches);
      } catch (error) {
        for (const { failed } of batches) failed(error);
      }
    }
    // At once, and not when the promise is settled: what came in between would wait for ever.
    this.isFlushing = false;
  }

  private async commitAll(all: Waiting[]): Promise<void> {
    const batches: Waiting[] = [];
    const draft = structuredClone(this.head.entries);
    for (const waiting of all) {
      try {
        apply({ entries: draft }, waiting.batch.state);
        batches.push(waiting);
      } catch (error) {
        waiting.failed(error);
      }
    }
    if (batches.length === 0) return;
    const parts = batches.flatMap(({ batch }) => batch.rows);
    const written = new Map<string, { rows?: DataFile; gone?: DataFile }>();
    for (const [stream, of] of byStream(parts)) {
      const shape = this.shape(stream);
      const files: { rows?: DataFile; gone?: DataFile } = {};
      if (of.some(({ rows }) => rows > 0))
        files.rows = await this.files.writeRows(this.folderOf(stream), shape, of, this.options.runId);
      if (of.some(({ deleted }) => deleted.length > 0))
        files.gone = await this.files.writeDeletions(`${this.folderOf(stream)}/_deleted`, shape, of);
      written.set(stream, files);
    }
    const aside = parts.flatMap(({ quarantine }) => quarantine);
    const quarantine =
      aside.length > 0 &&
      (await this.files.writeQuarantine(`${this.parts.folder}_headrace/quarantine`, aside, this.options.runId));
    const receipts = batches.map(({ batch }) => receiptOf(batch.rows));
    await this.change((next) => {
      for (const { batch } of batches) apply(next, batch.state);
      for (const { counts } of receipts)
        for (const [stream, more] of Object.entries(counts)) addCounts(next.counts, stream, more);
      for (const [stream, { rows, gone }] of written) {
        const found = streamIn(next, this.shape(stream));
        if (rows) (this.isReplaced(stream) ? (found.next ??= []) : found.files).push(rows);
        if (gone) found.deletions.push(gone);
      }
      if (quarantine) next.quarantine.push(quarantine);
    });
    batches.forEach(({ done }, at) => done(receipts[at]!));
    for (const stream of written.keys()) await this.joinSmall(stream, SMALL_FILES);
  }

  /** Joins the small files of a stream where there are many, or together they make a large one. */
  private async joinSmall(stream: string, many: number): Promise<void> {
    const found = this.head.streams[stream];
    if (!found) return;
    const which = this.isReplaced(stream) && found.next ? 'next' : 'files';
    for (const small of neighbours(found[which]!, ({ bytes }) => bytes < LARGE)) {
      const bytes = small.reduce((total, file) => total + file.bytes, 0);
      if (small.length >= 2 && (small.length >= many || bytes >= FILE_BYTES))
        await this.joinFiles(stream, which, small);
    }
  }

  /** Joins files that follow each other. The joined one stands where they did: of one key and version, the last counts. */
  private async joinFiles(stream: string, which: 'files' | 'next', small: DataFile[]): Promise<void> {
    const joined = await this.files.join(this.folderOf(stream), this.shape(stream), small);
    if (joined.rows !== sum(small))
      throw new FatalError('joined files have other rows than their parts', {
        code: 'rows_differ',
        place: this.folderOf(stream),
        expected: `${sum(small)} rows`,
        found: `${joined.rows}`,
      });
    await this.change((next) => {
      const gone = new Set(small.map(({ name }) => name));
      const list = next.streams[stream]![which]!;
      const place = list.findIndex(({ name }) => gone.has(name));
      const others = list.filter(({ name }) => !gone.has(name));
      next.streams[stream]![which] = others.toSpliced(place, 0, joined);
    });
    for (const { name } of small) await this.parts.store.remove(name);
  }

  /** Changes the manifest: the change is of the next one, and counts once that is created. */
  private change(work: (next: Manifest) => void): Promise<void> {
    const done = this.turn.then(() => this.changeNow(work));
    this.turn = done.catch(() => {});
    return done;
  }

  private async changeNow(work: (next: Manifest) => void): Promise<void> {
    const next = structuredClone(this.head);
    work(next);
    const { runId, startedMs } = this.options;
    if (this.isOpen)
      next.holder = { runId, startedMs, host: hostname(), pid: process.pid, seenMs: this.parts.clock.now() };
    this.head = await this.parts.log.commit(this.head, next);
  }

  /** What no commit names was left by a run that was killed. Only who has just committed may tell. */
  private async removeUnnamed(): Promise<void> {
    const { store, folder } = this.parts;
    const named = new Set(filesOf(this.head).map(({ name }) => name));
    for (const name of await store.list(folder))
      if (!named.has(name) && (!name.startsWith(`${folder}_headrace/commits/`) || name.endsWith('.draft')))
        await store.remove(name);
  }

  private isReplaced(stream: string): boolean {
    return this.shape(stream).target.mode === 'replace';
  }

  private folderOf(stream: string): string {
    return `${this.parts.folder}${folderName(stream)}`;
  }

  private shape(stream: string): Shape {
    const shape = this.shapes.get(stream);
    if (!shape)
      throw new FatalError(`stream ${stream} was not opened`, {
        code: 'stream_not_open',
        place: this.parts.store.description,
      });
    return shape;
  }
}

const sum = (files: DataFile[]): number => files.reduce((total, { rows }) => total + rows, 0);

function noKeys(place: string): ConfigError {
  return new ConfigError('Parquet files cannot be looked up by key', {
    code: 'no_keys',
    place,
    next: 'use DuckDB, the embedded or a PostgreSQL destination to verify against the API',
  });
}
