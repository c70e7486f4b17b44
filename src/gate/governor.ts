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
import { Learner, type Explanation } from './learner.js';
import { RateLearner, type RateMemory, type RatePrior } from './rate-learner.js';
import { RollingLedger, type RollingReading } from './rolling-ledger.js';
import { ShortWindows } from './short-windows.js';

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
  /** It counted as bad before its answer came. */
  overdue?: boolean;
}

export interface GovernorAnswer {
  kind: 'accepted' | 'rejected' | 'overloaded' | 'lost';
  reason?: 'rate' | 'concurrency' | undefined;
  retryAfterMs?: number | undefined;
  readings: GovernorReading[];
  serverTimeMs?: number | undefined;
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
  /** The share of answers that was bad for no reason. */
  noise?: number | undefined;
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
  overloads: number;
  explanation: Explanation;
  explainedForMs: number | undefined;
  /** The share of answers that is bad for no reason. */
  noise: number | undefined;
}

export class Governor {
  readonly kind = 'governor';
  readonly delivery = new Delivery();
  readonly rate: RateLearner;
  readonly concurrency: ConcurrencyLearner;
  /** Explains what names no cause. */
  private readonly learner: Learner;
  private epoch: EpochLedger | undefined;
  private bucket: BucketLedger | undefined;
  private rolling: RollingLedger | undefined;
  private readonly seconds = new ShortWindows();
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
  private rejections = 0;
  private overloads = 0;
  private overdueCount = 0;
  private taught = false;
  private heard = false;

  constructor(
    private readonly offset: ClockOffset,
    private readonly prior?: GovernorPrior,
    private readonly memory?: GovernorMemory,
  ) {
    this.rate = new RateLearner(this.delivery, prior, memory?.rate);
    this.concurrency = new ConcurrencyLearner(memory?.concurrency ?? prior?.concurrency ?? Infinity);
    this.learner = new Learner(this.delivery, this.rate.rate, memory?.noise);
  }

  /** Undefined: the request may leave now. A wait of Infinity: until the next answer. */
  check(nowMs: number, cost: number): Hold | undefined {
    this.catchUp(nowMs);
    if (nowMs < this.floorMs) return { waitMs: this.floorMs - nowMs, reason: 'Retry-After' };
    const decider = this.learner.active ? this.learner : this.rate;
    const blockedMs = decider.blockedFor(nowMs);
    if (blockedMs !== undefined && blockedMs > 0)
      return { waitMs: blockedMs, reason: decider.block?.stated ? 'Retry-After' : 'backoff after a rejection' };
    // The one request that finds out waits for nothing else.
    if (blockedMs === undefined && this.inFlight - this.overdue() >= this.mostInFlight()) {
      this.concurrencyBound++;
      if (this.cap <= this.inFlight) this.learner.boundBy('cap');
      return { waitMs: Infinity, reason: this.cap <= this.inFlight ? 'concurrency limit' : 'requests in flight' };
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
      if (paceMs > 0) {
        this.rateBound++;
        if (pace === this.rate.rate) this.learner.boundBy('rate');
      }
      waitMs = Math.max(waitMs, paceMs);
    }
    return waitMs > 0 ? { waitMs, reason: this.bucket ? 'points of the bucket' : 'rate limit' } : undefined;
  }

  sent(nowMs: number, cost: number): GovernorTicket {
    const isProbe = this.rate.sent(nowMs, this.bucket ? 0 : cost);
    const probe = this.learner.active ? this.learner.sent() : isProbe;
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
    if (ticket.overdue) this.overdueCount = Math.max(0, this.overdueCount - 1);
    if (answer.kind === 'lost') {
      if (ticket.probe) this.probeLost(nowMs);
      return;
    }
    if (answer.kind === 'accepted') return this.accepted(nowMs, ticket, answer.actualCost ?? ticket.cost);
    if (answer.kind === 'overloaded') this.overloads++;
    else this.rejections++;
    if (answer.kind === 'overloaded' || this.isUnexplained(answer, ledgerSpoke))
      this.unexplained(nowMs, ticket, answer);
    else if (ticket.probe && !this.learner.active) this.probeRejected(nowMs, answer, ledgerSpoke);
    else if (ticket.sentMs > this.lastCutMs) this.rejected(nowMs, ticket, answer, ledgerSpoke);
    else this.alsoRejected(nowMs, answer.retryAfterMs);
    if (ticket.probe && this.learner.active) this.learner.probeLost(nowMs);
  }

