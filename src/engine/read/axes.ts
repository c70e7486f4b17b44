/** How each shape of division lies on the planner's axis, which is always read from high positions to low ones. */
import type { PageRead, RangeRequest } from '../../ledger/page.js';
import type { StreamMeta } from '../../ledger/checkpoint.js';
import type { Span } from '../../ledger/ledger.js';
import type { Division, Page, PageRequest } from '../../sources/contract.js';
import type { DataRecord } from '../../base/catalog.js';

export interface Axis {
  unit: number;
  /** Rows of a page as the planner counts them. */
  pageRows: number;
  divisible: boolean;
  seekable: boolean;
  /** What lies below a row can be asked for, so that a doubtful end is looked at again. */
  confirms: boolean;
  request(range: RangeRequest): Pick<PageRequest, 'gte' | 'lt' | 'cursor' | 'number'>;
  read(page: Page, range: RangeRequest, keyOf: (record: DataRecord) => string | null): PageRead;
}

/** Pages asked for at first where their number is not known; it doubles until a short page. */
const FIRST_WINDOW_PAGES = 2;

export function axisOf(division: Division, chain: boolean): Axis {
  if (division.kind === 'range' && !chain)
    return division.order === 'ascending'
      ? ascending(division)
      : division.order === 'unordered'
        ? unordered(division)
        : descending(division);
  if (division.kind === 'numbered') return numbered();
  return chainAxis(division.pageRows);
}

/** A bound as the source sees it. */
const finite = (bound: number): number | null => (Number.isFinite(bound) ? bound : null);

type RangeDivision = Extract<Division, { kind: 'range' }>;

/** Rows cannot be looked up from the newest end. */
export const isOneWay = ({ order }: RangeDivision): boolean => order === 'ascending' || order === 'unordered';

function descending(division: RangeDivision): Axis {
  return {
    unit: division.unit,
    pageRows: division.pageRows,
    divisible: true,
    seekable: true,
    confirms: true,
    request: ({ cursor, filter }) => ({ cursor, gte: filter.gte, lt: finite(filter.lt) }),
    read: (page, _range, keyOf) => ({
      positions: page.records.map(division.position),
      keys: page.records.map(keyOf),
      hasMore: page.hasMore,
      nextCursor: page.next,
      end: page.end,
    }),
  };
}

/** Oldest first is newest first on the negated axis: [a, b) becomes [-b + unit, -a + unit). */
function ascending(division: RangeDivision): Axis {
  const { unit } = division;
  return {
    unit,
    pageRows: division.pageRows,
    divisible: true,
    seekable: true,
    confirms: true,
    request: ({ cursor, filter }) => ({
      cursor,
      gte: finite(-filter.lt + unit),
      lt: filter.gte === null ? null : -filter.gte + unit,
    }),
    read: (page, _range, keyOf) => ({
      positions: page.records.map((record) => -division.position(record)),
      keys: page.records.map(keyOf),
      hasMore: page.hasMore,
      nextCursor: page.next,
      end: page.end,
    }),
  };
}

/** A window is walked to its end by its cursor; where its rows lie tells nothing. */
function unordered({ unit, pageRows }: RangeDivision): Axis {
  return {
    unit,
    pageRows,
    divisible: false,
    seekable: false,
    confirms: false,
    request: ({ cursor, filter }) => ({ cursor, gte: filter.gte, lt: finite(filter.lt) }),
    read: anywhere,
  };
}

/** Rows without a position, those counted that a filter of ours dropped. */
function anywhere(page: Page): PageRead {
  const rows = page.received ?? page.records.length;
  return {
    positions: Array.from({ length: rows }, () => Number.NaN),
    keys: Array.from({ length: rows }, () => null),
    hasMore: page.hasMore,
    nextCursor: page.next,
    end: page.end,
  };
}

/** Where a span of the stream lies on its axis, from and to whole units. */
export function spanOnAxis(
  division: Division,
  history: { gte: number; lt: number },
  chain: boolean,
): { gte: number; lt: number } {
  if (division.kind !== 'range' || chain)
    return division.kind === 'numbered' ? { gte: 0, lt: FIRST_WINDOW_PAGES } : { gte: 0, lt: 1 };
  const { unit, start } = division;
  const gte = Math.min(start ?? history.gte, history.lt - 1);
  const span = { gte: Math.floor(gte / unit) * unit, lt: Math.ceil(history.lt / unit) * unit };
  return division.order === 'ascending' ? { gte: -span.lt + unit, lt: -span.gte + unit } : span;
}

/** What the source lists of a stream at all, on its axis: nothing before its start. */
export function listedSpan(division: Division): Span {
  const all = { gte: -Infinity, lt: Infinity };
  if (division.kind !== 'range' || division.start === undefined) return all;
  const { unit, order } = division;
  const start = Math.floor(division.start / unit) * unit;
  return order === 'ascending' ? { ...all, lt: -start + unit } : { ...all, gte: start };
}

function chainAxis(pageRows: number): Axis {
  return {
    unit: 1,
    pageRows,
    divisible: false,
    seekable: false,
    confirms: false,
    request: ({ cursor }) => ({ cursor, gte: null, lt: null }),
    read: (page, _range, keyOf) =>
      page.received === undefined
        ? {
            positions: page.records.map(() => Number.NaN),
            keys: page.records.map(keyOf),
            hasMore: page.hasMore,
            nextCursor: page.next,
            end: page.end,
          }
        : anywhere(page),
  };
}

/** One page is one unit and counts as one row; the cursor is the number of the page to read, from the top down. */
function numbered(): Axis {
  const numberOf = (range: RangeRequest) => (range.cursor === null ? range.filter.lt - 1 : Number(range.cursor));
  return {
    unit: 1,
    pageRows: 1,
    divisible: true,
    seekable: true,
    confirms: false,
    request: (range) => ({ cursor: null, gte: null, lt: null, number: numberOf(range) }),
    read(_page, range) {
      const number = numberOf(range);
      return {
        positions: [number],
        keys: [String(number)],
        hasMore: number > (range.filter.gte ?? 0),
        nextCursor: String(number - 1),
      };
    },
  };
}

/** Between the newest row and the end of what was read an earlier run found nothing. */
export function silenceOf(
  division: Division,
  { newest, endBefore }: Pick<StreamMeta, 'newest' | 'endBefore'>,
): Span | undefined {
  if (division.kind !== 'range' || newest === undefined || endBefore === undefined || newest >= endBefore)
    return undefined;
  return division.order === 'ascending' ? { gte: -endBefore, lt: -newest } : { gte: newest, lt: endBefore };
}
