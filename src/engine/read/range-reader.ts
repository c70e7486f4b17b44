/** Reads a stream whose span can be divided: ranges, page numbers, or a single chain. */
import type { StateWrite } from '../../destinations/contract.js';
import { CursorGoneError, FatalError } from '../../base/errors.js';
import { LIMITS } from '../../base/bounds.js';
import type { Ticket } from '../../gate/gate.js';
import {
  evidenceOf,
  isClosed,
  mergesOf,
  newer,
  newestOf,
  reduce,
  type Ledger,
  type LedgerEvent,
  type Range,
} from '../../ledger/ledger.js';
import type { Evidence } from '../../base/evidence.js';
import { Planner } from '../../ledger/planner.js';
import type { RangeRequest } from '../../ledger/page.js';
import type { Page, Stream } from '../../sources/contract.js';
import type { StreamMeta } from '../../ledger/checkpoint.js';
import { NumberedWalk } from './numbered-walk.js';
import { chooseBatch } from './batch-choice.js';
import { NewRows } from './new-rows.js';
import { StoredLedger } from './stored-ledger.js';
import { Walks } from './settled-page.js';
import { axisOf, silenceOf, type Axis } from './axes.js';
import { chainsFor, isGivenUp, isOnlyAdded, keyOf, type RunContext } from './context.js';
import { assertOurs, isConsumed, WalkLostError, wouldDouble } from './lost-place.js';
import { Reader, type QueuedPage } from './reader.js';
import type { SliceReader } from './slice-reader.js';
import type { TakenBatch } from '../write/writer.js';

interface PageItem extends QueuedPage {
  kind: 'page';
  event: Extract<LedgerEvent, { type: 'page' }>;
}

interface SplitItem {
  kind: 'split';
  event: Extract<LedgerEvent, { type: 'split' }>;
  sinceMs: number;
  bytes: 0;
}

/** A part that another process may read, with the ids that its splits may take. */
export interface Lent {
  range: number;
  firstId: number;
}

/** A server that promised an order, or kept one so far, broke it. */
export class OrderBrokenError extends FatalError {}

export class RangeReader extends Reader {
  readonly planner: Planner;
  readonly axis: Axis;
  /** What numbered pages tell of their end. */
  numbers: NumberedWalk;
  /** The server's clock at the last page. */
  serverTimeMs: number | undefined;
  private readonly stored: StoredLedger;
  private queue: (PageItem | SplitItem)[] = [];
  /** Ranges whose entries a commit under way is writing. */
  private readonly locked = new Set<number>();
  private readonly restarts = new Map<number, number>();
  private readonly walks: Walks;
  /** Ranges of which this reader had a page. */
  private readonly walked = new Set<number>();
  readonly newRows: NewRows;
  private readonly waiting: RangeRequest[] = [];
  private bytesWaiting = 0;
  private merging = false;
  /** One for all requests, which tell by it that they are of one stream. */
  readonly expectedRequests = () => this.planner.expectedPages();
  /** Parts that are to be lent once their split is committed. */
  private readonly lending = new Map<number, () => void>();

  constructor(
    stream: Stream,
    context: RunContext,
    children: SliceReader[],
    private readonly meta: StreamMeta,
    ledger: Ledger,
    versions: Map<number, number>,
  ) {
    super(
      stream,
      context,
      children,
      meta.mode === 'load' && meta.generation === 1,
      meta.mode === 'reread' ? meta.generation : undefined,
    );
    this.axis = axisOf(stream.division, meta.chain ?? false);
    this.stored = new StoredLedger(stream.name, this.axis.unit, ledger, versions);
    this.numbers = new NumberedWalk(stream);
    this.walks = new Walks(stream);
    this.newRows = new NewRows(stream.division, meta.after, newer(meta.newest, newestOf(ledger)), meta.edge);
    this.planner = new Planner(ledger, {
      unit: this.axis.unit,
      pageRows: this.axis.pageRows,
      strategy: this.axis.divisible ? context.planner : 'none',
      seekable: this.axis.seekable,
      confirms: this.axis.confirms && !isOnlyAdded(stream, context.mode),
      silent: silenceOf(stream.division, meta),
    });
  }

  pump(): void {
    if (this.error !== undefined) return;
    const pace = this.context.demand?.paceOf(this.expectedRequests());
    const chains = chainsFor(this.stream, this.context, LIMITS.unlimitedChains, LIMITS.openRanges, pace);
    while (this.inFlight < chains && !this.childrenFull(this.inFlight)) {
      const request = this.planner.next(chains);
      this.noteSplits();
      if (!request) break;
      this.waiting.push(request);
      this.inFlight++;
      void this.fetch();
    }
  }

