/** When the latest accepted requests were sent: what came before a refusal says what was allowed. */
const KEPT = 32;
/** Sends that lie a little further apart than the span may have been received within it. */
const SLACK_MS = 150;

export class AcceptedSends {
  readonly kind = 'accepted-sends';
  private times: number[] = [];
  private costs: number[] = [];

  add(sentMs: number, cost: number): void {
    this.times.push(sentMs);
    this.costs.push(cost);
    if (this.times.length <= 2 * KEPT) return;
    this.times.splice(0, KEPT);
    this.costs.splice(0, KEPT);
  }

  /** Accepted of what was sent within `spanMs` before a request that was refused; at least 1. */
  before(refusedSentMs: number, spanMs: number): number {
    const coveredMs = refusedSentMs - Math.min(...this.times);
    // More than are kept: the rate of what is known of.
    if (this.times.length >= KEPT && coveredMs < spanMs) return (this.times.length * spanMs) / Math.max(1, coveredMs);
    let sum = 0;
    for (const [at, sentMs] of this.times.entries())
      if (sentMs > refusedSentMs - spanMs - SLACK_MS && sentMs < refusedSentMs) sum += this.costs[at]!;
    return Math.max(1, sum);
  }
}
