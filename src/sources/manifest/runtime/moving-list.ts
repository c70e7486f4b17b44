/**
 * Lists by offset or page number, whose rows may move while they are read. An offset list is asked for one row that
 * came already: if it is another, rows moved, and the list is walked once more. A page that is shorter than asked may
 * be all that the API gives at once, by rows or by bytes: what follows it tells, and from then on only a page without a
 * new row is an end.
 */
import { LIMITS } from '../../../base/bounds.js';
import type { DataRecord } from '../../../base/catalog.js';
import { mayBeLimit, type Doubt, type Evidence } from '../../../base/evidence.js';
import { identityText } from '../../../base/json.js';
import { hashString } from '../../../base/random.js';
import type { Json } from '../document/read.js';
import type { Paginator } from './paginator.js';
import type { PageOutput } from './retriever.js';

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

  /** Looks at a page, takes the row out that came before, and says how the walk goes on. Changes `output`. */
  seen(walk: ListWalk, output: PageOutput): ListSeen {
    const { moves, first, past } = this.paginator;
    if (!moves || output.end) return { walk: {}, end: output.end, isAnew: false };
    const rows = output.received.length;
    const last = output.received.at(-1);
    const asked = this.askedFor(walk);
    const hasMoved = asked !== walk.t && !this.takeKnown(output, walk.k);
    const fresh = output.received.length;
    if (walk.s === 1 && fresh > 0) this.givesLess = true;
    if (walk.s === 1 && fresh === 0) this.fullest = Math.max(this.fullest, walk.l ?? 0);
    const isShort = this.isShort(rows, output.pageSize);
    if (output.next === null && past && fresh > 0 && isShort && (output.claims?.more || this.mayBeLess(rows, walk)))
      output.next = past(asked, rows);
    // All that came is the row that came before: perhaps the API gives no more at once.
    const isAlone = rows > 0 && fresh === 0 && (walk.s === 2 || this.givesLess);
    if (output.next === null && isAlone) output.next = walk.t;
    const moved = walk.m === 1 || hasMoved;
    const after: Partial<ListWalk> = {
      c: Math.max(walk.c ?? 0, rows),
      s: walk.s === 2 || (walk.s === 1 && fresh > 0) ? 2 : isShort ? 1 : undefined,
      l: isShort ? rows : undefined,
      ...(moved ? { m: 1 as const } : {}),
      ...(moves === 'offset' && last ? { k: isAlone ? undefined : this.markOf(last) } : {}),
    };
    if (output.next !== null) return { walk: after, end: undefined, isAnew: false };
    const isOnePage = walk.t === first && (walk.n ?? 0) === 0;
    if (!moved) {
      // Page numbers cannot overlap: rows may have moved from a page that was not asked for yet to one that was.
      if (moves === 'page' && !isOnePage) return { walk: { d: 'pages' }, end: undefined, isAnew: false };
      return { walk: {}, end: isOnePage ? undefined : { kind: 'confirmed' }, isAnew: false };
    }
    const walks = (walk.n ?? 0) + 1;
    // Without a key the rows would be there twice.
    if (this.key.length === 0 || walks >= LIMITS.listWalks)
      return { walk: { d: 'shifted' }, end: undefined, isAnew: false };
    output.next = first ?? 0;
    return {
      walk: { n: walks, k: undefined, m: undefined, c: undefined, s: after.s === 2 ? 2 : undefined },
      end: undefined,
      isAnew: true,
    };
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

  private markOf(record: DataRecord): number {
    const values = this.key.map((field) => record[field]);
    const known = values.length > 0 && values.every((value) => value !== undefined && value !== null);
    return hashString(known ? values.map(String).join('\u0001') : identityText(record));
  }
}
