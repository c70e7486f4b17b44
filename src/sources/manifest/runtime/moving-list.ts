/**
 * Lists by offset or page number, whose rows may move while they are read. An offset list is asked for one row that
 * came already: if it is another, rows moved, and the list is walked once more. So it is where a key comes on two
 * pages, or where the list begins with other rows at its end. A page that is shorter than asked may be all that the API
 * gives at once, by rows or by bytes: what follows it tells, and from then on only a page without a new row is an end.
 */
import { LIMITS } from '../../../base/bounds.js';
import type { DataRecord } from '../../../base/catalog.js';
import { mayBeLimit, type Doubt, type Evidence } from '../../../base/evidence.js';
import { identityText } from '../../../base/json.js';
import { markOf } from '../../../base/marks.js';
import { hashString } from '../../../base/random.js';
import type { Json } from '../document/read.js';
import type { Paginator } from './paginator.js';
import type { PageOutput } from './retriever.js';
import { WalkedKeys, WalksOfKeys } from './walked-keys.js';

/** What a walk keeps from page to page, in its cursor. */
export interface ListWalk {
  t: Json;
  /** The last row that came. */
  k?: number | undefined;
  /** Rows moved in this walk. */
  m?: 1 | undefined;
  /** Walks before this one. */
  n?: number | undefined;
  /** Rows of the fullest page. */
  c?: number | undefined;
  /** A short page, 1; and rows followed one, 2: how long a page is tells nothing. */
  s?: 1 | 2 | undefined;
  /** Rows of that short page. */
  l?: number | undefined;
  /** The end was reached, and the first page is looked at once more. */
  v?: 1 | undefined;
  /** Which keys came before in this walk is not known: another process began it, or they were too many. */
  o?: 1 | undefined;
  /** Keys that came on more than one page of the walk before, as one number. */
  q?: number | undefined;
  d?: Doubt | undefined;
}

export interface ListSeen {
  walk: Partial<ListWalk>;
  end: Evidence | undefined;
  /** The list is walked once more from its start. */
  isAnew: boolean;
}

export class MovingList {
  /** Rows of the fullest short page that nothing followed: what is less is no limit of the API. */
  private fullest = 0;
  /** Rows followed a page that was shorter than asked. */
  private givesLess = false;
  private readonly walks = new WalksOfKeys();

  constructor(
    private readonly paginator: Paginator,
    private readonly key: string[],
  ) {}

  /** The token to ask for: an offset list from the row before. */
  askedFor({ t, k }: ListWalk): Json {
    return this.paginator.moves === 'offset' && k !== undefined && typeof t === 'number' && t > 0 ? t - 1 : t;
  }

  /** Takes the row out of half a page that came before it. Changes `output`. */
  seenHalf(walk: ListWalk, output: PageOutput): void {
    if (this.askedFor(walk) !== walk.t) this.takeKnown(output, walk.k);
  }

  /**
   * Looks at a page of the walk at a place (its slice and window), takes the row out that came before, and says how the
   * walk goes on. Changes `output`.
   */
  seen(at: string, walk: ListWalk, output: PageOutput): ListSeen {
    if (!this.paginator.moves || output.end) {
      this.walks.drop(at);
      return { walk: {}, end: output.end, isAnew: false };
    }
    if (walk.v !== undefined) return this.frontSeen(at, walk, output);
    return this.pageSeen(at, walk, output);
  }

  /** Whether the list begins as it did: else what lies there now may have been where it was not asked for yet. */
  private frontSeen(at: string, walk: ListWalk, output: PageOutput): ListSeen {
    const keys = this.walks.of(at, walk);
    this.walks.drop(at);
    if (output.received.length === 0) return ended({ d: 'empty' });
    if (keys?.isFront(this.marksOf(output))) {
      output.records = [];
      output.received = [];
      output.next = null;
      return ended({}, { kind: 'confirmed' });
    }
    const walks = (walk.n ?? 0) + 1;
    if (walks >= LIMITS.listWalks) {
      output.next = null;
      return ended({ d: keys ? 'shifted' : 'offsets' });
    }
    // It is the first page of another walk.
    const again = { ...begun(walks), s: walk.s === 2 ? (2 as const) : undefined };
    const seen = this.pageSeen(at, { ...walk, ...again }, output);
    return { ...seen, walk: { ...again, ...seen.walk }, isAnew: true };
  }

  private pageSeen(at: string, walk: ListWalk, output: PageOutput): ListSeen {
    const { moves, past } = this.paginator;
    const rows = output.received.length;
    const last = output.received.at(-1);
    const asked = this.askedFor(walk);
    const hasMoved = asked !== walk.t && !this.takeKnown(output, walk.k);
    const keys = this.keysOf(at, walk, output);
    const fresh = output.received.length;
    if (walk.s === 1 && fresh > 0) this.givesLess = true;
    if (walk.s === 1 && fresh === 0) this.fullest = Math.max(this.fullest, walk.l ?? 0);
    const isShort = this.isShort(rows, output.pageSize);
    if (output.next === null && past && fresh > 0 && isShort && (output.claims?.more || this.mayBeLess(rows, walk)))
      output.next = past(asked, rows);
    // All that came is the row that came before: perhaps the API gives no more at once.
    const size = output.pageSize ?? this.paginator.pageSize;
    const isAlone = rows > 0 && fresh === 0 && (walk.s === 2 || this.givesLess || size === undefined);
    if (isAlone) {
      output.next = walk.t;
      output.isStep = true;
    }
    const moved = walk.m === 1 || hasMoved;
    const isLost = moves === 'offset' && this.key.length > 0 && keys === undefined;
    const after: Partial<ListWalk> = {
      c: Math.max(walk.c ?? 0, rows),
      s: walk.s === 2 || (walk.s === 1 && fresh > 0) ? 2 : isShort ? 1 : undefined,
      l: isShort ? rows : undefined,
      ...(moved ? { m: 1 as const } : {}),
      ...(isLost ? { o: 1 as const } : {}),
      ...(moves === 'offset' && last ? { k: isAlone ? undefined : this.markOf(last) } : {}),
    };
    if (output.next !== null) return this.goesOn(at, walk, { ...after, t: output.next }, keys);
    this.walks.drop(at);
    return this.atEnd(at, walk, after, keys, output);
  }

