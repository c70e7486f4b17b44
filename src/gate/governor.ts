/**
 * One limit and everything known of it: what the server states (ledgers), what its rejections teach (rate and
 * concurrency), and what holds requests back now. Order of trust: Retry-After, which is a floor; then ledgers; then the
 * reason that a rejection names; then what rejections taught; then the vendor's usual limit; the latency only brakes.
 *
 * Invariants: an admitted request had room in every ledger that is known; one rejected burst cuts once; after a block
 * one probe goes first; every `sent` is matched by one `answered`, or what is in flight leaks.
 */
import type { ClockOffset } from './clock-offset.js';
import { Delivery } from './delivery.js';
import { type Hold, type LedgerReading, Ledgers } from './ledgers.js';
import { Learner } from './learner.js';
import type { Grounds, RateMemory, RatePrior } from './level.js';
import { Pacer } from './pacer.js';
import type { Outcome } from './stops.js';

const TICK_MS = 500;
/** How far back `usedPerSecond` looks. */
const USED_MS = 5000;
/** After a pause, at most so many half seconds are caught up with. */
const MOST_TICKS = 20;
/** A Retry-After of this length speaks of a rate: concurrency frees itself sooner. */
const RATE_WAIT_MS = 1000;
/** A pause after one request too many in a window of ours: the window moves on, and the rate is right. */
const EXPLAINED_MS = 50;

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
  /** The how many-th request it is. */
  order: number;
  /** It counted as bad before its answer came. */
  overdue?: boolean;
}

export interface GovernorAnswer {
  kind: 'accepted' | 'rejected' | 'overloaded' | 'lost';
  reason?: 'rate' | 'concurrency' | undefined;
  retryAfterMs?: number | undefined;
  readings: LedgerReading[];
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

/** How the limit of a governor is known. */
export type Knowledge = 'headers' | 'body' | 'rejections' | 'prior' | 'memory' | 'searching';

export interface GovernorView extends Grounds {
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
  /** The share of answers that is bad for no reason. */
  noise: number | undefined;
  /** What its headers say is believed no more, for this reason. */
  doubted: string | undefined;
}

export class Governor {
  readonly kind = 'governor';
  readonly delivery = new Delivery();
  /** Explains what no ledger does. */
  readonly learner: Learner;
  private readonly pacer = new Pacer();
  private readonly ledgers: Ledgers;
  private inFlight = 0;
  private inFlightCost = 0;
  private sentCost = 0;
  private started = false;
  private tickedMs = 0;
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
    offset: ClockOffset,
    private readonly prior?: GovernorPrior,
    private readonly memory?: GovernorMemory,
  ) {
    this.ledgers = new Ledgers(offset);
    this.learner = new Learner(this.delivery, {
      prior,
      memory: memory?.rate,
      cap: memory?.concurrency ?? prior?.concurrency,
      noise: memory?.noise,
    });
  }

  /** Undefined: the request may leave now. A wait of Infinity: until the next answer. */
  check(nowMs: number, cost: number): Hold | undefined {
    this.catchUp(nowMs);
    if (nowMs < this.floorMs) return { waitMs: this.floorMs - nowMs, reason: 'Retry-After' };
    const { learner } = this;
    const blockedMs = learner.silence.waitMs(nowMs);
    if (blockedMs !== undefined && blockedMs > 0)
      return { waitMs: blockedMs, reason: learner.silence.stated ? 'Retry-After' : 'backoff after a rejection' };
    // The one request that finds out waits for nothing else.
    if (blockedMs === undefined && this.inFlight - this.overdue() >= this.mostInFlight()) {
      const isCap = this.cap <= this.inFlight;
      if (isCap) learner.atOnce.boundBy('cap');
      return { waitMs: Infinity, reason: isCap ? 'concurrency limit' : 'requests in flight' };
    }
    return this.ledgers.hold(nowMs, cost, this.inFlight, this.inFlightCost) ?? this.byRate(nowMs, cost);
  }

  private byRate(nowMs: number, cost: number): Hold | undefined {
    if (this.ledgers.bucket) return undefined;
    const { rate, atOnce } = this.learner;
    const pace = Math.min(rate, this.ledgers.pace(nowMs, this.inFlightCost));
    const waitMs = this.pacer.waitMs(nowMs, cost, pace, pace === rate);
    if (waitMs <= 0) return undefined;
    if (pace === rate) atOnce.boundBy('rate');
    return { waitMs, reason: 'rate limit' };
  }

