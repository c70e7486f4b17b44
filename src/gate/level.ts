/**
 * The rate that is gone on with, what is known of it, and how it is lowered. Invariants: requests sent before the last
 * change of the rate change nothing; the rate never falls below LEAST_RATE.
 */
import { AtOnce } from './at-once.js';
import type { Delivery } from './delivery.js';
import { Edge } from './edge.js';
import { atMost, Evidence, excess, plus, type Share } from './evidence.js';

const FIRST_RATE = 5;
const LEAST_RATE = 0.005;
/** Of a rate that is expected: what is on its way may arrive a little closer together than it left. */
const FIRST_SHARE = 0.95;
/** The same where whoever exceeds it is shut out. */
const FIRST_SHARE_UNDER_BAN = 0.84;
export const LEAST_NOISE = 0.0005;
/** More is no noise, whatever it does at another rate. */
export const MOST_NOISE = 0.4;
/** So much more than is known of is rarely noise: it is tested by a step that a limit would let through. */
export const FAR_NOISE = 0.1;
const NOISE_MEMORY = 4000;
const SMALL_NOISE = 0.0015;
/** So many answers tell a share that is far. */
const ENOUGH = 20;
export const SURE_OF_MORE = 1.5;
/** Below one request a second nobody waits until noise is told from a limit: so many bad ones are no chance. */
export const LEAST_DOUBTED_RATE = 1;
const NO_CHANCE = 3;
const UNKNOWN_LATENCY_MS = 500;
const UNDO_MS = 15_000;
const MOST_TRIED = 5;
/** Just below a level that held. */
export const BELOW = 0.997;

/** What the bad answers of late are put down to. */
export type Explanation = 'none' | 'rate' | 'requests at once' | 'quota' | 'noise' | 'outage';

/** How requests ended at one rate. */
export type AtRate = Share & { rate: number };

/** What bad answers are put down to, and what that rests on. */
export interface Grounds {
  explanation: Explanation;
  explainedForMs: number | undefined;
  /** How requests ended at the rate that was cut last, and at the present one. */
  above: AtRate | undefined;
  below: AtRate | undefined;
  /** What explained them before, the latest last. */
  tried: Explanation[] | undefined;
}

/** What is known before the first request. */
export interface RatePrior {
  /** Requests, or points, per second. */
  perSecond: number;
  windowMs: number;
  /** A ceiling keeps it, with a margin of its own: there is no other. */
  isKept?: boolean | undefined;
  /** The server bans for this long when it is exceeded. */
  banMs?: number | undefined;
}

/** What a run learned; the next one begins there. */
export interface RateMemory {
  perSecond: number;
  windowMs: number;
  probeEveryMs: number;
  /** More than this rate was answered with a silence of such a length. */
  silentMs?: number;
}

/** Where a run begins. */
export interface Start {
  prior?: RatePrior | undefined;
  memory?: RateMemory | undefined;
  cap?: number | undefined;
  noise?: number | undefined;
}

/** A little less is tried, to tell a limit from noise. */
export interface Doubt {
  from: number;
  /** How requests ended at the rates before; the bad one that raised the doubt is left out. */
  above: AtRate[];
  startup: boolean;
  /** It was lowered again, since much noise is rarer than a limit that lies lower still. */
  isSecond?: boolean;
}

/** The rate before a cut, to go back to. */
interface Former {
  rate: number;
  startup: boolean;
  at: number;
  held: number;
  onTrial: boolean;
  cutAt: number;
}

interface Undo {
  rate: number;
  startup: boolean;
  atMs: number;
}

