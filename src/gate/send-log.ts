/**
 * How much was sent when, oldest first; what has left the window is forgotten. Sends close to each other are kept as
 * one, at the time of the last of them, so that a window never looks emptier than it is and the log stays small at any
 * rate.
 */
const COMPACT_AT = 8;

export class SendLog {
  readonly kind = 'send-log';
  private times: number[] = [];
  private costs: number[] = [];
  private first = 0;
  private total = 0;
  private groupStartMs = -Infinity;

  /** `grainMs`: sends within so much of each other are kept as one. */
  constructor(public grainMs: number) {}

  add(nowMs: number, cost: number): void {
    const last = this.times.length - 1;
    if (last >= this.first && nowMs - this.groupStartMs < this.grainMs) {
      this.times[last] = Math.max(this.times[last]!, nowMs);
      this.costs[last]! += cost;
    } else {
      this.times.push(nowMs);
      this.costs.push(cost);
      this.groupStartMs = nowMs;
    }
    this.total += cost;
  }

  /** What was sent after `fromMs`. Asking forgets what is older. */
  cost(fromMs: number): number {
    while (this.first < this.times.length && this.times[this.first]! <= fromMs) this.total -= this.costs[this.first++]!;
    if (this.first > COMPACT_AT && this.first * 2 > this.times.length) {
      this.times = this.times.slice(this.first);
      this.costs = this.costs.slice(this.first);
      this.first = 0;
    }
    return this.total;
  }

  /**
   * Milliseconds until `amount` has left a window that begins at `fromMs` now; undefined where less than that is in it.
   */
  untilFree(amount: number, fromMs: number): number | undefined {
    let freed = 0;
    for (let at = this.first; at < this.times.length; at++) {
      freed += this.costs[at]!;
      if (freed >= amount) return this.times[at]! - fromMs;
    }
    return undefined;
  }
}
