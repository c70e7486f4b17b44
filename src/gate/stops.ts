/**
 * Everything is refused: nothing leaves but probes, and when one comes through, how long it took and what was accepted
 * before tell what it was.
 */
import { AcceptedSends } from './accepted-sends.js';
import { Cycles, type Verdict } from './cycles.js';
import type { Doubts } from './doubts.js';
import { BELOW, type Level, MOST_NOISE } from './level.js';
import { Silence } from './silence.js';

/** Bad ones in a row that stop everything; of few a second, fewer. */
const BLOCK_RUN = 3;
const SLOW_RUN = 2;
const SLOW_RATE = 2;
/** While a search is slow a pause costs less than a refusal. */
const SLOW_SEARCH = 15;
/** How often noise alone may look like that. */
const BLOCK_CHANCE = 0.0005;
const SLOW_CHANCE = 0.01;
const PAUSE_CHANCE = 0.05;
/** So few answers tell little of noise. */
const FEW = 20;
/** A block that is over sooner, or after so few requests, is a step too far, no quota. */
const QUICK_MS = 1200;
const QUICK_REQUESTS = 2;
/** What was cut so shortly before everything was refused was cut for the same reason. */
const CUT_BY_BLOCK_MS = 1000;
const BELOW_QUOTA = 0.97;
/** After a long block on the way up: a second's worth of what was accepted, and less after the next one. */
const SECOND_MS = 1000;
/** Of a rate that was answered with silence after all. */
const CLEAR = 0.95;
const LESS = 0.8;
/** And of one that was tried. */
const CLEAR_STEP = 0.93;
/** Where the spread of the way is not known yet. */
const FIRST_SPREAD_MS = 200;

export interface Outcome {
  nowMs: number;
  sentMs: number;
  cost: number;
  inFlight: number;
  bad: boolean;
  probe: boolean;
  /** The how many-th request it is. */
  order: number;
  /** It is no refusal for a limit: the server is not there, or not able to. */
  isOverload?: boolean;
  /** The server named the rate. */
  named?: boolean;
  /** What the server asks for. */
  floorMs?: number | undefined;
}

export class Stops {
  readonly kind = 'stops';
  readonly silence = new Silence();
  readonly cycles = new Cycles();
  readonly accepts = new AcceptedSends();
  /** Bad ones in a row. */
  run = 0;
  /** One of them named the rate. */
  isNamed = false;
  /** So many in a row stopped everything. */
  private stoppedBy = 0;
  unblockedMs = -Infinity;
  /** When the first of them left. */
  private refusedSentMs = 0;
  private firstOrder = 0;

  constructor(
    private readonly level: Level,
    private readonly doubts: Doubts,
  ) {}

  /** Counts bad ones in a row. Returns how many a good answer ends. */
  count({ bad, sentMs, order, named }: Outcome): number {
    const ended = bad ? 0 : this.run;
    this.run = bad ? this.run + 1 : 0;
    if (this.run === 1) this.refusedSentMs = sentMs;
    if (this.run === 1) this.firstOrder = order;
    this.isNamed = bad && (this.isNamed || named === true);
    return ended;
  }

  isEnough({ nowMs, floorMs, bad, order }: Outcome): boolean {
    if (!bad) return false;
    if (floorMs !== undefined || this.isNamed) return true;
    // Those that these have overtaken may be good.
    if (this.level.sentSoon(nowMs, order) > 0 && 2 * this.run <= order - this.firstOrder) return false;
    if (this.run >= this.unlikely(BLOCK_RUN, BLOCK_CHANCE)) return true;
    if (this.level.startup) return this.level.rate < SLOW_SEARCH && this.run >= this.unlikely(1, PAUSE_CHANCE);
    return this.level.rate < SLOW_RATE && this.run >= this.unlikely(SLOW_RUN, SLOW_CHANCE);
  }

  /** So many in a row are rarely noise. */
  private unlikely(least: number, chance: number): number {
    const { down, noise } = this.level;
    const [above] = down?.above ?? [];
    const doubted = above ? above.bad / (above.all + FEW) : 0;
    const share = Math.min(MOST_NOISE, Math.max(noise, doubted));
    return Math.max(least, Math.ceil(Math.log(chance) / Math.log(share)));
  }

  stop({ nowMs, floorMs, isOverload }: Outcome): void {
    this.stoppedBy = this.run;
    this.run = 0;
    this.silence.begin(nowMs, floorMs, 1000 / this.level.rate, isOverload);
  }

  whileBlocked({ nowMs, sentMs, inFlight, bad, probe, floorMs }: Outcome): void {
    if (probe && bad) this.silence.probeFailed(nowMs, floorMs);
    else if (probe) this.unblock(nowMs);
    else {
      if (bad && floorMs !== undefined) this.silence.extend(nowMs, floorMs);
      if (sentMs >= this.level.levelMs) this.level.evidence.add(bad, inFlight, false);
    }
  }

  /** The probe came through: how long it lasted and what was accepted before tell what it was. */
  private unblock(nowMs: number): void {
    const blockMs = this.silence.end(nowMs);
    this.unblockedMs = nowMs;
    this.run = 0;
    if (blockMs < Math.max(QUICK_MS, (QUICK_REQUESTS * 1000) / this.level.rate))
      return this.afterShort(nowMs, nowMs - blockMs);
    this.forgetDoubt(nowMs - blockMs);
    const isProven = this.level.rate <= this.level.edge.proven;
    const isUnsure = !isProven && (this.level.startup || this.level.isFresh || this.level.unsure);
    const isStep = !isProven && this.level.edge.onTrial && !isUnsure;
    if (isStep) this.level.edge.refused(nowMs, this.level.rate, this.level.unexpected());
    const lateMs = this.silence.lateMs(nowMs);
    let verdict = this.cycles.ended({ nowMs, blockMs, lateMs, rate: this.level.rate, isStep, isUnsure });
    if (verdict.what === 'outage' && verdict.isGuess && this.level.edge.doubts())
      verdict = { what: 'doubt', isBan: true };
    if (verdict.what === 'outage') this.level.edge.wasOutage();
    else if (verdict.what !== 'quota') this.level.edge.silenced(nowMs, blockMs, this.level.startup);
    this.afterBlock(nowMs, verdict);
  }

