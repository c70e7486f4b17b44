/**
 * The ledger of a stream: which parts of its span are read, as a pure reducer over committed events.
 *
 * Invariant (cover): after every event, the ranges, open and closed, cover [span.gte, span.lt) exactly once.
 * Positions are numbers on the stream's own axis (seconds for time), newest first: a range is read from `lt` down to
 * `gte`. Tested by ledger.test.ts ("cover holds after every event").
 */
import { LIMITS } from '../base/bounds.js';
import { FatalError } from '../base/errors.js';
import { STATED, weakest, type Evidence } from '../base/evidence.js';

export interface Span {
  gte: number;
  lt: number;
}

/** Part of a span that is fetched and checkpointed alone. */
export interface Range extends Span {
  id: number;
  open: boolean;
  /** Every row above this position is committed; rows at it may be, as far as the cursor reached. */
  top: number;
  /** Page token of the next page; null: begin at the filter's upper bound. */
  cursor: string | null;
  /**
   * The filter that the cursor was made with; it stays when a thief raises `gte`. A null lower bound asks for
   * everything older, an upper bound of Infinity for everything newer.
   */
  filter: { gte: number | null; lt: number };
  /**
   * The newest position of its committed rows, on the stream's own axis; kept where no earlier page had a newer one.
   */
  newest?: number | undefined;
  /** Closed: why it is believed to be read to its end; absent: the server stated it. */
  evidence?: Evidence | undefined;
  /** It was read again since its end was doubtful, or where it was is not known any more: that is how the API is. */
  again?: true | undefined;
  /** Rows committed by this range, redelivered ones included. */
  rows: number;
  /** Pages committed by this range. */
  pages: number;
}

export interface Ledger {
  readonly span: Span;
  readonly nextId: number;
  readonly ranges: ReadonlyMap<number, Range>;
}

export type LedgerEvent =
  | { type: 'split'; victim: number; at: number; thief: number }
  | {
      type: 'page';
      range: number;
      top: number;
      cursor: string | null;
      filter: Range['filter'];
      rows: number;
      pages: number;
      closes: boolean;
      evidence?: Evidence | undefined;
      newest?: number | undefined;
    }
  /** `unbounded`: what lies at the span's end is asked for without an upper bound. `again`: its end was doubtful. */
  | {
      type: 'reopened';
      gte: number;
      lt: number;
      unit: number;
      unbounded?: boolean | undefined;
      again?: true | undefined;
    }
  | { type: 'merged'; into: number; gone: number };

/**
 * A ledger of one open range. `unit` is the span's granularity. An empty span gets one unit, so that it is asked at
 * least once. `unbounded`: it is asked for without an upper bound.
 */
export function openLedger(span: Span, unit: number, unbounded = false): Ledger {
  const lt = Math.max(span.lt, span.gte + unit);
  const range = newRange(1, span.gte, lt, unit, null);
  return { span: { gte: span.gte, lt }, nextId: 2, ranges: new Map([[1, unbounded ? withoutEnd(range) : range]]) };
}

function withoutEnd(range: Range): Range {
  return { ...range, filter: { ...range.filter, lt: Infinity } };
}

/**
 * Every range that nothing was read of, cut into windows no longer than `length`: for rows in any order, of which a
 * range that was begun cannot be divided. The lowest keeps its open lower bound. `boundsWithin`: where they meet, where
 * their lengths differ.
 */
export function cutIntoWindows(
  ledger: Ledger,
  length: number,
  unit: number,
  boundsWithin?: (gte: number, lt: number) => number[],
): Ledger {
  const width = Math.max(unit, Math.floor(length / unit) * unit);
  const ranges = new Map(ledger.ranges);
  let { nextId } = ledger;
  for (const range of ledger.ranges.values()) {
    if (!range.open || range.pages > 0 || range.cursor !== null) continue;
    const bounds = boundsWithin?.(range.gte, range.lt) ?? evenly(range, width);
    if (bounds.length === 0) continue;
    ranges.delete(range.id);
    const starts = [range.gte, ...bounds].toReversed();
    for (const [index, gte] of starts.entries()) {
      const lt = starts[index - 1] ?? range.lt;
      const id = lt === range.lt ? range.id : nextId++;
      const window = { ...newRange(id, gte, lt, unit, gte === range.gte ? range.filter.gte : gte), ...triedOf(range) };
      ranges.set(id, lt === range.lt && range.filter.lt === Infinity ? withoutEnd(window) : window);
    }
  }
  return { span: ledger.span, nextId, ranges };
}

