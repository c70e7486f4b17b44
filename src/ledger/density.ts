/**
 * What is known of a stream's density (rows per unit of position), and what it lets expect of parts not read yet.
 * Between two positions where pages were seen, density is taken as log-linear: growth and bursts are exponential more
 * often than linear.
 */
interface Knot {
  at: number;
  /** Natural logarithm of rows per unit of position. */
  log: number;
}

interface Piece {
  from: number;
  to: number;
  logFrom: number;
  logTo: number;
  rows: number;
}

/**
 * Below the lowest page seen, density is taken to fall by this much over the whole span, as a logarithm: most histories
 * began small, and what is assumed too dense is cut into parts that hold nothing (measured: a fifth fewer requests are
 * wasted, for even histories too).
 */
const DECLINE = 3;

/** Keeps the logarithm finite where a page was empty. */
const LEAST_DENSITY = 1e-12;

/** More knots than this and those that no unread part touches are dropped. */
const MAX_KNOTS = 2048;

/** Densities that differ by more than this, as a logarithm, have a burst's end between them rather than a slope. */
export const BURST = 1.5;
/** A history is rough where so many neighbouring pages, and this part of all, differ as a burst does. */
const ROUGH_JUMPS = 4;
const ROUGH_SHARE = 0.03;
/** A part whose ends are denser than all that was seen by this much, as a logarithm, is a burst wherever it lies. */
const UNUSUAL = 5;

/** What is expected of parts that are not read yet. */
export interface Outlook {
  rows: number;
  /** Rows that rest on a guess, where nearby pages contradict each other. */
  guessed: number;
}

/**
 * Rows next to an end that is dense and may stop anywhere between a page and the whole width, at any order of magnitude
 * alike: the geometric middle of these, halved, since longer ones were often cut.
 */
export function burstRows(width: number, density: number, pageRows: number): number {
  return 0.5 * density * Math.sqrt(Math.min(width, pageRows / density) * width);
}

export class DensityModel {
  private knots: Knot[] = [];
  private seenRows = 0;
  private seenWidth = 0;

  /** `width`: of the whole span; Infinity where a history shall not be taken to have begun small. */
  constructor(private readonly width: number) {}

  get empty(): boolean {
    return this.knots.length === 0;
  }

  /** A page with `rows` rows was seen around position `at`, over `width` units of position. */
  add(at: number, rows: number, width: number): void {
    const knot = { at, log: Math.log(Math.max(rows / Math.max(width, LEAST_DENSITY), LEAST_DENSITY)) };
    this.knots.splice(this.indexFrom(at), 0, knot);
    this.seenRows += rows;
    this.seenWidth += width;
  }

  /** Drops knots that no unread part [gte, top] has as its neighbour, once there are many. */
  prune(unread: Iterable<{ gte: number; top: number }>): void {
    if (this.knots.length <= MAX_KNOTS) return;
    const keep = new Set<Knot>();
    for (const { gte, top } of unread) {
      const from = Math.max(0, this.indexFrom(gte) - 1);
      const to = Math.min(this.knots.length - 1, this.indexFrom(top));
      for (let i = from; i <= to && keep.size < MAX_KNOTS; i++) keep.add(this.knots[i]!);
    }
    this.knots = this.knots.filter((knot) => keep.has(knot));
  }

  /** Rows expected in [gte, top]. */
  rowsIn(gte: number, top: number): number {
    let rows = 0;
    for (const piece of this.pieces(gte, top)) rows += piece.rows;
    return rows;
  }

