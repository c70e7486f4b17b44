/**
 * How many requests a server takes at once. Fewer are tried where, at one and the same rate, the number in flight parts
 * good answers from bad ones; where as many are bad with fewer at once, it was no explanation. Invariants: the cap
 * never falls below 1; a raise that was refused is tried again after a longer time, and after so many requests as its
 * refusals are worth.
 */
import type { Evidence, Share } from './evidence.js';

/** Nats that a number in flight needs, being one of many that might part them; more after each that did not hold. */
const SURE_OF_SPLIT = 7;
const MOST_SURE_OF_SPLIT = 56;
const FIRST_HOLD_MS = 10_000;
const MOST_HOLD_MS = 120_000;
/** Steps down that may help nothing before requests at once are no explanation. */
const MOST_VAIN = 3;
/** A lower level with less than this share of the bad answers shows what they came from. */
const HELPS = 0.35;
const LEAST_OUTCOMES = 15;
const MOST_OUTCOMES = 300;
const STEP = 0.02;

/** Fewer at once are on trial: what was allowed before, and the share that was bad. */
interface Trial {
  from: number;
  share: number;
  vain: number;
}

export class AtOnce {
  readonly kind = 'at-once';
  private changedMs = -Infinity;
  private holdMs = FIRST_HOLD_MS;
  private raised = false;
  private held = Infinity;
  private step = 1;
  private trial: Trial | undefined;
  private sureOfSplit = SURE_OF_SPLIT;
  /** Bad ones since the last raise, of more than were allowed before it and of fewer. */
  private badAbove = 0;
  private badBelow = 0;
  private byCap = 0;
  private byRate = 0;

  constructor(public cap: number) {}

  /** What holds requests back now. */
  boundBy(what: 'cap' | 'rate'): void {
    if (what === 'cap') this.byCap++;
    else this.byRate++;
  }

  /** How a request ended that was one of so many. */
  saw(bad: boolean, inFlight: number): void {
    if (!bad || !this.raised) return;
    if (inFlight > this.held) this.badAbove++;
    else this.badBelow++;
  }

  get isBound(): boolean {
    return this.byCap > this.byRate;
  }

  get isRateBound(): boolean {
    return this.byRate > this.byCap;
  }

  get onTrial(): boolean {
    return this.trial !== undefined;
  }

  /** The rate, or the cap, has changed. */
  count(): void {
    this.byCap = this.byRate = 0;
  }

  /**
   * Bad answers: were too many at once? 'lowered'; 'pending': that is being tried already; undefined: they are no
   * explanation. `isFar`: more are bad than noise ever is.
   */
  judge(nowMs: number, evidence: Evidence, isFar: boolean): 'lowered' | 'pending' | undefined {
    const split = evidence.split();
    const at = split.nats > this.sureOfSplit ? split.at : undefined;
    const isRaiseBad = this.raised && this.badAbove > this.badBelow;
    if (at === undefined && !isRaiseBad && !(this.cap < Infinity && this.isBound)) return undefined;
    if (this.raised) {
      this.lower(nowMs, this.held);
      return 'lowered';
    }
    if (this.trial && at === undefined && !isFar) return 'pending';
    const { bad, all } = evidence.total;
    this.trial ??= { from: this.cap, share: bad / all, vain: 0 };
    this.lower(nowMs, (at ?? this.cap) - 1);
    return 'lowered';
  }

  /** A rejection named the number: known without a trial. Those that left before the last change tell nothing new. */
  named(nowMs: number, sentMs: number, inFlight: number): boolean {
    if (sentMs < this.changedMs) return false;
    this.lower(nowMs, this.raised ? this.held : inFlight - 1);
    return true;
  }

  /**
   * With fewer at once fewer bad ones mean that those were too many, as many mean noise. Undefined: too few to tell
   * yet.
   */
  settle(nowMs: number, found: Share): 'holds' | 'noise' | 'lowered' | undefined {
    const { trial } = this;
    if (!trial || found.all < Math.max(LEAST_OUTCOMES, Math.min(MOST_OUTCOMES, 6 / trial.share))) return undefined;
    const helps = found.bad < HELPS * trial.share * found.all;
    if (!helps && ++trial.vain < MOST_VAIN && this.cap > 1) {
      this.lower(nowMs, this.cap - 1);
      return 'lowered';
    }
    this.trial = undefined;
    this.changedMs = nowMs;
    if (helps) return 'holds';
    this.cap = trial.from;
    this.sureOfSplit = Math.min(MOST_SURE_OF_SPLIT, 2 * this.sureOfSplit);
    return 'noise';
  }

  /** One more, now and then, where this is what holds requests back. Returns whether it did. */
  raise(nowMs: number): boolean {
    if (this.cap === Infinity || !this.isBound || nowMs - this.changedMs <= this.holdMs) return false;
    // A limit that has gone is not climbed one by one.
    if (this.raised) this.step *= 2;
    this.held = this.cap;
    this.cap += Math.max(this.step, Math.floor(STEP * this.cap));
    this.changedMs = nowMs;
    this.raised = true;
    this.badAbove = this.badBelow = 0;
    return true;
  }

  /** What was lowered since then was lowered for another reason. */
  undo(sinceMs: number): void {
    if (this.changedMs > sinceMs) this.giveUp();
  }

  /** The trial is over without a verdict. */
  giveUp(): void {
    if (this.trial) this.cap = this.trial.from;
    this.trial = undefined;
  }

  /** A raise was refused, at this price. */
  wait(ms: number): void {
    this.holdMs = Math.max(this.holdMs, ms);
  }

  get wasRaised(): boolean {
    return this.raised;
  }

  private lower(nowMs: number, next: number): void {
    if (this.raised) this.holdMs = Math.min(MOST_HOLD_MS, 2 * this.holdMs);
    this.cap = Math.max(1, Math.min(this.cap - 1, next));
    this.changedMs = nowMs;
    this.raised = false;
    this.step = 1;
  }
}
