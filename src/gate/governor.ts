/**
 * One limit and everything known of it: what the server states (ledgers), what its rejections teach (rate and
 * concurrency), and what holds requests back now. Order of trust: Retry-After, which is a floor; then ledgers; then the
 * reason that a rejection names; then what rejections taught; then the vendor's usual limit; the latency only brakes.
 *
 * Invariants: an admitted request had room in every ledger that is known; one rejected burst cuts once; after a block
 * one probe goes first; every `sent` is matched by one `answered`, or what is in flight leaks.
 */
import { BucketLedger, type BucketReading } from './bucket-ledger.js';
import type { ClockOffset } from './clock-offset.js';
import { ConcurrencyLearner } from './concurrency-learner.js';
import { Delivery } from './delivery.js';
import { EpochLedger, type EpochReading } from './epoch-ledger.js';
import type { WaitReason } from './gate.js';
import { RateLearner, type RateMemory, type RatePrior } from './rate-learner.js';
import { RollingLedger, type RollingReading } from './rolling-ledger.js';

const TICK_MS = 500;
/** How far back `usedPerSecond` looks. */
const USED_MS = 5000;
/** After a pause, at most so many half seconds are caught up with. */
const MOST_TICKS = 20;
/** With a window stated, the learned rate only recovers from cuts. */
const RECOVER = 1.05;
const CALM_MS = 4000;
const LEAST_PACE = 0.2;
/** A Retry-After of this length speaks of a rate: concurrency frees itself sooner. */
const RATE_WAIT_MS = 1000;
/** A pause after one request too many in a window of ours: the window moves on, and the rate is right. */
const EXPLAINED_MS = 50;
/** In-flight counts of accepted requests, to compare a rejected one with. */
const RANKED = 300;
const UNUSUALLY_MANY = 0.93;

export type GovernorReading =
  ({ kind: 'epoch' } & EpochReading) | ({ kind: 'bucket' } & BucketReading) | ({ kind: 'rolling' } & RollingReading);

/** What this governor must know of a request under way. */
export interface GovernorTicket {
  sentMs: number;
  cost: number;
  /** Requests in flight when it left, itself included. */
  inFlight: number;
  /** Cost in flight when it left, without its own. */
  costBefore: number;
  /** Everything sent until then, with its own. */
  sentBefore: number;
  probe: boolean;
}

export interface GovernorAnswer {
  kind: 'accepted' | 'rejected' | 'lost';
  reason?: 'rate' | 'concurrency' | undefined;
  retryAfterMs?: number | undefined;
  readings: GovernorReading[];
  /** A ceiling at its limit explains the rejection: the way varied more than assumed. */
  explained?: boolean;
  /** What it really cost, where the server tells. */
  actualCost?: number | undefined;
}

export interface GovernorPrior extends RatePrior {
  concurrency?: number | undefined;
}

export interface GovernorMemory {
  rate?: RateMemory | undefined;
  /** Undefined: no limit on concurrency was met. */
  concurrency?: number | undefined;
  /** Rejections are known to speak of the rate, or of concurrency. */
  blame?: 'rate' | 'unknown';
}

export type Hold = { waitMs: number; reason: WaitReason };

/** How the limit of a governor is known. */
export type Knowledge = 'headers' | 'body' | 'rejections' | 'prior' | 'memory' | 'searching';

export interface GovernorView {
  /** Requests or points a second that it aims at. */
  perSecond: number;
  /** The limit itself, where one is known. */
  quota: number | undefined;
  windowMs: number | undefined;
  remaining: number | undefined;
  /** Until the present window ends, at the latest. */
  endsInMs: number | undefined;
  concurrency: number | undefined;
  knownBy: Knowledge;
  usedPerSecond: number;
  rejections: number;
}

