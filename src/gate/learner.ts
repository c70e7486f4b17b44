/**
 * Explains bad answers that name no cause, and tests each explanation by acting on it. What is bad: a rejection, an
 * overload, an answer that is overdue. The causes, in this order: requests in flight, the rate, a quota spent, noise, an
 * outage. Nothing is cut before bad answers are more than noise explains; a cut is an experiment, and where as many are
 * bad below it, they were noise, and the former rate comes back. Time is an argument.
 *
 * Invariants: while blocked, one probe is on its way at most; requests sent before the last change of the rate change
 * nothing; the rate never falls below LEAST_RATE, nor the number at once below 1.
 */
import type { Delivery } from './delivery.js';
import { Evidence, excess, gain, type Share } from './evidence.js';

const LEAST_RATE = 0.005;
/** Nats by which an explanation must beat chance; one chosen among many splits needs more. */
const SURE = 6;
const SURE_OF_SPLIT = 7;
const MOST_SURE_OF_SPLIT = 56;
/** A step that was only tried is taken back sooner. */
const SURE_IN_TRIAL = 6;
/** Nats from which on a level is worse than the calm ones: else what is over the limit would pass for noise. */
const SURE_OF_WORSE = 2;
/** A level passes where its bad answers exceed noise by less. */
const PASSES = 1;
const LEAST_NOISE = 0.0005;
const MOST_NOISE = 0.1;
const NOISE_MEMORY = 3000;
/** So many answers tell a share of more than the most noise. */
const ENOUGH = 20;
const SURE_OF_MORE = 1.5;
/** Below one request a second nobody waits until noise is told from a limit. */
const LEAST_DOUBTED_RATE = 1;
/** Bad ones in a row that stop everything. */
const BLOCK_RUN = 3;
/** A block that is over sooner is a step too far, no quota. */
const QUICK_MS = 1200;
const FIRST_PROBE_MS = 50;
const MOST_PROBE_MS = 60_000;
/** Each wait for a probe is this share of the block's age: whatever counts or extends with each knock has its silence. */
const PROBE_SHARE = 0.15;
/** So near the edge the rate stays. */
const CLOSE = 0.98;
/** And so far past it it is tried whether it still holds. */
const PAST = 1.005;
const GAP_MS = 2000;
const PAST_GAP_MS = 3000;
const FIRST_HOLD_MS = 12_000;
const MOST_HOLD_MS = 120_000;
/** Below this share of the highest rate that held, the limit has fallen. */
const FALLEN = 0.8;
const FALLEN_HOLD_MS = 20_000;
/** A step that ended in a block is tried again after so many times its length. */
const PATIENCE = 20;
const MOST_PATIENCE_MS = 1_800_000;
const FAST_UNTIL = 60;
const CAP_HOLD_MS = 10_000;
const MOST_CAP_HOLD_MS = 120_000;
/** Steps down that may help nothing before requests at once are no explanation. */
const MOST_VAIN_CAPS = 3;
/** A lower level with less than this share of the bad answers shows what they came from. */
const HELPS = 0.35;
/** Of a share that held on, so many expected bad answers would not all fail to come. */
const NONE_TELLS = 3.5;
/** Requests that left so soon after a change may have met the state before it. */
const SETTLED_MS = 500;
const AGAIN = 0.85;
const AFTERSHOCK_MS = 10_000;
const AFTERSHOCK = 0.97;
const MOST_AFTERSHOCKS = 2;

/** What the bad answers of late are put down to. */
export type Explanation = 'none' | 'rate' | 'requests at once' | 'quota' | 'noise' | 'outage';

export interface Outcome {
  nowMs: number;
  sentMs: number;
  cost: number;
  inFlight: number;
  bad: boolean;
  probe: boolean;
  /** What the server asks for. */
  floorMs?: number | undefined;
}

interface Spent {
  accepted: number;
  cycleMs: number;
  before: number;
}

