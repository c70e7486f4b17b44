/**
 * Reads a stream of independent slices: children of a parent's records, or a list. Its ledger is the list of slices
 * still open, one entry for each page of parents; a slice opens with its parent's commit and closes with its own last
 * page.
 */
import type { StateWrite } from '../../destinations/contract.js';
import { CursorGoneError, FatalError, PartRefusedError, SliceGoneError } from '../../base/errors.js';
import { LIMITS } from '../../base/bounds.js';
import { hashString } from '../../base/random.js';
import type { Ticket } from '../../gate/gate.js';
import type { DataRecord } from '../../base/catalog.js';
import { STATED, encodeEvidence, weakest, type Evidence } from '../../base/evidence.js';
import { newer } from '../../ledger/ledger.js';
import type { Page, Slice, Stream } from '../../sources/contract.js';
import {
  WEAK_KEY,
  type OpenSlices,
  type StreamMeta,
  type StreamState,
  type WeakSlices,
} from '../../ledger/checkpoint.js';
import { chainsFor, isGivenUp, type RunContext } from './context.js';
import { settled } from './settled-page.js';
import { WalkMemory } from './walk-memory.js';
import type { ChildLink } from './child-link.js';
import { Reader, type QueuedPage } from './reader.js';
import type { TakenBatch } from '../write/writer.js';

interface Entry {
  version: number;
  open: Map<Slice, string | null>;
  /** Of those that are open: what the API refused, for the next run to ask for again. */
  refused: Set<Slice>;
}

interface Work {
  key: string;
  slice: Slice;
  cursor: string | null;
  /** Times that this page was empty and claimed more, or its cursor was lost. */
  empty: number;
  /** Times that it began anew. */
  restarts: number;
  walk: WalkMemory;
}

interface SlicePage extends QueuedPage {
  key: string;
  slice: Slice;
  /** Where the slice goes on; undefined: it is closed. */
  next: string | null | undefined;
  newest: number | undefined;
  /** Closed: why. */
  evidence: Evidence;
}

export class SliceReader extends Reader implements ChildLink {
  /** Set when no more slices will be opened. */
  private complete = false;
  private readonly entries = new Map<string, Entry>();
  /** Keys of entries that are not committed yet. */
  private readonly promised = new Set<string>();
  private readonly ready: Work[] = [];
  private queue: SlicePage[] = [];
  private readonly locked = new Set<string>();
  private bytesWaiting = 0;
  private openBytes = 0;
  readonly expectedRequests = () => this.openSlices - this.refusals;
  /** The weakest evidence of the slices that were closed. */
  evidence: Evidence | undefined;
  /** Weak evidence is being written, or is stored. */
  private isWeakStored: boolean;
  /** The newest position of the rows that were committed, where the stream tells one. */
  newest: number | undefined;
  /** Parents' pages that were fetched and whose commit will open slices. */
  announced = 0;
  /** What the API said of the first slice that it refused; the others are read to their end before it is told. */
  private refusal: unknown;
  private refusals = 0;
  private refusedInTurn = 0;

  constructor(
    stream: Stream,
    context: RunContext,
    children: ChildLink[],
    private readonly meta: StreamMeta,
    slices: StreamState['slices'],
    weak: WeakSlices | undefined,
    /** Called when a slice closed: its parent may read on. */
    private readonly onRoom: () => void,
    /** Where it notes weak evidence: who reads beside others has an entry of its own. */
    private readonly weakKey = WEAK_KEY,
  ) {
    super(
      stream,
      context,
      children,
      meta.mode === 'load' && meta.generation === 1,
      meta.mode === 'reread' ? meta.generation : undefined,
    );
    this.evidence = weak?.evidence;
    this.isWeakStored = weak?.versions.has(weakKey) ?? false;
    for (const [key, entry] of slices) this.opened(key, entry.version, entry.open);
  }

  /** The slices that these parents open. */
  slicesOf(parents: DataRecord[], from: Slice | undefined): Slice[] {
    const { division } = this.stream;
    if (division.kind !== 'slices' || !('parent' in division.of)) return [];
    const { slice } = division.of;
    return parents.flatMap((parent) => slice(parent, from) ?? []);
  }

  /** Its parents are read on without it. */
  abandoned = false;
  lost: unknown;
  /** Called where parents wait for this stream, which has failed. */
  onBlocked: () => void = () => {};

  /** Whether parents must wait, given that `coming` of their pages are already asked for. */
  full(coming: number): boolean {
    if (this.abandoned) return false;
    const isFull = this.holdsEnough(coming);
    if (isFull && this.error !== undefined) this.onBlocked();
    return isFull;
  }