/** Bounds at the same distance, from the newest down. */
function evenly({ gte, lt }: Span, width: number): number[] {
  const bounds: number[] = [];
  for (let at = lt - width; at > gte; at -= width) bounds.unshift(at);
  return bounds;
}

export function newRange(id: number, gte: number, lt: number, unit: number, filterGte: number | null): Range {
  return { id, gte, lt, open: true, top: lt - unit, cursor: null, filter: { gte: filterGte, lt }, rows: 0, pages: 0 };
}

/**
 * The ledger after an event. Throws FatalError when the event does not fit: a bug, never a server's doing.
 */
export function reduce(ledger: Ledger, event: LedgerEvent, unit = 1): Ledger {
  const ranges = new Map(ledger.ranges);
  let { nextId, span } = ledger;
  switch (event.type) {
    case 'split': {
      const victim = openRange(ledger, event.victim);
      if (!(event.at > victim.gte && event.at <= victim.top))
        misfit(event, `a point in (${victim.gte}, ${victim.top}]`);
      ranges.set(victim.id, { ...victim, gte: event.at });
      ranges.set(event.thief, {
        ...newRange(event.thief, victim.gte, event.at, unit, victim.gte === span.gte ? null : victim.gte),
        ...triedOf(victim),
      });
      nextId = Math.max(nextId, event.thief + 1);
      break;
    }
    case 'page': {
      const range = openRange(ledger, event.range);
      if (event.top > range.top) misfit(event, `a position no higher than ${range.top}`);
      ranges.set(range.id, {
        ...range,
        open: !event.closes,
        top: event.top,
        cursor: event.closes ? null : event.cursor,
        filter: event.filter,
        rows: range.rows + event.rows,
        pages: range.pages + event.pages,
        newest: newer(range.newest, event.newest),
        ...(event.closes && event.evidence ? { evidence: event.evidence } : {}),
      });
      break;
    }
    case 'reopened': {
      // A part beyond the span reaches back to it: whatever clock it was made from, no gap can come of it.
      const gte = Math.min(event.gte, span.lt);
      const lt = Math.max(event.lt, gte + event.unit, span.gte);
      for (const range of ledger.ranges.values()) {
        if (range.lt <= gte || range.gte >= lt) continue;
        if (range.open) misfit(event, 'every range in it closed');
        ranges.delete(range.id);
        if (range.gte < gte) ranges.set(range.id, { ...range, lt: gte });
        if (range.lt > lt) ranges.set(nextId, { ...range, id: nextId++, gte: lt, rows: 0, pages: 0 });
      }
      const id = nextId++;
      const range = { ...newRange(id, gte, lt, event.unit, gte <= span.gte ? null : gte), ...triedOf(event) };
      ranges.set(id, event.unbounded && lt >= span.lt ? withoutEnd(range) : range);
      span = { gte: Math.min(span.gte, gte), lt: Math.max(span.lt, lt) };
      break;
    }
    case 'merged': {
      const into = ledger.ranges.get(event.into);
      const gone = ledger.ranges.get(event.gone);
      const areNeighbours = into?.lt === gone?.gte || gone?.lt === into?.gte;
      if (!into || !gone || into.open || gone.open || !areNeighbours) misfit(event, 'two closed neighbours');
      ranges.delete(gone!.id);
      ranges.set(into!.id, {
        ...into!,
        gte: Math.min(into!.gte, gone!.gte),
        lt: Math.max(into!.lt, gone!.lt),
        rows: into!.rows + gone!.rows,
        pages: into!.pages + gone!.pages,
        newest: newer(into!.newest, gone!.newest),
        evidence: weakest(into!.evidence, gone!.evidence),
        ...triedOf(isDoubtful(into!) || isDoubtful(gone!) ? { again: true } : {}),
      });
      break;
    }
  }
  return { span, nextId, ranges };
}

const triedOf = ({ again }: Pick<Range, 'again'>) => (again ? { again } : {});

