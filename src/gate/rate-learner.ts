/**
 * Finds the rate that a server accepts and keeps to it: a token bucket, a search upwards, and one cut for each rejection that tells
 * something new. Invariants: requests sent before the last cut cut nothing; while blocked, at most one probe is on its way; the rate
 * never falls below LEAST_RATE and tokens never exceed one burst.
 */
import type { Delivery } from './delivery.js';
import { LastSecond } from './last-second.js';

/** What is known before the first request. */
export interface RatePrior {
  /** Requests, or points, per second. */
  perSecond: number;
  windowMs: number;
  /** The server bans for this long when it is exceeded. */
  banMs?: number | undefined;
}

/** What a run learned; the next one begins there. */
export interface RateMemory {
  perSecond: number;
  windowMs: number;
  ban?: BanRule | undefined;
  probeEveryMs: number;
}

/** A server that shuts out for `banMs` whoever sends more than `quota` in a window of `windowMs`. */
export interface BanRule {
  quota: number;
  windowMs: number;
  banMs: number;
  /** Times the spread of the way that is added to the window. */
  slack: number;
}

type Phase = 'startup' | 'cruise' | 'blocked';

const FIRST_RATE = 5;
const LEAST_RATE = 0.05;
/** Share of a second's tokens that may be saved up; more where it is seen to that no second has more than the rate. */
const BURST = 0.05;
const EVEN_BURST = 0.06;
/** From this rate on, since below it a second has too few to be even. */
const LEAST_EVEN_RATE = 20;
/** Slots are counted whole or in part: a request may seem to lie on either side. */
const EVEN_TOLERANCE = 1;
/** The search upwards: doubled each second, and slower where a step too far would be rejected in dozens. */
const GROW_EVERY_MS = 1000;
const FAST_GROWTH = 2;
const FAST_UNTIL = 60;
const GROWTH = 1.35;
/** The search is over when growing the rate brought less than this, twice. */
const STILL_GROWING = 1.25;
const FIRST_PROBE_MS = 50;
const LAST_PROBE_MS = 1000;
const LEAST_STEP_MS = 4000;
const LAST_INTERVAL_MS = 30_000;
const STEP = 0.02;
const STEP_GROWTH = 1.7;
/** What is left of an expected rate that was rejected for the first time, though almost all of it got through. */
const NEARLY = 0.97;
/** A block shorter than this ends within the window of a rate that is counted by the second. */
const QUICK_MS = 500;
/** The edge of a limit is looked for by halves, until what was refused is no more than this above what holds. */
const EDGE = 0.0075;
/** Once the edge has moved, the steps begin with this one. */
const MOVED_STEP = 2;
/** How long the rate stays just below the edge before it is tried. */
const AT_EDGE_MS = 7000;
/** So much below a step that held and is gone back to. */
const BELOW_EDGE = 0.99;
/** A step that held may have lived on what the server had saved up: for so long it is on trial. */
const TRIAL_MS = 8000;
/** What is left of the rate after a short block: the longer there was none, the less is it too high. */
const CUTS: readonly (readonly [calmMs: number, left: number])[] = [[20_000, 0.99], [10_000, 0.98], [5000, 0.97], [2000, 0.95], [0, 0.93]];
/** More than this share of what was on its way was rejected too: the limit lies far below. */
const FAR_SHARE = 0.3;
const FAR_CUT = 0.8;
/** Fewer answers do not tell. */
const LEAST_STRAGGLERS = 3;
const UNTOLD_CUT = 0.9;
const BAN_MS = 3000;
/** How many bans we wait before we try more than what a ban taught. */
const BANS_BETWEEN_PROBES = 30;
/** A first long block may be a ban: what was accepted in the second before it is what the server allows. */
const SUSPECTED_WINDOW_MS = 1000;
const SUSPECTED_SLACK_MS = 50;
/** Where the spread of the way is not known yet, this share of the window. */
const FIRST_SLACK = 0.2;
/** A ban although the rule was kept: the way varies more than assumed, at most so many times more. */
const MORE_SLACK = 1.5;
const MOST_SLACK = 4;
/** Accepted requests whose send times are kept. */
const KEPT_SENDS = 32;

