/**
 * Windows of time that are answered at once, without pages: an API may give so many rows of one and no more. Where so
 * many came, the half that holds fewer of them is asked for; if it holds others, windows that are as full are halved.
 */
import { FatalError, SkippableError } from '../../../base/errors.js';
import { identityText } from '../../../base/json.js';
import type { DataRecord } from '../../../base/catalog.js';
import { mayBeLimit } from '../../../base/evidence.js';
import type { Interval, Window } from './interval.js';

import type { PageOutput } from './retriever.js';

/** Fewer rows are no limit that an API would have. */
const LEAST = 10;
/** What APIs give at most is one of these, or hundreds. */
const USUAL = new Set([20, 25, 50]);
/** So many times the rows' usual distance from a bound of their window is a part that seems to be cut off. */
const FAR = 3;

export class WindowCap {
  /** Rows that an API gives of a window at most. */
  private most: number | undefined;
  /** As many rows were all that there were. */
  private readonly whole = new Set<number>();

  constructor(
    private readonly time: Interval,
    private readonly key: string[],
  ) {}

  /**
   * Where to cut a window whose answer may be a part of its rows. `fetch` asks for a shorter one. Marks an answer that
   * is cut off and whose window cannot be cut.
   */
  async cutOf(
    window: Window,
    output: PageOutput,
    fetch: (part: Window) => Promise<PageOutput>,
  ): Promise<number | undefined> {
    const rows = output.received.length;
    if (!this.isSuspect(window, output)) return undefined;
    const middle = this.time.halfOf?.(window);
    if (this.most !== undefined) {
      if (middle === undefined) output.isCutOff = true;
      return middle;
    }
    if (middle === undefined) return undefined;
    const before = output.received.filter((row) => this.time.position(row) < middle).length;
    const emptier = before < rows / 2 ? { from: window.from, to: middle, last: false } : { ...window, from: middle };
    try {
      const known = new Set(output.received.map((row) => this.markOf(row)));
      if ((await fetch(emptier)).received.some((row) => !known.has(this.markOf(row)))) {
        this.most = rows;
        return middle;
      }
    } catch (error) {
      // It does not take halves: nothing can be told of it.
      if (!(error instanceof SkippableError || error instanceof FatalError)) throw error;
    }
    this.whole.add(rows);
    return undefined;
  }

  private isSuspect(window: Window, { received }: PageOutput): boolean {
    const rows = received.length;
    if (this.most !== undefined) return rows >= this.most;
    if (rows < LEAST || !mayBeLimit(rows) || this.whole.has(rows)) return false;
    return rows % 100 === 0 || USUAL.has(rows) || this.isOneSided(window, received);
  }

  /** Rows are listed by time as a rule: those that are cut off lie before the first or after the last. */
  private isOneSided({ from, to }: Window, received: DataRecord[]): boolean {
    const times = received.map((row) => this.time.position(row)).filter(Number.isFinite);
    const [first, last] = [Math.min(...times), Math.max(...times)];
    const distance = (last - first) / Math.max(1, times.length - 1);
    return times.length > 0 && Math.max(first - from, to - last) > FAR * Math.max(distance, 1);
  }

  private markOf(record: DataRecord): string {
    const values = this.key.map((field) => record[field]);
    const isKnown = values.length > 0 && values.every((value) => value !== undefined && value !== null);
    return isKnown ? values.map(String).join('\u0001') : identityText(record);
  }
}