  /** What stopped everything is another matter than what was doubted. */
  private forgetDoubt(blockedMs: number): void {
    this.level.atOnce.undo(blockedMs - CUT_BY_BLOCK_MS);
    if (this.level.down) {
      this.level.rate = this.level.down.from;
      this.level.startup = this.level.down.startup;
      this.level.down = undefined;
    } else if (this.level.isFresh && this.level.beforeCut && blockedMs - this.level.cutMs < CUT_BY_BLOCK_MS) {
      const { rate, startup, at, held, onTrial, cutAt } = this.level.beforeCut;
      this.level.cutAt = cutAt;
      this.level.rate = rate;
      this.level.startup = startup;
      this.level.isFresh = false;
      Object.assign(this.level.edge, { at, held, onTrial });
    }
  }

  private afterShort(nowMs: number, blockedMs: number): void {
    const wasNamed = this.isNamed;
    this.isNamed = false;
    const { bad, all } = this.level.evidence.total;
    // What is spent is refused at any rate: the first moment after a cut tells nothing.
    const isFirst = bad >= all - 1 || blockedMs - this.level.cutMs < CUT_BY_BLOCK_MS;
    const isExcused = this.level.isFresh && !this.level.wasExcused && isFirst;
    this.level.wasExcused = isExcused;
    if (isExcused) return this.level.evidence.clear();
    if (this.level.edge.onTrial && !this.level.down)
      this.level.edge.refused(nowMs, this.level.rate, this.level.unexpected());
    // Blocked again a little lower down, or by a run on the way up: that is no noise.
    if (this.level.down || (this.level.startup && this.stoppedBy >= this.unlikely(BLOCK_RUN, BLOCK_CHANCE)))
      this.level.cut(nowMs, this.level.shareOfLate().share);
    else if (!this.doubts.judge(nowMs, wasNamed) && this.stoppedBy >= this.unlikely(BLOCK_RUN, BLOCK_CHANCE))
      this.level.evidence.clear();
  }

  private afterBlock(nowMs: number, verdict: Verdict): void {
    if (verdict.what === 'outage') {
      this.level.explain(nowMs, 'outage');
      if (verdict.former === undefined) return this.level.changed(nowMs);
      const former = Math.min(this.level.cutAt, Math.max(verdict.former, this.level.edge.proven));
      return this.level.startAt(nowMs, Math.max(this.level.rate, former), false);
    }
    this.level.explain(nowMs, verdict.what === 'step' || verdict.what === 'quota' ? 'quota' : 'rate');
    if (verdict.what === 'quota') return this.keepTo(nowMs, verdict.perSecond);
    if (verdict.what === 'doubt' && verdict.isBan) return this.keepClear(nowMs);
    const isUnsure =
      verdict.what === 'doubt' || (verdict.what === 'edge' && (this.level.startup || this.level.isFresh));
    const apart = verdict.what === 'edge' ? verdict.apart : undefined;
    this.stepBack(nowMs, isUnsure, apart, verdict.what === 'edge' ? CLEAR_STEP * this.level.rate : Infinity);
  }

  /** A quota: a little less than it allows. */
  private keepTo(nowMs: number, perSecond: number): void {
    this.level.startAt(nowMs, Math.min(this.level.rate, BELOW_QUOTA * perSecond), false);
    this.level.edge.proven = Math.min(this.level.edge.proven, perSecond);
    this.level.edge.at = perSecond;
    this.level.edge.cut(nowMs, this.level.rate);
    this.level.unsure = false;
  }

  /** Of a rate that held for long: the way varied more than it usually does. */
  private keepClear(nowMs: number): void {
    const { level } = this;
    level.edge.at = Math.min(level.edge.at, level.rate);
    level.setRate(nowMs, CLEAR * level.rate);
    level.edge.cut(nowMs, level.rate);
  }

  /**
   * To what held before the step; where nothing did, to a second's worth of what was accepted, after a while at a rate
   * that tells a quota from it.
   */
  private stepBack(nowMs: number, isUnsure: boolean, apart = Infinity, most = Infinity): void {
    const spreadMs = this.level.delivery.spreadMs ?? FIRST_SPREAD_MS;
    const worth = this.accepts.before(this.refusedSentMs, SECOND_MS) / (1 + Math.min(1, spreadMs / SECOND_MS));
    const least = this.level.startup ? 0 : LESS * this.level.rate;
    const next = isUnsure
      ? Math.max(least, Math.min(BELOW * this.level.rate, worth))
      : Math.min(most, this.level.edge.back);
    this.level.unsure ||= isUnsure;
    this.level.edge.at = this.level.startup ? this.level.rate : Math.min(this.level.edge.at, this.level.rate);
    this.level.startup = false;
    this.level.hoped = apart < next ? next : undefined;
    this.level.setRate(nowMs, Math.min(next, apart));
    this.level.edge.cut(nowMs, next);
    if (!this.level.unsure) return;
    this.level.edge.onTrial = true;
    this.level.edge.held = LESS * next;
  }
}