export class Governor {
  readonly kind = 'governor';
  readonly delivery = new Delivery();
  readonly rate: RateLearner;
  readonly concurrency: ConcurrencyLearner;
  private epoch: EpochLedger | undefined;
  private bucket: BucketLedger | undefined;
  private rolling: RollingLedger | undefined;
  private inFlight = 0;
  private inFlightCost = 0;
  private sentCost = 0;
  private started = false;
  private tickedMs = 0;
  private rateBound = 0;
  private concurrencyBound = 0;
  private lastCutMs = -Infinity;
  private latestSentMs = -Infinity;
  /** Nothing leaves before: the server's own word. */
  private floorMs = -Infinity;
  private blame: 'unknown' | 'rate';
  private ranks: number[] = [];
  private acceptedInFlight: number[] = [];
  private trialAfterMs = 0;
  private trialGapMs = 30_000;
  private releaseAfterMs = 0;
  private releaseGapMs = 60_000;
  private savedCap: number | undefined;
  private rejections = 0;
  private taught = false;
  private heard = false;

  constructor(
    private readonly offset: ClockOffset,
    private readonly prior?: GovernorPrior,
    private readonly memory?: GovernorMemory,
  ) {
    this.rate = new RateLearner(this.delivery, prior, memory?.rate);
    this.concurrency = new ConcurrencyLearner(memory?.concurrency ?? prior?.concurrency ?? Infinity);
    this.blame = memory?.blame ?? (prior ? 'rate' : 'unknown');
  }

  /** Undefined: the request may leave now. A wait of Infinity: until the next answer. */
  check(nowMs: number, cost: number): Hold | undefined {
    this.catchUp(nowMs);
    if (nowMs < this.floorMs) return { waitMs: this.floorMs - nowMs, reason: 'Retry-After' };
    const blockedMs = this.rate.blockedFor(nowMs);
    if (blockedMs !== undefined && blockedMs > 0)
      return { waitMs: blockedMs, reason: this.rate.blockStated ? 'Retry-After' : 'backoff after a rejection' };
    if (this.inFlight >= this.mostInFlight()) {
      this.concurrencyBound++;
      return {
        waitMs: Infinity,
        reason: this.concurrency.cap <= this.inFlight ? 'concurrency limit' : 'requests in flight',
      };
    }
    let waitMs = this.bucket?.waitMs(nowMs, cost) ?? 0;
    let pace = this.rate.rate;
    if (this.epoch) {
      if (this.epoch.room(nowMs, this.inFlightCost, cost) < Math.min(cost, this.epoch.quota))
        return { waitMs: Math.max(waitMs, this.epoch.endsAt() - nowMs, 1), reason: 'quota of the window' };
      pace = Math.max(LEAST_PACE, Math.min(pace, this.epoch.pace(nowMs, this.inFlightCost)));
    }
    if (this.rolling) {
      const fullMs = this.rolling.waitMs(nowMs, cost);
      if (fullMs > 0) return { waitMs: Math.max(waitMs, fullMs), reason: 'quota of the window' };
      pace = Math.min(pace, this.rolling.pace());
    }
    if (!this.bucket) {
      const paceMs = this.rate.waitMs(nowMs, cost, pace);
      if (paceMs > 0) this.rateBound++;
      waitMs = Math.max(waitMs, paceMs);
    }
    return waitMs > 0 ? { waitMs, reason: this.bucket ? 'points of the bucket' : 'rate limit' } : undefined;
  }

  sent(nowMs: number, cost: number): GovernorTicket {
    const probe = this.rate.sent(nowMs, this.bucket ? 0 : cost);
    this.bucket?.spend(nowMs, cost);
    this.rolling?.sent(nowMs, cost);
    this.inFlight++;
    this.inFlightCost += cost;
    this.sentCost += cost;
    this.latestSentMs = Math.max(this.latestSentMs, nowMs);
    return {
      sentMs: nowMs,
      cost,
      inFlight: this.inFlight,
      costBefore: this.inFlightCost - cost,
      sentBefore: this.sentCost,
      probe,
    };
  }