export class Level {
  readonly kind = 'level';
  rate: number;
  startup: boolean;
  explanation: Explanation = 'none';
  /** Since when that explains it. */
  sinceMs = 0;
  noise: number;
  readonly atOnce: AtOnce;
  readonly edge: Edge;
  readonly evidence = new Evidence();
  /** Outcomes at levels that passed: what a worse level is compared with. */
  calm: Share = { bad: 0, all: 0 };
  /** While the rate is sought: how requests ended at all that was tried before. */
  searched: AtRate | undefined;
  /** When the rate was last changed, and last cut. */
  levelMs = 0;
  cutMs = 0;
  down: Doubt | undefined;
  /** Requests, and those before the rate was last changed. */
  sent = 0;
  private sentBefore = 0;
  /** The rate was cut, and has not held yet. */
  isFresh = false;
  wasExcused = false;
  /** The rate was taken from what came before a long block, and has not held yet. */
  unsure = false;
  /** Where to go on once it shows that no quota was spent. */
  hoped: number | undefined;
  beforeCut: Former | undefined;
  undo: Undo | undefined;
  /** How requests ended at the rate that was cut last. */
  above: AtRate | undefined;
  /** What explained bad answers before, the latest last. */
  readonly tried: Explanation[] = [];

  constructor(
    readonly delivery: Delivery,
    { prior, memory, cap = Infinity, noise = LEAST_NOISE }: Start,
  ) {
    const share = prior?.banMs !== undefined ? FIRST_SHARE_UNDER_BAN : prior?.isKept ? 1 : FIRST_SHARE;
    this.rate = memory?.perSecond ?? (prior ? share * prior.perSecond : FIRST_RATE);
    this.startup = !memory && !prior;
    this.noise = noise;
    this.atOnce = new AtOnce(cap);
    this.edge = new Edge(this.rate);
    if (prior && !memory) this.edge.at = prior.perSecond;
    // Where a step too far is answered with silence, none is bold.
    if (prior && memory && prior.banMs === undefined && !memory.silentMs)
      this.edge.expect(prior.perSecond, memory.perSecond);
  }

  /** Goes on from here; `startup`: and searches upwards. */
  startAt(nowMs: number, rate: number, startup: boolean): void {
    this.startup = startup;
    this.unsure = this.isFresh = false;
    this.hoped = undefined;
    this.edge.forget(rate);
    this.setRate(nowMs, rate);
  }

  /** What was bad here was no limit. */
  backTo(nowMs: number, rate: number, startup: boolean): void {
    const { at, held } = this.edge;
    this.startAt(nowMs, rate, startup);
    if (rate >= at) return;
    this.edge.at = at;
    this.edge.held = Math.min(held, rate);
  }

  isCalm(): boolean {
    return !this.startup && !this.edge.onTrial && this.down === undefined;
  }

  /** Of itself it shows that there is less noise than was thought, or a little: a limit is not exceeded for so long. */
  passed(found: Share): void {
    this.calm = plus(this.calm, found);
    if (this.calm.all > NOISE_MEMORY) this.calm = { bad: this.calm.bad / 2, all: this.calm.all / 2 };
    if (this.calm.all > 500) this.noise = Math.max(LEAST_NOISE, Math.min(this.noise, atMost(this.calm)));
    if (this.calm.all > NOISE_MEMORY / 2)
      this.noise = Math.max(this.noise, Math.min(SMALL_NOISE, this.calm.bad / this.calm.all));
  }

  setRate(nowMs: number, rate: number): void {
    this.rate = Math.max(LEAST_RATE, rate);
    this.changed(nowMs);
  }

  /** More got through than before the block: it was no quota. */
  goToHoped(nowMs: number): void {
    this.setRate(nowMs, this.hoped ?? this.rate);
    this.hoped = undefined;
  }

  changed(nowMs: number): void {
    this.levelMs = nowMs;
    this.sentBefore = this.sent;
    this.evidence.clear();
    this.atOnce.count();
  }

  /**
   * A refusal comes sooner than what it overtakes is answered: so many left at this rate until the one that came now,
   * as long as that matters.
   */
  sentSoon(nowMs: number, order: number): number {
    const latencyMs = this.delivery.latencyMs ?? UNKNOWN_LATENCY_MS;
    return nowMs - this.levelMs < 2 * latencyMs ? order - this.sentBefore : 0;
  }

  explain(nowMs: number, explanation: Explanation): void {
    if (this.explanation === explanation) return;
    if (this.explanation !== 'none') this.tried.push(this.explanation);
    if (this.tried.length > MOST_TRIED) this.tried.shift();
    this.sinceMs = nowMs;
    this.explanation = explanation;
  }

