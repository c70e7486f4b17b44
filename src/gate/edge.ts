/**
 * Where a learned limit lies, and when to look for more. Below an edge steps go half the way; past it one looks ever
 * more rarely; where none is known, by steps that grow. A look is paid for: what it cost, in refusals or in silence, is
 * a small share of what is accepted before the next. Invariant: a step never passes the edge before the rate was held
 * just below it.
 */

/** So near the edge the rate stays. */
const CLOSE = 0.98;
/** An edge that is passed by less has not moved. */
const MOVED = 1.03;
/** Just below a level that held. */
const BELOW = 0.997;
const BOLD = 1.5;
const CAREFUL = 1.03;
/** Below this share of the edge nothing is answered with silence. */
const FAR = 0.6;
/** And so far past it it is tried whether it still holds. */
const PAST = 1.005;
/** Then so far, until what may have been saved up is spent. */
const PAST_SAVED = 1.06;
const GAP_MS = 2000;
const PAST_GAP_MS = 3000;
/** Where a step too far is silence, each one has to hold for about as long. */
const MOST_SILENT_GAP_MS = 30_000;
/** Requests between two steps, where they are few. */
const GAP_REQUESTS = 20;
const FIRST_HOLD_MS = 12_000;
const MOST_HOLD_MS = 120_000;
/** Below this share of the highest rate that held, the limit has fallen; it may come back. */
const FALLEN = 0.8;
const FALLEN_HOLD_MS = 20_000;
/** After a look that was refused the highest rate is less sure. */
const FADES = 0.93;
/** Requests accepted for each that a look may cost. */
const ACCEPTED_FOR_ONE = 300;
/** Time sent for the time that a look may cost: more where one after the other ends in silence. */
const FIRST_PATIENCE = 4;
const SEARCH_PATIENCE = 3;
const PATIENCE_GROWTH = 2.5;
const MOST_PATIENCE = 40;
const MOST_PATIENCE_MS = 1_800_000;
/** A server may have saved up so many seconds' worth: what passes before that is spent tells nothing. */
const SAVED_SECONDS = 1;
const PROVEN_MS = 20_000;
const FIRST_STEP = 0.02;
const STEP_GROWTH = 1.7;
/** The first step past an edge that has moved. */
const MOVED_STEP = 3;
/** Steps from far below what the vendor usually allows: a bad hour is not remembered for ever. */
const BOLD_STEP = 5;
/** So many times the rate that was left: a few refusals show that it is right. */
const HOPED = 2;

export class Edge {
  readonly kind = 'edge';
  /** The least that was refused, as far as that is known. */
  at = Infinity;
  /** What held before the step that is on trial. */
  held: number;
  onTrial = false;
  /** What had held for long before the edge was last passed. */
  private base = 0;
  /** The edge was passed, by no more than what may have been saved up. */
  isBeyond = false;
  holdMs = FIRST_HOLD_MS;
  private cutMs = 0;
  private step = 0;
  /** The highest rate that held for longer than a trial. */
  private best = 0;
  /** The highest that held for so long that a block at it is no step too far. */
  proven = 0;
  private patience = FIRST_PATIENCE;
  /** How long the last step was answered with silence; 0: none was. */
  silentMs = 0;
  /** No step upwards before: the last ones are not paid for yet. */
  paidMs = -Infinity;

  constructor(rate: number) {
    this.held = rate;
  }

  /** At the first request; no look before so long, and what is above is answered with a silence of such a length. */
  begin(nowMs: number, firstLookMs: number, silentMs: number): void {
    this.cutMs = nowMs;
    this.paidMs = nowMs + firstLookMs;
    this.silentMs = silentMs;
    if (silentMs > 0) this.patience = PATIENCE_GROWTH * FIRST_PATIENCE;
  }

  /** What is usual, and what an earlier run was left with. */
  expect(usual: number, remembered: number): void {
    if (remembered >= FALLEN * usual) return;
    this.step = BOLD_STEP;
    this.best = Math.min(usual, HOPED * remembered);
  }

  /** A step was answered with silence, and no silence came without one. */
  get isSilent(): boolean {
    return this.patience > FIRST_PATIENCE;
  }

  /** From here on, as if nothing had been refused. */
  forget(rate: number): void {
    this.at = Infinity;
    this.step = 0;
    this.onTrial = this.isBeyond = false;
    this.held = rate;
  }

  /** Where a step that did not hold goes back to: a little past the edge each step seems to hold for a while. */
  get back(): number {
    return this.isBeyond || this.held < MOVED * this.base ? Math.min(this.base, this.held) : BELOW * this.held;
  }