  private accepted(nowMs: number, ticket: GovernorTicket, cost: number): void {
    const latencyMs = nowMs - ticket.sentMs;
    this.delivery.accepted(nowMs, cost, latencyMs);
    this.rate.accepted(nowMs, ticket.sentMs, cost);
    if (!ticket.overdue) this.tell(nowMs, ticket, cost, false, undefined);
    if (ticket.probe && !this.learner.active) this.rate.probeAccepted(nowMs);
  }

  /** Not answered after several times what is usual: it is bad now, not when its answer comes. */
  overdueIs(nowMs: number, ticket: GovernorTicket): void {
    if (ticket.overdue) return;
    ticket.overdue = true;
    this.overdueCount++;
    this.explainFrom(nowMs);
    this.tell(nowMs, ticket, ticket.cost, true, undefined);
  }

  /** Those that are overdue hold back few of the others: the server may have forgotten them. */
  private overdue(): number {
    return Math.min(this.overdueCount, this.mostInFlight() / 2);
  }

  private isUnexplained(answer: GovernorAnswer, ledgerSpoke: boolean): boolean {
    if (ledgerSpoke || this.prior?.banMs !== undefined || this.memory?.rate?.ban !== undefined) return false;
    if (answer.explained && (answer.retryAfterMs ?? 0) < RATE_WAIT_MS) return false;
    return answer.reason === undefined || (answer.reason === 'rate' && this.learner.active);
  }

  private unexplained(nowMs: number, ticket: GovernorTicket, answer: GovernorAnswer): void {
    if (answer.kind === 'rejected') {
      this.taught = true;
      this.rolling?.widen();
    }
    this.explainFrom(nowMs);
    if (!ticket.overdue) this.tell(nowMs, ticket, ticket.cost, true, answer.retryAfterMs);
    ticket.probe = false;
  }

  private tell(nowMs: number, ticket: GovernorTicket, cost: number, bad: boolean, floorMs: number | undefined): void {
    const { sentMs, inFlight, probe } = ticket;
    if (probe && this.learner.active) ticket.probe = false;
    this.learner.outcome({
      nowMs,
      sentMs,
      cost,
      inFlight,
      bad,
      probe: probe && this.learner.active,
      floorMs: floorMs === 0 ? undefined : floorMs,
    });
    this.follow();
  }

  /** From now on what explains the bad answers decides. */
  private explainFrom(nowMs: number): void {
    const { learner, rate, concurrency } = this;
    if (learner.active || this.prior?.banMs !== undefined || this.memory?.rate?.ban !== undefined) return;
    learner.active = true;
    if (rate.phase === 'blocked') rate.probeAccepted(nowMs);
    learner.cap = concurrency.cap;
    rate.restartAt(rate.rate, nowMs);
    rate.phase = 'cruise';
    this.follow();
  }

  /** The pace is the learner's. */
  private follow(): void {
    if (this.learner.active) this.rate.rate = this.learner.rate;
  }

  private probeLost(nowMs: number): void {
    if (this.learner.active) this.learner.probeLost(nowMs);
    else this.rate.probeLost(nowMs);
  }

  /** It was one endpoint alone that was bad. */
  restore(nowMs: number): void {
    if (!this.learner.active) return;
    this.learner.restore(nowMs);
    this.follow();
  }

  /** One endpoint of several has a limit of its own: begin with what got through. */
  startAt(nowMs: number, perSecond: number): void {
    this.catchUp(nowMs);
    this.explainFrom(nowMs);
    this.rate.restartAt(perSecond, nowMs);
    this.rate.spendAll();
    this.learner.follow(nowMs, perSecond, perSecond, true);
    this.follow();
  }

  /** Requests at once that are known to be allowed. */
  get cap(): number {
    return this.learner.active ? this.learner.cap : this.concurrency.cap;
  }

  get block(): { sinceMs: number; untilMs: number; stated: boolean } | undefined {
    return this.learner.active ? this.learner.block : this.rate.block;
  }

