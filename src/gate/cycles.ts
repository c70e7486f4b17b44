/**
 * What a long block was, by what was accepted before it and in what time, beside the block before: the same number in
 * another time is a quota that was spent; fewer in no more time an outage, since a lower rate would have put anything
 * else off. A block on the way up, or at a rate that had not held yet, is a step too far, perhaps with a ban. Every
 * belief is tested by the next block.
 */

/** Less than this share of a supposed quota was spent: it was none. */
const AGAIN = 0.85;
/** The same was accepted, give or take this share. */
const SAME = 0.1;
const SAME_FEW = 2.5;
/** The number differs by so much less than the time does. */
const QUOTA_SAMER = 0.5;
/** And the time so much less than the number, where it comes by time. */
const TIMED_SAMER = 0.35;
const SAME_PERIOD = 0.03;
/** By less a number may be another by chance. */
const LEAST_OTHER = 0.04;
const LEAST_OTHERS = 5;
const MOST_BLOCKS = 6;
const TIMES_MORE = 2.5;
/** A lower rate that lets this many times as many through may be right. */
const FEW_MORE = 1.3;
/** More than so many times a supposed quota shows that it is none. */
const BEYOND = 1.3;
/** Of the rate before a block: a quota is spent in another time, and a rate that was exceeded is not. */
const APART = 0.5;
const PART = 0.6;
/** After a quota that was none, so many blocks of the same kind are outages; twice as many after each. */
const FIRST_DISTRUST = 2;
/** And so is the time, give or take this share. */
const SAME_TIME = 0.1;
/** A rate that is lower by so much would be blocked later, if it mattered. */
const SLOWER = 0.82;
/** A rate holds for longer than what the server had saved up, or for so long. */
const OUTLASTS = 1.3;
const OUTLASTS_MS = 60_000;

/** What was accepted in one block, and its length with the time before it. */
interface Found {
  accepted: number;
  cycleMs: number;
  /** From the end of the last block to the beginning of this one. */
  calmMs: number;
  /** From the beginning of the last block to the beginning of this one. */
  periodMs: number;
  /** The rate before the first block. */
  before: number;
}

export interface LongBlock {
  nowMs: number;
  blockMs: number;
  /** By so much its end was noticed late. */
  lateMs: number;
  rate: number;
  /** The rate was raised to see whether it holds. */
  isStep: boolean;
  /** It is the first that was tried after another block, or after a cut. */
  isUnsure: boolean;
}

export type Verdict =
  /** On as before, or as before all that was tried since. `isGuess`: nothing was compared. */
  | { what: 'outage'; former?: number; isGuess?: boolean }
  | { what: 'quota'; perSecond: number }
  /** A step above what a quota allows. */
  | { what: 'step' }
  /** The rate was too high, by more than a block tells. `apart`: at this rate a quota would be spent in another time. */
  | { what: 'edge'; apart?: number }
  /** Perhaps it was: a lower one will tell. */
  | { what: 'doubt'; isBan?: boolean };

export class Cycles {
  readonly kind = 'cycles';
  /** Since the last block was over. */
  private accepted = 0;
  startMs = 0;
  private blockedMs = 0;
  quota: Found | undefined;
  /** The latest blocks, the newest first. */
  private blocks: Found[] = [];
  /** It was an outage: another one after the same time is one as well. */
  private outages = 0;
  private distrust = 0;
  private skip = 0;

  accept(cost: number): void {
    this.accepted += cost;
  }

  ended(block: LongBlock): Verdict {
    const { nowMs, rate } = block;
    const found = {
      accepted: this.accepted,
      cycleMs: nowMs - block.lateMs - this.startMs,
      before: this.quota?.before ?? rate,
      calmMs: nowMs - this.startMs - block.blockMs,
      periodMs: nowMs - block.blockMs - this.blockedMs,
    };
    this.blockedMs = nowMs - block.blockMs;
    this.startMs = nowMs;
    this.accepted = 1;
    const { quota } = this;
    // It began before anything of ours was accepted: nothing of ours was spent.
    if (found.accepted === 0) return { what: 'outage', isGuess: true };
    if (quota && (found.accepted < AGAIN * quota.accepted || isTimed(found, quota))) return this.refuted(quota.before);
    if (quota && block.isStep) return { what: 'step' };
    if (quota && found.accepted < TIMES_MORE * quota.accepted) {
      // It was spent once, or nearly held and was spent in the next window.
      const windows = Math.round(Math.max(1, found.accepted / quota.accepted));
      return this.spent({
        ...found,
        accepted: found.accepted / windows,
        cycleMs: found.cycleMs / windows,
        calmMs: found.calmMs / windows,
        periodMs: found.periodMs / windows,
      });
    }
    this.quota = undefined;
    return this.unknown(block, found);
  }

