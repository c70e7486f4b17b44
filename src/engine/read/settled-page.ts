/** A walk that brings nothing new any more: of pages in a circle that is an error, of a list whose rows move its end. */
import { LIMITS } from '../../base/bounds.js';
import { codeOf } from '../../base/errors.js';
import type { Evidence } from '../../base/evidence.js';
import type { Page, Stream } from '../../sources/contract.js';
import type { RangeRequest } from '../../ledger/page.js';
import { textOf, WalkMemory } from './walk-memory.js';

/** The API may give the same page whatever it is asked for: that it claims the end with it tells nothing. */
const AGAIN: Evidence = { kind: 'stated', doubt: 'again' };

/** Rows move as fast as they are read. */
const SHIFTED: Evidence = { kind: 'stated', doubt: 'shifted' };

/** What a walk may ask for beside its pages. */
export interface Asks {
  first(): Promise<Page>;
  /** The page that just came. */
  again(): Promise<Page>;
}

/**
 * Takes a page into the memory of its walk. A list that grows at its front as fast as it is read has no end: it gives
 * the same rows for ever, where its first page is another one by then, which that of a server that ignores what is
 * asked for is not; or, where it grows faster, new rows for ever, and other ones each time for the same page.
 */
export async function settled(memory: WalkMemory, page: Page, ask: Asks): Promise<Page> {
  try {
    memory.note(page);
  } catch (error) {
    if (page.counted !== true || codeOf(error) !== 'pages_repeat') throw error;
    if (memory.knows(await ask.first())) throw error;
    return ended(page);
  }
  if (page.counted && page.hasMore && memory.isLong && (await isAnotherEachTime(memory.stream, page, ask.again)))
    return ended(page);
  const isEnd = !page.hasMore && page.end?.doubt === undefined;
  return isEnd && memory.repeats(page) ? { ...page, end: AGAIN } : page;
}

const ended = (page: Page): Page => ({ ...page, next: null, hasMore: false, end: SHIFTED });

/** Each time that it is asked for, the page holds other rows: the list grows by a page with each request, or more. */
export async function isAnotherEachTime(stream: Stream, page: Page, again: () => Promise<Page>): Promise<boolean> {
  const textsOf = ({ records }: Page) => records.map((record) => textOf(stream, record));
  let last = textsOf(page);
  for (let times = 0; times < LIMITS.otherPages; times++) {
    const next = textsOf(await again());
    if (last.length === 0 || next.length === 0 || next.some((text) => last.includes(text))) return false;
    last = next;
  }
  return true;
}

/** The walks of a stream's ranges. */
export class Walks {
  private readonly memories = new Map<number, WalkMemory>();

  constructor(private readonly stream: Stream) {}

  /** A walk that begins anew may bring what it brought before. */
  async settled(request: RangeRequest, came: Page, ask: (request: RangeRequest) => Promise<Page>): Promise<Page> {
    const { range, cursor } = request;
    const walk = cursor === null && came.records.length > 0 ? undefined : this.memories.get(range);
    const memory = walk ?? new WalkMemory(this.stream);
    const page = await settled(memory, came, {
      first: () => ask({ ...request, cursor: null }),
      again: () => ask(request),
    });
    if (page.hasMore) this.memories.set(range, memory);
    else this.memories.delete(range);
    return page;
  }
}