  sent(nowMs: number, cost: number): GovernorTicket {
    this.catchUp(nowMs);
    this.pacer.sent(this.ledgers.bucket ? 0 : cost);
    const probe = this.learner.silence.sent();
    this.ledgers.sent(nowMs, cost);
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
      order: this.learner.sent(),
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
      if (ticket.probe) this.learner.probeLost(nowMs);
      return;
    }
    if (answer.kind === 'accepted') return this.accepted(nowMs, ticket, answer.actualCost ?? ticket.cost);
    if (answer.kind === 'overloaded') this.overloads++;
    else this.rejections++;
    if (answer.kind === 'overloaded') this.taught = true;
    if (answer.kind === 'overloaded') this.tellBad(nowMs, ticket, answer);
    else if (ledgerSpoke) this.spent(nowMs, ticket, answer);
    else this.rejected(nowMs, ticket, answer);
    if (ticket.probe) this.learner.probeLost(nowMs);
  }

  private accepted(nowMs: number, ticket: GovernorTicket, cost: number): void {
    this.delivery.accepted(nowMs, cost, nowMs - ticket.sentMs);
    if (!ticket.overdue) this.tell(nowMs, ticket, cost, { bad: false });
  }

  /** Not answered after several times what is usual: it is bad now, not when its answer comes. */
  overdueIs(nowMs: number, ticket: GovernorTicket): void {
    if (ticket.overdue) return;
    ticket.overdue = true;
    this.overdueCount++;
    this.tell(nowMs, ticket, ticket.cost, { bad: true });
  }

  /** Those that are overdue hold back few of the others: the server may have forgotten them. */
  private overdue(): number {
    return this.overdueCount === 0 ? 0 : Math.min(this.overdueCount, this.mostInFlight() / 2);
  }

  private tellBad(nowMs: number, ticket: GovernorTicket, { kind, retryAfterMs, reason }: GovernorAnswer): void {
    if (ticket.overdue) ticket.probe = false;
    else
      this.tell(nowMs, ticket, ticket.cost, {
        bad: true,
        named: reason === 'rate',
        isOverload: kind === 'overloaded',
        floorMs: retryAfterMs || undefined,
      });
  }

  private tell(
    nowMs: number,
    ticket: GovernorTicket,
    cost: number,
    how: Pick<Outcome, 'bad' | 'named' | 'isOverload' | 'floorMs'>,
  ): void {
    const { sentMs, inFlight, probe, order } = ticket;
    ticket.probe = false;
    this.learner.outcome({ nowMs, sentMs, cost, inFlight, probe, order, ...how });
  }

  /** It was one endpoint alone that was bad. */
  restore(nowMs: number): void {
    this.learner.restore(nowMs);
  }

  /** One endpoint of several has a limit of its own: begin with what got through. */
  startAt(nowMs: number, perSecond: number): void {
    this.catchUp(nowMs);
    this.pacer.empty();
    this.learner.startAt(nowMs, perSecond, true);
  }

  /** Requests at once that are known to be allowed. */
  get cap(): number {
    return this.learner.atOnce.cap;
  }

  /** What is aimed at, per second, while nothing is stated. */
  get perSecond(): number {
    return this.learner.rate;
  }

  get isSearching(): boolean {
    return this.learner.startup;
  }

  /** The rate has been found out, or was known. */
  get settled(): boolean {
    return !this.learner.startup || this.learner.explanation !== 'none';
  }

  get block(): { sinceMs: number; untilMs: number; stated: boolean } | undefined {
    const { sinceMs, endMs, stated } = this.learner.silence;
    return sinceMs === undefined ? undefined : { sinceMs, untilMs: endMs, stated };
  }

  /** Granted and never sent. */
  cancelled(ticket: GovernorTicket): void {
    this.inFlight--;
    this.inFlightCost -= ticket.cost;
    this.sentCost -= ticket.cost;
    if (!this.ledgers.bucket) this.pacer.unsent(ticket.cost, this.learner.rate);
    if (ticket.probe) this.learner.probeLost(ticket.sentMs);
    if (ticket.overdue) this.overdueCount = Math.max(0, this.overdueCount - 1);
  }

  /** In flight at most, whatever else is known. With nothing known, one request finds out what its answer states. */
  mostInFlight(): number {
    if (!this.heard && !this.prior && !this.memory) return 1;
    return Math.max(
      1,
      Math.min(
        this.cap,
        this.delivery.mostInFlight(this.learner.startup, this.prior || this.memory ? this.learner.rate : 0),
      ),
    );
  }

  /** The server asks for a pause that is no rejection. */
  hold(nowMs: number, forMs: number): void {
    this.floorMs = Math.max(this.floorMs, nowMs + forMs);
  }

  /** Per second, where the server states it. */
  statedRate(): number | undefined {
    return this.ledgers.rate();
  }

  /** What the next run should know. */
  remember(): GovernorMemory {
    return {
      rate: this.ledgers.isStated || !this.taught ? undefined : this.learner.remember(),
      concurrency: Number.isFinite(this.cap) ? this.cap : undefined,
      noise: this.taught ? this.learner.noise : undefined,
    };
  }

  view(nowMs: number): GovernorView {
    const { epoch, bucket, rolling, trust } = this.ledgers;
    const stated = epoch ?? rolling;
    return {
      perSecond: this.statedRate() ?? this.learner.rate,
      quota: stated?.quota ?? bucket?.max,
      windowMs: stated?.windowMs,
      remaining: epoch?.remaining(nowMs, this.inFlightCost),
      endsInMs: epoch ? Math.max(0, epoch.endsAt() - nowMs) : undefined,
      concurrency: Number.isFinite(this.cap) ? this.cap : undefined,
      knownBy: bucket ? 'body' : stated ? 'headers' : this.knownBy(),
      usedPerSecond: this.delivery.rate(nowMs, USED_MS),
      rejections: this.rejections,
      overloads: this.overloads,
      ...this.learner.grounds(nowMs),
      noise: this.taught ? this.learner.noise : undefined,
      doubted: trust.isLost
        ? `accepted ${trust.contradicted} times although its headers said that none was left`
        : undefined,
    };
  }

  /** Where nothing is stated. */
  private knownBy(): Knowledge {
    if (this.taught) return 'rejections';
    if (this.memory?.rate || this.memory?.concurrency) return 'memory';
    if (this.prior) return 'prior';
    return this.settled ? 'rejections' : 'searching';
  }

  /** Takes in what the answer states. Returns whether a ledger now explains a rejection. */
  private read(nowMs: number, ticket: GovernorTicket, answer: GovernorAnswer): boolean {
    const accepted = answer.kind === 'accepted';
    const { spoke, opened } = this.ledgers.read(answer.readings, {
      nowMs,
      sentMs: ticket.sentMs,
      cost: ticket.cost,
      refund: accepted ? ticket.cost - (answer.actualCost ?? ticket.cost) : ticket.cost,
      unseen: ticket.costBefore + (this.sentCost - ticket.sentBefore),
      accepted: answer.kind !== 'rejected',
      serverTimeMs: answer.serverTimeMs,
    });
    if (opened === 'epoch') this.learner.believe();
    else if (opened !== undefined && this.learner.explanation === 'none') this.learner.startAt(nowMs, opened, false);
    return spoke;
  }

  /** What is stated explains it. */
  private spent(nowMs: number, ticket: GovernorTicket, { retryAfterMs }: GovernorAnswer): void {
    if (retryAfterMs !== undefined) this.hold(nowMs, retryAfterMs);
    const { epoch } = this.ledgers;
    if (epoch && ticket.probe) this.floorMs = Math.max(this.floorMs, epoch.endsAt());
    if (ticket.sentMs <= this.lastCutMs) return;
    // Grants of other processes may lie a little ahead: they knew nothing of this either.
    this.lastCutMs = Math.max(nowMs, this.latestSentMs);
    epoch?.exhausted();
  }

  private rejected(nowMs: number, ticket: GovernorTicket, answer: GovernorAnswer): void {
    this.taught = true;
    // One that says that much is left, or nothing of it, was not refused for what is stated.
    if (answer.readings.some((reading) => reading.kind !== 'bucket' && reading.remaining <= 1))
      this.ledgers.rolling?.widen();
    if (answer.reason === 'concurrency') this.learner.tooMany(nowMs, ticket.sentMs, ticket.inFlight);
    else if (answer.explained && (answer.retryAfterMs ?? 0) < RATE_WAIT_MS)
      this.hold(nowMs, Math.max(answer.retryAfterMs ?? 0, EXPLAINED_MS));
    else return this.tellBad(nowMs, ticket, answer);
    if (answer.retryAfterMs !== undefined) this.hold(nowMs, answer.retryAfterMs);
  }

  private catchUp(nowMs: number): void {
    if (!this.started) {
      this.started = true;
      this.tickedMs = nowMs;
      this.pacer.start(nowMs);
      this.learner.start(nowMs);
    }
    if (nowMs - this.tickedMs > MOST_TICKS * TICK_MS) this.tickedMs = nowMs - MOST_TICKS * TICK_MS;
    while (nowMs - this.tickedMs >= TICK_MS) {
      this.tickedMs += TICK_MS;
      this.tick(this.tickedMs);
    }
  }

  private tick(nowMs: number): void {
    this.delivery.tick(nowMs);
    this.learner.tick(nowMs, this.ledgers.mostPace());
  }
}
