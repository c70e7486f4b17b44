/** A range while it is read: what its pages told so far, beyond what is stored of it. */
import { LIMITS } from '../base/bounds.js';
import { FatalError } from '../base/errors.js';
import type { Range } from './ledger.js';
import type { PageRead } from './page.js';

export interface LiveRange extends Range {
  /** The lowest position that came. `top` ends at the range's bound; the lowest range's rows may lie below it. */
  reached: number;
  inFlight: boolean;
  /**
   * A page lay within one unit: perhaps a chain that cannot be divided, to be read first. The next page confirms or
   * refutes it.
   */
  dense: boolean;
  refuted: boolean;
  /** Keys seen at position `reached`, for walking that unit again. */
  unitKeys: Set<string>;
  rewalks: number;
  /** An empty page claimed that more follows: closing needs a second walk that brings no new key. */
  confirming: boolean;
  fresh: number;
  /** The request that was answered with an empty page which claims more; twice is enough. */
  emptyAt: string | undefined;
  /** Rows per unit of position on the last page. */
  lastDensity: number;
  /** Was divided on a guess since its last page. */
  hedged: boolean;
}

export function liveOf(range: Range): LiveRange {
  return {
    ...range,
    reached: range.top,
    inFlight: false,
    dense: false,
    refuted: false,
    unitKeys: new Set<string>(),
    rewalks: 0,
    confirming: false,
    fresh: 0,
    emptyAt: undefined,
    lastDensity: 0,
    hedged: false,
  };
}

/** Tells one request of a range from another. */
export function askedOf({ cursor, filter }: LiveRange): string {
  return JSON.stringify([cursor, filter.gte, filter.lt]);
}

/** Which rows are the range's own (undefined: all of them), the last position, and whether they came in order. */
export function ownRows(
  range: LiveRange,
  { positions }: PageRead,
  lowest: boolean,
): { keep: number[] | undefined; last: number; inOrder: boolean } {
  let previous = range.filter.lt;
  let last = Number.NaN;
  let foreign = false;
  let inOrder = true;
  for (const position of positions) {
    if (Number.isNaN(position)) continue;
    if (position > previous) inOrder = false;
    previous = position;
    last = position;
    if (!lowest && position < range.gte) foreign = true;
  }
  if (!foreign) return { keep: undefined, last, inOrder };
  const keep: number[] = [];
  let below = false;
  positions.forEach((position, index) => {
    // A row without a position lies where its neighbours do.
    below = Number.isNaN(position) ? below : position < range.gte;
    if (!below) keep.push(index);
  });
  return { keep, last, inOrder };
}

/** How dense the range is, the keys of its last unit, and what counts as new while its end is confirmed. */
export function noteRows(
  range: LiveRange,
  page: PageRead,
  { before, last, unit, pageRows }: { before: number; last: number; unit: number; pageRows: number },
): void {
  const lowest = range.reached;
  if (range.confirming) {
    page.positions.forEach((position, index) => {
      const key = page.keys[index] ?? null;
      if (position < lowest || key === null || !range.unitKeys.has(key)) range.fresh++;
    });
  }
  if (Number.isFinite(last)) {
    const reached = Math.min(last, before);
    range.lastDensity = page.positions.length / Math.max(unit, before - reached);
    range.hedged = false;
    const full = page.positions.length >= pageRows && page.hasMore;
    const confirmed = full && before - reached < unit;
    const suspected = full && !range.refuted && page.positions[0]! - last < unit;
    range.refuted ||= range.dense && !confirmed;
    range.dense = confirmed || suspected;
    if (last < lowest) range.unitKeys.clear();
    page.positions.forEach((position, index) => {
      const key = page.keys[index] ?? null;
      if (position === last && key !== null && range.unitKeys.size < LIMITS.unitKeys) range.unitKeys.add(key);
    });
  }
  if (!(last < lowest)) return;
  if (range.fresh > 0) range.confirming = false;
  range.rewalks = 0;
  range.reached = last;
}

/** The unit of the last position is walked again from its start, by the filter alone. */
export function walkAgain(range: LiveRange, unit: number, seekable: boolean): void {
  if (++range.rewalks > LIMITS.rewalks) {
    throw new FatalError(`the server does not let position ${range.top} be read to its end`, {
      code: 'unit_unreadable',
      expected: 'pages that end or go on',
      found: `${LIMITS.rewalks} walks that ended in a lost cursor or an empty page`,
    });
  }
  range.cursor = null;
  if (!seekable) return;
  // Where the walk has not come down to the span's end yet, only its beginning is known.
  if (range.filter.lt === Infinity && range.reached >= range.lt - unit) return;
  range.filter = { gte: range.filter.gte, lt: Math.min(range.filter.lt, range.reached + unit) };
}

/** The first range with the most rows, if it has more than `least`. */
export function fullest(
  ranges: LiveRange[],
  least: number,
  rowsOf: (range: LiveRange) => number,
): LiveRange | undefined {
  let found: LiveRange | undefined;
  let most = least;
  for (const range of ranges) {
    const rows = rowsOf(range);
    if (rows > most) {
      most = rows;
      found = range;
    }
  }
  return found;
}
