/**
 * A part of the requests is bad: what explains it? In this order: requests at once, the rate, noise. A cut is an
 * experiment: where as many are bad below it, they were noise, and the former rate comes back. Invariant: nothing is
 * cut before bad answers are more than noise explains.
 */
import { atMost, excess, gain, plus, type Share } from './evidence.js';
import { fit, type Fit } from './fit.js';
import {
  type AtRate,
  type Doubt,
  FAR_NOISE,
  LEAST_DOUBTED_RATE,
  LEAST_NOISE,
  type Level,
  MOST_NOISE,
  SURE_OF_MORE,
} from './level.js';

/** Nats by which an explanation must beat chance. */
const SURE = 6;
/** Where the server named the rate, there is nothing to doubt but how far it is exceeded. */
const SURE_IF_NAMED = 2;
/** Nats from which on a level is worse than the calm ones: else what is over the limit would pass for noise. */
const SURE_OF_WORSE = 2;
/** Fewer answers at a lower rate tell nothing. */
const ENOUGH_LOWER = 15;
/** So much noise is not believed before a second step down. */
const MUCH_NOISE = 0.02;
const LOWER_STILL = 0.84;
/** Nats by which fewer bad ones a little lower down tell a limit from noise. */
const SURE_OF_FEWER = 3;
/** And by which they tell of more noise than is known. */
const SURE_OF_NOISE = 3;
/** By less they may be fewer by chance, however long one waits. */
const LEAST_OF_FEWER = 1;
const AFTERSHOCK_MS = 10_000;
const AFTERSHOCK = 0.97;
const MOST_AFTERSHOCKS = 2;
const FEW_A_SECOND = 2;
/** Fewer bad ones tell nothing of a level. */
const LEAST_BAD = 4;
/** Of what got through: a limit lets all of it through. */
const CLEAR_OF_LIMIT = 0.93;

export class Doubts {
  readonly kind = 'doubts';
  /** Cuts just below an edge since a level last passed. */
  aftershocks = 0;

  constructor(private readonly level: Level) {}

  /** Is this level worse than noise? Then put it down to what explains it. Returns whether something changed. */
  judge(nowMs: number, isNamed: boolean): boolean {
    const worst = this.level.evidence.worst(Math.min(0.5, this.level.noise));
    if (worst.nats < (isNamed ? SURE_IF_NAMED : SURE)) return false;
    const { share, isFar } = this.level.shareOfLate();
    const isAtOnce = isNamed ? undefined : this.judgeAtOnce(nowMs, isFar);
    if (isAtOnce !== undefined) return isAtOnce;
    if (isNamed || (isFar && this.isLimit(share, worst))) this.level.cut(nowMs, share);
    // While the rate is sought, the next step tells: noise stays as it is, a limit refuses far more.
    else if (this.level.startup && !isFar) return false;
    else return this.doubt(nowMs, worst, isFar);
    return true;
  }

  /** Without a test: so many are never noise, or the level below was the test. */
  private isLimit(share: number, worst: Share): boolean {
    return share > MOST_NOISE || this.level.rate < LEAST_DOUBTED_RATE || this.isWorse(worst);
  }

  /** Than what the rate was raised from. A small step above a limit may hold until what was saved up is spent. */
  private isWorse({ bad, all }: Share): boolean {
    const { rate, lower, startup } = this.level;
    if (lower === undefined || bad * lower.all <= lower.bad * all) return false;
    return (startup ? fit([{ rate, bad, all }, lower]).nats : gain({ bad, all }, lower)) > SURE_OF_WORSE;
  }

  settleAtOnce(nowMs: number): void {
    const { bad, all } = this.level.evidence.total;
    const found = this.level.atOnce.settle(nowMs, this.level.evidence.total);
    if (found === undefined) return;
    if (found === 'lowered') return this.level.fewerAtOnce(nowMs);
    this.level.noise = Math.max(this.level.noise, Math.min(MOST_NOISE, bad / all));
    if (found === 'noise') this.level.explain(nowMs, 'noise');
    this.level.changed(nowMs);
  }

  /** A little lower down: fewer bad ones mean a limit, as many mean noise. */
  settle(nowMs: number, { from, above, startup, isSecond }: Doubt): void {
    const { level } = this;
    const { total } = level.evidence;
    const levels = [...above, level.present];
    const found = fit(levels);
    const share = Math.max(found.pooled, above[0]!.bad / above[0]!.all);
    const ofMany = Math.min(1, FAR_NOISE / found.pooled);
    const enough = Math.max(ENOUGH_LOWER, ofMany * Math.min(200, 15 * from), Math.min(1000, 6 / share));
    const isClear = above[0]!.bad > 1 && found.nats > SURE_OF_FEWER;
    if (total.all < (isClear ? ENOUGH_LOWER : enough)) return;
    const isLimit = found.nats > LEAST_OF_FEWER;
    if (!isLimit && !isSecond && total.bad > MUCH_NOISE * total.all) return this.lowerStill(nowMs, levels);
    level.down = undefined;
    level.calm = { ...total };
    if (isLimit) this.tookLess(nowMs, from, found, above[0]!);
    else if (excess(total, MOST_NOISE) > SURE_OF_MORE) level.cut(nowMs, total.bad / total.all);
    else {
      level.noise = found.pooled;
      level.explain(nowMs, 'noise');
      level.backTo(nowMs, from, startup);
    }
  }