  /** The rate was lowered: the next look is counted from now. */
  cut(nowMs: number, rate: number): void {
    this.held = Math.min(this.held, rate);
    this.onTrial = false;
    this.isBeyond = false;
    this.step = 0;
    this.cutMs = nowMs;
  }

  /** The next look is counted from here. */
  countFrom(ms: number): void {
    this.cutMs = ms;
  }

  /** How long so many are accepted as that refusals are a small share of them. */
  priceMs(rate: number, refused: number): number {
    return (refused * ACCEPTED_FOR_ONE * 1000) / rate;
  }

  /** Of a step upwards so many were refused. */
  refused(nowMs: number, rate: number, count: number): void {
    this.best *= FADES;
    this.paidMs = Math.max(this.paidMs, nowMs + this.priceMs(rate, count));
  }

  /** A step upwards ended in silence. A search takes many steps in one, and is sure of none. */
  silenced(nowMs: number, silentMs: number, isSearch: boolean): void {
    this.best *= FADES;
    this.silentMs = silentMs;
    const patience = isSearch ? SEARCH_PATIENCE : this.patience;
    this.paidMs = Math.max(this.paidMs, nowMs + Math.min(MOST_PATIENCE_MS, patience * silentMs));
    this.patience = Math.min(MOST_PATIENCE, PATIENCE_GROWTH * this.patience);
  }

  /** A silence without a step: once after each that followed one, it may be of the same kind. */
  doubts(): boolean {
    const { isSilent } = this;
    if (isSilent) this.patience /= PATIENCE_GROWTH;
    return isSilent;
  }

  /** It was silent for no step of ours: the last one may have been innocent as well. */
  wasOutage(): void {
    this.patience = FIRST_PATIENCE;
    this.silentMs = 0;
    this.paidMs = -Infinity;
  }

  /** An edge that holds is looked at more and more rarely; one that moved far, soon. `over`: more bad than noise. */
  hold(rate: number, over: number, inTrial: boolean): void {
    const first = Math.max(FIRST_HOLD_MS, 50_000 / rate);
    if (inTrial) this.holdMs = Math.max(first, Math.min(Math.max(MOST_HOLD_MS, 300_000 / rate), 2 * this.holdMs));
    else this.holdMs = over > 0.07 ? first : Math.max(first, this.holdMs);
  }

  gapMs(rate: number, cycleMs: number): number {
    const leastMs = this.at < Infinity ? GAP_MS : PAST_GAP_MS;
    return Math.max(leastMs, (GAP_REQUESTS * 1000) / rate, 1.1 * cycleMs, Math.min(MOST_SILENT_GAP_MS, this.silentMs));
  }

  /** The rate held for so long. */
  passed(rate: number, heldMs: number): void {
    if (heldMs >= PROVEN_MS) this.proven = Math.max(this.proven, rate);
    if (!this.onTrial) this.best = Math.max(this.best, rate);
    else if (rate > this.at) {
      this.isBeyond = ((rate - this.at) * heldMs) / 1000 < SAVED_SECONDS * this.at;
      if (this.isBeyond) return;
      this.hasMoved();
    }
    this.onTrial = false;
    this.held = Math.max(this.held, rate);
  }

  /** What it cost to find it before is of no account. */
  private hasMoved(): void {
    this.at = Infinity;
    this.step = MOVED_STEP;
    this.paidMs = -Infinity;
  }

  /** The rate to try next; undefined: none yet. */
  next(nowMs: number, rate: number): number | undefined {
    const isFallen = rate < FALLEN * this.best;
    if (nowMs < this.paidMs && !isFallen) return undefined;
    const near = CLOSE * this.at;
    if (this.at < Infinity && rate < near) {
      // What is answered with silence is come near to by little.
      const most = this.isSilent && rate > FAR * near ? CAREFUL : BOLD;
      const half = Math.min(most * rate, Math.max(rate * 1.002, (rate + near) / 2));
      return half > near * 0.997 ? near : half;
    }
    if (this.isBeyond) return rate < 0.999 * PAST_SAVED * this.at ? PAST_SAVED * this.at : undefined;
    if (this.at === Infinity) return rate * (1 + Math.min(1, FIRST_STEP * STEP_GROWTH ** this.step++));
    const holdMs = isFallen ? Math.min(this.holdMs, FALLEN_HOLD_MS) : this.holdMs;
    if (nowMs - this.cutMs < holdMs) return undefined;
    this.base = rate;
    return this.at * PAST;
  }
}