export class Learner {
  readonly kind = 'learner';
  rate: number;
  cap = Infinity;
  /** It decides: before the first bad answer without a label it only follows. */
  active = false;
  startup: boolean;
  explanation: Explanation = 'none';
  sinceMs = 0;
  noise: number;
  private readonly evidence = new Evidence();
  /** Outcomes at levels that passed: what a worse level is compared with. */
  private calm: Share = { bad: 0, all: 0 };
  private edge = Infinity;
  private held: number;
  private trial = false;
  private step = 0;
  private holdMs = FIRST_HOLD_MS;
  private levelMs = 0;
  private cutMs = 0;
  private down: { from: number; share: number; startup: boolean } | undefined;
  private run = 0;
  private blockedMs: number | undefined;
  private blockEndMs = 0;
  private stated = false;
  private probeOut = false;
  private failed = 0;
  private recent = 0;
  private undo: { rate: number; startup: boolean; atMs: number } | undefined;
  private cycleMs = 0;
  private accepted = 0;
  private quota: Spent | undefined;
  private lastBlock: Spent | undefined;
  private distrust = 0;
  private skip = 0;
  private capMs = 0;
  private capHoldMs = CAP_HOLD_MS;
  private capRaised = false;
  private capHeld = Infinity;
  private capStep = 1;
  /** Fewer at once are on trial: what was allowed before, and the share that was bad. */
  private capTest: { from: number; share: number; vain: number } | undefined;
  private sureOfSplit = SURE_OF_SPLIT;
  private unblockedMs = -Infinity;
  private aftershocks = 0;
  /** The highest rate that held for longer than a trial. */
  private best = 0;
  private byCap = 0;
  private byRate = 0;

  constructor(
    private readonly delivery: Delivery,
    rate: number,
    noise = LEAST_NOISE,
  ) {
    this.rate = this.held = rate;
    this.startup = true;
    this.noise = noise;
  }

  /** Another one decides: its rate, what had held below it, and whether it still searches. */
  follow(nowMs: number, rate: number, held: number, startup: boolean): void {
    if (rate !== this.rate) {
      this.levelMs = nowMs;
      if (this.held !== held) this.calm = plus(this.calm, this.evidence.total);
      this.evidence.clear();
    }
    this.rate = rate;
    this.held = startup ? rate : held;
    this.trial = rate > this.held;
    this.startup = startup;
  }

  /** The block that is under way. */
  get block(): { sinceMs: number; untilMs: number; stated: boolean } | undefined {
    return this.blockedMs === undefined
      ? undefined
      : { sinceMs: this.blockedMs, untilMs: this.blockEndMs, stated: this.stated };
  }

  /** Milliseconds until a probe may leave; undefined: no block; Infinity: one is on its way. */
  blockedFor(nowMs: number): number | undefined {
    if (this.blockedMs === undefined) return undefined;
    return this.probeOut ? Infinity : Math.max(0, this.blockEndMs - nowMs);
  }

  /** What holds requests back now. */
  boundBy(what: 'cap' | 'rate'): void {
    if (what === 'cap') this.byCap++;
    else this.byRate++;
  }

  /** Returns whether this request is the probe of a block. */
  sent(): boolean {
    if (this.blockedMs === undefined) return false;
    this.probeOut = true;
    return true;
  }

  /** The probe never left, or was lost: another one may go. */
  probeLost(nowMs: number): void {
    this.probeOut = false;
    this.probeFailed(nowMs, undefined);
  }

  outcome(found: Outcome): void {
    if (!found.bad && !found.probe) this.accepted += found.cost;
    if (this.blockedMs !== undefined) return this.whileBlocked(found);
    if (found.sentMs < this.levelMs) return;
    this.evidence.add(found.bad, found.inFlight, found.sentMs > Math.max(this.levelMs, this.unblockedMs) + SETTLED_MS);
    // What belongs to a run that stops everything is no noise.
    const ended = found.bad ? 0 : this.run;
    this.run = found.bad ? this.run + 1 : 0;
    if (!found.bad && this.isCalm()) this.passed({ bad: ended, all: ended + 1 });
    if (!this.active) return;
    if (found.floorMs || this.run >= BLOCK_RUN || (this.run >= 2 && this.rate < 2))
      this.stop(found.nowMs, found.floorMs);
    else if (ended > 0) this.judge(found.nowMs);
  }