  /**
   * Splits a part off for another process to read; resolves once that is committed. Undefined where nothing is worth
   * it.
   */
  async lend(leastPages: number): Promise<Lent | undefined> {
    if (this.error !== undefined || this.meta.chain) return undefined;
    const range = this.planner.lend(leastPages);
    if (range === undefined) return undefined;
    this.newRows.lent();
    const lent = { range, firstId: this.planner.reserveIds(LIMITS.lentIds) };
    this.noteSplits();
    this.context.kick();
    if (!this.stored.has(range)) await new Promise<void>((resolve) => this.lending.set(range, resolve));
    return this.broken ? undefined : lent;
  }

  /** Whether another process reads a part of it. */
  get isShared(): boolean {
    return this.planner.hasLent;
  }

  /** What became of a part that was lent, as it is stored. */
  takeBack(id: number, ranges: { range: Range; version: number }[]): void {
    this.stored.replace(id, ranges);
    for (const { range } of ranges) {
      this.rows += range.rows;
      this.pages += range.pages;
    }
    this.planner.takeBack(
      id,
      ranges.map(({ range }) => range),
    );
    this.pump();
    this.settle();
  }

  pendingBytes(): number {
    return this.bytesWaiting;
  }

  oldestMs(): number | undefined {
    return this.queue[0]?.sinceMs;
  }

  protected exhausted(): boolean {
    return this.planner.done;
  }

  protected drained(): boolean {
    return this.queue.length === 0 && this.locked.size === 0;
  }

  /** One ticket: memory, a permit, then the page that is most urgent now. */
  private async fetch(): Promise<void> {
    const reserved = this.pageBytes;
    let request: RangeRequest | undefined;
    let isTaken = false;
    let held = reserved;
    let ticket: Ticket | undefined;
    await this.context.memory.reserve(reserved, this.context.signal);
    try {
      ticket = await this.ticket(this.expectedRequests);
      request = this.takeMostUrgent();
      assertOurs(this.stream, request, this.walked);
      const asked = request;
      const page = await this.settledPage(request, await this.ask(request, ticket));
      this.walked.add(request.range);
      const bytes = this.consume(page, () => {
        isTaken = true;
        return this.arrived(asked, page);
      });
      this.context.memory.release(reserved - bytes);
      held = 0;
    } catch (error) {
      request ??= this.waiting.shift()!;
      if (!this.broken) this.stumble(request, error, isTaken);
    } finally {
      if (ticket) this.context.permits.giveBack?.(ticket);
      this.fetched(held);
    }
  }

  ask(request: RangeRequest, ticket?: Ticket): Promise<Page> {
    return this.stream.page({
      ...this.axis.request(request),
      ...(isConsumed(this.stream) ? { once: request.cursor !== null } : {}),
      slices: this.context.session.capabilities.slices === true,
      signal: this.context.signal,
      weight: this.expectedRequests,
      ticket,
    });
  }

  private takeMostUrgent(): RangeRequest {
    let best = 0;
    for (let i = 1; i < this.waiting.length; i++) {
      if (this.planner.rank(this.waiting[i]!.range) > this.planner.rank(this.waiting[best]!.range)) best = i;
    }
    return this.waiting.splice(best, 1)[0]!;
  }

  /** Takes a page in; returns the bytes that it holds from now on. */
  private arrived(request: RangeRequest, page: Page): number {
    if (this.broken) return 0;
    this.serverTimeMs = Math.max(this.serverTimeMs ?? 0, page.serverTimeMs ?? 0) || this.serverTimeMs;
    const read = this.axis.read(page, request, (record) => keyOf(this.stream, record));
    const verdict = this.planner.arrived(request.range, read);
    if (this.planner.orderBroken && !this.meta.chain) {
      throw new OrderBrokenError('the rows are not in the order that the stream declares', {
        code: 'order_broken',
        place: this.stream.name,
      });
    }
    const numbered = this.stream.division.kind === 'numbered';
    const own = numbered || !verdict.keep ? page.records : verdict.keep.map((index) => page.records[index]!);
    const kept = this.newRows.notAddedBefore(own);
    const event = { ...verdict.event, rows: kept.length, newest: this.newRows.newerIn(kept) };
    const identity = `${this.meta.generation}.${request.range}.${this.planner.pagesOf(request.range)}`;
    const { rows, bytes } = this.prepare(page, kept, identity);
    this.queue.push({
      kind: 'page',
      event,
      rows,
      bytes,
      sinceMs: this.context.clock.monotonic(),
      children: this.openings(kept, identity),
    });
    this.bytesWaiting += bytes;
    this.noteSplits();
    return bytes;
  }

  /** A walk that goes in a circle ends with an error; one that begins anew may bring what it brought before. */
  private async settledPage(request: RangeRequest, came: Page): Promise<Page> {
    if (this.stream.division.kind !== 'numbered') return this.walks.settled(request, came, (again) => this.ask(again));
    this.numbers.note(this.axis.request(request).number ?? 0, came);
    return came;
  }

