/**
 * Explains bad answers, and tests each explanation by acting on it. What is bad: a rejection, an overload, an answer
 * that is overdue. `Level` is the rate and what is known of it, `Doubts` explains bad answers among good ones, `Stops`
 * those that come alone, `AtOnce` the number in flight; this looks upwards. Time is an argument.
 */
import type { AtOnce } from './at-once.js';
import type { Delivery } from './delivery.js';
import { Doubts } from './doubts.js';
import { excess, plus, type Share } from './evidence.js';
import {
  type Explanation,
  type Grounds,
  Level,
  FAR_NOISE,
  type RateMemory,
  type RatePrior,
  type Start,
} from './level.js';
import type { Silence } from './silence.js';
import { type Outcome, Stops } from './stops.js';

/** A limit that shuts out is tried after so many times as long. */
const BANS_BETWEEN_LOOKS = 30;
/** The search upwards: doubled each second, and slower where a step too far would be refused in dozens. */
const SEARCH_MS = 1000;
const FAST_GROWTH = 2;
const FAST_UNTIL = 60;
const GROWTH = 1.35;
/** A level passes where its bad answers exceed noise by less. */
const PASSES = 1;
/** One bad answer in so long is no reason to stay: at few requests a second it would be one for an hour. */
const ALONE_MS = 15_000;
/** So many requests at one level tell even a small excess. */
const MANY = 1500;
/** By so many nats; less is a noise that was underestimated. */
const SURE_OF_MANY = 3;
/** Requests that left so soon after a change may have met the state before it. */
const SETTLED_MS = 500;
/** So few requests tell little of noise. */
const FEW = 50;
/** The search waits no longer for a share that is neither noise nor a limit for sure. */
const MANY_SOUGHT = 40;
/** A window that no step is as long as. */
const LONG_MS = 60_000;
/** Of a rate that is remembered. */
const CLEAR = 0.97;
const RESTORE_MS = 30_000;

export class Learner {
  readonly kind = 'learner';
  private readonly level: Level;
  private readonly doubts: Doubts;
  private readonly stops: Stops;
  /** The first look upwards waits for so long. */
  private readonly firstLookMs: number;
  private readonly silentMs: number;
  private readonly usual: RatePrior | undefined;
  /** How requests ended at the last step of the search. */
  private stepBefore: Share = { bad: 0, all: 0 };

  constructor(delivery: Delivery, start: Start) {
    const { prior, memory } = start;
    this.level = new Level(delivery, start);
    this.doubts = new Doubts(this.level);
    this.stops = new Stops(this.level, this.doubts);
    this.usual = prior;
    this.silentMs = memory?.silentMs ?? prior?.banMs ?? 0;
    this.firstLookMs = memory?.probeEveryMs ?? BANS_BETWEEN_LOOKS * (prior?.banMs ?? 0);
  }

  get rate(): number {
    return this.level.rate;
  }

  get startup(): boolean {
    return this.level.startup;
  }

  get noise(): number {
    return this.level.noise;
  }

  get explanation(): Explanation {
    return this.level.explanation;
  }

  grounds(nowMs: number): Grounds {
    const { explanation, sinceMs, above, present, tried } = this.level;
    const before = tried.length > 0 ? [...tried] : undefined;
    if (explanation === 'none')
      return { explanation, explainedForMs: undefined, above: undefined, below: undefined, tried: before };
    return {
      explanation,
      explainedForMs: nowMs - sinceMs,
      above: above && { ...above },
      below: present,
      tried: before,
    };
  }

  get atOnce(): AtOnce {
    return this.level.atOnce;
  }

  get silence(): Silence {
    return this.stops.silence;
  }

  /** At the first request. */
  start(nowMs: number): void {
    this.level.levelMs = this.level.cutMs = this.stops.cycles.startMs = nowMs;
    this.level.edge.begin(nowMs, this.firstLookMs, this.silentMs);
  }

  /** Goes on from here; `startup`: and searches upwards. */
  startAt(nowMs: number, rate: number, startup: boolean): void {
    this.level.startAt(nowMs, rate, startup);
  }

  /** A limit is stated, which the rate of before need not hold back from. */
  believe(): void {
    if (this.level.explanation === 'none') this.level.startup = true;
  }

  /** Returns the how many-th request it is. */
  sent(): number {
    return ++this.level.sent;
  }

  outcome(found: Outcome): void {
    const { level, stops } = this;
    const { bad, nowMs, sentMs } = found;
    if (!bad) stops.accepts.add(sentMs, found.cost);
    if (!bad && !found.probe) stops.cycles.accept(found.cost);
    if (stops.silence.sinceMs !== undefined) return stops.whileBlocked(found);
    if (sentMs < level.levelMs) return;
    level.evidence.add(bad, found.inFlight, sentMs > Math.max(level.levelMs, stops.unblockedMs) + SETTLED_MS);
    if (bad) level.evidence.unanswered = level.sentSoon(nowMs, found.order);
    level.atOnce.saw(bad, found.inFlight);
    const wasNamed = stops.isNamed;
    // What belongs to a run that stops everything is no noise.
    const ended = stops.count(found);
    if (!bad && level.isCalm()) level.passed({ bad: ended, all: ended + 1 });
    if (stops.isEnough(found)) stops.stop(found);
    else if (ended > 0) this.doubts.judge(nowMs, wasNamed);
  }