  /** What the walk has brought with this page; undefined where that is not known. */
  private keysOf(at: string, walk: ListWalk, output: PageOutput): WalkedKeys | undefined {
    if (this.paginator.moves !== 'offset' || this.key.length === 0) return undefined;
    const marks = this.marksOf(output);
    if (this.isFirst(walk)) return new WalkedKeys(marks);
    const keys = walk.o === undefined ? this.walks.of(at, walk) : undefined;
    keys?.note(marks);
    return keys;
  }

  private goesOn(at: string, walk: ListWalk, after: ListWalk, keys: WalkedKeys | undefined): ListSeen {
    if (keys) this.walks.keep(at, { ...walk, ...after }, keys);
    const { t: _, ...next } = after;
    return { walk: next, end: undefined, isAnew: false };
  }

  /** Nothing follows: the end, or the beginning of another walk. */
  private atEnd(
    at: string,
    walk: ListWalk,
    after: Partial<ListWalk>,
    keys: WalkedKeys | undefined,
    output: PageOutput,
  ): ListSeen {
    const { moves } = this.paginator;
    const isOnePage = this.isFirst(walk);
    const isFirstWalk = (walk.n ?? 0) === 0;
    // Page numbers cannot overlap: rows may have moved from a page that was not asked for yet to one that was.
    if (moves === 'page') return isOnePage && isFirstWalk ? ended({}) : ended({ d: 'pages' });
    // Rows came in the walk before: an empty page tells nothing.
    if (isOnePage && !isFirstWalk && output.received.length === 0) return ended({ d: 'empty' });
    if (isOnePage) return ended({}, isFirstWalk ? undefined : { kind: 'confirmed' });
    const moved = after.m === 1;
    // Without a key nothing more can be told, and rows of a second walk would be there twice.
    if (this.key.length === 0) return moved ? ended({ d: 'shifted' }) : ended({}, { kind: 'confirmed' });
    if (!keys && !moved) return ended({ d: 'offsets' });
    if (keys && !moved && (keys.twice === undefined || keys.twice === walk.q)) {
      // A page that was short, and nothing behind it: all rows came at once.
      if (walk.s === 1 && keys.isOnePage) return ended({}, { kind: 'confirmed' });
      this.fromStart(output);
      return this.goesOn(at, walk, { ...after, t: output.next, k: undefined, v: 1 }, keys);
    }
    const walks = (walk.n ?? 0) + 1;
    if (walks >= LIMITS.listWalks) return ended({ d: 'shifted' });
    this.fromStart(output);
    const again = { ...begun(walks), s: after.s === 2 ? (2 as const) : undefined, q: keys?.twice };
    return { walk: again, end: undefined, isAnew: true };
  }

  /** A walk that is not the first one begins at 0. */
  isFirst({ t }: ListWalk): boolean {
    return t === this.paginator.first || (this.paginator.moves === 'offset' && t === 0);
  }

  /** The first page comes next. That this one may be empty claims nothing. */
  private fromStart(output: PageOutput): void {
    output.next = this.paginator.first ?? 0;
    output.isStep = true;
  }

  private isShort(rows: number, pageSize = this.paginator.pageSize): boolean {
    return pageSize !== undefined && rows > 0 && rows < pageSize;
  }

  /** Whether so few rows may be all that the API gives at once. */
  private mayBeLess(rows: number, { c, s }: ListWalk): boolean {
    if (s === 2 || this.givesLess || rows === c) return true;
    return rows > this.fullest || (rows === this.fullest && mayBeLimit(rows));
  }

  /** Takes the first row out if it is the one that the page before ended with. */
  private takeKnown(output: PageOutput, mark: number | undefined): boolean {
    const [known] = output.received;
    if (!known || this.markOf(known) !== mark) return false;
    output.received = output.received.slice(1);
    if (output.isFirstKept) output.records = output.records.slice(1);
    return true;
  }

  private marksOf({ received }: PageOutput): number[] {
    return received.map((record) => markOf(this.textOf(record)));
  }

  private markOf(record: DataRecord): number {
    return hashString(this.textOf(record));
  }

  private textOf(record: DataRecord): string {
    const values = this.key.map((field) => record[field]);
    const known = values.length > 0 && values.every((value) => value !== undefined && value !== null);
    return known ? values.map(String).join('\u0001') : identityText(record);
  }
}

const ended = (walk: Partial<ListWalk>, end?: Evidence): ListSeen => ({ walk, end, isAnew: false });

/** A walk that begins anew. */
const begun = (n: number) =>
  ({ n, k: undefined, m: undefined, c: undefined, l: undefined, v: undefined, o: undefined, q: undefined }) as const;
