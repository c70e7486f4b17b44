/**
 * What a walk over a list by offsets has brought so far. A key that comes on two pages tells that rows changed places,
 * where the row between two pages does not: one came nearer while another went away. Kept by the process that walks.
 */
import { LIMITS } from '../../../base/bounds.js';
import { stringifyJson } from '../../../base/json.js';
import { MarkSet } from '../../../base/marks.js';
import type { Json } from '../document/read.js';

/** Where a walk stands: its next page, the last row, walks before it, and whether it looks at its first page again. */
interface Standing {
  t: Json;
  k?: number | undefined;
  n?: number | undefined;
  v?: 1 | undefined;
}

export class WalkedKeys {
  private readonly marks = new MarkSet();
  private came = 0;
  private sum = 0;

  /** @param front The keys of the first page, in their order. */
  constructor(readonly front: readonly number[]) {
    this.note(front);
  }

  get size(): number {
    return this.marks.size;
  }

  /** Takes a page in. A key may stand twice on one page. */
  note(page: readonly number[]): void {
    const again = new Set(page.filter((mark) => this.marks.has(mark)));
    for (const mark of again) this.sum = (this.sum + (mark % 2 ** 32)) >>> 0;
    this.came += again.size;
    for (const mark of page) this.marks.add(mark);
  }

  /** Which keys came on more than one page, as one number; undefined: none. */
  get twice(): number | undefined {
    return this.came === 0 ? undefined : this.sum * 2 ** 16 + (this.came % 2 ** 16);
  }

  /** All keys came with the first page. */
  get isOnePage(): boolean {
    return this.marks.size === new Set(this.front).size;
  }

  /** Whether the list begins as it did when the walk began. A page may be shorter than another. */
  isFront(page: readonly number[]): boolean {
    const rows = Math.min(page.length, this.front.length);
    return rows > 0 && page.slice(0, rows).every((mark, index) => mark === this.front[index]);
  }
}

/** The walks of a stream, by slice and window. */
export class WalksOfKeys {
  private readonly places = new Map<string, { stands: string; keys: WalkedKeys }>();
  private held = 0;

  /** What a walk has brought, where this process has walked it from its start; undefined: it is not known. */
  of(at: string, walk: Standing): WalkedKeys | undefined {
    const place = this.places.get(at);
    return place?.stands === placeOf(walk) ? place.keys : undefined;
  }

  /** A walk goes on. Of too many keys nothing is kept. */
  keep(at: string, walk: Standing, keys: WalkedKeys): void {
    this.drop(at);
    if (this.held + keys.size > LIMITS.walkedKeys) return;
    this.held += keys.size;
    this.places.set(at, { stands: placeOf(walk), keys });
  }

  drop(at: string): void {
    this.held -= this.places.get(at)?.keys.size ?? 0;
    this.places.delete(at);
  }
}

const placeOf = ({ t, k, n, v }: Standing): string => stringifyJson([t, k ?? null, n ?? 0, v ?? 0]);