  /** The server named the requests at once. */
  tooMany(nowMs: number, inFlight: number): void {
    this.lowerCap(nowMs, inFlight - 1);
  }

  /** Every half second. `ceiling`: a rate that nothing is tried above. */
  tick(nowMs: number, ceiling: number): void {
    if (this.blockedMs !== undefined) return;
    if (this.capTest) return this.settleCap(nowMs, this.capTest);
    if (this.cap < Infinity && nowMs - this.capMs > this.capHoldMs && this.byCap > this.byRate)
      return this.raiseCap(nowMs);
    if (this.startup) return this.search(nowMs, ceiling);
    if (this.down) return this.settle(nowMs, this.down);
    const sinceMs = nowMs - this.levelMs;
    if (sinceMs < this.gapMs() || !this.isBound(nowMs, sinceMs) || this.rate >= ceiling) return;
    const { total } = this.evidence;
    if (excess(total, this.noise) > PASSES) {
      if (total.all > 1500) this.cut(nowMs, total.bad / total.all);
      return;
    }
    this.levelPassed();
    this.climb(nowMs, ceiling);
  }

  /** It was one endpoint alone: as if there had been no cut. */
  restore(nowMs: number): void {
    this.run = 0;
    this.blockedMs = undefined;
    if (this.capTest) this.cap = this.capTest.from;
    this.capTest = undefined;
    if (this.down) this.undo = { rate: this.down.from, startup: this.down.startup, atMs: nowMs };
    if (!this.undo || nowMs - this.undo.atMs > 30_000) {
      this.evidence.clear();
      this.levelMs = nowMs;
      return;
    }
    const { rate, startup } = this.undo;
    this.startup = startup;
    this.edge = Infinity;
    this.down = undefined;
    this.trial = false;
    this.setRate(nowMs, rate);
    this.held = this.rate;
  }

  /** What the next run should know. */
  remember(): { perSecond: number; windowMs: number; probeEveryMs: number; noise: number } {
    return {
      perSecond: Math.min(this.rate, this.held),
      windowMs: this.quota?.cycleMs ?? 0,
      probeEveryMs: this.holdMs,
      noise: this.noise,
    };
  }

  private isCalm(): boolean {
    return !this.startup && !this.trial && this.down === undefined;
  }

  /** Of itself it can only show that there is less noise than was thought. */
  private passed(found: Share): void {
    this.calm = plus(this.calm, found);
    if (this.calm.all > NOISE_MEMORY) this.calm = { bad: this.calm.bad / 2, all: this.calm.all / 2 };
    if (this.calm.all > 500) this.noise = Math.max(LEAST_NOISE, Math.min(this.noise, atMost(this.calm)));
  }

  private setRate(nowMs: number, rate: number): void {
    this.rate = Math.max(LEAST_RATE, rate);
    this.changed(nowMs);
  }

  private changed(nowMs: number): void {
    this.levelMs = nowMs;
    this.evidence.clear();
    this.byCap = this.byRate = 0;
  }

  private explain(nowMs: number, explanation: Explanation): void {
    if (this.explanation !== explanation) this.sinceMs = nowMs;
    this.explanation = explanation;
  }

  private delivered(nowMs: number, spanMs: number): number {
    return this.delivery.rateBetween(nowMs - spanMs, nowMs);
  }

  private isBound(nowMs: number, sinceMs: number): boolean {
    return (
      this.byRate > this.byCap &&
      this.delivered(nowMs, Math.max(500, Math.min(sinceMs, Math.max(4000, 4000 / this.rate)))) >
        0.8 * this.rate * (1 - this.noise)
    );
  }