export class RateLearner {
  readonly kind = 'rate-learner';
  rate: number;
  phase: Phase;
  /** Until when nothing is sent; then one probe. */
  blockedUntilMs = -Infinity;
  /** The wait is the server's own word. */
  blockStated = false;
  private probeOut = false;
  private tokens = 1;
  private tokensAtMs = 0;
  private lastSecond = new LastSecond();
  private base: number;
  private lastStepMs = 0;
  private step = 0;
  private probeEveryMs = LEAST_STEP_MS;
  /** The rate was raised to see whether it holds. */
  private climbing: boolean;
  /** The rate before the last step of the climb. */
  private held = 0;
  /** The least that was rejected at the edge, while nothing says that the limit changed. */
  private refused: number | undefined;
  /** The last climb ended just below what was refused: the next one goes past it. */
  private atEdge = false;
  /** Answers to what was on its way when a request was rejected. */
  private strayAccepted = 0;
  private strayRejected = 0;
  /** What the rate was before the climb whose last step is on trial. */
  private fallback: number | undefined;
  private blockedAtMs = -Infinity;
  private probeDelayMs = 0;
  private statedMs = 0;
  /** Longest wait for a window, of late. */
  private windowMs: number;
  private cycleStartMs = 0;
  /** No rejection has taught a rate yet. */
  private first = true;
  /** The first rate is the vendor's usual one. */
  private readonly expected: boolean;
  private bannedAtMs = -Infinity;
  private flat = 0;
  private lastDelivered = 0;
  private ban: BanRule | undefined;
  /** The ban's quota before it was last raised. */
  private banBase: number | undefined;
  /** A ban was taken for granted; the accepted requests of that cycle tell a window from it. */
  private suspect: { accepted: number; cycleMs: number } | undefined;
  private acceptedInCycle = 0;
  private accepts: { sentMs: number; cost: number }[] = [];
  private rejectedSentMs = 0;

  constructor(
    private readonly delivery: Delivery,
    prior: RatePrior | undefined,
    memory: RateMemory | undefined,
  ) {
    const known = memory ?? prior;
    this.rate = known?.perSecond ?? FIRST_RATE;
    this.phase = known ? 'cruise' : 'startup';
    this.climbing = !known;
    this.expected = prior !== undefined && memory === undefined;
    this.windowMs = known?.windowMs ?? 0;
    if (memory) {
      this.first = false;
      this.probeEveryMs = memory.probeEveryMs;
    }
    this.ban = memory?.ban ?? (prior?.banMs === undefined ? undefined : { quota: (prior.perSecond * prior.windowMs) / 1000, windowMs: prior.windowMs, banMs: prior.banMs, slack: 1 });
    if (this.ban) {
      this.rate = this.banRate(this.ban);
      this.probeEveryMs = Math.max(this.probeEveryMs, BANS_BETWEEN_PROBES * this.ban.banMs);
    }
    this.base = this.rate;
  }

  /** At the first request. */
  start(nowMs: number): void {
    this.tokensAtMs = this.lastStepMs = this.cycleStartMs = nowMs;
  }

  /** The server's rate has been found out, or was known. */
  get settled(): boolean {
    return !this.first || this.phase === 'cruise';
  }

  remember(): RateMemory | undefined {
    if (this.first) return undefined;
    // The base held; what is above it may be a step that has yet to be answered.
    return { perSecond: Math.min(this.rate, this.base), windowMs: this.windowMs, ban: this.ban, probeEveryMs: this.probeEveryMs };
  }

  /** Milliseconds to wait for a probe; undefined: not blocked; Infinity: until an answer. */
  blockedFor(nowMs: number): number | undefined {
    if (this.phase !== 'blocked') return undefined;
    return this.probeOut ? Infinity : Math.max(0, this.blockedUntilMs - nowMs);
  }

