/**
 * Servers that shut out for a while whoever exceeds them: what a ban teaches, and which rate keeps clear of the next
 * one.
 */

/** A server that shuts out for `banMs` whoever sends more than `quota` in a window of `windowMs`. */
export interface BanRule {
  quota: number;
  windowMs: number;
  banMs: number;
  /** Times the spread of the way that is added to the window. */
  slack: number;
  /** The fastest answer of the run that learned it. */
  leastMs?: number | undefined;
}

/** A first long block may be a ban: what was accepted in the second before it is what the server allows. */
const SUSPECTED_WINDOW_MS = 1000;
const SUSPECTED_SLACK_MS = 50;
/** Where the spread of the way is not known yet, this share of the window. */
const FIRST_SLACK = 0.2;
const LESS_QUOTA = 0.9;
const MORE_SLACK = 1.5;
const MOST_SLACK = 4;
/** The fastest of fewer answers may not be the fastest there is; and it may be undercut by a part of the spread. */
const SURE_ANSWERS = 100;
const GUARD = 0.1;
/** Accepted requests whose send times are kept. */
const KEPT_SENDS = 32;

/** Evenly spread, no window of the server sees more than the quota as long as the way varies by no more than this. */
export function rateUnder(ban: BanRule, spreadMs = FIRST_SLACK * ban.windowMs): number {
  return (ban.quota * 1000) / (ban.windowMs + Math.min(ban.windowMs, ban.slack * spreadMs));
}

/**
 * A ban although the rule was kept: back to the quota before it was raised, else less of it, else the way varies more
 * than assumed.
 */
export function tighten(ban: BanRule, found: { quota: number | undefined; cycleMs: number; blockMs: number }): void {
  if (found.quota !== undefined) ban.quota = found.quota;
  else if (found.cycleMs < 2 * found.blockMs) ban.quota *= LESS_QUOTA;
  else ban.slack = Math.min(MOST_SLACK, ban.slack * MORE_SLACK);
  ban.banMs = Math.max(ban.banMs, Math.min(found.blockMs, 2 * ban.banMs));
}

/**
 * How far apart requests must leave so that the server never receives more than the quota in a window. A request that
 * was answered late may have been received late, by as much as its answer was slower than the fastest; one that was not
 * answered yet, by as much as the way varies. So the distance follows what is known of the request that the next one
 * must keep clear of, instead of the worst for all.
 */
export class BanDistance {
  readonly kind = 'ban-distance';
  private sends: number[] = [];
  /** Milliseconds until the answer; -1: none yet. */
  private latencies: number[] = [];
  private answers = 0;
  leastMs: number | undefined;
  private known: boolean;

  constructor(leastMs: number | undefined) {
    this.leastMs = leastMs;
    this.known = leastMs !== undefined;
  }

  sent(nowMs: number, cost: number): void {
    for (let i = 0; i < cost; i++) {
      this.sends.push(nowMs);
      this.latencies.push(-1);
    }
    if (this.sends.length <= 2 * KEPT_SENDS) return;
    this.sends.splice(0, KEPT_SENDS);
    this.latencies.splice(0, KEPT_SENDS);
  }

  unsent(sentMs: number, cost: number): void {
    for (let i = 0; i < cost; i++) {
      const at = this.sends.lastIndexOf(sentMs);
      if (at < 0) return;
      this.sends.splice(at, 1);
      this.latencies.splice(at, 1);
    }
  }

  accepted(sentMs: number, nowMs: number, cost: number): void {
    const latencyMs = nowMs - sentMs;
    let left = cost;
    // Of several that were sent at one time each has its own answer.
    for (let at = this.sends.lastIndexOf(sentMs); left > 0 && at >= 0 && this.sends[at] === sentMs; at--) {
      if (this.latencies[at]! >= 0) continue;
      this.latencies[at] = latencyMs;
      left--;
    }
    this.leastMs = Math.min(this.leastMs ?? Infinity, latencyMs);
    this.known ||= ++this.answers >= SURE_ANSWERS;
  }

  /** Milliseconds until a request keeps clear of the window. */
  waitMs(nowMs: number, cost: number, ban: BanRule, spreadMs = FIRST_SLACK * ban.windowMs): number {
    const at = Math.min(
      this.sends.length - 1,
      this.sends.length - Math.max(1, Math.floor(ban.quota)) + Math.ceil(cost) - 1,
    );
    if (at < 0) return 0;
    const mostMs = Math.min(ban.windowMs, ban.slack * spreadMs);
    const latencyMs = this.latencies[at]!;
    const lateMs = latencyMs < 0 || !this.known ? mostMs : Math.min(mostMs, latencyMs - this.leastMs! + GUARD * mostMs);
    return Math.max(0, this.sends[at]! + ban.windowMs + lateMs - nowMs);
  }
}

/**
 * Evenly spread requests beside their distance: where a window has more of them than are kept, evenness alone must do.
 */
export function paceUnder(ban: BanRule, spreadMs: number | undefined): number {
  return ban.quota > KEPT_SENDS ? rateUnder(ban, spreadMs) : rateUnder(ban, 0);
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
    if (this.times.length >= KEPT_SENDS && coveredMs < SUSPECTED_WINDOW_MS)
      return (this.times.length * SUSPECTED_WINDOW_MS) / Math.max(1, coveredMs);
    let sum = 0;
    for (const [at, sentMs] of this.times.entries())
      if (sentMs > rejectedSentMs - SUSPECTED_WINDOW_MS - SUSPECTED_SLACK_MS && sentMs < rejectedSentMs)
        sum += this.costs[at]!;
    return Math.max(1, sum);
  }

  ruleAfter(rejectedSentMs: number, banMs: number): BanRule {
    return { quota: this.quotaBefore(rejectedSentMs), windowMs: SUSPECTED_WINDOW_MS, banMs, slack: 1 };
  }
}