  private whileBlocked({ nowMs, sentMs, inFlight, bad, probe, floorMs }: Outcome): void {
    if (probe) {
      this.probeOut = false;
      if (bad) this.probeFailed(nowMs, floorMs);
      else this.unblock(nowMs);
      return;
    }
    if (bad && floorMs) {
      this.stated = true;
      this.blockEndMs = Math.max(this.blockEndMs, nowMs + floorMs);
    }
    if (sentMs >= this.levelMs) this.evidence.add(bad, inFlight, false);
  }

  private stop(nowMs: number, floorMs: number | undefined): void {
    this.recent = this.delivered(nowMs, 10_000);
    this.blockedMs = nowMs;
    this.probeOut = false;
    this.failed = 0;
    this.run = 0;
    this.stated = floorMs !== undefined;
    this.blockEndMs = nowMs + (floorMs ?? FIRST_PROBE_MS);
  }

  private probeFailed(nowMs: number, floorMs: number | undefined): void {
    if (this.blockedMs === undefined) return;
    this.failed++;
    const ageMs = nowMs - this.blockedMs;
    // What each knock prolongs may need a longer silence than any that is usual.
    const isLong = ageMs > 600_000 && this.failed % 6 === 0;
    const silenceMs = isLong ? 0.5 * ageMs : Math.min(MOST_PROBE_MS, PROBE_SHARE * ageMs);
    if (floorMs !== undefined) this.stated = true;
    this.blockEndMs = nowMs + (floorMs ?? Math.max(FIRST_PROBE_MS, silenceMs));
  }

  /** The probe came through: how long it lasted and what was accepted before tell what it was. */
  private unblock(nowMs: number): void {
    const blockMs = nowMs - this.blockedMs!;
    this.blockedMs = undefined;
    this.unblockedMs = nowMs;
    this.run = 0;
    const wasTrial = this.trial;
    if (blockMs < QUICK_MS) {
      if (!this.judge(nowMs)) this.evidence.clear();
      else if (wasTrial) this.holdMs = Math.max(this.holdMs, PATIENCE * blockMs);
      return;
    }
    if (wasTrial) this.holdMs = Math.max(this.holdMs, Math.min(MOST_PATIENCE_MS, PATIENCE * blockMs));
    this.afterBlock(nowMs, blockMs, wasTrial);
  }

  private afterBlock(nowMs: number, blockMs: number, wasTrial: boolean): void {
    const { accepted, rate: before, held, quota, lastBlock } = this;
    const cycleMs = nowMs - this.cycleMs;
    const calmMs = cycleMs - blockMs;
    // Short windows are judged by the recent past: a search upwards began far lower.
    const recentMs = 10_000 + 3 * blockMs;
    const sustained =
      recentMs < Math.min(cycleMs, 31_000) ? this.delivered(nowMs, recentMs) : (accepted * 1000) / cycleMs;
    this.cycleMs = nowMs;
    this.accepted = 1;
    this.down = undefined;
    this.trial = false;
    const spanMs = 2 * calmMs > cycleMs ? Math.min(cycleMs, recentMs) : cycleMs;
    const spent = { accepted, cycleMs: spanMs, before: quota?.before ?? before };
    const climbed = before > 1.15 * this.recent;
    const again = quota !== undefined && accepted < 2 * quota.accepted;
    if (again && accepted < AGAIN * quota.accepted) return this.wasOutage(nowMs, quota.before);
    if (again && wasTrial) return this.fellBack(nowMs, before, 0.997 * held);
    if (climbed && !again && calmMs > 3 * blockMs) {
      this.lastBlock = spent;
      this.explain(nowMs, 'rate');
      return this.resume(nowMs, Math.min(before, 0.98 * this.recent));
    }
    const sameAgain = lastBlock !== undefined && Math.abs(accepted / lastBlock.accepted - 1) < 0.15;
    if (again || climbed || (this.skip-- <= 0 && (calmMs < 0.5 * blockMs || sameAgain))) {
      this.quota = spent;
      this.explain(nowMs, 'quota');
      return this.resume(nowMs, Math.min(before, 0.97 * sustained));
    }
    // An outage: on as before.
    this.lastBlock = spent;
    this.explain(nowMs, 'outage');
    this.levelMs = nowMs;
    this.evidence.clear();
  }

