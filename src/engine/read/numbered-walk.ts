/** What pages that are read by number tell of their end: distinct keys against the total, and where they run out. */
import { LIMITS } from '../../base/bounds.js';
import type { Evidence } from '../../base/evidence.js';
import { hashString } from '../../base/random.js';
import type { Page, Stream } from '../../sources/contract.js';
import { keyOf } from './context.js';

export class NumberedWalk {
  /** Rows that the API says there are. */
  total: number | undefined;
  private readonly keys = new Set<string | number>();
  private readonly rows = new Map<number, number>();
  private most = 0;
  private keysBefore = -1;
  /** The list grew or shrank while it was walked: what came may be other rows than those that are there. */
  private hasMoved = false;
  /** A page was empty and claimed more: not an end, and its rows may be missing. */
  private hasHole = false;

  constructor(private readonly stream: Stream) {}

  note(number: number, page: Page): void {
    if (page.total !== undefined) {
      this.hasMoved ||= this.total !== undefined && this.total !== page.total;
      this.total = page.total;
    }
    const rows = page.received ?? page.records.length;
    if (rows === 0 && page.hasMore) {
      this.hasHole = true;
      return;
    }
    this.rows.set(number, rows);
    this.most = Math.max(this.most, rows);
    for (const record of page.records) {
      if (this.keys.size >= LIMITS.unitKeys) break;
      const key = keyOf(this.stream, record);
      if (key !== null) this.keys.add(key.length > 24 ? hashString(key) : key);
    }
  }

  /** Distinct keys that came; undefined where they were too many to count. */
  get distinct(): number | undefined {
    return this.keys.size >= LIMITS.unitKeys ? undefined : this.keys.size;
  }

  /**
   * Whether pages end before `end`: one of them is empty, or holds fewer rows than the fullest. A page that is shorter
   * than asked for is no end where another page as long follows it: the API caps what it gives.
   */
  endsBefore(end: number): boolean {
    for (const [number, rows] of this.rows) if (number < end && (rows === 0 || rows < this.most)) return true;
    return false;
  }

  /** A window of pages without a new key: the API gives the same rows whatever is asked. */
  standsStill(): boolean {
    const stands = this.keys.size > 0 && this.keys.size < LIMITS.unitKeys && this.keys.size === this.keysBefore;
    this.keysBefore = this.keys.size;
    return stands;
  }

  /** As many distinct keys as the API says there are rows, all the while. */
  get agrees(): boolean {
    const { total, distinct, hasMoved, hasHole } = this;
    return total !== undefined && distinct !== undefined && distinct >= total && !hasMoved && !hasHole;
  }

  /** The list is walked once more: what came before may be gone. */
  restart(): void {
    this.keys.clear();
    this.rows.clear();
    this.keysBefore = -1;
    this.total = undefined;
    this.hasMoved = false;
    this.hasHole = false;
  }

  /** `isWhole`: every page was read by this run. */
  evidence(isWhole: boolean): Evidence {
    const { total, distinct } = this;
    if (this.hasHole) return { kind: 'stated', doubt: 'empty' };
    if (this.hasMoved) return { kind: 'stated', doubt: 'shifted' };
    if (total !== undefined && distinct !== undefined && isWhole)
      return this.agrees ? { kind: 'counted' } : { kind: 'stated', doubt: 'uncounted' };
    const pages = [...this.rows.values()].filter((rows) => rows > 0).length;
    return pages <= 1 && isWhole ? { kind: 'stated' } : { kind: 'stated', doubt: 'pages' };
  }
}
