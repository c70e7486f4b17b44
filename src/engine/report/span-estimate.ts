/**
 * How many rows a stream holds, estimated from a few pages. Each page tells exactly what lies between the position that
 * was asked for and its last row; between such parts lie gaps, and each next page is asked for where the rows of a gap
 * are least certain. Pure: positions in, positions out.
 */
import { BURST, burstRows } from '../../ledger/density.js';

/** Rows at a page's end from which the density there is taken, where the page is not even. */
const EDGE_ROWS = 16;
/** A page is even where its end is as dense as the whole of it, within this factor. */
const EVEN = 2;
/** Below the lowest row seen density is taken to fall by this much, as a logarithm: most histories began small. */
const DECLINE = 3;
/** What is expected of a gap is doubted by so much, even where its edges agree. */
const DOUBT = 0.06;
/** Estimates are sure once so many standard deviations are less than `SURE` of them. */
const DEVIATIONS = 2;
const SURE = 0.08;
/** Shares of the span at which the first pages lie. */
const FIRST = [0.5, 0.25, 0.75, 0.1, 0.9, 0.02];

/** A part whose rows are known: [from, to). Densities are rows per unit of position at its ends. */
interface Seen {
  from: number;
  to: number;
  rows: number;
  densityAtFrom: number;
  densityAtTo: number;
}

interface Gap {
  to: number;
  low: number;
  expected: number;
  deviation: number;
  density: number;
  /** Where to ask next. */
  at: number;
}

export interface RowEstimate {
  rows: number;
  /** The rows lie between these, as far as the pages can tell. */
  low: number;
  high: number;
  exact: boolean;
}

export class SpanEstimate {
  /** Disjoint, from high to low. */
  private readonly seen: Seen[] = [];
  private pages = 0;
  private readonly firstLeft = [...FIRST];

  /**
   * `span`: positions [gte, lt); `unit`: the least difference of two positions; `pageRows`: the most rows of a page.
   */
  constructor(
    private readonly span: { gte: number; lt: number },
    private readonly unit: number,
    private readonly pageRows: number,
  ) {}

  /** Where the next page is asked for, as the bound that its rows lie below; undefined: asking more tells little. */
  next(): number | undefined {
    const first = this.first();
    if (first !== undefined) return first;
    const gaps = this.gaps();
    if (gaps.length === 0) return undefined;
    // Once what was seen agrees, the thinnest history is read on: there a page shows the most of the span, and a burst
    // that hides in it is found.
    if (isSure(this.sum(gaps))) return gaps.reduce((best, gap) => (thinness(gap) >= thinness(best) ? gap : best)).to;
    return gaps.reduce((best, gap) => (gap.deviation > best.deviation ? gap : best)).at;
  }

  /** The first pages lie at fixed shares of what the newest page leaves; those that are known by then are left out. */
  private first(): number | undefined {
    if (this.pages === 0) return this.span.lt;
    const { gte } = this.span;
    const top = this.seen[0]!.from;
    while (this.firstLeft.length > 0) {
      const at = Math.floor((gte + (top - gte) * this.firstLeft.shift()!) / this.unit) * this.unit;
      if (at > gte && !this.seen.some((part) => part.from < at && at <= part.to)) return at;
    }
    return undefined;
  }

  /** A page of rows below `at`, their positions from high to low. */
  add(at: number, positions: number[], hasMore: boolean): void {
    this.pages++;
    const index = this.seen.findIndex((part) => part.to <= at);
    const below = index < 0 ? undefined : this.seen[index];
    const inside = below ? positions.filter((position) => position >= below.to) : positions;
    const reachesBelow = below !== undefined && inside.length < positions.length;
    const from = reachesBelow ? below.to : hasMore && inside.length > 0 ? inside.at(-1)! : this.span.gte;
    const part: Seen = {
      from,
      to: at,
      rows: inside.length,
      densityAtFrom: this.density(positions.toReversed(), positions.at(-1) ?? from, at),
      densityAtTo: this.density(positions, at, positions.at(-1) ?? from),
    };
    this.seen.splice(index < 0 ? this.seen.length : index, 0, part);
  }

