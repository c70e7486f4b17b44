/** A walk that brings nothing new any more: of pages in a circle that is an error, of a list whose rows move its end. */
import { codeOf } from '../../base/errors.js';
import type { Evidence } from '../../base/evidence.js';
import type { Page, Stream } from '../../sources/contract.js';
import type { RangeRequest } from '../../ledger/page.js';
import { WalkMemory } from './walk-memory.js';

/** The API may give the same page whatever it is asked for: that it claims the end with it tells nothing. */
const AGAIN: Evidence = { kind: 'stated', doubt: 'again' };

/**
 * Takes a page into the memory of its walk. A list that grows at its front as fast as it is read gives the same rows
 * for ever: its first page is another one by then, which that of a server that ignores what is asked for is not.
 */
export async function settled(memory: WalkMemory, page: Page, askFirst: () => Promise<Page>): Promise<Page> {
  try {
    memory.note(page);
    const isEnd = !page.hasMore && page.end?.doubt === undefined;
    return isEnd && memory.repeats(page) ? { ...page, end: AGAIN } : page;
  } catch (error) {
    if (page.counted !== true || codeOf(error) !== 'pages_repeat') throw error;
    if (memory.knows(await askFirst())) throw error;
    return { ...page, next: null, hasMore: false, end: { kind: 'stated', doubt: 'shifted' } };
  }
}

/** The walks of a stream's ranges. */
export class Walks {
  private readonly memories = new Map<number, WalkMemory>();

  constructor(private readonly stream: Stream) {}

  /** A walk that begins anew may bring what it brought before. */
  async settled({ range, cursor }: RangeRequest, came: Page, askFirst: () => Promise<Page>): Promise<Page> {
    const walk = cursor === null && came.records.length > 0 ? undefined : this.memories.get(range);
    const memory = walk ?? new WalkMemory(this.stream);
    const page = await settled(memory, came, askFirst);
    if (page.hasMore) this.memories.set(range, memory);
    else this.memories.delete(range);
    return page;
  }
}
