/**
 * A platform of the Airbyte protocol on the other side of stdout: records, and after them the states that they imply.
 * What is committed is what was written; the platform keeps it from there.
 */
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
import { LedgerConflictError } from '../../base/errors.js';
import { stringifyJson } from '../../base/json.js';
import type { AirbyteMessage, AirbyteStateMessage } from '../../sources/manifest/airbyte/messages.js';
import type { DataRecord } from '../../base/catalog.js';

/** Turns the ledger of a stream into the state of Airbyte's format, and back. */
export interface StateCodec {
  /** Entries that a run begins with. */
  entries(): StateEntry[];
  /** Undefined where the stream is not in the catalog. */
  encode(
    stream: string,
    entries: StateEntry[],
    all: (stream: string) => StateEntry[],
  ): Record<string, unknown> | undefined;
  /** Streams of the catalog whose state tells of this stream: its own, and those of its children. */
  tellingOf(stream: string): string[];
  /** Whether the platform wants the record. */
  wants(stream: string, record: DataRecord): boolean;
}

export interface AirbyteOutput {
  /** Resolves once the line can be taken as written. */
  write(text: string): Promise<void>;
}

/** A state holds a stream's whole ledger: it is told this often at most, and at the end. */
const STATE_EVERY_MS = 1000;

interface Lines extends PreparedRows {
  text: string;
  lines: number;
}

/** `fileStreams`: their records tell where their files are, beside their data. */
export function airbyteDestination(
  output: AirbyteOutput,
  codec: StateCodec,
  fileStreams: Set<string>,
  now: () => number,
): Destination {
  return {
    description: 'the Airbyte protocol on stdout',
    async check() {},
    open: async (options) => new AirbyteSession(output, codec, fileStreams, now, options),
    async close() {},
  };
}

class AirbyteSession implements DestinationSession {
  readonly capabilities = { keys: false };
  private readonly entries = new Map<string, StateEntry>();
  private readonly totals: Record<string, Counts> = {};
  /** Records of each stream since its last state. */
  private readonly since = new Map<string, number>();
  private readonly streams: Set<string>;
  private writing: Promise<unknown> = Promise.resolve();
  /** Streams that moved since their last state, and when that was. */
  private readonly dirty = new Set<string>();
  private readonly toldMs = new Map<string, number>();

  constructor(
    private readonly output: AirbyteOutput,
    private readonly codec: StateCodec,
    private readonly fileStreams: Set<string>,
    private readonly now: () => number,
    options: OpenOptions,
  ) {
    this.streams = new Set(options.streams.map(({ name }) => name));
    for (const entry of codec.entries()) this.entries.set(keyOf(entry), entry);
  }

  async loadState(): Promise<StateEntry[]> {
    return [...this.entries.values()];
  }

  async writeState(writes: StateWrite[]): Promise<void> {
    await this.inTurn(async () => {
      this.apply(writes);
      // A stream that begins or ends is told of at once.
      await this.tell(writes, 0);
    });
  }

  prepare(input: PrepareInput): PreparedRows {
    const emittedAt = this.now();
    let text = '';
    let lines = 0;
    let bad = 0;
    for (const record of input.records) {
      if (record === null || typeof record !== 'object') bad++;
      else if (this.codec.wants(input.stream, record)) {
        text += `{"type":"RECORD","record":{"stream":${JSON.stringify(input.stream)},${this.content(input.stream, record)},"emitted_at":${emittedAt}}}\n`;
        lines++;
      }
    }
    return {
      stream: input.stream,
      rows: input.records.length - bad,
      bytes: text.length + 256,
      quarantined: bad,
      text,
      lines,
    } as Lines;
  }

  private content(stream: string, record: DataRecord): string {
    if (!this.fileStreams.has(stream) || !isFileReference(record['file_reference']))
      return `"data":${stringifyJson(record)}`;
    const { file_reference, ...data } = record;
    return `"data":${stringifyJson(data)},"file_reference":${stringifyJson(file_reference)}`;
  }