  answered(nowMs: number, ticket: GovernorTicket, answer: GovernorAnswer): void {
    this.inFlight--;
    this.inFlightCost -= ticket.cost;
    this.heard = true;
    this.catchUp(nowMs);
    const ledgerSpoke = this.read(nowMs, ticket, answer);
    if (answer.kind === 'lost') {
      if (ticket.probe) this.rate.probeLost(nowMs);
      return;
    }
    if (answer.kind === 'accepted') {
      const cost = answer.actualCost ?? ticket.cost;
      this.delivery.accepted(nowMs, cost, nowMs - ticket.sentMs);
      this.rate.accepted(nowMs, ticket.sentMs, cost);
      this.acceptedInFlight.push(ticket.inFlight);
      if (this.acceptedInFlight.length > RANKED) this.acceptedInFlight.splice(0, RANKED / 2);
      if (ticket.probe) this.rate.probeAccepted(nowMs);
      return;
    }
    this.rejections++;
    if (ticket.probe) this.probeRejected(nowMs, answer, ledgerSpoke);
    else if (ticket.sentMs > this.lastCutMs) this.rejected(nowMs, ticket, answer, ledgerSpoke);
    else this.alsoRejected(nowMs, answer.retryAfterMs);
  }

  /** Granted and never sent. */
  cancelled(ticket: GovernorTicket): void {
    this.inFlight--;
    this.inFlightCost -= ticket.cost;
    this.sentCost -= ticket.cost;
    if (!this.bucket) this.rate.unsent(ticket.sentMs, ticket.cost);
    if (ticket.probe) this.rate.probeLost(ticket.sentMs);
  }

  /** In flight at most, whatever else is known. With nothing known, one request finds out what its answer states. */
  mostInFlight(): number {
    if (!this.heard && !this.prior && !this.memory) return 1;
    return Math.max(
      1,
      Math.min(
        this.concurrency.cap,
        this.delivery.mostInFlight(this.rate.phase === 'startup', this.prior || this.memory ? this.rate.rate : 0),
      ),
    );
  }

  /** The server asks for a pause that is no rejection. */
  hold(nowMs: number, forMs: number): void {
    this.floorMs = Math.max(this.floorMs, nowMs + forMs);
  }

  /** Per second, where the server states it. */
  statedRate(): number | undefined {
    if (this.bucket) return this.bucket.restorePerSecond;
    const stated = this.epoch ?? this.rolling;
    return stated?.windowMs === undefined ? undefined : (stated.quota * 1000) / stated.windowMs;
  }

  /** What the next run should know. */
  remember(): GovernorMemory {
    return {
      rate: this.epoch || this.bucket || this.rolling ? undefined : this.rate.remember(),
      concurrency: Number.isFinite(this.concurrency.cap) ? this.concurrency.cap : undefined,
      blame: this.blame,
    };
  }

  view(nowMs: number): GovernorView {
    const { epoch, bucket, rolling } = this;
    const stated = epoch ?? rolling;
    const windowMs = stated?.windowMs;
    let knownBy: Knowledge = this.taught
      ? 'rejections'
      : this.memory?.rate || this.memory?.concurrency
        ? 'memory'
        : this.prior
          ? 'prior'
          : this.rate.settled
            ? 'rejections'
            : 'searching';
    if (stated) knownBy = 'headers';
    if (bucket) knownBy = 'body';
    return {
      perSecond: this.statedRate() ?? this.rate.rate,
      quota: stated?.quota ?? bucket?.max,
      windowMs,
      remaining: epoch?.remaining(nowMs, this.inFlightCost),
      endsInMs: epoch ? Math.max(0, epoch.endsAt() - nowMs) : undefined,
      concurrency: Number.isFinite(this.concurrency.cap) ? this.concurrency.cap : undefined,
      knownBy,
      usedPerSecond: this.delivery.rate(nowMs, USED_MS),
      rejections: this.rejections,
    };
  }

