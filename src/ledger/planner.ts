/**
 * Decides which page of a stream is read next, and divides the span while it is read. Pure: no I/O, no clock.
 *
 * Invariants: a unit of granularity is never split; a range has at most one page in flight; a cursor keeps the filter
 * that it was made with; a row below its range's `gte` belongs to the thief and is dropped. Tested by planner.test.ts.
 */
import { FatalError } from '../base/errors.js';
import { LIMITS } from '../base/bounds.js';
import { DensityModel, segmentCountFromDensity } from './density.js';
import { HEDGE_PAGES, LEAST_PAGES_TO_STEAL, shareKept } from './division.js';
import { askedOf, fullest, liveOf, noteRows, ownRows, walkAgain, type LiveRange } from './live-range.js';
import { confirmedOr, STATED } from '../base/evidence.js';
import type { PageRead, PageVerdict, RangeRequest } from './page.js';
import { newRange, reduce, type Ledger, type LedgerEvent, type Range, type Span } from './ledger.js';

export interface PlannerOptions {
  /** The least difference of two positions: 1 for seconds. */
  unit: number;
  /** Rows of a full page. */
  pageRows: number;
  /** `adaptive` divides where most rows are expected; `uniform` cuts once after the probe; `none` reads one chain. */
  strategy: 'adaptive' | 'uniform' | 'none';
  /** Whether a walk can begin at a position by the filter alone; an opaque chain can only begin anew. */
  seekable?: boolean;
  /**
   * Rows have keys, and can be asked for by a filter below the last one: an end that is doubtful is looked at again.
   */
  confirms?: boolean | undefined;
  /** A part in which an earlier run found no rows: it is not worth dividing before pages tell otherwise. */
  silent?: Span | undefined;
}

/** Equal segments run at most this many side by side, as the original did. */
const UNIFORM_CHAINS = 15;
/** Chains allowed from the first page on; before it, nothing is known to divide by. */
const FIRST_CHAINS = 12;
/**
 * Each page read allows this many more chains: one page says little of a long span, and a small stream is not worth
 * many probes.
 */
const CHAINS_PER_PAGE = 12;
const DENSE_RANK = 1e12;
/** Expected rows assumed for an empty page's surroundings. */
const EMPTY_PAGE_ROWS = 0.2;

/** What rests on a guess may be this part of all pages that are expected before their number is called uncertain. */
const GUESSED = 0.15;

export class Planner {
  /** The ledger as planned: ahead of what is committed by the pages in flight and queued. */
  private ledger: Ledger;
  private readonly live = new Map<number, LiveRange>();
  /** Ranges that somebody else reads. */
  private readonly lent = new Set<number>();
  private readonly density: DensityModel;
  private readonly events: LedgerEvent[] = [];
  private cutDone: boolean;
  /** Pages read, of former runs too. */
  private pages = 0;
  /** The most rows of a page that more followed. */
  private fullPage = Infinity;
  private expected: number | undefined; // as asked for with every request of any stream, until something changes
  /** Set when a page came out of order: dividing a started range is no longer sound. */
  orderBroken = false;

  constructor(
    ledger: Ledger,
    private readonly options: PlannerOptions,
  ) {
    this.ledger = ledger;
    this.density = new DensityModel(Math.max(1, ledger.span.lt - ledger.span.gte));
    const { silent } = options;
    if (silent) {
      const width = silent.lt - silent.gte;
      for (const share of [0.02, 0.5, 0.98]) this.density.add(silent.gte + share * width, EMPTY_PAGE_ROWS, width);
    }
    for (const range of ledger.ranges.values()) if (range.open) this.enlist(range);
    for (const range of ledger.ranges.values()) this.pages += range.pages;
    this.cutDone = this.pages > 0 || ledger.ranges.size > 1;
  }

  /** Pages of a range so far, those in flight to their commit included. */
  pagesOf(id: number): number {
    return this.ledger.ranges.get(id)?.pages ?? 0;
  }

