/**
 * Where a learned limit lies: what was refused, and what held below it. Steps upwards go half the way; near enough, the
 * climb is over, and the next one goes past it, since what was refused may be allowed by then. Invariant: a step never
 * passes the edge before it was reached.
 */

/** The edge is looked for by halves, until what was refused is no more than this above what holds. */
const NEAR = 0.0075;
/** How long the rate stays just below the edge before it is tried. */
const REACHED_MS = 7000;
/** The same while a run begins, and how long that is. */
const EARLY_MS = 4000;
const EARLY_RUN_MS = 60_000;
/** It is tried less often where it is found again and again. */
const MOST_DOUBLINGS = 2;
/** So much below a step that held and is gone back to. */
const BELOW = 0.99;
/** A step that held may have lived on what the server had saved up: for so long it is on trial. */
const TRIAL_MS = 8000;
/** What is left of a rate that had held for long, when it is rejected soon after a step past it was. */
const AFTERSHOCK = 0.98;
/** What is left of the rate after a short block: the longer there was none, the less is it too high. */
const CUTS: readonly (readonly [calmMs: number, left: number])[] = [
  [20_000, 0.99],
  [10_000, 0.98],
  [5000, 0.97],
  [2000, 0.95],
  [0, 0.93],
];

/** After a block. */
export interface Setback {
  /** The rate that was rejected. */
  rate: number;
  /** Since the block before. */
  calmMs: number;
}

export class Edge {
  readonly kind = 'edge';
  /** The least that was rejected, while nothing says that the limit changed. */
  private refused: number | undefined;
  /** The rate before the last step of the climb. */
  private held = 0;
  /** The last climb ended just below what was refused. */
  private reached = false;
  /** How often in a row the same edge was found again. */
  private confirmed = 0;
  /** What the rate was before the climb whose last step is on trial. */
  private fallback: number | undefined;

  /**
   * Until the next climb. `runMs`: since the first request, where the rate was expected; what was refused early may be
   * the fault of processes that had only just begun.
   */
  waitMs(otherwiseMs: number, runMs: number): number {
    return this.reached
      ? (runMs < EARLY_RUN_MS ? EARLY_MS : REACHED_MS) * 2 ** Math.min(this.confirmed, MOST_DOUBLINGS)
      : otherwiseMs;
  }

  /**
   * The next step from `rate`; `first`: a climb begins with it. Undefined: no edge is known. 'moved': the rate is past
   * what was refused. 'reached': the climb is over.
   */
  step(rate: number, first: boolean): number | 'moved' | 'reached' | undefined {
    this.held = rate;
    if (first) this.reached = false;
    if (this.refused === undefined) return undefined;
    if (rate >= this.refused) {
      this.refused = undefined;
      this.confirmed = 0;
      return 'moved';
    }
    if (this.refused - rate > NEAR * this.refused) return (rate + this.refused) / 2;
    if (first) return (1 + NEAR) * this.refused;
    this.reached = true;
    return 'reached';
  }

  refuse(rate: number): void {
    this.refused = rate;
    this.confirmed = 0;
  }

  /** A rate that was expected was refused, and almost held: a little less is gone on with. */
  nearlyHeld(rate: number, left: number): void {
    this.refuse(rate);
    this.fallback = left;
  }

  /** A block has begun and ended: no climb goes on. Returns the rate before the climb whose last step is on trial. */
  interrupt(): number | undefined {
    const { fallback } = this;
    this.fallback = undefined;
    this.reached = false;
    return fallback;
  }

  /** What is gone on with where a step on trial did not hold; undefined: it is on trial no longer. */
  afterTrial(fallback: number | undefined, { rate, calmMs }: Setback): number | undefined {
    if (fallback === undefined || calmMs >= TRIAL_MS) return undefined;
    this.refuse(rate);
    // What it fell back to had held before the climb: the server has not recovered from the step yet.
    return rate <= fallback ? AFTERSHOCK * rate : Math.min(fallback, cutAfter(calmMs) * rate);
  }

  /**
   * After a short block: the last step that held, if it was a climb from `base`, or a little less than what did not.
   */
  after({ rate, calmMs }: Setback, base: number | undefined): number {
    const isSame =
      base !== undefined && this.refused !== undefined && Math.abs(rate - this.refused) <= 2 * NEAR * this.refused;
    this.confirmed = isSame ? this.confirmed + 1 : 0;
    this.refused = rate;
    if (base === undefined) return cutAfter(calmMs) * rate;
    this.fallback = base;
    return Math.min(Math.max(base, BELOW * this.held), rate);
  }
}

function cutAfter(calmMs: number): number {
  return CUTS.find(([least]) => calmMs >= least)![1];
}

/** More than this share of what was on its way was rejected too: the limit lies far below. */
const FAR_SHARE = 0.3;
export const FAR_CUT = 0.8;
/** Fewer answers do not tell. */
const LEAST_STRAGGLERS = 3;
const UNTOLD_CUT = 0.9;

/**
 * What is left after two rejections in a row: what became of the requests on their way tells how far below the limit
 * lies.
 */
export function cutAtOnce(accepted: number, rejected: number): number {
  const all = accepted + rejected;
  if (all < LEAST_STRAGGLERS) return UNTOLD_CUT;
  return rejected > FAR_SHARE * all ? FAR_CUT : cutAfter(0);
}