  private stumble(request: RangeRequest, error: unknown, isTaken: boolean): void {
    const restarts = (this.restarts.get(request.range) ?? 0) + 1;
    const isLast = error instanceof CursorGoneError && isGivenUp(error, restarts);
    if (error instanceof CursorGoneError && request.cursor !== null && !isLast) {
      this.restarts.set(request.range, restarts);
      if (wouldDouble(this.stream, this.context, this.axis.seekable))
        return this.breakOff(new WalkLostError(this.stream.name, error));
      try {
        this.planner.cursorGone(request.range);
        return;
      } catch (unreadable) {
        return this.fail(unreadable);
      }
    }
    // What was read under a broken order is read again anyway.
    if (error instanceof OrderBrokenError) return this.breakOff(error);
    // The planner has gone on past a page that cannot be stored: it is not committed, and the next run asks for it
    // again.
    if (isTaken) return this.fail(error);
    this.planner.failed(request.range);
    this.fail(isLast ? (error.cause ?? error) : error);
  }

  protected dropQueue(): number {
    const bytes = this.bytesWaiting;
    this.queue = [];
    this.bytesWaiting = 0;
    for (const done of this.lending.values()) done();
    this.lending.clear();
    return bytes;
  }

  private noteSplits(): void {
    for (const event of this.planner.takeEvents()) {
      if (event.type !== 'split' || this.broken) continue;
      this.queue.push({ kind: 'split', event, sinceMs: this.context.clock.monotonic(), bytes: 0 });
      this.context.emit({ type: 'split', stream: this.stream.name, at: event.at });
    }
  }

  take(maxBytes: number): TakenBatch | undefined {
    const choice = chooseBatch(this.queue, this.ledger, {
      unit: this.axis.unit,
      maxBytes,
      mostRanges: this.rangesPerBatch(),
      locked: this.locked,
    });
    const { taken, left, events, touched, bytes } = choice;
    let { ledger } = choice;
    if (taken.length === 0) return undefined;
    this.queue = left;
    this.bytesWaiting -= bytes;
    const merges = this.mergesBeside(ledger, touched);
    for (const event of merges) {
      ledger = reduce(ledger, event, this.axis.unit);
      events.push(event);
      if (event.type === 'merged') touched.add(event.into).add(event.gone);
    }
    return this.batch(taken, events, touched, ledger, bytes, merges.length > 0);
  }

  /** A batch locks the ranges that it writes: each takes its share of them, so that several commit side by side. */
  private rangesPerBatch(): number {
    const ready = new Set<number>();
    for (const item of this.queue) if (item.kind === 'page') ready.add(item.event.range);
    return Math.max(1, Math.ceil(ready.size / LIMITS.writers));
  }

  /** Closed neighbours become one, now and then: it bounds the state. Only ranges that no commit is writing. */
  private mergesBeside(ledger: Ledger, touched: Set<number>): LedgerEvent[] {
    if (this.merging) return [];
    const free = new Map(
      [...ledger.ranges].filter(([id, range]) => !range.open && !this.locked.has(id) && !touched.has(id)),
    );
    if (free.size <= LIMITS.closedRanges) return [];
    return mergesOf({ ...ledger, ranges: free });
  }

  private batch(
    taken: (PageItem | SplitItem)[],
    events: LedgerEvent[],
    touched: Set<number>,
    ledger: Ledger,
    bytes: number,
    merges: boolean,
  ): TakenBatch {
    for (const id of touched) this.locked.add(id);
    this.merging ||= merges;
    const pages = taken.filter((item): item is PageItem => item.kind === 'page');
    const release = () => {
      for (const id of touched) this.locked.delete(id);
      if (merges) this.merging = false;
    };
    return {
      batch: this.batchOf(pages, this.stored.writes(touched, ledger)),
      bytes,
      done: (receipt) => {
        this.stored.committed(events, touched);
        release();
        for (const [range, done] of this.lending) {
          if (!this.stored.has(range)) continue;
          this.lending.delete(range);
          done();
        }
        this.committed(pages, receipt.counts);
        this.pump();
        this.settle();
      },
      failed: (error) => {
        release();
        this.breakOff(error);
      },
    };
  }

  /** Applies events outside a page's commit, when nothing is under way: the last merge, or a part opened again. */
  async apply(events: LedgerEvent[], metaWrite?: StateWrite): Promise<void> {
    const write = (writes: StateWrite[]) => this.context.session.writeState(writes);
    await this.stored.apply(events, metaWrite ? [metaWrite] : [], write);
  }

  /** What is committed. */
  get ledger(): Ledger {
    return this.stored.ledger;
  }

  get evidence(): Evidence | undefined {
    return evidenceOf(this.ledger);
  }

  get versionsNow(): Map<number, number> {
    return this.stored.versions;
  }

  get closed(): boolean {
    return isClosed(this.ledger);
  }
}