  /**
   * Gives a part of at least `leastPages` expected pages away, to be read by somebody else: a new range, split off at
   * the half-mass point of the fullest one, or one that nothing was read of. It counts as open until `takeBack`.
   */
  lend(leastPages: number): number | undefined {
    const { pageRows, strategy } = this.options;
    if (strategy === 'uniform' || this.orderBroken) return undefined;
    let whole: LiveRange | undefined;
    let most = leastPages * pageRows;
    for (const range of this.live.values()) {
      if (range.inFlight || range.pages > 0 || range.cursor !== null || this.expectedRows(range) < most) continue;
      most = this.expectedRows(range);
      whole = range;
    }
    const part = strategy === 'adaptive' ? (this.divideFullest(2 * leastPages * pageRows) ?? whole) : whole;
    if (!part) return undefined;
    this.expected = undefined;
    this.live.delete(part.id);
    this.lent.add(part.id);
    return part.id;
  }

  get hasLent(): boolean {
    return this.lent.size > 0;
  }

  /** Ids that nobody else's ranges will have. */
  reserveIds(count: number): number {
    const first = this.ledger.nextId;
    this.ledger = { ...this.ledger, nextId: first + count };
    return first;
  }

  /** What became of a part that was lent: ranges that cover it. Those that are open are read here. */
  takeBack(id: number, ranges: Range[]): void {
    const all = new Map(this.ledger.ranges);
    all.delete(id);
    for (const range of ranges) {
      all.set(range.id, range);
      this.pages += range.pages;
      if (range.open) this.enlist(range);
    }
    this.ledger = {
      ...this.ledger,
      ranges: all,
      nextId: Math.max(this.ledger.nextId, ...ranges.map((range) => range.id + 1)),
    };
    this.lent.delete(id);
  }

  /** Splits decided since the last call; they must be durable before a thief's first page is. */
  takeEvents(): LedgerEvent[] {
    return this.events.splice(0);
  }

  get done(): boolean {
    return this.live.size === 0 && this.lent.size === 0;
  }

  get inFlight(): number {
    let count = 0;
    for (const range of this.live.values()) if (range.inFlight) count++;
    return count;
  }

  /** Pages expected to remain, at least one for each open range. */
  expectedPages(): number {
    if (this.expected !== undefined) return this.expected;
    let pages = 0;
    for (const range of this.live.values()) pages += Math.max(1, this.expectedRows(range) / this.options.pageRows);
    return (this.expected = pages);
  }

  /** The same for people: steadier where a history has bursts, and of no use for dividing. */
  outlook(): { pages: number; sure: boolean } {
    const { pageRows } = this.options;
    let [pages, guessed] = [0, 0];
    for (const { gte, top } of this.live.values()) {
      const part = this.density.outlook(gte, top, pageRows);
      pages += Math.max(0.5, part.rows / pageRows);
      guessed += part.guessed / pageRows;
    }
    return { pages, sure: this.density.jumps < 2 && guessed < GUESSED * pages };
  }

  /**
   * Which waiting page goes first: a chain that cannot be divided, then the widest part per expected page, since only
   * there can such a chain still hide; what is dense and divisible can wait, as many chains will share it.
   */
  rank(id: number): number {
    const range = this.live.get(id);
    if (!range) return 0;
    if (range.dense) return DENSE_RANK;
    return (range.top - range.gte) / Math.max(1, this.expectedRows(range) / this.options.pageRows);
  }

  /**
   * The next page to ask for, or undefined when `maxChains` pages are in flight or nothing is worth dividing.
   * The range counts as in flight until `arrived`, `cursorGone` or `failed`.
   */
  next(maxChains: number): RangeRequest | undefined {
    const limit =
      this.options.strategy === 'uniform'
        ? UNIFORM_CHAINS
        : Math.min(maxChains, FIRST_CHAINS + this.pages * CHAINS_PER_PAGE);
    if (this.inFlight >= limit) return undefined;
    let best: LiveRange | undefined;
    for (const range of this.live.values()) {
      if (!range.inFlight && (!best || this.rank(range.id) > this.rank(best.id))) best = range;
    }
    best ??= this.options.strategy === 'adaptive' ? this.steal() : undefined;
    if (!best) return undefined;
    best.inFlight = true;
    // A range that was never asked for may still narrow its filter to what a thief left it.
    if (best.cursor === null && best.pages === 0 && best.filter.gte !== null)
      best.filter = { ...best.filter, gte: best.gte };
    return { range: best.id, cursor: best.cursor, filter: best.filter };
  }