  /** Milliseconds until there are tokens, at the given rate. */
  waitMs(nowMs: number, cost: number, rate: number): number {
    const burst = this.burst(rate);
    this.tokens = Math.min(burst, this.tokens + (rate * Math.max(0, nowMs - this.tokensAtMs)) / 1000);
    this.tokensAtMs = Math.max(this.tokensAtMs, nowMs);
    const needed = Math.min(cost, burst);
    const forTokens = this.tokens >= needed - 1e-9 ? 0 : ((needed - this.tokens) * 1000) / rate;
    if (!this.isEven(rate)) return forTokens;
    const over = this.lastSecond.total(nowMs) + needed - rate - EVEN_TOLERANCE;
    return over > 0 ? Math.max(forTokens, (over * 1000) / rate) : forTokens;
  }

  /** Returns whether this request is the probe of a block. */
  sent(cost: number): boolean {
    this.tokens -= cost;
    this.lastSecond.add(this.tokensAtMs, cost);
    if (this.phase !== 'blocked') return false;
    this.probeOut = true;
    return true;
  }

  /** Counted as sent, and never was. */
  unsent(cost: number): void {
    this.tokens = Math.min(this.burst(this.rate), this.tokens + cost);
    this.lastSecond.takeBack(cost);
  }

  accepted(sentMs: number, cost: number): void {
    if (this.phase === 'blocked' && !this.probeOut) this.strayAccepted++;
    this.acceptedInCycle += cost;
    this.accepts.push({ sentMs, cost });
    if (this.accepts.length > 2 * KEPT_SENDS) this.accepts.splice(0, KEPT_SENDS);
  }

  /** A request that is not the probe was rejected for its rate. `waitMs`: what the server asks for. */
  rejected(nowMs: number, sentMs: number, waitMs: number | undefined): void {
    this.rejectedSentMs = sentMs;
    this.phase = 'blocked';
    this.probeOut = false;
    this.blockedAtMs = nowMs;
    this.strayAccepted = this.strayRejected = 0;
    this.probeDelayMs = FIRST_PROBE_MS;
    this.statedMs = waitMs ?? 0;
    this.blockStated = waitMs !== undefined;
    this.blockedUntilMs = nowMs + (waitMs ?? this.ban?.banMs ?? this.probeDelayMs);
  }

  /** A rejection while blocked, of a request that was on its way already: its floor counts. */
  alsoRejected(nowMs: number, waitMs: number | undefined): void {
    this.strayRejected++;
    if (this.phase === 'blocked' && waitMs !== undefined && !this.probeOut) this.blockedUntilMs = Math.max(this.blockedUntilMs, nowMs + waitMs);
  }

  probeRejected(nowMs: number, waitMs: number | undefined): void {
    this.probeOut = false;
    this.probeDelayMs = Math.min(this.probeDelayMs * 2, LAST_PROBE_MS);
    if (waitMs !== undefined) {
      this.blockStated = true;
      this.statedMs = Math.max(this.statedMs, nowMs + waitMs - this.blockedAtMs);
    }
    this.blockedUntilMs = nowMs + (waitMs ?? this.probeDelayMs);
  }

  /** Milliseconds since the block began. */
  blockedSince(nowMs: number): number {
    return nowMs - this.blockedAtMs;
  }

  /** The present block; undefined where there is none. */
  get block(): { sinceMs: number; untilMs: number; stated: boolean } | undefined {
    return this.phase === 'blocked' ? { sinceMs: this.blockedAtMs, untilMs: this.blockedUntilMs, stated: this.blockStated } : undefined;
  }

  /** The probe never came back: another one may go. */
  probeLost(nowMs: number): void {
    this.probeOut = false;
    this.probeDelayMs = Math.min(this.probeDelayMs * 2, LAST_PROBE_MS);
    this.blockedUntilMs = Math.max(this.blockedUntilMs, nowMs + this.probeDelayMs);
  }