  estimate(): RowEstimate {
    const gaps = this.gaps();
    const total = this.sum(gaps);
    return {
      rows: Math.round(total.rows),
      low: Math.round(gaps.reduce((sum, gap) => sum + Math.max(0, gap.low), total.known)),
      high: Math.round(total.rows + DEVIATIONS * total.deviation),
      exact: gaps.length === 0,
    };
  }

  private sum(gaps: Gap[]): { known: number; rows: number; deviation: number } {
    const known = this.seen.reduce((sum, part) => sum + part.rows, 0);
    return {
      known,
      rows: gaps.reduce((sum, gap) => sum + gap.expected, known),
      deviation: Math.sqrt(gaps.reduce((sum, gap) => sum + gap.deviation ** 2, 0)),
    };
  }

  private gaps(): Gap[] {
    const gaps: Gap[] = [];
    this.seen.forEach((upper, i) => {
      const lower = this.seen[i + 1];
      const from = lower?.to ?? this.span.gte;
      if (upper.from - from < this.unit) return;
      gaps.push(this.gap(from, upper.from, lower?.densityAtTo, upper.densityAtFrom));
    });
    return gaps;
  }

  /** What is expected between two parts, from the densities at its ends. */
  private gap(from: number, to: number, below: number | undefined, above: number): Gap {
    const width = to - from;
    const foot = below ?? above * Math.exp(-DECLINE);
    const step = below !== undefined && Math.abs(Math.log(above / foot)) > BURST;
    const { expected, deviation } = step ? this.burst(width, above, foot) : slope(width, above, foot);
    const low = step ? width * Math.min(above, foot) : expected - DEVIATIONS * deviation;
    return { to, low, expected, deviation, density: expected / width, at: this.pointIn(from, to, above, foot, step) };
  }

  /** A dense end that stops somewhere in the gap; the deviation is what any order of magnitude alike would bring. */
  private burst(width: number, above: number, foot: number): { expected: number; deviation: number } {
    const dense = Math.max(above, foot);
    return {
      expected: burstRows(width, dense, this.pageRows) + width * Math.min(above, foot),
      deviation: (dense * width) / Math.max(1, Math.log((width * dense) / this.pageRows)),
    };
  }

  /** The middle of a slope; near the dense end of a step, by the geometric mean of a page and the gap. */
  private pointIn(from: number, to: number, above: number, foot: number, step: boolean): number {
    const width = to - from;
    const page = Math.min(width, this.pageRows / Math.max(above, foot));
    const reach = Math.min(width / 2, Math.max(step ? Math.sqrt(page * width) : width / 2, page / 2));
    // The page lies below the point: where the dense end is the upper one, the rows next to it stay unseen.
    const point = above >= foot ? to - reach : from + Math.min(width, reach);
    return Math.min(to, Math.max(from + this.unit, Math.floor(point / this.unit) * this.unit));
  }

  /** Rows per unit next to `end`, of rows in order from there towards `other`. */
  private density(positions: number[], end: number, other: number): number {
    const wide = Math.max(this.unit, Math.abs(end - other));
    const whole = Math.max(positions.length, 0.5) / wide;
    if (positions.length <= EDGE_ROWS) return whole;
    const edge = EDGE_ROWS / Math.max(this.unit, Math.abs(end - positions[EDGE_ROWS - 1]!));
    return edge / whole < EVEN && whole / edge < EVEN ? whole : edge;
  }
}

/** By halves, so that chance does not choose. */
function thinness(gap: Gap): number {
  return -Math.round(Math.log2(gap.density));
}

/** Densities that run evenly from one end to the other. */
function slope(width: number, above: number, foot: number): { expected: number; deviation: number } {
  const ratio = Math.log(above / foot);
  const expected = width * (Math.abs(ratio) < 1e-6 ? above : (above - foot) / ratio);
  return { expected, deviation: Math.hypot((width * Math.abs(above - foot)) / Math.sqrt(12), DOUBT * expected) };
}

function isSure({ rows, deviation }: { rows: number; deviation: number }): boolean {
  return DEVIATIONS * deviation < SURE * rows;
}