  /** How requests ended at the present rate. */
  get present(): AtRate {
    return { rate: this.rate, ...this.evidence.total };
  }

  /** The rate is what holds requests back, and what it allows gets through. */
  isBound(nowMs: number): boolean {
    const spanMs = Math.max(500, Math.min(nowMs - this.levelMs, Math.max(4000, 4000 / this.rate)));
    return this.atOnce.isRateBound && this.delivered(nowMs, spanMs) > 0.8 * this.rate * (1 - this.noise);
  }

  /** Where a limit was found, other than by a block; Infinity: it was passed since. */
  cutAt = Infinity;

  /** What the present rate was raised from. */
  get lower(): AtRate | undefined {
    if (this.startup) return this.searched;
    return this.edge.onTrial && this.calm.all > 0 ? { rate: this.edge.held, ...this.calm } : undefined;
  }

  /** How many were bad at this level that noise does not explain. */
  unexpected(): number {
    const { bad, all } = this.evidence.total;
    const expected = this.noise * all;
    return Math.max(0, bad - expected - Math.sqrt(expected));
  }

  /** More bad than noise ever is, or too few a second to doubt it. */
  shareOfLate(): { share: number; isFar: boolean } {
    const { bad, all } = this.evidence.last(64);
    const { total } = this.evidence;
    const share = Math.max(bad / (all + (all < 64 ? 2 : 0)), all < 64 ? 0 : total.bad / total.all);
    const isSure = all >= ENOUGH && excess({ bad: share * all, all }, this.noise + FAR_NOISE) > SURE_OF_MORE;
    return { share, isFar: isSure || (this.rate < LEAST_DOUBTED_RATE && bad >= NO_CHANCE) };
  }

  cut(nowMs: number, share: number): void {
    const before = this.rate;
    this.above = this.present;
    const { at: edgeAt, held, onTrial } = this.edge;
    this.beforeCut = { rate: before, startup: this.startup, at: edgeAt, held, onTrial, cutAt: this.cutAt };
    const over = Math.max(0, share - this.noise);
    const inTrial = this.edge.onTrial && (over < 0.3 || this.edge.isBeyond);
    // Where the limit lies, as far as the share tells.
    const at = before * (1 - Math.min(0.03, over));
    this.edge.at = inTrial ? Math.min(this.edge.at, Math.max(at, 1.003 * this.edge.held)) : at;
    this.edge.proven = Math.min(this.edge.proven, at);
    this.cutAt = at;
    if (!this.undo || nowMs - this.undo.atMs > UNDO_MS)
      this.undo = { rate: before, startup: this.startup, atMs: nowMs };
    // What a limit still refuses when it is met first, it may refuse for what was sent before.
    if (this.explanation !== 'none') this.edge.hold(before, over, inTrial);
    if (inTrial && !this.startup) this.edge.refused(nowMs, before, this.unexpected());
    // A level that held no longer tells what noise there is.
    if (!this.edge.onTrial) this.calm = { bad: 0, all: 0 };
    this.explain(nowMs, 'rate');
    this.setRate(nowMs, inTrial ? this.edge.back : this.below(nowMs, over));
    this.edge.cut(nowMs, this.rate);
    this.startup = false;
    this.cutMs = nowMs;
    this.isFresh = true;
    this.wasExcused = false;
    this.down = this.hoped = undefined;
  }

  fewerAtOnce(nowMs: number): void {
    this.startup = false;
    this.explain(nowMs, 'requests at once');
    this.changed(nowMs);
  }

  /** Under a rate of which so large a share was refused: not far below what got through. */
  private below(nowMs: number, over: number): number {
    const through =
      this.atOnce.cap < Infinity ? 0 : 0.96 * Math.min(this.delivered(nowMs, 1000), this.delivered(nowMs, 2000));
    return Math.min(0.99 * this.rate, Math.max(through, this.rate * Math.max(0.6, 1 - over - 0.005)));
  }

  private delivered(nowMs: number, spanMs: number): number {
    return this.delivery.rateBetween(nowMs - spanMs, nowMs);
  }
}