  /** Blocked again with less spent: it was no quota. */
  private wasOutage(nowMs: number, former: number): void {
    this.quota = undefined;
    this.distrust = this.distrust ? 2 * this.distrust : 8;
    this.skip = this.distrust;
    this.lastBlock = undefined;
    this.startup = false;
    this.edge = Infinity;
    this.explain(nowMs, 'outage');
    this.setRate(nowMs, former);
    this.held = this.rate;
  }

  private fellBack(nowMs: number, before: number, rate: number): void {
    this.edge = Math.min(this.edge, before);
    this.step = 0;
    this.cutMs = nowMs;
    this.setRate(nowMs, rate);
    this.held = this.rate;
  }

  private resume(nowMs: number, rate: number): void {
    this.startup = false;
    this.step = 0;
    this.edge = Infinity;
    this.cutMs = nowMs;
    this.setRate(nowMs, rate);
    this.held = this.rate;
  }

  /** Is this level worse than noise? Then put it down to what explains it. Returns whether something changed. */
  private judge(nowMs: number): boolean {
    const worst = this.evidence.worst(Math.min(0.5, this.noise));
    if (worst.nats < (this.trial ? SURE_IN_TRIAL : SURE)) return false;
    const { share, isFar } = this.shareOfLate();
    const wereTooMany = this.judgeCap(nowMs, isFar);
    if (wereTooMany !== undefined) return wereTooMany;
    if (isFar) {
      this.cut(nowMs, share);
      return true;
    }
    const seen = worst.bad / worst.all;
    if (this.down) return false;
    if (this.isAftershock(nowMs)) {
      this.aftershocks++;
      const most = AFTERSHOCK * this.rate;
      const { holdMs } = this;
      this.cut(nowMs, seen);
      this.holdMs = holdMs;
      if (this.rate > most) this.setRate(nowMs, most);
      this.held = this.rate;
      return true;
    }
    if (this.trial && this.calm.all * seen >= 4) return this.compare(nowMs, seen);
    this.down = { from: this.rate, share: seen, startup: this.startup };
    this.startup = false;
    this.setRate(nowMs, Math.max(0.84, 0.95 - 2 * seen) * this.rate);
    return true;
  }

  /** Were it too many at once? Undefined: they are no explanation; false: that is being tried. */
  private judgeCap(nowMs: number, isFar: boolean): boolean | undefined {
    const split = this.evidence.split();
    const at = split.nats > this.sureOfSplit ? split.at : undefined;
    if (at === undefined && !(this.cap < Infinity && this.byCap > this.byRate)) return undefined;
    if (this.capRaised) {
      this.lowerCap(nowMs, this.capHeld);
      return true;
    }
    if (this.capTest && at === undefined && !isFar) return false;
    const { bad, all } = this.evidence.total;
    this.capTest ??= { from: this.cap, share: bad / all, vain: 0 };
    this.lowerCap(nowMs, (at ?? this.cap) - 1);
    return true;
  }

  /** With fewer at once fewer bad ones mean that those were too many, as many mean noise. */
  private settleCap(nowMs: number, test: NonNullable<Learner['capTest']>): void {
    const { bad, all } = this.evidence.total;
    if (all < Math.max(15, Math.min(300, 6 / test.share))) return;
    const helps = bad < HELPS * test.share * all;
    if (!helps && ++test.vain < MOST_VAIN_CAPS && this.cap > 1) return this.lowerCap(nowMs, this.cap - 1);
    this.noise = Math.max(this.noise, Math.min(MOST_NOISE, bad / all));
    this.capTest = undefined;
    this.capMs = nowMs;
    if (!helps) {
      this.cap = test.from;
      this.sureOfSplit = Math.min(MOST_SURE_OF_SPLIT, 2 * this.sureOfSplit);
      this.explain(nowMs, 'noise');
    }
    this.changed(nowMs);
  }