  /** The request failed: the range waits to be asked again. */
  failed(id: number): void {
    this.liveRange(id).inFlight = false;
  }

  /** The cursor's object is gone: the unit of the last position is walked again from its start, by the filter alone. */
  cursorGone(id: number): void {
    const range = this.liveRange(id);
    range.inFlight = false;
    this.rewalk(range);
  }

  /** Takes a page in; says which rows belong to the range and what its commit does to the ledger. */
  arrived(id: number, page: PageRead): PageVerdict {
    const range = this.liveRange(id);
    range.inFlight = false;
    const { unit } = this.options;
    const lowest = range.gte === this.ledger.span.gte;
    const { keep, last, inOrder } = ownRows(range, page, lowest);
    if (!inOrder) this.orderBroken = true;
    const before = range.top;
    const passed = last < range.gte && !lowest && !this.orderBroken;
    const rows = page.positions.length;
    let closes: boolean;
    let evidence = page.end ?? STATED;
    const isSeekable = this.options.seekable ?? true;
    if (rows === 0) {
      this.density.add((before + range.gte) / 2, EMPTY_PAGE_ROWS, Math.max(unit, before - range.gte));
      const asked = askedOf(range);
      const isAgain = range.emptyAt === asked;
      const goesOn = page.nextCursor !== null && page.nextCursor !== range.cursor;
      closes = !page.hasMore || (isSeekable && isAgain && !goesOn);
      if (closes && range.confirming) evidence = confirmedOr(page.end);
      if (!closes) {
        // What is below is asked for by the filter; then this very page once more, before the walk goes on where it
        // says. Who reads ends a standstill.
        if (isAgain) range.cursor = page.nextCursor ?? range.cursor;
        else if (isSeekable && !(range.confirming && range.fresh === 0)) this.rewalk(range);
        range.emptyAt = isAgain ? undefined : asked;
        range.confirming = isSeekable || !isAgain;
        range.fresh = 0;
      }
    } else {
      this.remember(range, page, before, last);
      range.emptyAt = undefined;
      // An opaque walk that was asked again and went on has confirmed nothing of the empty pages to come.
      if (!isSeekable) range.confirming = false;
      const isEnd = !page.hasMore || page.nextCursor === null;
      const looksAgain = isEnd && !passed && last <= before && this.isDoubtful(range, page);
      closes = (isEnd || passed) && !looksAgain;
      if (passed || range.confirming) evidence = confirmedOr(page.end);
      range.cursor = page.nextCursor;
      if (!this.orderBroken && Number.isFinite(last)) range.top = Math.min(range.top, Math.max(range.gte, last));
      if (looksAgain) {
        this.rewalk(range);
        range.confirming = true;
        range.fresh = 0;
      }
      if (page.hasMore) this.fullPage = this.fullPage === Infinity ? rows : Math.max(this.fullPage, rows);
    }
    this.pages++;
    const event = {
      type: 'page',
      range: id,
      top: range.top,
      cursor: range.cursor,
      filter: range.filter,
      rows: keep?.length ?? rows,
      pages: 1,
      closes,
      ...(closes ? { evidence } : {}),
    } as const;
    this.ledger = reduce(this.ledger, event, unit);
    if (closes) this.live.delete(id);
    else if (rows > 0) this.divideAfter(range);
    this.density.prune(this.live.values());
    return { keep, event };
  }

  /**
   * A page that is full, or came before, or says that more follows and not where, may not be the last whatever it says:
   * one request below its last row tells.
   */
  private isDoubtful(range: LiveRange, page: PageRead): boolean {
    if (!this.options.confirms || (range.confirming && range.fresh === 0)) return false;
    const rows = page.positions.length;
    return page.hasMore || page.end?.doubt === 'again' || rows >= this.options.pageRows || rows >= this.fullPage;
  }

  private enlist(range: Range): LiveRange {
    this.expected = undefined;
    const live = liveOf(range);
    this.live.set(range.id, live);
    return live;
  }