  /** The probe came through: what was accepted since the last time says what the server allows. */
  probeAccepted(nowMs: number): void {
    this.probeOut = false;
    const blockMs = nowMs - this.blockedAtMs;
    const before = this.rate;
    const { base, fallback } = this;
    this.fallback = undefined;
    this.windowMs = Math.max(blockMs, this.statedMs, 0.98 * this.windowMs);
    const from = Math.max(this.cycleStartMs, nowMs - Math.max(10_000 + 3 * blockMs, 2 * this.windowMs));
    const spanMs = Math.max(nowMs - from, 100);
    const accepted = this.delivery.between(from, nowMs + 1000);
    const quick = blockMs < QUICK_MS;
    const recent = this.delivery.between(this.blockedAtMs - 2000, this.blockedAtMs) / 2;
    const sustained = (accepted * 1000) / spanMs;
    const climbed = this.climbing && before > 1.3 * base;
    const cycleMs = nowMs - this.cycleStartMs;
    let keepCycle = false;
    if (this.suspect && this.refuted(cycleMs)) {
      this.suspect = undefined;
      this.ban = undefined;
      this.probeEveryMs = LEAST_STEP_MS;
      this.rate = 0.97 * sustained;
    } else if (this.ban) {
      this.banAgain(this.ban, nowMs, cycleMs, blockMs);
    } else if (this.first && this.looksLikeBan(blockMs)) {
      this.suspect = { accepted: this.acceptedInCycle, cycleMs };
      this.learnBan(nowMs, blockMs);
    } else if (blockMs > BAN_MS && !this.first && !climbed && sustained < 0.85 * base && nowMs - this.bannedAtMs > 3 * blockMs && this.statedMs === 0) {
      this.learnBan(nowMs, blockMs);
    } else if (this.first) {
      if (quick && this.nearlyHeld(before)) {
        this.rate *= NEARLY;
        this.refused = before;
        this.first = false;
      } else if (quick ? this.blockedAtMs > this.cycleStartMs + 1500 : spanMs >= 1000 && accepted >= 8) {
        this.rate = Math.min(before, quick ? 0.85 * recent : 0.97 * sustained);
        this.first = false;
      } else this.rate *= 0.7;
    } else if (quick && fallback !== undefined && cycleMs < TRIAL_MS) {
      this.refused = before;
      this.rate = Math.min(fallback, cutAfter(cycleMs) * before);
    } else if (cycleMs < Math.max(1000, 3 * (this.delivery.latencyMs ?? 200)) || accepted < 8) {
      if (quick) this.refused = before;
      this.rate *= quick ? this.cutAtOnce() : FAR_CUT;
      keepCycle = true;
    } else if (climbed) this.rate = Math.min(before, quick ? 0.9 * this.delivery.rateBetween(this.blockedAtMs - 2000, this.blockedAtMs) : sustained);
    else if (quick) this.rate = this.besideEdge(before, cycleMs);
    else if (this.climbing) this.rate = Math.min(before, Math.max(base, sustained) * (1 - STEP));
    else this.rate = Math.min(before * 0.97, sustained * (1 - STEP));
    if (!keepCycle) {
      this.cycleStartMs = nowMs;
      this.acceptedInCycle = 0;
    }
    this.rate = Math.max(LEAST_RATE, this.rate);
    const banned = this.bannedAtMs === nowMs;
    if (this.rate < 0.85 * base || climbed) this.probeEveryMs = Math.max(LEAST_STEP_MS, banned ? this.probeEveryMs : 0);
    else if (this.climbing) this.probeEveryMs = Math.min(Math.max(LAST_INTERVAL_MS, this.probeEveryMs), this.probeEveryMs * 2);
    this.climbing = false;
    this.atEdge = false;
    this.step = 0;
    this.phase = 'cruise';
    this.lastStepMs = nowMs;
    this.tokens = Math.min(this.tokens, 1);
    this.base = this.rate;
  }

