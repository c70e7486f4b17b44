/** Tells a walk over pages that goes in a circle, or stands still: its pages bring nothing new. */
import { FatalError } from '../../base/errors.js';
import { LIMITS } from '../../base/bounds.js';
import type { DataRecord } from '../../base/catalog.js';
import { identityText } from '../../base/json.js';
import { hashString } from '../../base/random.js';
import type { Page, Stream } from '../../sources/contract.js';
import { keyOf } from './context.js';

/** What tells one row of a stream from another. */
export const textOf = (stream: Stream, record: DataRecord): string => keyOf(stream, record) ?? identityText(record);

export class WalkMemory {
  /** Pages that came, and the part of the walk in which each came last. */
  private readonly seen = new Map<number, number | undefined>();
  private stale = 0;
  private pages = 0;
  private emptyAt: string | null | undefined;

  constructor(readonly stream: Stream) {}

  /** Takes a page in, before its records are. Throws FatalError where too many in a row brought nothing new. */
  note(page: Page): void {
    this.pages++;
    if (page.anew) {
      this.pages = 0;
      this.seen.clear();
      this.stale = 0;
      return;
    }
    if (!page.hasMore || this.isAskedAgain(page)) return;
    const mark = this.markOf(page);
    const isKnown = mark === undefined || this.seen.has(mark);
    this.stale = isKnown ? this.stale + 1 : 0;
    if (mark !== undefined && (isKnown || this.seen.size < LIMITS.rememberedPages)) this.seen.set(mark, page.part);
    if (this.stale < LIMITS.stalePages) return;
    throw new FatalError('the pages of the API do not come to an end', {
      code: 'pages_repeat',
      place: this.stream.name,
      expected: 'another page, or the end',
      found: `${LIMITS.stalePages} pages in a row without a new row, each of which says that more follow`,
      next: 'check how the connector asks for the next page, and where it stops',
    });
  }

  /** It has come to as many pages as are looked at again; at each doubling. */
  get isLong(): boolean {
    const looks = Math.log2(this.pages / LIMITS.pagesBeforeLook);
    return looks >= 0 && Number.isInteger(looks);
  }

  /** Whether a page like this one came in the same part of the walk, where it has rows. */
  repeats(page: Page): boolean {
    const mark = page.records.length > 0 ? this.markOf(page) : undefined;
    return mark !== undefined && this.seen.has(mark) && this.seen.get(mark) === page.part;
  }

  /** Whether a page like this one came; one without a row tells nothing. */
  knows(page: Page): boolean {
    const mark = this.markOf(page);
    return mark === undefined || this.seen.has(mark);
  }

  /** An empty page is asked for twice, which counts once. */
  private isAskedAgain({ records, received, next }: Page): boolean {
    const isEmpty = (received ?? records.length) === 0;
    const isAgain = isEmpty && this.emptyAt === next;
    this.emptyAt = isEmpty && !isAgain ? next : undefined;
    return isAgain;
  }

  /** What tells one page from another: its first and last row. A page without rows tells nothing. */
  private markOf({ records, received, next }: Page): number | undefined {
    const first = records[0];
    const last = records.at(-1);
    // Rows came that are none of the stream's: the token is all that tells.
    if (!first || !last) return received && next !== null ? hashString(next) : undefined;
    return hashString(`${records.length}\u0002${textOf(this.stream, first)}\u0002${textOf(this.stream, last)}`);
  }
}
