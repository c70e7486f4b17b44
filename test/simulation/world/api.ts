/**
 * The virtual API: collections whose rows come, change and go while they are read, listed in every way that the source
 * contract knows. What it answers is true at the moment of the answer, but for the lies that a scenario tells it.
 */
import { hashString } from '../../../src/base/random.js';
import type { Agenda } from './agenda.js';
import type { Lies } from './lies.js';
import { EPOCH_MS } from './process.js';

export interface ApiRow {
  id: string;
  created: number;
  updated: number;
  /** Counts the changes of the row, from 1. */
  rev: number;
  parent?: string | undefined;
  /** A value that no table takes. */
  poison?: boolean | undefined;
}

/** In which order a list goes, and by which field it is filtered. */
export interface Listing {
  order: 'descending' | 'ascending' | 'unordered';
  field: 'created' | 'updated';
}

interface Event {
  id: string;
  created: number;
  collection: string;
  object: string;
}

export interface ListAnswer {
  data: Record<string, unknown>[];
  has_more: boolean;
  next: string | null;
  total?: number | undefined;
  /** Of events: what the objects are now. */
  objects?: { stream: string; records: ApiRow[]; deleted: string[] }[];
}

/** A scroll that nobody asks for during this time is gone. */
const SCROLL_MS = 20_000;

/** The object that a cursor names is not there any more. */
export class CursorGone extends Error {}
/** The parent whose children were asked for is not there any more. */
export class ParentGone extends Error {}

export class Collection {
  readonly rows = new Map<string, ApiRow>();
  /** The newest change of every row that ever was. */
  readonly newest = new Map<string, ApiRow>();
  private readonly sorted = new Map<string, ApiRow[]>();

  constructor(readonly name: string) {}

  put(row: ApiRow): void {
    this.rows.set(row.id, row);
    this.newest.set(row.id, row);
    this.sorted.clear();
  }

  remove(id: string): void {
    this.rows.delete(id);
    this.sorted.clear();
  }

  list({ order, field }: Listing): ApiRow[] {
    const key = order + field;
    let list = this.sorted.get(key);
    if (!list) {
      const sign = order === 'descending' ? -1 : 1;
      const place = (row: ApiRow) => (order === 'unordered' ? hashString(row.id) : sign * row[field]);
      list = [...this.rows.values()].toSorted((a, b) => place(a) - place(b) || (a.id < b.id ? -sign : sign));
      this.sorted.set(key, list);
    }
    return list;
  }
}

export class VirtualApi {
  readonly collections = new Map<string, Collection>();
  readonly events: Event[] = [];
  private scrolls = new Map<string, { at: number; usedMs: number; rows: string[] }>();

  constructor(
    private readonly agenda: Agenda,
    readonly lies: Lies,
    /** Its clock is ahead of the world's. */
    readonly skewMs: number,
  ) {}

  get timeMs(): number {
    return EPOCH_MS + this.agenda.nowMs + this.skewMs;
  }

  get seconds(): number {
    return Math.floor(this.timeMs / 1000);
  }

  collection(name: string): Collection {
    let found = this.collections.get(name);
    if (!found) this.collections.set(name, (found = new Collection(name)));
    return found;
  }

  /** Something happened to an object, for who follows by events. */
  tell(collection: string, object: string): void {
    this.events.unshift({ id: `ev${this.events.length}`, created: this.seconds, collection, object });
  }

  list(collection: string, listing: Listing, query: URLSearchParams): ListAnswer {
    const gte = Number(query.get('gte') ?? -Infinity);
    const lt = query.has('lte') ? Number(query.get('lte')) + 1 : Number(query.get('lt') ?? Infinity);
    const parent = query.get('parent');
    if (parent !== null && !this.collection(query.get('of')!).rows.has(parent)) throw new ParentGone();
    const all = this.collection(collection)
      .list(listing)
      .filter(
        (row) => row[listing.field] >= gte && row[listing.field] < lt && (parent === null || row.parent === parent),
      );
    const cursor = this.lies.goesInCircles(collection) ? null : query.get('cursor');
    const from = cursor === null ? 0 : this.placeAfter(all, collection, listing, cursor);
    return this.cut(collection, all, from, Number(query.get('limit')), (row) =>
      listing.order === 'unordered' ? String(hashString(row.id)) : tokenOf(row, listing),
    );
  }