  /** So many a second get through for longer than the supposed quota allows. */
  passed(perSecond: number): void {
    if (this.quota && (perSecond * this.quota.cycleMs) / 1000 > BEYOND * this.quota.accepted) this.quota = undefined;
  }

  /** More got through since the last block than before it, or all went well for long. */
  hasOutlasted(nowMs: number): boolean {
    return this.accepted > OUTLASTS * (this.blocks[0]?.accepted ?? 0) || nowMs - this.startMs > OUTLASTS_MS;
  }

  private unknown(block: LongBlock, found: Found): Verdict {
    const [last] = this.blocks;
    const before = last && block.isUnsure ? Math.max(found.before, last.before) : found.before;
    const own = { ...found, before };
    const verdicts = this.blocks.map((other) => this.compared(block, own, other));
    this.blocks = [own, ...this.blocks.slice(0, MOST_BLOCKS - 1)];
    const known = verdicts.find((verdict) => verdict?.isSure) ?? verdicts.find((verdict) => verdict !== undefined);
    if (known) return known.found();
    const isMore = last !== undefined && found.accepted > FEW_MORE * last.accepted;
    if (block.isUnsure && !isMore && found.calmMs < block.blockMs)
      return { what: 'edge', apart: (APART * found.accepted * 1000) / found.calmMs };
    if (block.isStep || block.isUnsure) return { what: 'edge' };
    return found.calmMs < block.blockMs ? { what: 'doubt' } : { what: 'outage', isGuess: true };
  }

  /** What two blocks tell together. */
  private compared(
    block: LongBlock,
    found: Found,
    other: Found,
  ): { isSure: boolean; found: () => Verdict } | undefined {
    const isSame = Math.abs(found.accepted - other.accepted) < Math.max(SAME_FEW, SAME * other.accepted);
    const isSameTime = Math.abs(found.calmMs / other.calmMs - 1) < SAME_TIME;
    const isNoLater = found.calmMs < (1 + SAME_TIME) * other.calmMs && found.calmMs > block.blockMs / 2;
    const isSlower = found.accepted * other.calmMs < SLOWER * other.accepted * found.calmMs;
    // Of times that are far apart some agree by chance.
    const isRegular = other === this.blocks[0] && isTimed(found, other);
    if (isRegular || (isNoLater && isSlower))
      return { isSure: true, found: () => this.wasOutage(Math.max(found.before, other.before)) };
    if (isSame && isSameTime && this.outages > 0) return { isSure: true, found: () => this.wasOutage(undefined) };
    const isSamer = apart(found.accepted, other.accepted) < QUOTA_SAMER * apart(found.calmMs, other.calmMs);
    if (isSame && isSamer && !isSameTime && !block.isStep && this.skip-- <= 0) {
      const quota = { ...found, accepted: likelier(found.accepted, other.accepted) };
      return { isSure: true, found: () => this.spent(quota) };
    }
    return isSame && isSameTime && !block.isStep ? { isSure: false, found: () => ({ what: 'doubt' }) } : undefined;
  }

  private spent(found: Found): Verdict {
    this.quota = found;
    this.outages = 0;
    return { what: 'quota', perSecond: (found.accepted * 1000) / found.cycleMs };
  }

  /** Blocked again with less spent: it was no quota. */
  private refuted(former: number): Verdict {
    this.distrust = this.distrust ? 2 * this.distrust : FIRST_DISTRUST;
    this.skip = this.distrust;
    return this.wasOutage(former);
  }

  private wasOutage(former: number | undefined): Verdict {
    this.quota = undefined;
    this.outages++;
    return former === undefined ? { what: 'outage' } : { what: 'outage', former };
  }
}

/** It came after the same time, whatever was accepted in it. */
function isTimed(found: Found, other: Found): boolean {
  const byTime = Math.min(apart(found.calmMs, other.calmMs), apart(found.periodMs, other.periodMs));
  const byNumber = apart(found.accepted, other.accepted);
  const isOther = byNumber > LEAST_OTHER && Math.abs(found.accepted - other.accepted) > LEAST_OTHERS;
  return isOther && byTime < SAME_PERIOD && byTime < TIMED_SAMER * byNumber;
}

/** By what share two numbers differ. */
function apart(one: number, other: number): number {
  return Math.abs(Math.log(Math.max(1, one) / Math.max(1, other)));
}

/** What was spent before may have counted as well; far more than now was accepted in several windows. */
function likelier(now: number, before: number): number {
  return now > PART * before ? Math.max(now, before) : now;
}
