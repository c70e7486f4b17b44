/** Servers that shut out for a while whoever exceeds them: what a ban teaches, and which rate keeps clear of the next one. */

/** A server that shuts out for `banMs` whoever sends more than `quota` in a window of `windowMs`. */
export interface BanRule {
  quota: number;
  windowMs: number;
  banMs: number;
  /** Times the spread of the way that is added to the window. */
  slack: number;
}

/** A first long block may be a ban: what was accepted in the second before it is what the server allows. */
const SUSPECTED_WINDOW_MS = 1000;
const SUSPECTED_SLACK_MS = 50;
/** Where the spread of the way is not known yet, this share of the window. */
const FIRST_SLACK = 0.2;
/** Accepted requests whose send times are kept. */
const KEPT_SENDS = 32;

/** Evenly spread, no window of the server sees more than the quota as long as the way varies by no more than this. */
export function rateUnder(ban: BanRule, spreadMs = FIRST_SLACK * ban.windowMs): number {
  return (ban.quota * 1000) / (ban.windowMs + Math.min(ban.windowMs, ban.slack * spreadMs));
}

/** When the latest accepted requests were sent: what came before a ban says what it allows. */
export class AcceptedSends {
  readonly kind = 'accepted-sends';
  private times: number[] = [];
  private costs: number[] = [];

  add(sentMs: number, cost: number): void {
    this.times.push(sentMs);
    this.costs.push(cost);
    if (this.times.length <= 2 * KEPT_SENDS) return;
    this.times.splice(0, KEPT_SENDS);
    this.costs.splice(0, KEPT_SENDS);
  }

  /** Accepted of what was sent in the window before the request that was rejected. */
  quotaBefore(rejectedSentMs: number): number {
    const coveredMs = rejectedSentMs - Math.min(...this.times);
    // More than a ban's server allows: the rate of what is known of.
    if (this.times.length >= KEPT_SENDS && coveredMs < SUSPECTED_WINDOW_MS) return (this.times.length * SUSPECTED_WINDOW_MS) / Math.max(1, coveredMs);
    let sum = 0;
    for (const [at, sentMs] of this.times.entries()) if (sentMs > rejectedSentMs - SUSPECTED_WINDOW_MS - SUSPECTED_SLACK_MS && sentMs < rejectedSentMs) sum += this.costs[at]!;
    return Math.max(1, sum);
  }

  ruleAfter(rejectedSentMs: number, banMs: number): BanRule {
    return { quota: this.quotaBefore(rejectedSentMs), windowMs: SUSPECTED_WINDOW_MS, banMs, slack: 1 };
  }
}
