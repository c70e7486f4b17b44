/**
 * Newline-delimited JSON in files, one a stream. State is a file beside them that also says how long each file is: what
 * lies past that was never committed, so a torn last line after a kill is cut off on resume. Lines are appended;
 * deletions are lines too.
 */
import {
  closeSync,
  existsSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readSync,
  rmSync,
  statSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import path from 'node:path';
import {
  type Unseen,
  addCounts,
  noCounts,
  type Batch,
  type CommitReceipt,
  type Counts,
  type Destination,
  type DestinationSession,
  type OpenOptions,
  type PreparedRows,
  type PrepareInput,
  type StateEntry,
  type StateWrite,
} from '../contract.js';
import { ConfigError, FatalError, LedgerConflictError } from '../../base/errors.js';
import { makeFolder } from '../../base/folder.js';
import type { DataRecord } from '../../base/catalog.js';
import { fileError } from '../file-errors.js';
import { type Lines, linesOf } from './lines.js';
import { takeLock } from './lock.js';
import { readState, saveState, type Stored } from './state-file.js';

export function ndjsonDestination(folder: string): Destination {
  return {
    description: `NDJSON files in ${folder}`,
    addsOnly: true,
    async check() {
      try {
        makeFolder(folder);
        const probe = path.join(folder, `.headrace-check-${process.pid}`);
        writeFileSync(probe, '');
        unlinkSync(probe);
      } catch (error) {
        throw fileError(error, folder);
      }
    },
    open: async (options) => new NdjsonSession(folder, options),
    close: async () => {},
  };
}

class NdjsonSession implements DestinationSession {
  readonly capabilities = { keys: false };
  private state: Stored;
  private readonly files = new Map<string, number>();
  private readonly modes: Map<string, string>;

  constructor(
    private readonly folder: string,
    private readonly options: OpenOptions,
  ) {
    this.modes = new Map(options.streams.map((stream) => [stream.name, stream.mode]));
    if (options.beside)
      throw new ConfigError('files are written by one process at a time', {
        code: 'not_shared',
        place: folder,
        expected: 'a PostgreSQL as destination, for webhooks and for several workers at once',
        found: 'ndjson',
        next: 'use --to postgres://… or embedded',
      });
    try {
      if (!options.readOnly) {
        makeFolder(folder);
        takeLock(this.lockFile, options);
      }
      this.state = readState(this.stateFile);
      if (!options.readOnly) this.cutTornLines();
    } catch (error) {
      throw fileError(error, folder);
    }
  }

  async loadState(): Promise<StateEntry[]> {
    return Object.values(this.state.entries);
  }

  async writeState(writes: StateWrite[]): Promise<void> {
    this.atomically(() => this.apply(writes));
  }

  /** Changes the state and saves it; where either fails, the state is what it was. */
  private atomically(change: () => void): void {
    const before = structuredClone(this.state);
    try {
      change();
      saveState(this.stateFile, this.state);
    } catch (error) {
      this.state = before;
      this.cutBack();
      throw fileError(error, this.folder);
    }
  }

  /** What a batch that failed wrote already is not there: a disk that is full has room for it again. */
  private cutBack(): void {
    for (const [file, fd] of this.files) {
      try {
        ftruncateSync(fd, this.state.lengths[file] ?? 0);
      } catch {
        // It is cut when the files are opened the next time, before anything is read of them.
      }
    }
  }

  prepare(input: PrepareInput): PreparedRows {
    return linesOf(input, this.options.runId);
  }

  async commit(batch: Batch): Promise<CommitReceipt> {
    const counts: Record<string, Counts> = {};
    this.atomically(() => {
      this.checkVersions(batch.state);
      for (const part of batch.rows as Lines[]) {
        this.append(fileOf(part.stream), part.data);
        if (part.quarantined > 0) this.append('_headrace_quarantine.ndjson', part.quarantine);
        addCounts(counts, part.stream, {
          ...noCounts(),
          read: part.rows + part.quarantined,
          inserted: part.rows,
          quarantined: part.quarantined,
          deleted: part.deleted,
        });
      }
      for (const [stream, count] of Object.entries(counts)) addCounts(this.state.counts, stream, count);
      this.apply(batch.state);
    });
    return { counts };
  }

  async counts(): Promise<Record<string, Counts>> {
    return structuredClone(this.state.counts);
  }

  async stored(stream: string): Promise<{ keys: number; deleted: number }> {
    const file = path.join(this.folder, fileOf(stream));
    if (!existsSync(file)) return { keys: 0, deleted: 0 };
    const { deleted } = this.state.counts[stream] ?? noCounts();
    // What lies behind is no line yet.
    let left = this.state.lengths[fileOf(stream)] ?? 0;
    let lines = 0;
    const chunk = Buffer.alloc(1 << 20);
    const fd = openSync(file, 'r');
    try {
      for (let read = readSync(fd, chunk); read > 0 && left > 0; read = readSync(fd, chunk)) {
        const bytes = Math.min(read, left);
        left -= bytes;
        for (let at = chunk.indexOf(10); at >= 0 && at < bytes; at = chunk.indexOf(10, at + 1)) lines++;
      }
    } finally {
      closeSync(fd);
    }
    return { keys: lines - deleted, deleted };
  }

  async beginAccount(stream: string): Promise<number> {
    const { keys } = await this.stored(stream);
    const { deleted } = this.state.counts[stream] ?? noCounts();
    this.atomically(() => {
      this.state.counts[stream] = { ...noCounts(), read: keys, inserted: keys, deleted };
    });
    return 0;
  }

  async quarantined(stream: string): Promise<number> {
    return this.state.counts[stream]?.quarantined ?? 0;
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
    if (this.modes.get(stream) !== 'replace') return;
    const file = fileOf(stream);
    this.atomically(() => {
      delete this.state.lengths[file];
      delete this.state.counts[stream];
    });
    this.close1(file);
    rmSync(path.join(this.folder, file), { force: true });
  }

  async publish(): Promise<void> {}

  async lookup(): Promise<(DataRecord | null)[]> {
    throw noKeys();
  }

  async keysWithin(): Promise<DataRecord[]> {
    throw noKeys();
  }

  async finishRun(): Promise<void> {
    try {
      for (const fd of this.files.values()) fsyncSync(fd);
    } catch (error) {
      throw fileError(error, this.folder);
    }
  }

  async close(): Promise<void> {
    for (const file of this.files.keys()) this.close1(file);
    if (!this.options.readOnly) rmSync(this.lockFile, { force: true });
  }

  private get lockFile(): string {
    return path.join(this.folder, '.headrace.lock');
  }

  private get stateFile(): string {
    return path.join(this.folder, '_headrace_state.json');
  }

  private cutTornLines(): void {
    for (const [file, length] of Object.entries(this.state.lengths)) {
      const fd = this.fdOf(file);
      const { size } = statSync(path.join(this.folder, file));
      if (size < length)
        throw new FatalError(`${file} is shorter than what was committed`, {
          code: 'file_cut',
          place: this.folder,
          expected: `at least ${length} bytes`,
          found: `${size}`,
          next: 'reset the stream, or restore the file',
        });
      if (size > length) ftruncateSync(fd, length);
    }
    for (const stream of this.modes.keys()) {
      const file = fileOf(stream);
      if (this.state.lengths[file] === undefined && existsSync(path.join(this.folder, file)))
        ftruncateSync(this.fdOf(file), 0);
    }
  }

  private append(file: string, data: Buffer): void {
    const fd = this.fdOf(file);
    const at = this.state.lengths[file] ?? 0;
    for (let done = 0; done < data.length;) done += writeSync(fd, data, done, data.length - done, at + done);
    this.state.lengths[file] = at + data.length;
  }

  private fdOf(file: string): number {
    let fd = this.files.get(file);
    if (fd === undefined) {
      const full = path.join(this.folder, file);
      fd = openSync(full, existsSync(full) ? 'r+' : 'w+');
      this.files.set(file, fd);
    }
    return fd;
  }

  private close1(file: string): void {
    const fd = this.files.get(file);
    if (fd !== undefined) closeSync(fd);
    this.files.delete(file);
  }

  private checkVersions(writes: StateWrite[]): void {
    for (const write of writes) {
      const there = this.state.entries[entryKey(write)]?.version ?? 0;
      if (there !== write.expect)
        throw new LedgerConflictError("another process changed this stream's ledger", {
          code: 'ledger_conflict',
          expected: `version ${write.expect}`,
          found: `version ${there}`,
        });
    }
  }

  private apply(writes: StateWrite[]): void {
    this.checkVersions(writes);
    for (const write of writes) {
      if (write.value === null) delete this.state.entries[entryKey(write)];
      else
        this.state.entries[entryKey(write)] = {
          stream: write.stream,
          key: write.key,
          version: write.expect + 1,
          value: structuredClone(write.value),
        };
    }
  }
}

function entryKey(write: { stream: string; key: string }): string {
  return `${write.stream}\u0001${write.key}`;
}

function fileOf(stream: string): string {
  return `${stream.replace(/[^A-Za-z0-9_.-]/g, '_')}.ndjson`;
}

function noKeys(): ConfigError {
  return new ConfigError('NDJSON files cannot be looked up by key', {
    code: 'no_keys',
    next: 'use the embedded or a PostgreSQL destination to verify against the API',
  });
}
