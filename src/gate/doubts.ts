/**
 * A part of the requests is bad: what explains it? In this order: requests at once, the rate, noise. A cut is an
 * experiment: where as many are bad below it, they were noise, and the former rate comes back. Invariant: nothing is
 * cut before bad answers are more than noise explains.
 */
import { atMost, excess, gain, likelihood, plus, type Share } from './evidence.js';
import { LEAST_NOISE, type Doubt, type Level, MOST_NOISE, SURE_OF_MORE } from './level.js';

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
/** A lower level with less than this share of the bad answers shows what they came from. */
const HELPS = 0.35;
/** Nats by which fewer bad ones a little lower down tell a limit from noise. */
const SURE_OF_FEWER = 3;
/** By less they may be fewer by chance, however long one waits. */
const LEAST_OF_FEWER = 1;
const AFTERSHOCK_MS = 10_000;
const AFTERSHOCK = 0.97;
const MOST_AFTERSHOCKS = 2;
const FEW_A_SECOND = 2;

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
    if (isFar || isNamed) this.level.cut(nowMs, share);
    // While the rate is sought, the next step tells: noise stays as it is, a limit refuses far more.
    else if (this.level.startup) return false;
    else return this.doubt(nowMs, worst);
    return true;
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
    const { total } = this.level.evidence;
    const share = Math.min(0.9, above.bad / above.all);
    // A limit lets as many through as before; noise refuses the same share.
    const underLimit = Math.max(this.level.noise, 1 - (from * (1 - share)) / this.level.rate);
    const isLimit = likelihood(total, underLimit) > likelihood(total, share);
    const nats = gain(above, total);
    const isFewer = (isLimit || total.bad < HELPS * share * total.all) && nats > LEAST_OF_FEWER;
    const isClear = isFewer && above.bad > 1 && nats > SURE_OF_FEWER;
    const isMuch = !isFewer && total.bad > MUCH_NOISE * total.all;
    const enough = Math.max(ENOUGH_LOWER, Math.min(200, 15 * from), Math.min(1000, 6 / Math.min(MOST_NOISE, share)));
    if (total.all < (isClear ? ENOUGH_LOWER : enough)) return;
    if (isMuch && !isSecond) return this.lowerStill(nowMs, plus(above, total));
    this.level.down = undefined;
    this.level.calm = { ...total };
    if (isFewer) this.tookLess(nowMs, from, share, above);
    else if (excess(total, MOST_NOISE) > SURE_OF_MORE) this.level.cut(nowMs, total.bad / total.all);
    else {
      this.level.noise = Math.max(this.level.noise, Math.min(MOST_NOISE, total.bad / total.all));
      this.level.explain(nowMs, 'noise');
      this.level.backTo(nowMs, from, startup);
    }
  }

  /** Only while a lower rate is tried: `down` is there. */
  private lowerStill(nowMs: number, above: Share): void {
    this.level.down = { ...this.level.down!, above, isSecond: true };
    this.level.rate *= LOWER_STILL;
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
  doubt(nowMs: number, worst: Share): boolean {
    if (this.level.down) return false;
    const seen = worst.bad / worst.all;
    if (this.isAftershock(nowMs)) this.aftershock(nowMs, seen);
    else if (this.level.edge.onTrial && this.level.calm.all * seen >= 4) return this.compare(nowMs, seen);
    else {
      const above = { bad: Math.max(1, worst.bad - 1), all: worst.all };
      this.level.down = { from: this.level.rate, above, startup: this.level.startup };
      this.level.startup = false;
      this.level.rate *= Math.max(0.84, 0.95 - 2 * seen);
      this.level.changed(nowMs);
    }
    return true;
  }

  /** Just below an edge that was found a moment ago: it lies a little lower, or the server has yet to recover. */
  private isAftershock(nowMs: number): boolean {
    const { bad, all } = this.level.evidence.total;
    if (bad < MUCH_NOISE * all) return false;
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

  /** On trial, the level below tells noise from a limit. */
  private compare(nowMs: number, seen: number): boolean {
    const { total } = this.level.evidence;
    const isWorse =
      total.bad * this.level.calm.all > this.level.calm.bad * total.all && gain(total, this.level.calm) > SURE_OF_WORSE;
    if (isWorse || this.level.calm.bad < 0.4 * seen * this.level.calm.all) {
      this.level.cut(nowMs, total.bad / total.all);
      return true;
    }
    this.level.noise = Math.max(this.level.noise, this.level.calm.bad / this.level.calm.all);
    this.level.explain(nowMs, 'noise');
    this.level.evidence.clear();
    this.level.levelMs = nowMs;
    return false;
  }

  /** It was a limit: it lies between. */
  private tookLess(nowMs: number, from: number, share: number, above: Share): void {
    const { total } = this.level.evidence;
    this.level.above = { rate: from, ...above };
    this.level.noise = Math.max(LEAST_NOISE, Math.min(this.level.noise, atMost(total)));
    this.level.edge.at = Math.min(this.level.edge.at, from * (1 - Math.min(0.03, share)));
    this.level.edge.held = this.level.rate;
    this.level.edge.onTrial = false;
    this.level.edge.countFrom(total.bad === 0 ? this.level.levelMs : nowMs);
    this.level.explain(nowMs, 'rate');
    this.level.changed(nowMs);
  }
}
