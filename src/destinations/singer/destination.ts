/**
 * A Singer target on the other side of stdout: schemas before their records, states after what they imply. What was
 * written is committed; the target hands the state back, and whoever runs both keeps it for the next run.
 */
import {
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
  type StreamTarget,
  type Unseen,
} from '../contract.js';
import { LIMITS } from '../../base/bounds.js';
import { fieldOf, type DataRecord, type JsonSchema } from '../../base/catalog.js';
import { LedgerConflictError } from '../../base/errors.js';
import { hasUnstorableNumber, stringifyJson } from '../../base/json.js';
import type { SingerBookmark, SingerMessage, SingerState } from './messages.js';
import { DELETED_AT, singerSchema, widened } from './schema.js';

/** What the destination is handed by the command. */
export interface SingerInput {
  /** Resolves once the line can be taken as written. */
  write(text: string): Promise<void>;
  state: SingerState;
  /** Properties of a stream that were not chosen. */
  without: ReadonlyMap<string, ReadonlySet<string>>;
  /** Streams that may lose more rows than is believable. */
  acceptDeletions: readonly string[];
  /** Wall clock, milliseconds. */
  now: () => number;
  /** For people, on stderr. */
  say(message: string): void;
}

/** A state holds all ledgers: it is told this often at most, and at the end. */
const STATE_EVERY_MS = 1000;
/** Rows without a place that are named one by one. */
const NAMED = 5;

interface Lines extends PreparedRows {
  text: string;
  lines: number;
  deleted: number;
  /** The schema that the rows fit. */
  schema: JsonSchema;
}

/** One stream, as the target knows it and as it will. */
interface Told {
  target: StreamTarget;
  /** All rows that were prepared fit this. */
  schema: JsonSchema;
  /** The last that was written. */
  written: JsonSchema | undefined;
  bookmark: SingerBookmark;
}

/** What of a run's summary tells whether a reading is whole. */
interface Proof {
  stream: string;
  faults: unknown[];
  doubt?: string;
  quarantined: number;
}

export function singerDestination(input: SingerInput): Destination {
  return {
    description: 'a Singer target on stdout',
    async check() {},
    open: async (options) => new SingerSession(input, options),
    async close() {},
  };
}

class SingerSession implements DestinationSession {
  readonly capabilities = { keys: false };
  private readonly streams = new Map<string, Told>();
  /** Of streams that are not in this catalog, and of what is no stream. */
  private readonly bookmarks: Record<string, SingerBookmark>;
  private writing: Promise<unknown> = Promise.resolve();
  private isDirty = false;
  private toldMs = -Infinity;
  private named = 0;

  constructor(
    private readonly input: SingerInput,
    options: OpenOptions,
  ) {
    this.bookmarks = structuredClone(input.state.bookmarks);
    for (const target of options.streams) {
      const schema = singerSchema(this.withoutLeft(target.name, target.schema), target.primaryKey);
      this.streams.set(target.name, { target, schema, written: undefined, bookmark: this.bookmarkOf(target.name) });
    }
  }

  async loadState(): Promise<StateEntry[]> {
    return Object.entries(this.bookmarks).flatMap(([stream, { entries }]) =>
      Object.entries(entries).map(([key, [version, value]]) => ({
        stream,
        key,
        version,
        value: JSON.parse(value) as unknown,
      })),
    );
  }

  async writeState(writes: StateWrite[]): Promise<void> {
    await this.inTurn(async () => {
      this.apply(writes);
      await this.tellState(0);
    });
  }

  prepare(input: PrepareInput): PreparedRows {
    const told = this.streams.get(input.stream)!; // only streams that it was opened with are read
    const at = new Date(input.version).toISOString();
    const { version } = told.bookmark;
    const left = this.input.without.get(input.stream);
    const lines: string[] = [];
    const add = (record: DataRecord) => {
      const fault = faultOf(told.target, record);
      const text = fault === undefined ? lineOf(input.stream, record, version, at) : undefined;
      if (text === undefined) {
        this.nameBad(told.target, record, fault ?? 'nested too deep, or too large to be written');
        return;
      }
      told.schema = widened(told.schema, record);
      lines.push(text);
    };
    for (const record of input.records) add(left && isObject(record) ? dropped(record, left) : record);
    const rows = lines.length;
    for (const key of input.deleted ?? []) add({ ...key, [DELETED_AT]: at });
    const text = lines.join('');
    return {
      stream: input.stream,
      rows,
      bytes: text.length + 256,
      quarantined: input.records.length - rows,
      text,
      lines: lines.length,
      deleted: lines.length - rows,
      schema: told.schema,
    } as Lines;
  }