  /** Just below an edge that was found a moment ago: it lies a little lower, or the server has yet to recover. */
  private isAftershock(nowMs: number): boolean {
    return (
      this.explanation === 'rate' &&
      !this.trial &&
      this.aftershocks < MOST_AFTERSHOCKS &&
      nowMs - this.cutMs < AFTERSHOCK_MS
    );
  }

  /** More bad than noise ever is, or too few a second to doubt it. */
  private shareOfLate(): { share: number; isFar: boolean } {
    const { bad, all } = this.evidence.last(64);
    const { total } = this.evidence;
    const share = Math.max(bad / (all + (all < 64 ? 2 : 0)), all < 64 ? 0 : total.bad / total.all);
    const isSure = all >= ENOUGH && excess({ bad: share * all, all }, MOST_NOISE) > SURE_OF_MORE;
    return { share, isFar: isSure || this.rate < LEAST_DOUBTED_RATE };
  }

  /** On trial, the level below tells noise from a limit. */
  private compare(nowMs: number, seen: number): boolean {
    const { total } = this.evidence;
    const isWorse = total.bad * this.calm.all > this.calm.bad * total.all && gain(total, this.calm) > SURE_OF_WORSE;
    if (isWorse || this.calm.bad < 0.4 * seen * this.calm.all) {
      this.cut(nowMs, seen);
      return true;
    }
    this.noise = Math.max(this.noise, this.calm.bad / this.calm.all);
    this.explain(nowMs, 'noise');
    this.evidence.clear();
    this.levelMs = nowMs;
    return false;
  }

  private lowerCap(nowMs: number, next: number): void {
    if (this.capRaised) this.capHoldMs = Math.min(MOST_CAP_HOLD_MS, 2 * this.capHoldMs);
    this.cap = Math.max(1, Math.min(this.cap - 1, next));
    this.capMs = nowMs;
    this.capRaised = false;
    this.capStep = 1;
    this.startup = false;
    this.explain(nowMs, 'requests at once');
    this.changed(nowMs);
  }

  private raiseCap(nowMs: number): void {
    // A limit that has gone is not climbed one by one.
    if (this.capRaised) this.capStep *= 2;
    this.capHeld = this.cap;
    this.cap += Math.max(this.capStep, Math.floor(0.02 * this.cap));
    this.capMs = nowMs;
    this.capRaised = true;
    this.changed(nowMs);
  }

  private cut(nowMs: number, share: number): void {
    const before = this.rate;
    const over = Math.max(0, share - this.noise);
    const inTrial = this.trial && over < 0.3;
    // Where the limit lies, as far as the share tells.
    const at = before * (1 - Math.min(0.03, over));
    this.edge = inTrial ? Math.min(this.edge, Math.max(at, 1.003 * this.held)) : at;
    if (!this.undo || nowMs - this.undo.atMs > 15_000) this.undo = { rate: before, startup: this.startup, atMs: nowMs };
    this.holdMs = this.nextHold(before, over, inTrial);
    const through = this.cap < Infinity ? 0 : 0.96 * Math.min(this.delivered(nowMs, 1000), this.delivered(nowMs, 2000));
    const lower = Math.min(0.99 * before, Math.max(through, before * Math.max(0.6, 1 - over - 0.005)));
    // A level that held no longer tells what noise there is.
    if (!this.trial) this.calm = { bad: 0, all: 0 };
    this.explain(nowMs, 'rate');
    this.setRate(nowMs, inTrial ? 0.997 * this.held : lower);
    this.held = Math.min(this.held, this.rate);
    this.startup = false;
    this.trial = false;
    this.step = 0;
    this.cutMs = nowMs;
    this.down = undefined;
  }

