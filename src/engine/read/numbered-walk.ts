/** What pages that are read by number tell of their end: distinct keys against the total, and where they run out. */
import { LIMITS } from '../../base/bounds.js';
import { mayBeLimit, STATED, type Doubt, type Evidence } from '../../base/evidence.js';
import { hashString } from '../../base/random.js';
import type { Span } from '../../ledger/ledger.js';
import type { Page, Stream } from '../../sources/contract.js';
import { keyOf } from './context.js';

export class NumberedWalk {
  /** Rows that the API says there are. */
  total: number | undefined;
  private keys = new Set<string | number>();
  /** Pages brought nothing new: keys that came, while its first pages are looked at once more. */
  private stale: ReadonlySet<string | number> | undefined;
  private readonly rows = new Map<number, number>();
  /** Of each page the keys that it held, as one number. */
  private readonly held = new Map<number, number>();
  /** The same, of the walk before. */
  private heldBefore: string | undefined;
  private most = 0;
  private keysBefore = -1;
  /** The list grew or shrank while it was walked: what came may be other rows than those that are there. */
  private hasMoved = false;
  /** A page was empty and claimed more: not an end, and its rows may be missing. */
  private claimsMore = false;
  /** Rows that there seem to be at least. */
  private claimed = 0;
  /** What one of the pages tells that is doubtful. */
  private doubt: Doubt | undefined;
  /** It grows as fast as it is read. */
  isEndless = false;
  /** Pages that are to be looked at once more; undefined: none was yet. */
  private looks: Span[] | undefined;

  constructor(private readonly stream: Stream) {}

  note(number: number, page: Page): void {
    if (page.total !== undefined) {
      this.hasMoved ||= this.total !== undefined && this.total !== page.total;
      this.total = page.total;
    }
    this.doubt ??= page.end?.doubt;
    this.claimed = page.claimed ?? this.claimed;
    const rows = page.received ?? page.records.length;
    if (rows === 0 && page.hasMore) {
      this.claimsMore = true;
      return;
    }
    this.rows.set(number, rows);
    // More rows than were asked for make no page before it short.
    this.most = Math.max(this.most, Math.min(rows, this.pageRows));
    const marks: (string | number)[] = [];
    for (const record of page.records) {
      const key = keyOf(this.stream, record);
      if (key === null) continue;
      marks.push(key.length > 24 ? hashString(key) : key);
      if (this.keys.size < LIMITS.unitKeys) this.keys.add(marks.at(-1)!);
    }
    const held = rows > 0 ? hashString([rows, ...marks].join('\u0001')) : undefined;
    if (this.looks && this.held.get(number) !== held) this.hasMoved = true;
    if (held === undefined) this.held.delete(number);
    else this.held.set(number, held);
  }

  /** Distinct keys that came; undefined where they were too many to count. */
  get distinct(): number | undefined {
    return this.keys.size >= LIMITS.unitKeys ? undefined : this.keys.size;
  }

  /**
   * Whether pages end before `end`: the last of those that hold rows is followed by an empty one, or is the only one
   * that holds fewer rows than the fullest. Where rows follow a page that is shorter than asked, how long one is tells
   * nothing.
   */
  endsBefore(end: number): boolean {
    let last = -1;
    for (const [number, rows] of this.rows) if (rows > 0 && number < end) last = Math.max(last, number);
    // No page was as long as was asked for.
    let isVaried = last > 0 && this.most < this.pageRows;
    for (const [number, rows] of this.rows) {
      if (number < end && number > last) return true;
      isVaried ||= number < last && rows < this.most;
    }
    return last >= 0 && !isVaried && this.rows.get(last)! < this.most;
  }

  private get pageRows(): number {
    const { division } = this.stream;
    return 'pageRows' in division ? division.pageRows : Infinity;
  }

  /** A window of pages without a new key: the API gives the same rows whatever is asked. */
  standsStill(): boolean {
    const stands = this.keys.size > 0 && this.keys.size < LIMITS.unitKeys && this.keys.size === this.keysBefore;
    this.keysBefore = this.keys.size;
    return stands;
  }