const isDoubtful = ({ open, evidence }: Range) => !open && evidence?.doubt !== undefined;

/** Closed ranges whose end is doubtful and may be clear when they are read once more; none where there are too many. */
export function worthAgain(ledger: Ledger): Range[] {
  const found = [...ledger.ranges.values()].filter((range) => isDoubtful(range) && !range.again);
  return found.length <= LIMITS.rangesReadAgain ? found : [];
}

/**
 * Merge events that bring the closed ranges down to as few as possible, lowest first. What is worth reading again stays. The higher id stays: slices are
 * named by the range that opened them, and no later range may have the id of one whose slices are still open.
 */
export function mergesOf(ledger: Ledger): LedgerEvent[] {
  const events: LedgerEvent[] = [];
  let last: Range | undefined;
  const apart = new Set(worthAgain(ledger));
  for (const range of sorted(ledger)) {
    if (range.open || apart.has(range)) last = undefined;
    else if (last && last.lt === range.gte) {
      const [into, gone] = last.id > range.id ? [last, range] : [range, last];
      events.push({ type: 'merged', into: into.id, gone: gone.id });
      last = { ...into, gte: last.gte, lt: range.lt };
    } else last = range;
  }
  return events;
}

/** What is wrong with the cover: an empty list is the proof that there is no gap and no overlap. */
export function coverFaults(ledger: Ledger): string[] {
  const faults: string[] = [];
  let at = ledger.span.gte;
  for (const range of sorted(ledger)) {
    if (range.gte > at) faults.push(`gap [${at}, ${range.gte})`);
    if (range.gte < at) faults.push(`overlap [${range.gte}, ${at})`);
    if (range.lt <= range.gte) faults.push(`empty range ${range.id} at ${range.gte}`);
    at = Math.max(at, range.lt);
  }
  if (at < ledger.span.lt) faults.push(`gap [${at}, ${ledger.span.lt})`);
  if (at > ledger.span.lt) faults.push(`range past the span's end ${ledger.span.lt}`);
  return faults;
}

export interface LedgerTotals {
  rows: number;
  pages: number;
  open: number;
  closed: number;
  /** Share of the span that is read, 0 to 1. */
  covered: number;
}

export function totals(ledger: Ledger): LedgerTotals {
  const out: LedgerTotals = { rows: 0, pages: 0, open: 0, closed: 0, covered: 0 };
  let done = 0;
  for (const range of ledger.ranges.values()) {
    out.rows += range.rows;
    out.pages += range.pages;
    if (range.open) {
      out.open++;
      done += Math.max(0, range.lt - 1 - range.top);
    } else {
      out.closed++;
      done += range.lt - range.gte;
    }
  }
  out.covered = Math.min(1, done / Math.max(1, ledger.span.lt - ledger.span.gte));
  return out;
}

/** The later of two positions, of which either may be unknown. */
export function newer(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || (b !== undefined && b > a) ? b : a;
}

/** The evidence of all closed ranges together. */
export function evidenceOf(ledger: Ledger): Evidence | undefined {
  let evidence: Evidence | undefined;
  for (const range of ledger.ranges.values())
    if (!range.open) evidence = evidence ? weakest(evidence, range.evidence) : (range.evidence ?? STATED);
  return evidence;
}

/** The newest position of all rows that were committed. */
export function newestOf(ledger: Ledger): number | undefined {
  let newest: number | undefined;
  for (const range of ledger.ranges.values()) newest = newer(newest, range.newest);
  return newest;
}

export function sorted(ledger: Ledger): Range[] {
  return [...ledger.ranges.values()].toSorted((a, b) => a.gte - b.gte);
}

export function isClosed(ledger: Ledger): boolean {
  for (const range of ledger.ranges.values()) if (range.open) return false;
  return true;
}

function openRange(ledger: Ledger, id: number): Range {
  const range = ledger.ranges.get(id);
  if (!range?.open)
    throw new FatalError(`range ${id} is not open`, {
      code: 'ledger_misfit',
      found: range ? 'closed' : 'no such range',
    });
  return range;
}

function misfit(event: LedgerEvent, expected: string): never {
  throw new FatalError(`ledger event ${event.type} does not fit`, {
    code: 'ledger_misfit',
    expected,
    found: JSON.stringify(event),
  });
}