  /** An edge that holds is looked at more and more rarely. */
  private nextHold(before: number, over: number, inTrial: boolean): number {
    // What a limit still refuses when it is met first, it may refuse for what was sent before.
    if (this.explanation === 'none') return FIRST_HOLD_MS;
    const first = Math.max(FIRST_HOLD_MS, 50_000 / before);
    if (inTrial) return Math.max(first, Math.min(Math.max(MOST_HOLD_MS, 300_000 / before), 2 * this.holdMs));
    return over > 0.07 ? first : Math.max(first, this.holdMs);
  }

  /** A little lower down: fewer bad ones mean a limit, as many mean noise. */
  private settle(nowMs: number, { from, share, startup }: NonNullable<Learner['down']>): void {
    const { bad, all } = this.evidence.total;
    const enough = Math.max(15, Math.min(200, 15 * from), Math.min(1000, 6 / share));
    // None at all tells sooner.
    if (all < enough && (bad > 0 || all < Math.max(15, NONE_TELLS / share))) return;
    this.down = undefined;
    this.cutMs = bad === 0 ? this.levelMs : nowMs;
    this.trial = false;
    this.calm = { bad, all };
    if (bad < HELPS * share * all) {
      this.noise = Math.max(LEAST_NOISE, bad / all);
      this.edge = Math.min(this.edge, from * (1 - Math.min(0.03, share)));
      this.held = this.rate;
      this.explain(nowMs, 'rate');
      this.levelMs = nowMs;
      this.evidence.clear();
      return;
    }
    this.noise = Math.max(this.noise, bad / all);
    this.edge = Infinity;
    this.held = from;
    this.startup = startup;
    this.explain(nowMs, 'noise');
    this.setRate(nowMs, from);
  }

  private search(nowMs: number, ceiling: number): void {
    const sinceMs = nowMs - this.levelMs;
    if (sinceMs < Math.max(1000, 4000 / this.rate) || !this.isBound(nowMs, sinceMs)) return;
    this.setRate(nowMs, Math.min(ceiling, this.rate * (this.rate < FAST_UNTIL ? 2 : 1.5)));
  }

  private gapMs(): number {
    const least = this.edge < Infinity ? GAP_MS : PAST_GAP_MS;
    return Math.max(least, 20_000 / this.rate, this.quota ? 1.1 * this.quota.cycleMs : 0);
  }

  private levelPassed(): void {
    this.aftershocks = 0;
    if (!this.trial) this.best = Math.max(this.best, this.rate);
    if (this.trial) {
      this.trial = false;
      this.passed(this.evidence.total);
      // More fits into its window than the quota that was supposed.
      if (this.quota && this.rate * this.quota.cycleMs > 1300 * this.quota.accepted) this.quota = undefined;
      if (this.rate > this.edge) {
        this.edge = Infinity;
        this.step = 0;
      }
    }
    this.held = Math.max(this.held, this.rate);
  }

  /** A limit that has fallen may come back. */
  private patienceMs(): number {
    return this.rate < FALLEN * this.best ? Math.min(this.holdMs, FALLEN_HOLD_MS) : this.holdMs;
  }

  /** By halves up to the edge; past it, or where none is known, by steps that grow. */
  private climb(nowMs: number, ceiling: number): void {
    const near = CLOSE * this.edge;
    this.held = this.rate;
    if (this.edge < Infinity && this.rate < near) {
      const half = Math.min(1.5 * this.rate, Math.max(this.rate * 1.002, (this.rate + near) / 2));
      this.trial = true;
      return this.setRate(nowMs, half > near * 0.997 ? near : half);
    }
    if (this.edge < Infinity && nowMs - this.cutMs < this.patienceMs()) return;
    const next = this.edge < Infinity ? this.edge * PAST : this.rate * (1 + Math.min(1, 0.02 * 1.7 ** this.step++));
    this.trial = true;
    this.setRate(nowMs, Math.min(ceiling, next));
  }
}

/** The share that so few answers do not rule out. */
function atMost({ bad, all }: Share): number {
  return (bad + 2 * Math.sqrt(bad)) / all;
}

function plus(a: Share, b: Share): Share {
  return { bad: a.bad + b.bad, all: a.all + b.all };
}