  /** Takes in what the answer states. Returns whether a ledger now explains a rejection. */
  private read(nowMs: number, ticket: GovernorTicket, answer: GovernorAnswer): boolean {
    let epochSeen = false;
    let spoke = false;
    for (const reading of answer.readings) {
      if (reading.kind === 'epoch') {
        this.epoch ??= new EpochLedger();
        this.epoch.merge(
          reading,
          this.offset.known ? this.offset.bounds(reading.resetMs) : { earliest: -Infinity, latest: nowMs },
          ticket.sentMs,
          nowMs,
        );
        epochSeen = true;
        if (reading.remaining <= 0) spoke = true;
      } else if (reading.kind === 'rolling') {
        // The request that brought the first reading is in the server's window, and must be in ours.
        if (!this.rolling) {
          this.rolling = new RollingLedger();
          this.rolling.sent(ticket.sentMs, ticket.cost);
        }
        this.rolling.merge(reading, nowMs);
      } else {
        const unseen = ticket.costBefore + (this.sentCost - ticket.sentBefore);
        if (this.bucket) {
          this.bucket.refund(
            nowMs,
            answer.kind === 'accepted' ? ticket.cost - (answer.actualCost ?? ticket.cost) : ticket.cost,
          );
          this.bucket.merge(reading, unseen, nowMs - ticket.sentMs, nowMs);
        } else this.bucket = new BucketLedger(reading, unseen, nowMs);
        spoke = true;
      }
    }
    if (this.epoch && !epochSeen && answer.kind !== 'rejected') this.epoch.answeredBlindly(nowMs, ticket.cost);
    return spoke;
  }

  private probeRejected(nowMs: number, answer: GovernorAnswer, ledgerSpoke: boolean): void {
    this.rate.probeRejected(nowMs, answer.retryAfterMs);
    if (this.epoch && ledgerSpoke) this.floorMs = Math.max(this.floorMs, this.epoch.endsAt());
    // Alone in flight and rejected: that is no matter of concurrency.
    if (answer.reason === undefined && this.rate.blockedSince(nowMs) > 300) this.blameRate();
  }

  private rejected(nowMs: number, ticket: GovernorTicket, answer: GovernorAnswer, ledgerSpoke: boolean): void {
    // Grants of other processes may lie a little ahead: they knew nothing of this either.
    this.lastCutMs = Math.max(nowMs, this.latestSentMs);
    if (ledgerSpoke) {
      this.epoch?.exhausted();
      if (answer.retryAfterMs !== undefined) this.alsoRejected(nowMs, answer.retryAfterMs);
      return;
    }
    this.taught = true;
    this.rolling?.widen();
    if (answer.reason === 'concurrency') return this.tooMany(nowMs, ticket);
    if (answer.explained && (answer.retryAfterMs ?? 0) < RATE_WAIT_MS)
      return this.hold(nowMs, Math.max(answer.retryAfterMs ?? 0, EXPLAINED_MS));
    const speaksOfRate =
      answer.reason === 'rate' ||
      (answer.retryAfterMs ?? 0) >= RATE_WAIT_MS ||
      this.prior?.banMs !== undefined ||
      ticket.inFlight === 1;
    if (speaksOfRate) {
      if (answer.reason === undefined) this.blameRate();
      return this.rate.rejected(nowMs, ticket.sentMs, answer.retryAfterMs);
    }
    if (this.blame === 'rate') {
      if (this.suspectConcurrency(nowMs, ticket)) return;
      return this.rate.rejected(nowMs, ticket.sentMs, answer.retryAfterMs);
    }
    // Still rejected far below the first suspect: it is the rate after all.
    if (
      this.concurrency.firstSuspect > 0 &&
      ticket.inFlight <= 0.72 * this.concurrency.firstSuspect &&
      nowMs - this.concurrency.trialStartMs < 20_000
    ) {
      this.blameRate();
      return this.rate.rejected(nowMs, ticket.sentMs, answer.retryAfterMs);
    }
    this.tooMany(nowMs, ticket);
  }

  private tooMany(nowMs: number, ticket: GovernorTicket): void {
    this.concurrency.rejected(nowMs, ticket.inFlight);
    this.rate.settle();
  }

