/**
 * Pages of parents that several walks ask for, within a bound of bytes; the ones that were used longest ago go first.
 */
import type { Page, PageRequest, Stream } from '../../contract.js';

/** As received. Small parents, of which there are combinations, fit as a whole. */
const MOST_BYTES = 4 * 1024 * 1024;

export class PageCache {
  private readonly pages = new Map<string, { page: Promise<Page>; bytes: number }>();
  private bytes = 0;

  /** `identity` tells the stream from all others of its source. */
  async page(stream: Stream, identity: string, request: PageRequest): Promise<Page> {
    const key = JSON.stringify([identity, request.slice ?? null, request.cursor, request.number ?? null]);
    const known = this.pages.get(key);
    if (known) {
      this.pages.delete(key);
      this.pages.set(key, known);
      return known.page;
    }
    const entry = { page: stream.page(request), bytes: 0 };
    this.pages.set(key, entry);
    try {
      const page = await entry.page;
      if (this.pages.get(key) === entry) {
        entry.bytes = page.bytes;
        this.bytes += page.bytes;
        this.trim();
      }
      return page;
    } catch (error) {
      this.pages.delete(key);
      throw error;
    }
  }

  private trim(): void {
    for (const [key, { bytes }] of this.pages) {
      if (this.bytes <= MOST_BYTES || this.pages.size <= 1) return;
      this.pages.delete(key);
      this.bytes -= bytes;
    }
  }
}