  private liveRange(id: number): LiveRange {
    this.expected = undefined;
    const range = this.live.get(id);
    if (!range) throw new FatalError(`page for range ${id}, which is not open`, { code: 'planner_misfit' });
    return range;
  }

  private remember(range: LiveRange, page: PageRead, before: number, last: number): void {
    const { unit, pageRows } = this.options;
    if (Number.isFinite(last)) {
      // Rows beyond the span's end count as if they lay at it.
      const reached = Math.min(last, before);
      const width = page.hasMore ? before - reached : before - range.gte + unit;
      this.density.add((before + reached) / 2, page.positions.length, Math.max(unit, width));
    }
    noteRows(range, page, { before, last, unit, pageRows });
  }

  private rewalk(range: LiveRange): void {
    walkAgain(range, this.options.unit, this.options.seekable ?? true);
  }

  private expectedRows(range: LiveRange): number {
    return this.density.rowsIn(range.gte, range.top);
  }

  private divideAfter(range: LiveRange): void {
    const { strategy, unit } = this.options;
    if (strategy === 'uniform' && !this.cutDone) {
      this.cutDone = true;
      const count = segmentCountFromDensity(range.lt - range.gte, range.lt - range.top);
      const width = (range.top - range.gte) / count;
      for (let i = count - 1; i >= 1; i--) {
        const at = Math.floor((range.gte + width * i) / unit) * unit;
        if (at > range.gte && at <= range.top) range = this.split(range, at);
      }
    }
  }

  private mayDivide(range: LiveRange): boolean {
    if (this.orderBroken || this.live.size >= LIMITS.openRanges) return false;
    return Math.floor(range.top / this.options.unit) * this.options.unit > range.gte;
  }

  /** Cuts the range with the most expected rows at their half-mass point; the new lower part is returned. */
  private steal(): LiveRange | undefined {
    return this.divideFullest(LEAST_PAGES_TO_STEAL * this.options.pageRows, () => this.hedge());
  }

  private divideFullest(leastRows: number, otherwise?: () => LiveRange | undefined): LiveRange | undefined {
    const { unit } = this.options;
    const divisible = [...this.live.values()].filter((range) => this.mayDivide(range));
    const victim = fullest(divisible, leastRows, (range) => this.expectedRows(range)) ?? otherwise?.();
    if (!victim) return undefined;
    const share = shareKept(this.expectedRows(victim) / this.options.pageRows);
    const point = Math.round(this.density.pointBelow(share, victim.gte, victim.top) / unit) * unit;
    const at = Math.min(Math.max(point, victim.gte + unit), Math.floor(victim.top / unit) * unit);
    return at > victim.gte ? this.split(victim, at) : undefined;
  }

  /**
   * Near the end chains idle while a range may be denser than the pages around it tell: its own last page, carried on
   * over what is left, says how much it could hold at most. One such guess a page bounds the requests that it may
   * waste.
   */
  private hedge(): LiveRange | undefined {
    const divisible = [...this.live.values()].filter((range) => !range.hedged && this.mayDivide(range));
    const mostRows = (range: LiveRange) => range.lastDensity * this.unheardWidth(range);
    const victim = fullest(divisible, HEDGE_PAGES * this.options.pageRows, mostRows);
    if (victim) victim.hedged = true;
    return victim;
  }

  /** What is left of a range, without what an earlier run found silent. */
  private unheardWidth({ gte, top }: Span & { top: number }): number {
    const { silent } = this.options;
    const quiet = silent ? Math.max(0, Math.min(silent.lt, top) - Math.max(silent.gte, gte)) : 0;
    return top - gte - quiet;
  }

  private split(victim: LiveRange, at: number): LiveRange {
    const event = { type: 'split', victim: victim.id, at, thief: this.ledger.nextId } as const;
    const lowest = victim.gte === this.ledger.span.gte;
    this.ledger = reduce(this.ledger, event, this.options.unit);
    this.events.push(event);
    const thief = this.enlist(newRange(event.thief, victim.gte, at, this.options.unit, lowest ? null : victim.gte));
    victim.gte = at;
    return thief;
  }
}