  async commit(batch: Batch): Promise<CommitReceipt> {
    return this.inTurn(async () => {
      const counts: Record<string, Counts> = {};
      this.verify(batch.state);
      for (const part of batch.rows as Lines[]) {
        if (part.text !== '') await this.output.write(part.text);
        this.since.set(part.stream, (this.since.get(part.stream) ?? 0) + part.lines);
        addCounts(counts, part.stream, {
          ...noCounts(),
          read: part.rows + part.quarantined,
          inserted: part.rows,
          quarantined: part.quarantined,
        });
      }
      for (const [stream, count] of Object.entries(counts)) addCounts(this.totals, stream, count);
      this.apply(batch.state);
      await this.tell(batch.state, STATE_EVERY_MS);
      return { counts };
    });
  }

  async counts(): Promise<Record<string, Counts>> {
    return structuredClone(this.totals);
  }

  async beginAccount(): Promise<number> {
    return 0;
  }

  async quarantined(stream: string): Promise<number> {
    return this.totals[stream]?.quarantined ?? 0;
  }

  async strangers(): Promise<DataRecord[]> {
    return [];
  }

  async stored(): Promise<{ keys: number; deleted: number }> {
    return { keys: 0, deleted: 0 };
  }

  async unseen(): Promise<Unseen> {
    return { rows: 0, live: 0, sample: [], digest: '' };
  }

  async forgetUnseen(): Promise<number> {
    return 0;
  }

  async restart(): Promise<void> {}
  async publish(): Promise<void> {}

  async lookup(_stream: string, keys: DataRecord[]): Promise<null[]> {
    return keys.map(() => null);
  }

  async keysWithin(): Promise<DataRecord[]> {
    return [];
  }

  async finishRun(): Promise<void> {
    await this.inTurn(() => this.flush(0));
  }

  async close(): Promise<void> {
    await this.inTurn(() => this.flush(0)).catch(() => {});
  }

  /** One after the other: a state must follow its own records, and no others. */
  private inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.writing.then(work, work);
    this.writing = turn.catch(() => {});
    return turn;
  }

  private verify(writes: StateWrite[]): void {
    for (const write of writes) {
      const found = this.entries.get(keyOf(write))?.version ?? 0;
      if (found !== write.expect)
        throw new LedgerConflictError('the state changed meanwhile', {
          code: 'ledger_conflict',
          place: `${write.stream} ${write.key}`,
          expected: `version ${write.expect}`,
          found: `version ${found}`,
        });
    }
  }

  private apply(writes: StateWrite[]): void {
    this.verify(writes);
    for (const { stream, key, expect, value } of writes) {
      if (value === null) this.entries.delete(`${stream}\u0001${key}`);
      else this.entries.set(`${stream}\u0001${key}`, { stream, key, version: expect + 1, value });
    }
  }

  private entriesOf(stream: string): StateEntry[] {
    return [...this.entries.values()].filter((entry) => entry.stream === stream);
  }

  private async tell(writes: StateWrite[], afterMs: number): Promise<void> {
    for (const stream of writes.flatMap(({ stream: written }) => this.codec.tellingOf(written)))
      if (this.streams.has(stream)) this.dirty.add(stream);
    await this.flush(afterMs);
  }

  /** States of streams that were not told of for so long. */
  private async flush(afterMs: number): Promise<void> {
    const now = this.now();
    for (const stream of this.dirty) {
      if (now - (this.toldMs.get(stream) ?? -Infinity) < afterMs) continue;
      this.dirty.delete(stream);
      this.toldMs.set(stream, now);
      const state = this.codec.encode(stream, this.entriesOf(stream), (name) => this.entriesOf(name));
      if (!state) continue;
      const message: AirbyteStateMessage = {
        type: 'STREAM',
        stream: { stream_descriptor: { name: stream }, stream_state: state },
        sourceStats: { recordCount: this.since.get(stream) ?? 0 },
      };
      this.since.set(stream, 0);
      const line: AirbyteMessage = { type: 'STATE', state: message };
      // The protocol's count is a float.
      await this.output.write(`${stringifyJson(line).replace(/"recordCount":(\d+)\}/, '"recordCount":$1.0}')}\n`);
    }
  }
}

function keyOf({ stream, key }: { stream: string; key: string }): string {
  return `${stream}\u0001${key}`;
}

function isFileReference(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'staging_file_url' in value;
}