  /** Only while a lower rate is tried: `down` is there. */
  private lowerStill(nowMs: number, above: AtRate[]): void {
    this.level.down = { ...this.level.down!, above, isSecond: true };
    const { bad, all } = this.level.evidence.total;
    this.level.rate *= Math.min(LOWER_STILL, CLEAR_OF_LIMIT * (1 - bad / all));
    this.level.changed(nowMs);
  }

  private judgeAtOnce(nowMs: number, isFar: boolean): boolean | undefined {
    const { wasRaised } = this.level.atOnce;
    const bad = this.level.unexpected();
    const found = this.level.atOnce.judge(nowMs, this.level.evidence, isFar);
    if (found !== 'lowered') return found && false;
    if (wasRaised) this.level.atOnce.wait(this.level.edge.priceMs(this.level.rate, bad));
    this.level.fewerAtOnce(nowMs);
    return true;
  }

  /** A limit or noise? Returns whether something changed. */
  doubt(nowMs: number, worst: Share, isFar = false): boolean {
    if (this.level.down) return false;
    const seen = worst.bad / worst.all;
    const { edge, calm } = this.level;
    if (this.isAftershock(nowMs)) this.aftershock(nowMs, seen);
    else if (edge.onTrial && calm.all * seen >= LEAST_BAD && this.isWorse(worst)) this.cutTrial(nowMs);
    else if (edge.onTrial && this.isAsBelow(seen)) return this.wasAsBelow(nowMs);
    else {
      const { rate, startup, lower } = this.level;
      const above = [{ rate, bad: Math.max(1, worst.bad - 1), all: worst.all }, ...(lower ? [lower] : [])];
      this.level.down = { from: rate, above, startup };
      this.level.startup = false;
      this.level.rate *= isFar ? CLEAR_OF_LIMIT * (1 - seen) : Math.max(0.84, 0.95 - 2 * seen);
      this.level.changed(nowMs);
    }
    return true;
  }

  /** Just below an edge that was found a moment ago: it lies a little lower, or the server has yet to recover. */
  private isAftershock(nowMs: number): boolean {
    const { bad, all } = this.level.evidence.total;
    if (bad < (this.level.noise + MUCH_NOISE) * all) return false;
    const isFresh = this.aftershocks < MOST_AFTERSHOCKS && nowMs - this.level.cutMs < AFTERSHOCK_MS;
    return isFresh && this.level.explanation === 'rate' && !this.level.edge.onTrial;
  }

  private aftershock(nowMs: number, seen: number): void {
    this.aftershocks++;
    const most = AFTERSHOCK * this.level.rate;
    // So few answers tell no share.
    const least = this.level.rate < FEW_A_SECOND ? LOWER_STILL * this.level.rate : 0;
    const { holdMs } = this.level.edge;
    this.level.cut(nowMs, seen);
    this.level.edge.holdMs = holdMs;
    this.level.setRate(nowMs, Math.max(least, Math.min(most, this.level.rate)));
    this.level.edge.held = this.level.rate;
  }

  private cutTrial(nowMs: number): void {
    const { bad, all } = this.level.evidence.total;
    this.level.cut(nowMs, bad / all);
  }

  /** The level below, from which this one was tried, had as many. By many more than noise both may be too high. */
  private isAsBelow(seen: number): boolean {
    const { calm, noise, evidence } = this.level;
    const both = plus(calm, evidence.total);
    if (both.bad > (noise + MUCH_NOISE) * both.all) return false;
    return calm.bad >= Math.max(LEAST_BAD, 0.4 * seen * calm.all);
  }

  private wasAsBelow(nowMs: number): boolean {
    const { level } = this;
    const both = plus(level.calm, level.evidence.total);
    level.noise = Math.max(level.noise, both.bad / both.all);
    level.explain(nowMs, 'noise');
    level.evidence.clear();
    level.levelMs = nowMs;
    return false;
  }

  /** It was a limit: it lies between, and what is bad below it is noise. */
  private tookLess(nowMs: number, from: number, { noise }: Fit, above: AtRate): void {
    const { level } = this;
    const { total } = level.evidence;
    level.above = above;
    const isNoisy = excess(total, level.noise) > SURE_OF_NOISE;
    level.noise = Math.max(LEAST_NOISE, Math.min(isNoisy ? noise : level.noise, atMost(total)));
    level.edge.at = Math.min(level.edge.at, from * (1 - Math.min(0.03, above.bad / above.all)));
    level.cutAt = level.edge.at;
    level.edge.held = level.rate;
    level.edge.onTrial = false;
    level.edge.countFrom(total.bad === 0 ? level.levelMs : nowMs);
    level.explain(nowMs, 'rate');
    level.changed(nowMs);
  }
}