  private holdsEnough(coming: number): boolean {
    let entries = 0;
    for (const { open, refused } of this.entries.values()) if (open.size > refused.size) entries++;
    return entries + this.announced + coming >= LIMITS.openSlicePages || this.openBytes >= LIMITS.openSliceBytes;
  }

  get openSlices(): number {
    let count = 0;
    for (const entry of this.entries.values()) count += entry.open.size;
    return count;
  }

  keyFor(key: string): string {
    let free = key;
    for (let n = 2; this.promised.has(free) || this.entries.has(free); n++) free = `${key}~${n}`;
    this.promised.add(free);
    return free;
  }

  /** A parent's page was committed, and with it these slices. */
  opened(key: string, version: number, open: OpenSlices): void {
    this.promised.delete(key);
    this.entries.set(key, { version, open: new Map(open), refused: new Set() });
    for (const [slice, cursor] of open) {
      this.ready.push({ key, slice, cursor, empty: 0, restarts: 0, walk: new WalkMemory(this.stream) });
      this.openBytes += weightOf(slice);
    }
    this.pump();
  }

  /** No more parents will come. */
  parentEnded(): void {
    this.complete = true;
    this.context.kick();
    this.settle();
  }

  pump(): void {
    if (this.error !== undefined) return;
    const chains = chainsFor(this.stream, this.context, LIMITS.unlimitedSlices, LIMITS.sockets);
    while (this.inFlight < chains && this.ready.length > 0 && !this.childrenFull(this.inFlight)) {
      this.inFlight++;
      void this.fetch(this.ready.shift()!);
    }
  }

  pendingBytes(): number {
    return this.bytesWaiting;
  }

  oldestMs(): number | undefined {
    return this.queue[0]?.sinceMs;
  }

  override draining(): boolean {
    return super.draining() || this.ready.length === 0;
  }

  protected exhausted(): boolean {
    return this.complete && (this.entries.size === 0 || (this.refusals > 0 && this.openSlices === this.refusals));
  }

  protected override settle(): void {
    if (this.refusal !== undefined && this.inFlight === 0 && this.exhausted()) this.error ??= this.refusal;
    super.settle();
  }

  protected drained(): boolean {
    return this.queue.length === 0 && this.locked.size === 0;
  }

  private async fetch(work: Work): Promise<void> {
    const reserved = this.pageBytes;
    let held = reserved;
    let ticket: Ticket | undefined;
    await this.context.memory.reserve(reserved, this.context.signal);
    try {
      const weight = () => Infinity;
      ticket = await this.ticket(weight);
      const ask = (cursor: string | null, own?: Ticket) =>
        this.stream.page({
          gte: this.meta.since ?? null,
          lt: null,
          cursor,
          slice: work.slice,
          slices: this.context.session.capabilities.slices === true,
          signal: this.context.signal,
          weight,
          ticket: own,
        });
      const page = await settled(work.walk, await ask(work.cursor, ticket), {
        first: () => ask(null),
        again: () => ask(work.cursor),
      });
      const bytes = this.consume(page, () => this.arrived(work, page));
      this.context.memory.release(reserved - bytes);
      held = 0;
    } catch (error) {
      if (this.broken) return;
      if (error instanceof SliceGoneError) this.enqueue(work, [], [], 64, undefined, { kind: 'gone' });
      else if (
        error instanceof CursorGoneError &&
        work.cursor !== null &&
        work.empty < LIMITS.rewalks &&
        !isGivenUp(error, work.restarts + 1)
      )
        this.ready.unshift({
          ...work,
          cursor: null,
          empty: work.empty + 1,
          restarts: work.restarts + 1,
          walk: new WalkMemory(this.stream),
        });
      else this.stopped(work, error instanceof CursorGoneError ? (error.cause ?? error) : error);
    } finally {
      if (ticket) this.context.permits.giveBack?.(ticket);
      this.fetched(held);
    }
  }

  /** One slice that is refused stops no other; of an API that refuses all, not all are asked for. */
  private stopped(work: Work, error: unknown): void {
    this.refusedInTurn++;
    const isItsOwn = error instanceof PartRefusedError || error instanceof FatalError;
    if (!isItsOwn || this.refusedInTurn >= LIMITS.refusedInTurn || this.refusals >= LIMITS.refusedParts) {
      this.ready.unshift(work);
      this.fail(error);
      return;
    }
    this.refusal ??= error;
    this.refusals++;
    this.entries.get(work.key)!.refused.add(work.slice);
    this.openBytes -= weightOf(work.slice);
    this.onRoom();
  }