  /** Every half second. `bound`: this rate is what held requests back; `ceiling`: never probe above it. */
  tick(nowMs: number, bound: boolean, ceiling: number): void {
    const sinceStep = nowMs - this.lastStepMs;
    // The spread of the way shows itself with time.
    if (this.ban && this.phase === 'cruise') this.rate = this.banRate(this.ban);
    if (this.phase === 'startup') {
      if (sinceStep >= GROW_EVERY_MS && bound) this.grow(nowMs);
      return;
    }
    if (this.phase !== 'cruise' || !bound || this.rate >= ceiling) return;
    const gap = Math.max(LEAST_STEP_MS, 1.1 * this.windowMs);
    const wait = this.step === 0 ? Math.max(this.atEdge ? AT_EDGE_MS : this.probeEveryMs, gap) : gap;
    if (sinceStep < wait || this.delivery.rate(nowMs, Math.min(Math.floor(sinceStep / 500) * 500, 4000)) <= 0.85 * this.rate) return;
    if (this.step === 0) {
      this.base = this.rate;
      this.banBase = this.ban?.quota;
      this.climbing = true;
      this.atEdge = false;
    }
    this.held = this.rate;
    const below = this.refused === undefined || this.ban ? Infinity : this.towardsEdge(this.refused);
    if (below <= this.rate) return;
    const growth = 1 + Math.min(1, STEP * STEP_GROWTH ** this.step);
    if (this.ban) this.ban.quota *= growth;
    // Below a known edge by half the way, also where a cut was far too deep.
    this.rate = Math.min(ceiling, this.ban ? this.banRate(this.ban) : Number.isFinite(below) ? below : this.rate * growth);
    this.step++;
    this.lastStepMs = nowMs;
    if (this.step > 4) this.probeEveryMs = LEAST_STEP_MS;
  }

  /**
   * The next step below a rate that was refused: half the way. Near enough, the climb is over, and the next one goes past the edge: what was
   * refused may be allowed by then.
   */
  private towardsEdge(refused: number): number {
    if (this.rate >= refused) {
      this.refused = undefined;
      this.step = Math.max(this.step, MOVED_STEP);
      return Infinity;
    }
    if (refused - this.rate > EDGE * refused) return (this.rate + refused) / 2;
    if (this.step === 0) return (1 + EDGE) * refused;
    this.climbing = false;
    this.step = 0;
    this.base = this.rate;
    this.atEdge = true;
    return -Infinity;
  }

  /** After a short block at a rate near the limit: the last step that held, or a little less than what did not. */
  private besideEdge(before: number, cycleMs: number): number {
    this.refused = before;
    if (!this.climbing) return cutAfter(cycleMs) * before;
    this.fallback = this.base;
    return Math.min(Math.max(this.base, BELOW_EDGE * (this.held || this.base)), before);
  }

  private burst(rate: number): number {
    return Math.max(1, (this.isEven(rate) ? EVEN_BURST : BURST) * rate);
  }

  /** At its own rate no second has more; the pace of a stated window may be made up for. */
  private isEven(rate: number): boolean {
    return rate === this.rate && rate >= LEAST_EVEN_RATE;
  }

  /** What is left after two rejections in a row: what became of the requests on their way tells how far below the limit lies. */
  private cutAtOnce(): number {
    const all = this.strayAccepted + this.strayRejected;
    if (all < LEAST_STRAGGLERS) return UNTOLD_CUT;
    return this.strayRejected > FAR_SHARE * all ? FAR_CUT : cutAfter(0);
  }

  /** The search is over for another reason than a rejection of the rate. */
  settle(): void {
    if (this.phase !== 'startup') return;
    this.phase = 'cruise';
    this.climbing = false;
  }

  /** The blame changed: begin again from what gets through. */
  restartAt(rate: number, nowMs: number): void {
    this.rate = this.base = Math.max(LEAST_RATE, rate);
    this.climbing = false;
    this.step = 0;
    this.probeEveryMs = LEAST_STEP_MS;
    this.lastStepMs = nowMs;
    this.first = false;
    this.cycleStartMs = nowMs;
    this.acceptedInCycle = 0;
  }

  /** Rejections were no matter of the rate after all. */
  forgive(): void {
    this.rate = Math.max(this.rate, this.base) * 1.5;
  }