  /**
   * What to tell people of [gte, top], read in pages of `pageRows`. Where the ends of a part differ as a burst does
   * from what lies around it, or the whole history is rough, a slope between them would promise far too much: what is
   * dense at an end may stop anywhere.
   */
  outlook(gte: number, top: number, pageRows: number): Outlook {
    const rough = this.jumps >= Math.max(ROUGH_JUMPS, ROUGH_SHARE * this.knots.length);
    const unusual = Math.log(this.seenRows / Math.max(this.seenWidth, LEAST_DENSITY)) + UNUSUAL;
    const out = { rows: 0, guessed: 0 };
    for (const { from, to, logFrom, logTo, rows: sloped } of this.pieces(gte, top)) {
      const step = Math.abs(logTo - logFrom) > BURST;
      const odd = Math.min(logFrom, logTo) > unusual && sloped > pageRows;
      if (!rough && !step && !odd) out.rows += sloped;
      else {
        const dense = burstRows(to - from, Math.exp(Math.max(logFrom, logTo)), pageRows);
        const low = Math.exp(Math.min(logFrom, logTo));
        const thin = rough || odd ? burstRows(to - from, low, pageRows) : low * (to - from);
        const likely = Math.min(sloped, dense + thin);
        out.rows += likely;
        out.guessed += sloped - likely;
      }
    }
    return out;
  }

  /** Neighbouring pages that differ as a burst does from what lies around it. */
  get jumps(): number {
    let jumps = 0;
    for (let i = 1; i < this.knots.length; i++)
      if (Math.abs(this.knots[i]!.log - this.knots[i - 1]!.log) > BURST) jumps++;
    return jumps;
  }

  /** The position with a share of the expected rows of [gte, top] above it. */
  pointBelow(share: number, gte: number, top: number): number {
    const pieces = this.pieces(gte, top);
    const wanted = share * pieces.reduce((sum, piece) => sum + piece.rows, 0);
    let above = 0;
    for (const piece of pieces.toReversed()) {
      if (above + piece.rows >= wanted && piece.rows > 0) {
        const part = (wanted - above) / piece.rows;
        const ratio = piece.logTo - piece.logFrom;
        const fraction =
          Math.abs(ratio) < 1e-9 ? part : 1 - Math.log(Math.exp(ratio) - part * (Math.exp(ratio) - 1)) / ratio;
        return piece.to - fraction * (piece.to - piece.from);
      }
      above += piece.rows;
    }
    return top - share * (top - gte);
  }

  private pieces(gte: number, top: number): Piece[] {
    if (this.empty || top <= gte) return [];
    const bounds = [gte];
    for (let i = this.indexFrom(gte); i < this.knots.length && this.knots[i]!.at < top; i++)
      if (this.knots[i]!.at > gte) bounds.push(this.knots[i]!.at);
    bounds.push(top);
    const out: Piece[] = [];
    for (let i = 0; i + 1 < bounds.length; i++) {
      const from = bounds[i]!;
      const to = bounds[i + 1]!;
      const logFrom = this.logAt(from);
      const logTo = this.logAt(to);
      const mean =
        Math.abs(logTo - logFrom) < 1e-9
          ? Math.exp(logFrom)
          : (Math.exp(logTo) - Math.exp(logFrom)) / (logTo - logFrom);
      out.push({ from, to, logFrom, logTo, rows: mean * (to - from) });
    }
    return out;
  }

  private logAt(at: number): number {
    const i = this.indexFrom(at);
    const above = this.knots[i];
    const below = this.knots[i - 1];
    if (!above) return below!.log;
    if (!below) return above.log - (DECLINE * (above.at - at)) / this.width;
    return below.log + ((above.log - below.log) * (at - below.at)) / Math.max(above.at - below.at, LEAST_DENSITY);
  }

  /** Index of the first knot at or above a position. */
  private indexFrom(at: number): number {
    let low = 0;
    let high = this.knots.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.knots[middle]!.at < at) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/**
 * The original rule of Stripe's sync engine: how many equal segments, from the share of the span that the first page
 * covers. An empty span or page gives one segment.
 */
export function segmentCountFromDensity(spanLength: number, coveredByFirstPage: number, max = 50): number {
  if (!(spanLength > 0) || !(coveredByFirstPage > 0)) return spanLength > 0 && coveredByFirstPage === 0 ? max : 1;
  return Math.min(max, Math.max(1, Math.ceil(spanLength / coveredByFirstPage)));
}