  /** Granted and never sent. */
  cancelled(ticket: GovernorTicket): void {
    this.inFlight--;
    this.inFlightCost -= ticket.cost;
    this.sentCost -= ticket.cost;
    if (!this.bucket) this.rate.unsent(ticket.sentMs, ticket.cost);
    if (ticket.probe) this.probeLost(ticket.sentMs);
    if (ticket.overdue) this.overdueCount = Math.max(0, this.overdueCount - 1);
  }

  /** In flight at most, whatever else is known. With nothing known, one request finds out what its answer states. */
  mostInFlight(): number {
    if (!this.heard && !this.prior && !this.memory) return 1;
    return Math.max(
      1,
      Math.min(
        this.cap,
        this.delivery.mostInFlight(
          this.learner.active ? this.learner.startup : this.rate.phase === 'startup',
          this.prior || this.memory ? this.rate.rate : 0,
        ),
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
      rate:
        this.epoch || this.bucket || this.rolling
          ? undefined
          : this.learner.active
            ? this.learner.remember()
            : this.rate.remember(),
      concurrency: Number.isFinite(this.cap) ? this.cap : undefined,
      noise: this.learner.active ? this.learner.noise : undefined,
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
      concurrency: Number.isFinite(this.cap) ? this.cap : undefined,
      knownBy,
      usedPerSecond: this.delivery.rate(nowMs, USED_MS),
      rejections: this.rejections,
      overloads: this.overloads,
      explanation: this.learner.explanation,
      explainedForMs: this.learner.explanation === 'none' ? undefined : nowMs - this.learner.sinceMs,
      noise: this.learner.active ? this.learner.noise : undefined,
    };
  }

  /** Takes in what the answer states. Returns whether a ledger now explains a rejection. */
  private read(nowMs: number, ticket: GovernorTicket, answer: GovernorAnswer): boolean {
    let epochSeen = false;
    let spoke = false;
    for (const reading of answer.readings) {
      if (reading.kind === 'epoch' && this.seconds.isShort(reading, nowMs, answer.serverTimeMs)) {
        // Clocks and answers are no finer than such a window: its quota is taken, its phase is not.
        const { quota, remaining, windowMs = 1000 } = reading;
        if (this.epoch && !this.learner.active) {
          this.rate.restartAt((quota * 1000) / windowMs, nowMs);
          this.rate.phase = 'cruise';
        }
        this.epoch = undefined;
        this.roll(nowMs, ticket, { quota, remaining, windowMs });
      } else if (reading.kind === 'epoch') {
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
        this.roll(nowMs, ticket, reading);
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

  private roll(nowMs: number, ticket: GovernorTicket, reading: RollingReading): void {
    // The request that brought the first reading is in the server's window, and must be in ours.
    if (!this.rolling) {
      this.rolling = new RollingLedger();
      this.rolling.sent(ticket.sentMs, ticket.cost);
    }
    this.rolling.merge(reading, nowMs);
  }

  private probeRejected(nowMs: number, answer: GovernorAnswer, ledgerSpoke: boolean): void {
    this.rate.probeRejected(nowMs, answer.retryAfterMs);
    if (this.epoch && ledgerSpoke) this.floorMs = Math.max(this.floorMs, this.epoch.endsAt());
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
    this.rate.rejected(nowMs, ticket.sentMs, answer.retryAfterMs);
  }

  private tooMany(nowMs: number, ticket: GovernorTicket): void {
    if (this.learner.active) return this.learner.tooMany(nowMs, ticket.inFlight);
    this.concurrency.rejected(nowMs, ticket.inFlight);
    this.rate.settle();
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
    const stated = this.epoch ? this.epoch.mostPace() : this.rolling?.pace();
    if (this.learner.active) {
      this.learner.tick(nowMs, stated ?? Infinity);
      this.follow();
      return;
    }
    if (this.epoch) this.recover(nowMs);
    else {
      const ceiling = this.rolling ? (this.rolling.quota * 1000) / this.rolling.windowMs : Infinity;
      this.rate.tick(nowMs, rateBound > 0 && (this.rate.phase === 'startup' || concurrencyBound <= rateBound), ceiling);
    }
    this.learner.follow(nowMs, this.rate.rate, this.rate.foundation, this.rate.phase === 'startup');
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