  /** Pages by number or by offset. */
  numbered(collection: string, listing: Listing, query: URLSearchParams, tellsTotal: boolean): ListAnswer {
    const asked = Number(query.get('limit'));
    // Pages are as long as the API lets them be.
    const given = query.has('offset') ? Number(query.get('offset')) : Number(query.get('page')) * this.lies.size(asked);
    const offset = this.lies.goesInCircles(collection) ? 0 : given;
    const all = this.collection(collection).list(listing);
    const answer = this.cut(collection, all, offset, asked, () => '');
    return { ...answer, next: null, ...(tellsTotal ? { total: all.length } : {}) };
  }

  /** A cursor that the server moves with each answer, also with one that is lost. */
  scroll(collection: string, query: URLSearchParams, name: string | undefined): ListAnswer {
    const { nowMs } = this.agenda;
    const given = query.get(name ?? 'cursor');
    let scroll = given === null ? undefined : this.scrolls.get(given);
    if (given !== null && (!scroll || nowMs - scroll.usedMs > SCROLL_MS)) throw new CursorGone();
    const token = given ?? `${collection}-${this.scrolls.size}`;
    // What is listed is what there was when it began.
    scroll ??= {
      at: 0,
      usedMs: nowMs,
      rows: this.collection(collection)
        .list({ order: 'ascending', field: 'created' })
        .map(({ id }) => id),
    };
    const { rows } = this.collection(collection);
    const size = this.lies.size(Number(query.get('limit')), collection);
    const at = scroll.at + size;
    const data = scroll.rows.slice(scroll.at, at).flatMap((id) => rows.get(id) ?? []);
    const hasMore = at < scroll.rows.length;
    this.scrolls.set(token, { ...scroll, at, usedMs: nowMs });
    const answer = {
      data: data as unknown as Record<string, unknown>[],
      has_more: hasMore,
      next: hasMore ? token : null,
    };
    // A scroll whose name does not tell what it is ends with an empty page, and keeps its token.
    return name === undefined ? { ...answer, has_more: true, next: token } : answer;
  }

  changes(query: URLSearchParams): ListAnswer {
    const gte = Number(query.get('gte') ?? -Infinity);
    const lt = Number(query.get('lt') ?? Infinity);
    const cursor = query.get('cursor');
    const all = this.events.filter(({ created }) => created >= gte && created < lt);
    const at = cursor === null ? -1 : all.findIndex(({ id }) => id === cursor);
    if (cursor !== null && at < 0) throw new CursorGone();
    const page = all.slice(at + 1, at + 1 + Number(query.get('limit')));
    const objects = new Map<string, { stream: string; records: ApiRow[]; deleted: string[] }>();
    for (const { collection, object } of page) {
      const group = objects.get(collection) ?? { stream: collection, records: [], deleted: [] };
      objects.set(collection, group);
      if (group.deleted.includes(object) || group.records.some(({ id }) => id === object)) continue;
      const row = this.collection(collection).rows.get(object);
      if (row) group.records.push(row);
      else group.deleted.push(object);
    }
    const hasMore = at + 1 + page.length < all.length;
    return {
      data: page as unknown as Record<string, unknown>[],
      has_more: hasMore,
      next: hasMore ? page.at(-1)!.id : null,
      objects: [...objects.values()],
    };
  }

  private placeAfter(all: ApiRow[], collection: string, listing: Listing, cursor: string): number {
    if (listing.order === 'unordered') {
      const at = all.findIndex((row) => hashString(row.id) > Number(cursor));
      return at < 0 ? all.length : at;
    }
    if (listing.order === 'descending') {
      // As with Stripe's `starting_after`: the object itself tells the place.
      const row = this.collection(collection).rows.get(cursor);
      if (!row || this.lies.losesCursor(cursor)) throw new CursorGone();
      const at = all.findIndex(
        (each) =>
          each[listing.field] < row[listing.field] || (each[listing.field] === row[listing.field] && each.id < row.id),
      );
      return at < 0 ? all.length : at;
    }
    const [position, id] = cursor.split('|');
    const at = all.findIndex(
      (row) => row[listing.field] > Number(position) || (row[listing.field] === Number(position) && row.id > id!),
    );
    return at < 0 ? all.length : at;
  }

  private cut(
    collection: string,
    all: ApiRow[],
    from: number,
    asked: number,
    token: (row: ApiRow) => string,
  ): ListAnswer {
    const size = this.lies.size(asked, collection);
    const data = all.slice(from, from + size);
    const last = data.at(-1);
    const hasMore = from + data.length < all.length && last !== undefined;
    return this.lies.told(
      {
        data: data as unknown as Record<string, unknown>[],
        has_more: hasMore,
        next: last && hasMore ? token(last) : null,
      },
      asked,
      collection,
      from === 0,
    );
  }
}

function tokenOf(row: ApiRow, { order, field }: Listing): string {
  return order === 'descending' ? row.id : `${row[field]}|${row.id}`;
}