  async commit(batch: Batch): Promise<CommitReceipt> {
    return this.inTurn(async () => {
      const counts: Record<string, Counts> = {};
      this.verify(batch.state);
      for (const part of batch.rows as Lines[]) {
        const told = this.streams.get(part.stream)!; // as in prepare
        if (part.text !== '') await this.input.write(this.schemaLine(told, part.schema) + part.text);
        if (told.bookmark.reading) told.bookmark.rows += part.rows;
        addCounts(counts, part.stream, {
          ...noCounts(),
          read: part.rows + part.quarantined,
          inserted: part.rows,
          quarantined: part.quarantined,
          deleted: part.deleted,
        });
      }
      for (const [stream, count] of Object.entries(counts)) {
        const into = { [stream]: this.bookmarkOf(stream).counts };
        addCounts(into, stream, count);
      }
      this.apply(batch.state);
      await this.tellState(STATE_EVERY_MS);
      return { counts };
    });
  }

  async counts(): Promise<Record<string, Counts>> {
    return Object.fromEntries([...this.streams].map(([name, { bookmark }]) => [name, { ...bookmark.counts }]));
  }

  /** A stream is read whole: its records bear a version of their own from here on. */
  async beginAccount(stream: string): Promise<number> {
    const bookmark = this.bookmarkOf(stream);
    // What a reading that never became whole brought says nothing of how many rows there should be.
    const before = bookmark.reading ? bookmark.before : bookmark.version === 0 ? undefined : bookmark.rows;
    Object.assign(bookmark, {
      version: Math.max(this.input.now(), bookmark.version + 1),
      reading: true,
      rows: 0,
      counts: noCounts(),
      before,
    });
    return 0;
  }

  async quarantined(stream: string): Promise<number> {
    return this.streams.get(stream)?.bookmark.counts.quarantined ?? 0;
  }

  async stored(stream: string): Promise<{ keys: number; deleted: number }> {
    const counts = this.bookmarkOf(stream).counts;
    return { keys: counts.inserted, deleted: counts.deleted };
  }

  /** Told of every stream that was read whole and proven: a target may drop what earlier readings brought. */
  async finishRun(_outcome: string, summary: unknown): Promise<void> {
    const { proofs = [] } = summary as { proofs?: Proof[] };
    await this.inTurn(async () => {
      for (const proof of proofs) await this.activate(proof);
      await this.tellState(0);
    });
  }

  async close(): Promise<void> {
    await this.inTurn(() => this.tellState(0)).catch(() => {});
  }

