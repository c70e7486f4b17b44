/**
 * Finds the rate that a server accepts and keeps to it: a search upwards, and one cut for each rejection that tells
 * something new. `pacer.ts` keeps to it, `edge.ts` knows where the limit lies, `ban.ts` what a ban teaches. Invariants:
 * requests sent before the last cut cut nothing; while blocked, at most one probe is on its way; the rate never falls
 * below LEAST_RATE.
 */
import { AcceptedSends, BanDistance, paceUnder, rateUnder, tighten, type BanRule } from './ban.js';
import type { Delivery } from './delivery.js';
import { cutAtOnce, Edge, FAR_CUT } from './edge.js';
import { Pacer } from './pacer.js';

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

type Phase = 'startup' | 'cruise' | 'blocked';

const FIRST_RATE = 5;
const LEAST_RATE = 0.05;
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
/** Once the edge has moved, the steps begin with this one. */
const MOVED_STEP = 2;
const BAN_MS = 3000;
/** How many bans we wait before we try more than what a ban taught. */
const BANS_BETWEEN_PROBES = 30;
/** Nothing was sent for so long: there was nothing to send. */
const PAUSE_MS = 500;
/** A block that is over sooner speaks of windows of a second: probes come late. */
const SHORT_WINDOW_MS = 2000;