  protected dropQueue(): number {
    const bytes = this.bytesWaiting;
    this.queue = [];
    this.bytesWaiting = 0;
    return bytes;
  }

  private arrived(work: Work, page: Page): number {
    if (this.broken) return 0;
    this.refusedInTurn = 0;
    const received = page.received ?? page.records.length;
    if (received === 0 && page.hasMore && (page.next === null || work.empty % 2 === 0)) {
      // No end: the page is asked for again before the walk goes on where it says. One that stands still ends with an
      // error.
      this.ready.unshift({ ...work, empty: work.empty + 1 });
      return 0;
    }
    const identity = `${this.meta.generation}.${work.slice}.${work.cursor ?? ''}`;
    const { rows, bytes } = this.prepare(page, page.records, identity);
    const next = page.hasMore && page.next !== null ? page.next : undefined;
    this.enqueue(work, rows, page.records, bytes, next, page.end ?? STATED);
    return bytes;
  }

  private enqueue(
    work: Work,
    rows: QueuedPage['rows'],
    records: DataRecord[],
    bytes: number,
    next: string | null | undefined,
    evidence: Evidence,
  ): void {
    // The same slice may be open in several entries.
    const from = hashString(work.key).toString(36);
    const children = this.openings(records, `${from}/${work.slice}.${work.cursor ?? ''}`, work.slice);
    this.queue.push({
      newest: this.newestIn(records),
      evidence,
      key: work.key,
      slice: work.slice,
      next,
      rows,
      bytes,
      sinceMs: this.context.clock.monotonic(),
      children,
    });
    this.bytesWaiting += bytes;
    if (next !== undefined) this.ready.unshift({ ...work, cursor: next, empty: 0 });
  }

  private newestIn(records: DataRecord[]): number | undefined {
    const { division } = this.stream;
    if (division.kind !== 'slices' || !division.position) return undefined;
    let newest: number | undefined;
    for (const record of records) {
      const position = division.position(record);
      if (Number.isFinite(position)) newest = newer(newest, position);
    }
    return newest;
  }

  take(maxBytes: number): TakenBatch | undefined {
    const taken: SlicePage[] = [];
    const left: SlicePage[] = [];
    const blocked = new Set<string>();
    const after = new Map<string, Map<Slice, string | null>>();
    let bytes = 0;
    for (const page of this.queue) {
      if (this.locked.has(page.key) || blocked.has(page.key) || (bytes > 0 && bytes + page.bytes > maxBytes)) {
        blocked.add(page.key); // later pages of the same entry must not overtake
        left.push(page);
        continue;
      }
      let open = after.get(page.key);
      if (!open) after.set(page.key, (open = new Map(this.entries.get(page.key)!.open)));
      if (page.next === undefined) open.delete(page.slice);
      else open.set(page.slice, page.next);
      taken.push(page);
      bytes += page.bytes;
    }
    if (taken.length === 0) return undefined;
    this.queue = left;
    this.bytesWaiting -= bytes;
    for (const key of after.keys()) this.locked.add(key);
    const state: StateWrite[] = [...after].map(([key, open]) => ({
      stream: this.stream.name,
      key,
      expect: this.entries.get(key)!.version,
      value: open.size === 0 ? null : [...open],
    }));
    const weak = taken.find((page) => page.next === undefined && page.evidence.doubt !== undefined);
    if (weak && !this.isWeakStored) {
      this.isWeakStored = true;
      state.push({
        stream: this.stream.name,
        key: this.weakKey,
        expect: 0,
        value: encodeEvidence(weak.evidence) ?? null,
      });
    }
    return {
      batch: this.batchOf(taken, state),
      bytes,
      done: (receipt) => {
        this.close(after, taken);
        this.committed(taken, receipt.counts);
        this.onRoom();
        this.pump();
        this.settle();
      },
      failed: (error) => {
        for (const key of after.keys()) this.locked.delete(key);
        this.breakOff(error);
      },
    };
  }

  private close(after: Map<string, Map<Slice, string | null>>, taken: SlicePage[]): void {
    for (const [key, open] of after) {
      this.locked.delete(key);
      const entry = this.entries.get(key)!;
      if (open.size === 0) this.entries.delete(key);
      else this.entries.set(key, { version: entry.version + 1, open, refused: entry.refused });
    }
    for (const page of taken) {
      this.newest = newer(this.newest, page.newest);
      if (page.next !== undefined) continue;
      this.evidence = this.evidence ? weakest(this.evidence, page.evidence) : page.evidence;
      this.openBytes -= weightOf(page.slice);
    }
  }
}

/** About what a slice takes in state: `["id",null],`. */
function weightOf(slice: Slice): number {
  return slice.length + 9;
}