  private blameRate(): void {
    this.blame = 'rate';
    this.concurrency.release();
  }

  /** Rejections that come with unusually many in flight, time after time, speak of concurrency. */
  private suspectConcurrency(nowMs: number, ticket: GovernorTicket): boolean {
    const below = this.acceptedInFlight.filter((n) => n < ticket.inFlight).length;
    this.ranks.push(this.acceptedInFlight.length > 0 ? below / this.acceptedInFlight.length : 0.5);
    const again = this.savedCap !== undefined && nowMs < this.releaseAfterMs - this.releaseGapMs / 3 + 60_000;
    const needed = again ? 2 : 4;
    while (this.ranks.length > needed) this.ranks.shift();
    const mean = this.ranks.reduce((sum, rank) => sum + rank, 0) / needed;
    if (this.ranks.length < needed || mean <= UNUSUALLY_MANY || (!again && nowMs <= this.trialAfterMs)) return false;
    this.blame = 'unknown';
    this.concurrency.release();
    this.ranks = [];
    this.trialAfterMs = nowMs + this.trialGapMs;
    this.trialGapMs = Math.min(600_000, this.trialGapMs * 2);
    this.rate.forgive();
    this.tooMany(nowMs, ticket);
    if (this.savedCap !== undefined) this.concurrency.resume(this.savedCap, nowMs);
    return true;
  }

  private alsoRejected(nowMs: number, retryAfterMs: number | undefined): void {
    if (retryAfterMs !== undefined) this.floorMs = Math.max(this.floorMs, nowMs + retryAfterMs);
    this.rate.alsoRejected(nowMs, retryAfterMs);
  }

  private catchUp(nowMs: number): void {
    if (!this.started) {
      this.started = true;
      this.tickedMs = nowMs;
      this.rate.start(nowMs);
    }
    if (nowMs - this.tickedMs > MOST_TICKS * TICK_MS) this.tickedMs = nowMs - MOST_TICKS * TICK_MS;
    while (nowMs - this.tickedMs >= TICK_MS) {
      this.tickedMs += TICK_MS;
      this.tick(this.tickedMs);
    }
  }

  private tick(nowMs: number): void {
    const { rateBound, concurrencyBound } = this;
    this.rateBound = this.concurrencyBound = 0;
    this.delivery.tick(nowMs);
    if (this.epoch) this.recover(nowMs);
    else {
      const ceiling = this.rolling ? (this.rolling.quota * 1000) / this.rolling.windowMs : Infinity;
      this.rate.tick(nowMs, rateBound > 0 && (this.rate.phase === 'startup' || concurrencyBound <= rateBound), ceiling);
    }
    // Perhaps it was the rate: the cap is lifted now and then, ever more rarely.
    if (
      this.blame === 'unknown' &&
      this.concurrency.cap < Infinity &&
      this.concurrency.firstSuspect > 0 &&
      nowMs - this.concurrency.trialStartMs > 15_000 &&
      nowMs > this.releaseAfterMs &&
      this.rate.phase === 'cruise' &&
      this.prior?.concurrency === undefined
    ) {
      this.savedCap = this.concurrency.cap;
      this.blameRate();
      this.rate.restartAt(this.delivery.rate(nowMs, 10_000), nowMs);
      this.ranks = [];
      this.releaseAfterMs = nowMs + this.releaseGapMs;
      this.releaseGapMs = Math.min(900_000, this.releaseGapMs * 3);
    }
    this.concurrency.tick(nowMs, concurrencyBound > 0);
  }

  private recover(nowMs: number): void {
    if (this.rate.phase === 'blocked') return;
    this.rate.phase = 'cruise';
    if (nowMs - this.lastCutMs <= CALM_MS) return;
    const grown = Math.max(this.rate.rate, 1) * (this.lastCutMs === -Infinity ? 2 : RECOVER);
    this.rate.rate = Math.min(grown, this.epoch!.mostPace());
  }
}
