/**
 * How a collection's rows lie in time. A row's second is a pure function of seed and index, so a million rows cost no
 * memory.
 */
import { hash32, seededRandom, type Random } from '../base/random.js';

/** How rows can lie in time. */
export const SHAPES = ['uniform', 'growth', 'doubling', 'bulk', 'empty-years', 'campaigns', 'tiny'] as const;
/** The name of a shape. */
export type Shape = (typeof SHAPES)[number];

const YEAR_SECONDS = 365 * 86_400;
/** Every history is ten years long. */
export const HISTORY_SECONDS = 10 * YEAR_SECONDS;
/** What `tiny` holds whatever is asked for. */
const TINY_ROWS = 40;
const CAMPAIGN_SECONDS = 7_200;
const CAMPAIGNS = 60;

/** Rows between two seconds (relative to the history's start), placed by a quantile function from [0,1) to [0,1). */
interface Piece {
  from: number;
  to: number;
  rows: number;
  quantile: (u: number) => number;
}

const flat = (u: number) => u;

/** The pieces of a shape, disjoint and in order of time. */
export function piecesOf(shape: Shape, rows: number, seed: number): Piece[] {
  switch (shape) {
    case 'uniform':
      return [{ from: 0, to: HISTORY_SECONDS, rows, quantile: flat }];
    case 'growth':
      return [{ from: 0, to: HISTORY_SECONDS, rows, quantile: (u) => u ** (1 / 6) }];
    case 'doubling': {
      const k = (10 / 0.75) * Math.LN2;
      return [{ from: 0, to: HISTORY_SECONDS, rows, quantile: (u) => Math.log1p(u * Math.expm1(k)) / k }];
    }
    case 'bulk': {
      const day = Math.floor(6.3 * YEAR_SECONDS);
      const one = Math.round(rows * 0.025);
      const import500 = Math.round(rows * 0.5);
      return withBase(
        rows - one - import500,
        (t) => t ** 3,
        (u) => u ** (1 / 3),
        [
          { from: day, to: day + 500, rows: import500, quantile: flat },
          { from: day + 777, to: day + 778, rows: one, quantile: flat },
        ],
      );
    }
    case 'empty-years': {
      const first = Math.round(rows * 0.3);
      return [
        { from: 1.5 * YEAR_SECONDS, to: 1.75 * YEAR_SECONDS, rows: first, quantile: flat },
        { from: 8.8 * YEAR_SECONDS, to: 9.96 * YEAR_SECONDS, rows: rows - first, quantile: flat },
      ];
    }
    case 'campaigns':
      return campaigns(rows, seededRandom(hash32(seed, 60)));
    case 'tiny':
      return [{ from: 0, to: HISTORY_SECONDS, rows: Math.min(rows, TINY_ROWS), quantile: flat }];
  }
}

function campaigns(rows: number, random: Random): Piece[] {
  const base = Math.round(rows * 0.02);
  let weight = 0;
  for (let k = 1; k <= CAMPAIGNS; k++) weight += 1 / k;
  const starts = Array.from({ length: CAMPAIGNS }, () =>
    Math.floor(random.next() * (HISTORY_SECONDS - 2 * CAMPAIGN_SECONDS)),
  );
  const bursts = starts
    .map((from, k) => ({ from, rows: Math.round(((rows - base) / weight) * (1 / (k + 1))) }))
    .toSorted((a, b) => a.from - b.from);
  const pieces: Piece[] = [];
  let free = 0;
  for (const burst of bursts) {
    const from = Math.max(burst.from, free);
    pieces.push({ from, to: from + CAMPAIGN_SECONDS, rows: burst.rows, quantile: flat });
    free = from + CAMPAIGN_SECONDS;
  }
  return withBase(base, flat, flat, pieces);
}

/**
 * Fills the time between the given pieces with `rows` of a base distribution (cdf and quantile over the whole history).
 */
function withBase(rows: number, cdf: (t: number) => number, quantile: (u: number) => number, pieces: Piece[]): Piece[] {
  const out: Piece[] = [];
  let at = 0;
  let placed = 0;
  const fill = (to: number, last: boolean) => {
    const low = cdf(at / HISTORY_SECONDS);
    const high = cdf(to / HISTORY_SECONDS);
    const count = last ? rows - placed : Math.round(rows * high) - placed;
    placed += Math.max(0, count);
    const from = at;
    const inside = (u: number) =>
      Math.min(0.999999, Math.max(0, (quantile(low + u * (high - low)) * HISTORY_SECONDS - from) / (to - from)));
    if (count > 0) out.push({ from, to, rows: count, quantile: inside });
  };
  for (const piece of pieces) {
    fill(piece.from, false);
    out.push(piece);
    at = piece.to;
  }
  fill(HISTORY_SECONDS, true);
  return out;
}

export class Timeline {
  readonly rows: number;
  private readonly pieces: Piece[];
  private readonly firstIndex: number[] = [];

  /** `start` is the history's first second, unix time. */
  constructor(
    shape: Shape,
    rows: number,
    private readonly seed: number,
    readonly start: number,
  ) {
    this.pieces = piecesOf(shape, rows, seed);
    let total = 0;
    for (const piece of this.pieces) {
      this.firstIndex.push(total);
      total += piece.rows;
    }
    this.rows = total;
  }

  /** Unix second of row `index`; index 0 is the oldest. Never decreases with the index. */
  secondOf(index: number): number {
    let p = this.firstIndex.length - 1;
    while (p > 0 && this.firstIndex[p]! > index) p--;
    const piece = this.pieces[p]!;
    const jitter = hash32(index, this.seed) / 4294967296;
    const u = piece.quantile((index - this.firstIndex[p]! + jitter) / piece.rows);
    return this.start + Math.floor(piece.from + u * (piece.to - piece.from));
  }

  /** How many rows lie before a unix second. */
  countBefore(second: number): number {
    let low = 0;
    let high = this.rows;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.secondOf(middle) < second) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** Independent draws from a shape, sorted, in seconds from the start: for simulations that want noise as well. */
export function sampleSeconds(shape: Shape, rows: number, seed: number): Float64Array {
  const random = seededRandom(seed);
  const out: number[] = [];
  for (const piece of piecesOf(shape, rows, seed)) {
    for (let i = 0; i < piece.rows; i++)
      out.push(Math.floor(piece.from + (piece.to - piece.from) * piece.quantile(random.next())));
  }
  return Float64Array.from(out).toSorted();
}