  private grow(nowMs: number): void {
    const delivered = this.delivery.rate(nowMs, 1000);
    if (this.lastDelivered > 0 && delivered < STILL_GROWING * this.lastDelivered && this.rate > 1.5 * delivered) {
      if (++this.flat >= 2) {
        this.restartAt(1.1 * delivered, nowMs);
        this.phase = 'cruise';
        return;
      }
    } else this.flat = 0;
    this.lastDelivered = delivered;
    this.rate *= this.rate < FAST_UNTIL ? FAST_GROWTH : GROWTH;
    this.lastStepMs = nowMs;
  }

  /** At a rate that was expected, and almost all of it got through: the expectation is right, and the way varied. */
  private nearlyHeld(rate: number): boolean {
    const seconds = Math.min(1, (this.blockedAtMs - this.cycleStartMs) / 1000);
    return this.expected && seconds >= 0.5 && this.delivery.between(this.blockedAtMs - 1000, this.blockedAtMs) >= 0.8 * rate * seconds;
  }

  /** A long block that nobody announced, after less than a window of that length would have been worth. */
  private looksLikeBan(blockMs: number): boolean {
    return blockMs > BAN_MS && this.statedMs === 0 && this.quotaBeforeRejection() >= 2;
  }

  /** The same number was accepted again: it is a window's quota, not a rate. */
  private refuted(cycleMs: number): boolean {
    const { accepted, cycleMs: first } = this.suspect!;
    return Math.abs(this.acceptedInCycle - accepted) <= Math.max(2, 0.1 * accepted) && cycleMs < 3 * first;
  }

  private learnBan(nowMs: number, blockMs: number): void {
    const quota = this.quotaBeforeRejection();
    this.first = false;
    this.bannedAtMs = nowMs;
    this.ban = { quota, windowMs: SUSPECTED_WINDOW_MS, banMs: blockMs, slack: 1 };
    this.rate = this.banRate(this.ban);
    this.probeEveryMs = Math.max(this.probeEveryMs, BANS_BETWEEN_PROBES * blockMs);
  }

  private banAgain(ban: BanRule, nowMs: number, cycleMs: number, blockMs: number): void {
    if (this.climbing && this.banBase !== undefined) ban.quota = this.banBase;
    else if (cycleMs < 2 * blockMs) ban.quota *= 0.9;
    else ban.slack = Math.min(MOST_SLACK, ban.slack * MORE_SLACK);
    ban.banMs = Math.max(ban.banMs, Math.min(blockMs, 2 * ban.banMs));
    this.first = false;
    this.bannedAtMs = nowMs;
    this.rate = this.banRate(ban);
    this.probeEveryMs = Math.max(2 * this.probeEveryMs, BANS_BETWEEN_PROBES * ban.banMs);
  }

  /** Evenly spread, no window of the server sees more than the quota as long as the way varies by no more than this. */
  private banRate(ban: BanRule): number {
    const spreadMs = this.delivery.spreadMs ?? FIRST_SLACK * ban.windowMs;
    return (ban.quota * 1000) / (ban.windowMs + Math.min(ban.windowMs, ban.slack * spreadMs));
  }

  /** Accepted of what was sent in the window before the request that was rejected. */
  private quotaBeforeRejection(): number {
    let sum = 0;
    const sent = this.accepts.map(({ sentMs }) => sentMs);
    const coveredMs = this.rejectedSentMs - Math.min(...sent);
    // More than a ban's server allows: the rate of what is known of.
    if (sent.length >= KEPT_SENDS && coveredMs < SUSPECTED_WINDOW_MS) return (this.accepts.length * SUSPECTED_WINDOW_MS) / Math.max(1, coveredMs);
    for (const { sentMs, cost } of this.accepts) if (sentMs > this.rejectedSentMs - SUSPECTED_WINDOW_MS - SUSPECTED_SLACK_MS && sentMs < this.rejectedSentMs) sum += cost;
    return Math.max(1, sum);
  }
}

function cutAfter(calmMs: number): number {
  return CUTS.find(([least]) => calmMs >= least)![1];
}