  // A target cannot be asked: what it holds, its own tools tell.
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
    await this.beginAccount(stream);
  }

  async publish(): Promise<void> {}

  async lookup(_stream: string, keys: DataRecord[]): Promise<null[]> {
    return keys.map(() => null);
  }

  async keysWithin(): Promise<DataRecord[]> {
    return [];
  }

  private bookmarkOf(stream: string): SingerBookmark {
    return (this.bookmarks[stream] ??= { version: 0, rows: 0, counts: noCounts(), entries: {} });
  }

  private withoutLeft(stream: string, schema: JsonSchema): JsonSchema {
    const left = this.input.without.get(stream);
    return left ? { ...schema, properties: dropped(schema.properties ?? {}, left) } : schema;
  }

  /** The schema's message where the target was not told of it yet. A later one covers all rows before it. */
  private schemaLine(told: Told, schema: JsonSchema): string {
    if (told.written !== undefined && told.written === told.schema) return '';
    if (told.written !== undefined && told.written === schema) return '';
    told.written = told.schema;
    return line({
      type: 'SCHEMA',
      stream: told.target.name,
      schema: told.schema,
      key_properties: told.target.primaryKey,
    });
  }

  private async activate({ stream, faults, doubt, quarantined }: Proof): Promise<void> {
    const told = this.streams.get(stream);
    if (!told?.bookmark.reading || faults.length > 0) return;
    const { bookmark } = told;
    delete bookmark.reading;
    this.isDirty = true;
    const doubted = doubt ?? (quarantined > 0 ? `${quarantined} rows could not be handed over` : undefined);
    const kept = (bookmark.before ?? 0) > 0 ? (doubted ?? this.heldBack(stream, bookmark)) : undefined;
    if (kept !== undefined) {
      this.input.say(`${stream}: what earlier runs brought stays in the target: ${kept}`);
      return;
    }
    delete bookmark.held;
    // A stream without rows has a table all the same.
    await this.input.write(
      this.schemaLine(told, told.schema) + line({ type: 'ACTIVATE_VERSION', stream, version: bookmark.version }),
    );
  }

  /** Why fewer rows than before are not believed yet; what the next reading finds again is. */
  private heldBack(stream: string, bookmark: SingerBookmark): string | undefined {
    const { rows, before = 0, held } = bookmark;
    const lost = before - rows;
    const isCollapse = lost > 0 && (rows === 0 || (lost > LIMITS.goneRows && lost > before * LIMITS.goneShare));
    if (!isCollapse || held === rows || this.input.acceptDeletions.includes(stream)) return undefined;
    Object.assign(bookmark, { held: rows, rows: before });
    return (
      `${lost} of ${before} rows did not come again, which is too many to believe at once. Run again: if as many ` +
      `are missing, it is believed then; or accept it with --accept-deletions ${stream}`
    );
  }

  private nameBad({ name, primaryKey }: StreamTarget, record: unknown, fault: string): void {
    if (this.named++ >= NAMED) return;
    const key = isObject(record) ? primaryKey.map((field) => String(record[field] ?? '…')).join('/') : '';
    this.input.say(
      `${name}${key === '' ? '' : ` ${key.slice(0, 80)}`}: a row is left out: ${fault}` +
        (this.named === NAMED ? '; others are only counted' : ''),
    );
  }

  /** One after the other: a state must follow its own records, and no others. */
  private inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.writing.then(work, work);
    this.writing = turn.catch(() => {});
    return turn;
  }

  private verify(writes: StateWrite[]): void {
    for (const { stream, key, expect } of writes) {
      const found = this.bookmarks[stream]?.entries[key]?.[0] ?? 0;
      if (found !== expect)
        throw new LedgerConflictError('the state changed meanwhile', {
          code: 'ledger_conflict',
          place: `${stream} ${key}`,
          expected: `version ${expect}`,
          found: `version ${found}`,
        });
    }
  }

  private apply(writes: StateWrite[]): void {
    this.verify(writes);
    for (const { stream, key, expect, value } of writes) {
      const { entries } = this.bookmarkOf(stream);
      if (value === null) delete entries[key];
      else entries[key] = [expect + 1, JSON.stringify(value)];
    }
    if (writes.length > 0) this.isDirty = true;
  }

  private async tellState(afterMs: number): Promise<void> {
    const now = this.input.now();
    if (!this.isDirty || now - this.toldMs < afterMs) return;
    this.isDirty = false;
    this.toldMs = now;
    await this.input.write(line({ type: 'STATE', value: { bookmarks: this.bookmarks } }));
  }
}

function line(message: SingerMessage): string {
  return `${stringifyJson(message)}\n`;
}

/** A record's message; undefined where JSON cannot hold it. */
function lineOf(stream: string, record: DataRecord, version: number, at: string): string | undefined {
  try {
    return (
      `{"type":"RECORD","stream":${JSON.stringify(stream)},"record":${stringifyJson(record)},` +
      `"version":${version},"time_extracted":"${at}"}\n`
    );
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return undefined;
  }
}

/** Why a row cannot be handed over. */
function faultOf({ primaryKey }: StreamTarget, record: unknown): string | undefined {
  if (!isObject(record)) return 'it is no object';
  const missing = primaryKey.find((field) => (fieldOf(record, field) ?? null) === null);
  if (missing !== undefined) return `its key ${missing} is missing`;
  try {
    return hasUnstorableNumber(record) ? 'a number that is NaN, infinite or beyond 1e308' : undefined;
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return 'nested too deep';
  }
}

function isObject(value: unknown): value is DataRecord {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function dropped<T>(record: Record<string, T>, left: ReadonlySet<string>): Record<string, T> {
  return Object.fromEntries(Object.entries(record).filter(([name]) => !left.has(name)));
}