  /** The server named the requests at once. */
  tooMany(nowMs: number, sentMs: number, inFlight: number): void {
    if (this.level.atOnce.named(nowMs, sentMs, inFlight)) this.level.fewerAtOnce(nowMs);
  }

  /** The probe never left, or was lost: another one may go. */
  probeLost(nowMs: number): void {
    this.stops.silence.probeFailed(nowMs, undefined);
  }

  /** Every half second. `ceiling`: a rate that nothing is tried above. */
  tick(nowMs: number, ceiling: number): void {
    if (this.stops.silence.sinceMs !== undefined) return;
    if (this.level.atOnce.onTrial) return this.doubts.settleAtOnce(nowMs);
    if (this.level.atOnce.raise(nowMs)) return this.level.changed(nowMs);
    if (this.level.startup) return this.search(nowMs, ceiling);
    if (this.level.down) return this.doubts.settle(nowMs, this.level.down);
    if (this.hasLasted(nowMs)) this.look(nowMs, ceiling);
  }

  /** It was one endpoint alone: as if there had been no cut. */
  restore(nowMs: number): void {
    this.stops.run = 0;
    this.stops.silence.drop();
    this.level.atOnce.giveUp();
    if (this.level.down)
      this.level.undo = { rate: this.level.down.from, startup: this.level.down.startup, atMs: nowMs };
    this.level.down = undefined;
    if (!this.level.undo || nowMs - this.level.undo.atMs > RESTORE_MS) return this.level.changed(nowMs);
    this.level.startAt(nowMs, this.level.undo.rate, this.level.undo.startup);
  }

  /** What the next run should know. */
  remember(): RateMemory {
    return {
      perSecond: this.wellKnown(),
      windowMs: this.stops.cycles.quota?.cycleMs ?? 0,
      probeEveryMs: Math.max(this.level.edge.holdMs, this.level.edge.paidMs - this.level.levelMs),
      ...(this.level.edge.isSilent ? { silentMs: this.level.edge.silentMs } : {}),
    };
  }

  /** A rate that shuts out for long where it is exceeded is begun a little below. */
  private wellKnown(): number {
    const { rate, unsure, edge } = this.level;
    return (edge.isSilent ? CLEAR : 1) * (unsure ? rate : Math.min(rate, edge.held));
  }

  private search(nowMs: number, ceiling: number): void {
    const { level } = this;
    const { total } = level.evidence;
    if (nowMs - level.levelMs < Math.max(SEARCH_MS, 4000 / level.rate) || !level.isBound(nowMs)) return;
    if (total.bad > (level.noise + FAR_NOISE) * total.all) {
      if (total.all >= MANY_SOUGHT) this.doubts.doubt(nowMs, total, true);
      return;
    }
    // Half of what held is under any limit: its bad answers are noise.
    level.calm = plus(level.calm, this.stepBefore);
    const { bad, all } = level.calm;
    if (bad > 1) level.noise = Math.max(level.noise, Math.min(FAR_NOISE, bad / (all + FEW)));
    this.stepBefore = total;
    level.searched = { rate: level.rate, ...plus(level.calm, total) };
    level.setRate(nowMs, Math.min(ceiling, level.rate * (level.rate < FAST_UNTIL ? FAST_GROWTH : GROWTH)));
  }

  private hasLasted(nowMs: number): boolean {
    const { level, stops } = this;
    const cycleMs = stops.cycles.quota?.cycleMs ?? this.usualCycleMs();
    const gapMs = level.hoped === undefined ? level.edge.gapMs(level.rate, cycleMs) : 0;
    return nowMs - level.levelMs >= gapMs && level.isBound(nowMs);
  }

  /** Above what is usual in a long window a level holds only if it holds for one. */
  private usualCycleMs(): number {
    const { usual } = this;
    return usual && usual.windowMs >= LONG_MS && this.level.rate > usual.perSecond ? usual.windowMs : 0;
  }

  /** The level passes, and a higher one is tried; or it is bad by so little that only many requests tell. */
  private look(nowMs: number, ceiling: number): void {
    const { total } = this.level.evidence;
    if (this.level.hoped !== undefined) {
      if (this.stops.cycles.hasOutlasted(nowMs)) this.level.goToHoped(nowMs);
      return;
    }
    const isAlone = total.bad === 1 && nowMs - this.level.levelMs >= ALONE_MS;
    const nats = isAlone ? 0 : excess(total, this.level.noise);
    if (nats > PASSES && total.all <= MANY) return;
    if (nats > SURE_OF_MANY) return void this.doubts.doubt(nowMs, total);
    if (this.level.unsure && !this.stops.cycles.hasOutlasted(nowMs)) return;
    this.levelPassed(nowMs);
    const next = this.level.rate < ceiling ? this.level.edge.next(nowMs, this.level.rate) : undefined;
    if (next === undefined) return;
    this.level.edge.held = this.level.rate;
    this.level.edge.onTrial = true;
    this.level.setRate(nowMs, Math.min(ceiling, next));
  }

  private levelPassed(nowMs: number): void {
    const { level } = this;
    this.doubts.aftershocks = 0;
    level.unsure = level.isFresh = false;
    const { total } = level.evidence;
    const { onTrial } = level.edge;
    level.edge.passed(level.rate, nowMs - level.levelMs);
    if (level.rate > level.cutAt) level.cutAt = Infinity;
    if (!onTrial || level.edge.onTrial) return;
    level.passed(total);
    this.stops.cycles.passed(level.rate);
  }
}
