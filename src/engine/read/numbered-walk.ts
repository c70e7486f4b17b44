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

  constructor(private readonly stream: Stream) {}

  note(number: number, page: Page): void {
    if (page.total !== undefined) this.total = page.total;
    const rows = page.received ?? page.records.length;
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

  /** `isWhole`: every page was read by this run. */
  evidence(isWhole: boolean): Evidence {
    const { total, distinct } = this;
    if (total !== undefined && distinct !== undefined && isWhole)
      return distinct >= total ? { kind: 'counted' } : { kind: 'stated', doubt: 'uncounted' };
    const pages = [...this.rows.values()].filter((rows) => rows > 0).length;
    return pages <= 1 && isWhole ? { kind: 'stated' } : { kind: 'stated', doubt: 'pages' };
  }
}
