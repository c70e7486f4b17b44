/** Streams of one group are not read at the same time: whoever began goes on to its end. */
import type { Page } from '../../contract.js';

export class GroupLock {
  private holder: string | undefined;
  private readonly waiting: (() => void)[] = [];

  /** Runs a page of the stream, once no other stream of the group is being read. */
  async during(stream: string, page: () => Promise<Page>): Promise<Page> {
    while (this.holder !== undefined && this.holder !== stream)
      await new Promise<void>((resolve) => this.waiting.push(resolve));
    this.holder = stream;
    try {
      const result = await page();
      if (!result.hasMore) this.release();
      return result;
    } catch (error) {
      this.release();
      throw error;
    }
  }

  private release(): void {
    this.holder = undefined;
    for (const resolve of this.waiting.splice(0)) resolve();
  }
}
