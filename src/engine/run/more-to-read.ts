/** What is to be read of a stream after its reader has come to its end. */
import { LIMITS } from '../../base/bounds.js';
import { FatalError } from '../../base/errors.js';
import type { Unseen } from '../../destinations/contract.js';
import type { Span } from '../../ledger/ledger.js';
import type { Division } from '../../sources/contract.js';
import { isOnlyAdded, type RunContext } from '../read/context.js';
import type { RangeReader } from '../read/range-reader.js';
import { isAnotherEachTime } from '../read/settled-page.js';

type RangeDivision = Extract<Division, { kind: 'range' }>;

export interface MoreToRead extends Span {
  why: 'window' | 'shift' | 'sweep';
}

/** What moreToRead has to know of a stream's run. */
export interface ReadSoFar {
  /** Sweeps so far. */
  sweeps: number;
  /** How often its list was walked. */
  walks: number;
  isChain: boolean;
  /** Every page of this generation was read by this run. */
  isWhole: boolean;
  /** Where the history ended when the run began, seconds since the epoch. */
  historyEnd: number;
}

/**
 * Pages past the window that was read, a shift under numbered pages, or the sweep of a stream whose positions move.
 */
export async function moreToRead(
  reader: RangeReader,
  soFar: ReadSoFar,
  context: RunContext,
): Promise<MoreToRead | undefined> {
  const { stream } = reader;
  const { division } = stream;
  const { span } = reader.ledger;
  if (division.kind === 'numbered') return morePages(reader, division.pageRows, soFar, context);
  if (
    division.kind === 'range' &&
    division.moves &&
    !soFar.isChain &&
    !isOnlyAdded(stream, context.mode) &&
    (soFar.sweeps === 0 || (soFar.sweeps < LIMITS.sweeps && isLate(reader, division)))
  )
    return { ...sweepOf(division, span, Math.max(reader.serverTimeMs ?? 0, soFar.historyEnd * 1000)), why: 'sweep' };
  return undefined;
}

/** Pages past the window that was read; or all of them once more, where what came is not what there is. */
async function morePages(
  reader: RangeReader,
  pageRows: number,
  soFar: ReadSoFar,
  context: RunContext,
): Promise<MoreToRead | undefined> {
  const { numbers } = reader;
  const { span } = reader.ledger;
  const place = reader.stream.name;
  const { total, distinct } = numbers;
  if (numbers.frontIsOther() === true) return undefined;
  if (numbers.frontIsOther() === false) throw repeating(place, span);
  const pages = total === undefined ? undefined : Math.ceil(total / pageRows);
  const isShort = numbers.endsBefore(span.lt);
  if ((pages === undefined ? !isShort : pages > span.lt) && (await growsAsRead(reader, span.lt))) return undefined;
  // What a total promises may move away as fast as it is read.
  const stands = reader.pages > 0 && numbers.standsStill();
  if (stands && (pages === undefined ? !isShort : pages > span.lt)) {
    numbers.lookAtFront();
    return { gte: 0, lt: Math.min(FRONT_PAGES, span.lt), why: 'shift' };
  }
  if (pages !== undefined && pages > span.lt) return { gte: span.lt, lt: pages, why: 'window' };
  if (!isShort && (pages === undefined || (distinct ?? 0) < (total ?? 0)) && reader.pages > 0) {
    if (stands) throw repeating(place, span);
    return { gte: span.lt, lt: span.lt * 2, why: 'window' };
  }
  if (!soFar.isWhole) return undefined;
  // Without a key the rows would be there twice.
  const mayAgain =
    context.session.capabilities.keys && reader.stream.primaryKey.length > 0 && context.mode === 'upsert';
  const look = numbers.agrees && mayAgain ? numbers.nextLook() : undefined;
  if (look) return { ...look, why: 'window' };
  if (soFar.walks >= LIMITS.listWalks) return undefined;
  if (numbers.isWorthAnother && mayAgain) {
    numbers.restart();
    return { gte: 0, lt: span.lt, why: 'shift' };
  }
  if (total === undefined || distinct === undefined || numbers.agrees) return undefined;
  context.note(`${place}: pages shifted while they were read (${distinct} of ${total} rows); read once more`);
  numbers.restart();
  return { gte: 0, lt: span.lt, why: 'shift' };
}

/** Whether pages before `end`, all of them full, are of a list that grows by a page with each request, or more. */
async function growsAsRead(reader: RangeReader, end: number): Promise<boolean> {
  if (end < LIMITS.pagesBeforeLook) return false;
  const { numbers, stream } = reader;
  const again = () => reader.ask({ range: 0, cursor: String(end - 1), filter: { gte: 0, lt: end } });
  numbers.isEndless = await isAnotherEachTime(stream, await again(), again);
  return numbers.isEndless;
}

/** Pages that are looked at again where all others bring the same rows. */
const FRONT_PAGES = 2;

function repeating(place: string, span: Span): FatalError {
  return new FatalError('the pages of the API do not come to an end', {
    code: 'pages_repeat',
    place,
    expected: 'other rows on another page, or the end',
    found: `no new row on pages up to ${span.lt}`,
    next: 'check how the connector asks for a page',
  });
}

/**
 * Rows that were touched while the stream was read lie past the end of its span: from there on it is read once more.
 * The ledger's span tells where, whichever process began it, so that nothing lies between.
 */
function sweepOf(division: RangeDivision, span: Span, serverTimeMs: number): Span {
  const { unit } = division;
  const now = Math.ceil((Math.floor(serverTimeMs / 1000) + 1) / unit) * unit;
  return division.order === 'ascending'
    ? { gte: Math.min(-now + unit, span.gte), lt: span.gte + unit }
    : { gte: span.lt - unit, lt: Math.max(now, span.lt) };
}

/**
 * Whether the sweep was answered after the end that it asked to: what was touched in between lay past it, and may have
 * lain past the end of what was read before as well.
 */
function isLate({ serverTimeMs, ledger }: RangeReader, { unit, order, bounded }: RangeDivision): boolean {
  if (bounded !== true || serverTimeMs === undefined) return false;
  const end = order === 'ascending' ? unit - ledger.span.gte : ledger.span.lt;
  return Math.floor(serverTimeMs / 1000) >= end;
}

/** Where rows lay that seem gone: the whole span where nobody knows. */
export function placesOf(division: Division, span: Span, { rows, sample }: Unseen): Span[] {
  if (division.kind !== 'range' || rows > sample.length) return [span];
  const positions = sample.map(division.position);
  if (!positions.every(Number.isFinite)) return [span];
  const { unit, order } = division;
  const starts = new Set(positions.map((at) => Math.floor(at / unit) * unit));
  return [...starts].map((at) => (order === 'ascending' ? { gte: -at, lt: -at + unit } : { gte: at, lt: at + unit }));
}