export class RateLearner {
  readonly kind = 'rate-learner';
  rate: number;
  phase: Phase;
  /** Until when nothing is sent; then one probe. */
  blockedUntilMs = -Infinity;
  /** The wait is the server's own word. */
  blockStated = false;
  private probeOut = false;
  private readonly pacer = new Pacer();
  private readonly edge = new Edge();
  private base: number;
  private lastStepMs = 0;
  private step = 0;
  private probeEveryMs = LEAST_STEP_MS;
  /** The rate was raised to see whether it holds. */
  private climbing: boolean;
  /** Answers to what was on its way when a request was rejected. */
  private strayAccepted = 0;
  private strayRejected = 0;
  private blockedAtMs = -Infinity;
  private probeDelayMs = 0;
  private statedMs = 0;
  /** Longest wait for a window, of late. */
  private windowMs: number;
  private cycleStartMs = 0;
  private startedMs = 0;
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
  /** A ban was taken for granted; what that cycle accepted tells a window from it. */
  private suspect: { accepted: number; cycleMs: number } | undefined;
  private acceptedInCycle = 0;
  private readonly accepts = new AcceptedSends();
  private readonly distance: BanDistance;
  private rejectedSentMs = 0;
  private latestSentMs = -Infinity;

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
    this.ban =
      memory?.ban ??
      (prior?.banMs === undefined
        ? undefined
        : { quota: (prior.perSecond * prior.windowMs) / 1000, windowMs: prior.windowMs, banMs: prior.banMs, slack: 1 });
    this.distance = new BanDistance(this.ban?.leastMs);
    if (this.ban) {
      this.rate = rateUnder(this.ban, this.delivery.spreadMs);
      this.probeEveryMs = Math.max(this.probeEveryMs, BANS_BETWEEN_PROBES * this.ban.banMs);
    }
    this.base = this.rate;
  }

  /** What held before the present climb. */
  get foundation(): number {
    return this.climbing ? this.base : this.rate;
  }

  /** At the first request. */
  start(nowMs: number): void {
    this.startedMs = this.lastStepMs = this.cycleStartMs = nowMs;
    this.pacer.start(nowMs);
  }

  /** The server's rate has been found out, or was known. */
  get settled(): boolean {
    return !this.first || this.phase === 'cruise';
  }

  remember(): RateMemory | undefined {
    if (this.first) return undefined;
    // The base held; what is above it may be a step that has yet to be answered.
    return {
      perSecond: Math.min(this.rate, this.base),
      windowMs: this.windowMs,
      ban: this.ban && { ...this.ban, leastMs: this.distance.leastMs },
      probeEveryMs: this.probeEveryMs,
    };
  }

  /** Milliseconds to wait for a probe; undefined: not blocked; Infinity: until an answer. */
  blockedFor(nowMs: number): number | undefined {
    if (this.phase !== 'blocked') return undefined;
    return this.probeOut ? Infinity : Math.max(0, this.blockedUntilMs - nowMs);
  }

  /** Milliseconds until there are tokens, at the given rate. */
  waitMs(nowMs: number, cost: number, rate: number): number {
    const isOwn = rate === this.rate;
    if (!this.ban) return this.pacer.waitMs(nowMs, cost, rate, isOwn);
    const { spreadMs } = this.delivery;
    return Math.max(
      this.pacer.waitMs(nowMs, cost, isOwn ? paceUnder(this.ban, spreadMs) : rate, false),
      this.distance.waitMs(nowMs, cost, this.ban, spreadMs),
    );
  }

  /** Returns whether this request is the probe of a block. */
  sent(nowMs: number, cost: number): boolean {
    this.pacer.sent(cost);
    if (this.ban || this.phase === 'blocked') this.distance.sent(nowMs, cost);
    // Until a rejection taught something, a pause is no part of what was tried.
    if (this.first && this.phase !== 'blocked' && nowMs - this.latestSentMs > PAUSE_MS) {
      this.cycleStartMs = nowMs;
      this.acceptedInCycle = 0;
    }
    this.latestSentMs = Math.max(this.latestSentMs, nowMs);
    if (this.phase !== 'blocked') return false;
    this.probeOut = true;
    return true;
  }

  /** What may leave was spent already: the first one waits for its turn. */
  spendAll(): void {
    this.pacer.empty();
  }

  /** Counted as sent, and never was. */
  unsent(sentMs: number, cost: number): void {
    this.pacer.unsent(cost, this.rate);
    this.distance.unsent(sentMs, cost);
  }

  accepted(nowMs: number, sentMs: number, cost: number): void {
    this.distance.accepted(sentMs, nowMs, cost);
    if (this.phase === 'blocked' && !this.probeOut) this.strayAccepted++;
    this.acceptedInCycle += cost;
    this.accepts.add(sentMs, cost);
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
    if (this.phase === 'blocked' && waitMs !== undefined && !this.probeOut)
      this.blockedUntilMs = Math.max(this.blockedUntilMs, nowMs + waitMs);
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
    return this.phase === 'blocked'
      ? { sinceMs: this.blockedAtMs, untilMs: this.blockedUntilMs, stated: this.blockStated }
      : undefined;
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
    const [base, fallback] = [this.base, this.edge.interrupt()];
    this.windowMs = Math.max(blockMs, this.statedMs, 0.98 * this.windowMs);
    const from = Math.max(this.cycleStartMs, nowMs - Math.max(10_000 + 3 * blockMs, 2 * this.windowMs));
    const spanMs = Math.max(nowMs - from, 100);
    const accepted = this.delivery.between(from, nowMs + 1000);
    const quick = blockMs < QUICK_MS;
    const sustained = (accepted * 1000) / spanMs;
    const climbed = this.climbing && before > 1.3 * base;
    const cycleMs = nowMs - this.cycleStartMs;
    let keepCycle = false;
    const setback = { rate: before, calmMs: cycleMs };
    let fallen: number | undefined;
    if (this.suspect && this.refuted(cycleMs)) {
      this.suspect = undefined;
      this.ban = undefined;
      this.probeEveryMs = LEAST_STEP_MS;
      this.rate = 0.97 * sustained;
    } else if (this.ban) {
      tighten(this.ban, { quota: this.climbing ? this.banBase : undefined, cycleMs, blockMs });
      this.banned(nowMs, this.ban, 2 * this.probeEveryMs);
    } else if (this.first && this.looksLikeBan(blockMs)) {
      this.suspect = { accepted: this.acceptedInCycle, cycleMs };
      this.banned(nowMs, this.accepts.ruleAfter(this.rejectedSentMs, blockMs), this.probeEveryMs);
    } else if (
      blockMs > BAN_MS &&
      !this.first &&
      !climbed &&
      sustained < 0.85 * base &&
      nowMs - this.bannedAtMs > 3 * blockMs &&
      this.statedMs === 0
    ) {
      this.banned(nowMs, this.accepts.ruleAfter(this.rejectedSentMs, blockMs), this.probeEveryMs);
    } else if (this.first) {
      if (quick && this.nearlyHeld(before)) {
        this.rate *= NEARLY;
        this.edge.nearlyHeld(before, this.rate);
        this.first = false;
      } else if (quick ? this.blockedAtMs > this.cycleStartMs + 1500 : spanMs >= 1000 && accepted >= 8) {
        // In a window of a second, what got through of a burst is what it allows.
        const reached = quick
          ? this.delivery.rateBefore(this.blockedAtMs)
          : blockMs < SHORT_WINDOW_MS
            ? this.acceptedInCycle / Math.max(1, (this.blockedAtMs - this.cycleStartMs) / 1000)
            : 0;
        this.rate = Math.min(before, Math.max(0.85 * reached, quick ? 0 : 0.97 * sustained));
        this.first = false;
      } else this.rate *= 0.7;
    } else if (quick && (fallen = this.edge.afterTrial(fallback, setback)) !== undefined) this.rate = fallen;
    else if (cycleMs < Math.max(1000, 3 * (this.delivery.latencyMs ?? 200)) || accepted < 8) {
      if (quick) this.edge.refuse(before);
      this.rate *= quick ? cutAtOnce(this.strayAccepted, this.strayRejected) : FAR_CUT;
      keepCycle = true;
    } else if (climbed)
      this.rate = Math.min(
        before,
        quick ? 0.9 * this.delivery.rateBetween(this.blockedAtMs - 2000, this.blockedAtMs) : sustained,
      );
    else if (quick) this.rate = this.edge.after(setback, this.climbing ? base : undefined);
    else if (this.climbing) this.rate = Math.min(before, Math.max(base, sustained) * (1 - STEP));
    else this.rate = Math.min(before * 0.97, sustained * (1 - STEP));
    if (!keepCycle) {
      this.cycleStartMs = nowMs;
      this.acceptedInCycle = 0;
    }
    this.rate = Math.max(LEAST_RATE, this.rate);
    if (this.rate < 0.85 * base || climbed)
      this.probeEveryMs = Math.max(LEAST_STEP_MS, this.bannedAtMs === nowMs ? this.probeEveryMs : 0);
    else if (this.climbing)
      this.probeEveryMs = Math.min(Math.max(LAST_INTERVAL_MS, this.probeEveryMs), this.probeEveryMs * 2);
    this.climbing = false;
    this.step = 0;
    this.phase = 'cruise';
    this.lastStepMs = nowMs;
    this.pacer.drop();
    this.base = this.rate;
  }

  /** Every half second. `bound`: this rate is what held requests back; `ceiling`: never probe above it. */
  tick(nowMs: number, bound: boolean, ceiling: number): void {
    const sinceStep = nowMs - this.lastStepMs;
    // The spread of the way shows itself with time.
    if (this.ban && this.phase === 'cruise') this.rate = rateUnder(this.ban, this.delivery.spreadMs);
    if (this.phase === 'startup') {
      if (sinceStep >= GROW_EVERY_MS && bound) this.grow(nowMs);
      return;
    }
    if (this.phase !== 'cruise' || !bound || this.rate >= ceiling) return;
    const gap = Math.max(LEAST_STEP_MS, 1.1 * this.windowMs);
    const wait =
      this.step === 0
        ? Math.max(this.edge.waitMs(this.probeEveryMs, this.expected ? nowMs - this.startedMs : Infinity), gap)
        : gap;
    if (
      sinceStep < wait ||
      this.delivery.rate(nowMs, Math.min(Math.floor(sinceStep / 500) * 500, 4000)) <= 0.85 * this.rate
    )
      return;
    if (this.step === 0) {
      this.base = this.rate;
      this.banBase = this.ban?.quota;
      this.climbing = true;
    }
    const next = this.ban ? undefined : this.edge.step(this.rate, this.step === 0);
    if (next === 'reached') {
      this.climbing = false;
      this.step = 0;
      this.base = this.rate;
      return;
    }
    if (next === 'moved') this.step = Math.max(this.step, MOVED_STEP);
    const growth = 1 + Math.min(1, STEP * STEP_GROWTH ** this.step);
    if (this.ban) this.ban.quota *= growth;
    // Below a known edge by half the way, also where a cut was far too deep.
    this.rate = Math.min(
      ceiling,
      this.ban ? rateUnder(this.ban, this.delivery.spreadMs) : typeof next === 'number' ? next : this.rate * growth,
    );
    this.step++;
    this.lastStepMs = nowMs;
    if (this.step > 4) this.probeEveryMs = LEAST_STEP_MS;
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
    return (
      this.expected &&
      seconds >= 0.5 &&
      this.delivery.between(this.blockedAtMs - 1000, this.blockedAtMs) >= 0.8 * rate * seconds
    );
  }

  /** A long block that nobody announced, after less than a window of that length would have been worth. */
  private looksLikeBan(blockMs: number): boolean {
    return blockMs > BAN_MS && this.statedMs === 0 && this.accepts.quotaBefore(this.rejectedSentMs) >= 2;
  }

  /** The same number was accepted again: it is a window's quota, not a rate. */
  private refuted(cycleMs: number): boolean {
    const { accepted, cycleMs: first } = this.suspect!;
    return Math.abs(this.acceptedInCycle - accepted) <= Math.max(2, 0.1 * accepted) && cycleMs < 3 * first;
  }

  private banned(nowMs: number, ban: BanRule, probeEveryMs: number): void {
    this.first = false;
    this.bannedAtMs = nowMs;
    this.ban = ban;
    this.rate = rateUnder(ban, this.delivery.spreadMs);
    this.probeEveryMs = Math.max(probeEveryMs, BANS_BETWEEN_PROBES * ban.banMs);
  }
}