  /** Its first pages are to be looked at again: those of a list that grows as fast as it is read are others by then. */
  lookAtFront(): void {
    this.stale = this.keys;
    this.keys = new Set();
    this.restart();
  }

  /**
   * Pages that are looked at once more where the total agrees: as many rows may have come as went. Rows come at one end
   * of a list and move all up to where one went, so that the first pages or the last one are others than they were.
   */
  nextLook(): Span | undefined {
    const last = Math.max(-1, ...this.held.keys());
    this.looks ??= [
      { gte: 0, lt: Math.min(2, last + 1) },
      { gte: last, lt: last + 1 },
    ].slice(0, last < 1 ? 0 : last < 2 ? 1 : 2);
    return this.looks.shift();
  }

  /** Undefined: nobody looked. A list that grows has no end that could be told. */
  frontIsOther(): boolean | undefined {
    const { stale } = this;
    if (!stale) return undefined;
    const isOther = [...this.keys].some((key) => !stale.has(key));
    if (isOther) this.doubt = 'shifted';
    return isOther;
  }

  /** As many distinct keys as the API says there are rows, all the while. */
  get agrees(): boolean {
    const { total, distinct, hasMoved, hasHole } = this;
    return total !== undefined && distinct !== undefined && distinct >= total && !hasMoved && !hasHole;
  }

  /** A page without rows is no end where it claims more, or where rows follow it: its own may be missing. */
  private get hasHole(): boolean {
    let [firstEmpty, last] = [Infinity, -1];
    for (const [number, rows] of this.rows)
      if (rows > 0) last = Math.max(last, number);
      else firstEmpty = Math.min(firstEmpty, number);
    return this.claimsMore || firstEmpty < last;
  }

  /** A second walk brought page for page what the first one did: nothing moved between them. */
  get isStable(): boolean {
    return this.heldBefore !== undefined && this.heldBefore === this.heldNow() && !this.hasHole;
  }

  /** No total tells, and a second walk may: there is more than one page, or a full one, and not too many of them. */
  get isWorthAnother(): boolean {
    const pages = this.held.size;
    const isWorth = pages > 1 || this.restsOnEmpty;
    return this.total === undefined && isWorth && pages <= LIMITS.pagesWalkedTwice && !this.isStable;
  }

  /** One page, which may be as long as the API lets one be: that nothing follows, an empty answer alone says. */
  private get restsOnEmpty(): boolean {
    return this.held.size === 1 && (this.most >= this.pageRows || mayBeLimit(this.most));
  }

  private heldNow(): string {
    return [...this.held].toSorted(([a], [b]) => a - b).join(';');
  }

  /** The list is walked once more: what came before may be gone. */
  restart(): void {
    this.heldBefore = this.heldNow();
    this.held.clear();
    this.keys.clear();
    this.rows.clear();
    this.keysBefore = -1;
    this.total = undefined;
    this.hasMoved = false;
    this.claimsMore = false;
    this.claimed = 0;
    this.doubt = undefined;
    this.looks = undefined;
  }

  /** `isWhole`: every page was read by this run. */
  evidence(isWhole: boolean): Evidence {
    const { total, distinct, doubt } = this;
    if (this.isEndless) return { kind: 'stated', doubt: 'shifted' };
    if (doubt !== undefined && !this.agrees) return { kind: 'stated', doubt };
    if (this.hasHole) return { kind: 'stated', doubt: 'empty' };
    const came = [...this.rows.values()].reduce((sum, rows) => sum + rows, 0);
    if (isWhole && this.claimed > came) return { kind: 'stated', doubt: 'uncounted' };
    if (this.hasMoved) return { kind: 'stated', doubt: 'shifted' };
    if (total === undefined && this.isStable && isWhole) return { kind: 'confirmed' };
    if (total !== undefined && distinct !== undefined && isWhole)
      return this.agrees ? { kind: 'counted' } : { kind: 'stated', doubt: 'uncounted' };
    const pages = [...this.rows.values()].filter((rows) => rows > 0).length;
    if (pages <= 1 && isWhole && !this.restsOnEmpty) return STATED;
    return { kind: 'stated', doubt: this.heldBefore === undefined ? 'pages' : 'shifted' };
  }
}
