/**
 * Decides, from what is stored, what a run has to read of a stream: everything, the rest, what came since, or nothing.
 * The decision is a named action, taken from a table; what each action opens stands below it.
 */
import type { StateEntry, StateWrite } from '../../destinations/contract.js';
import { LIMITS } from '../../base/bounds.js';
import { stringifyJson } from '../../base/json.js';
import type { WriteMode } from '../../base/catalog.js';
import { isClosed, newer, newestOf, worthAgain, type Range } from '../../ledger/ledger.js';
import type { Stream } from '../../sources/contract.js';
import {
  decodeStream,
  storedReachOf,
  META_KEY,
  type Reach,
  type StreamMeta,
  type StreamState,
} from '../../ledger/checkpoint.js';
import { axisOf, listedSpan, spanOnAxis } from '../read/axes.js';
import { isOnlyAdded } from '../read/context.js';
import type { BulkChange } from './bulk-changes.js';
import { narrowed } from '../../ledger/narrow.js';
import { beginAs, changed, openParts, reopen, resume, type OpenedStream, type Part } from './opening.js';
import { covers, joined } from './reach.js';

export interface OpenInput {
  stream: Stream;
  entries: StateEntry[];
  mode: WriteMode;
  /** The span of the whole history, in positions of the stream (seconds). */
  history: { gte: number; lt: number };
  /** The change stream no longer reaches back to what this stream knows. */
  changesLost: boolean;
  /** It is read by the stream's `first`, which says nothing of where this one ends but when it was read. */
  isFirst?: boolean | undefined;
  /** What is listed again since more changed in it than that takes requests. */
  bulk?: BulkChange | undefined;
  /** A child stream needs every parent once more. */
  childrenMissing: boolean;
  /** What it asks for now. */
  reach?: Reach | undefined;
  /** Read it again, once for each such request. */
  again?: { request: string; part: { gte: number | undefined; lt: number | undefined } | undefined } | undefined;
}

type Action =
  | 'load' // everything, for the first time or anew
  | 'reread' // everything, compared with what is stored
  | 'resume' // what is still open; of a complete stream, nothing
  | 'readAgain' // what the user asked for
  | 'replace' // everything, into an empty table
  | 'leaveFirst' // what came since the stream's `first` was read
  | 'widen' // everything that is known once more, and what came since
  | 'slicesSince' // of each slice what came since
  | 'slicesOfNew' // the slices of parents that are listed as new
  | 'extend'; // what came since, and an older part where the start moved back

/** What the decision hangs on. */
interface Facts extends OpenInput {
  state: StreamState;
  isRange: boolean;
  isSlices: boolean;
  byCursor: boolean;
  /** Events name what changed, and still reach back to what is known. */
  byEvents: boolean;
}

/** The first rule that fits decides. */
const RULES: [Action, (facts: Facts) => boolean][] = [
  ['reread', ({ state }) => state.meta.abandoned === true && state.meta.mode === 'reread'],
  ['load', ({ state }) => state.meta.abandoned === true],
  // What was read for a table out of sight is nothing to go on from in the other, nor the other way round.
  ['replace', ({ state, mode }) => !state.meta.complete && mode === 'replace' && !state.meta.replacing],
  ['reread', ({ state, mode }) => !state.meta.complete && mode !== 'replace' && state.meta.replacing === true],
  ['resume', ({ state, childrenMissing }) => !state.meta.complete && !childrenMissing],
  [
    'readAgain',
    ({ state, again }) => state.meta.complete && again !== undefined && state.meta.request !== again.request,
  ],
  ['resume', ({ state, again, childrenMissing }) => state.meta.complete && again !== undefined && !childrenMissing],
  // What was too much to believe is looked at again.
  ['reread', ({ state, mode }) => state.meta.held !== undefined && state.meta.complete && mode !== 'replace'],
  ['replace', ({ mode }) => mode === 'replace'],
  ['leaveFirst', ({ state, byCursor, isRange }) => state.meta.first === true && byCursor && isRange],
  ['reread', ({ childrenMissing, isSlices }) => childrenMissing && isSlices],
  [
    'widen',
    ({ state, childrenMissing, byCursor, byEvents, isRange }) =>
      childrenMissing && (byEvents || byCursor || !isRange) && isClosed(state.ledger),
  ],
  ['load', ({ state }) => !state.meta.complete],
  ['load', (facts) => facts.byCursor && facts.isSlices && startsEarlier(facts)],
  ['slicesSince', ({ byCursor, isSlices }) => byCursor && isSlices],
  // Events tell of changes; not every API has one for every new object, so what is new is listed as well.
  ['extend', ({ state, byCursor, byEvents, isRange }) => (byEvents || byCursor) && isRange && !state.meta.chain],
  ['slicesOfNew', ({ byEvents, isSlices, stream }) => byEvents && isSlices && hasUntoldParents(stream)],
  ['resume', ({ byEvents }) => byEvents],
  ['reread', () => true],
];

const ACTIONS: Record<Action, (facts: Facts) => OpenedStream> = {
  load: (facts) => begin(facts, facts.state, 'load'),
  reread: (facts) => begin(facts, facts.state, 'reread'),
  resume: goOn,
  readAgain,
  replace: (facts) => ({ ...begin(facts, facts.state, 'load'), restart: true }),
  leaveFirst,
  widen,
  slicesSince,
  slicesOfNew,
  extend,
};

export function openStream(input: OpenInput): OpenedStream {
  const state = decodeStream(input.entries);
  if (!state) return withReach(input, undefined, begin(input, undefined, 'load'), true);
  const facts = factsOf(input, state);
  const action = actionFor(facts);
  const isAll = READS_ALL.has(action) && !(action === 'readAgain' && input.again?.part !== undefined);
  return withReach(input, state, ACTIONS[action](facts), isAll);
}

/** Actions that bring every row which the stream asks for. */
const READS_ALL = new Set<Action>(['load', 'reread', 'replace', 'widen', 'readAgain']);

/** Notes what is asked for with what is read. */
function withReach(
  { stream, reach, entries }: OpenInput,
  state: StreamState | undefined,
  opened: OpenedStream,
  isAll: boolean,
): OpenedStream {
  if (!reach || (opened.meta.complete && opened.goesOn)) return { ...opened, reach, isPart: !isAll };
  const before = opened.restart ? undefined : storedReachOf(entries);
  const isNarrower = !covers(reach, before) || (opened.goesOn && state?.meta.narrower === true);
  const noted = { reach: joined(reach, before), narrower: isNarrower || undefined };
  const isPart = !isAll;
  if (opened.writes.length === 0 && state) {
    if (stringifyJson(noted) === stringifyJson({ reach: before, narrower: state.meta.narrower }))
      return { ...opened, reach, isPart };
    return { ...changed(stream, state, { ...opened.meta, ...noted }, state.ledger), reach, isPart };
  }
  // The entry is part of the writes: what it holds is what is stored.
  Object.assign(opened.meta, noted);
  return { ...opened, reach, isPart };
}

/** What a run does with a stream whose state is this. */
export function actionFor(facts: Facts): Action {
  return RULES.find(([, fits]) => fits(facts))![0]; // the last rule fits always
}

function factsOf(input: OpenInput, state: StreamState): Facts {
  const { follow, division } = input.stream;
  return {
    ...input,
    state,
    isRange: division.kind === 'range',
    isSlices: division.kind === 'slices',
    byCursor: follow.kind === 'cursor',
    byEvents: follow.kind === 'events' && !input.changesLost,
  };
}

/** A new generation over the whole span; entries of the old one go. */
function begin(input: OpenInput, state: StreamState | undefined, mode: StreamMeta['mode']): OpenedStream {
  const { stream, history } = input;
  const opened = beginAs(stream, history, state, mode, state?.meta.chain ?? false);
  // The entry is part of the writes: what it holds is what is stored.
  if (mode === 'reread' && state?.meta.held) opened.meta.held = state.meta.held;
  if (input.mode === 'replace') opened.meta.replacing = true;
  if (input.isFirst) Object.assign(opened.meta, { first: true, readTo: history.lt });
  return opened;
}

/**
 * A start that moved on is nothing to read before: its source does not list what lies there, so that a range which
 * reaches there would seem to be read. It is left out of the span, and opened if the start moves back.
 */
function goOn(facts: Facts): OpenedStream {
  const { stream, state } = facts;
  const { meta, ledger } = state;
  const { division } = stream;
  if (meta.complete) return resume(state);
  if (division.kind === 'slices' && division.start !== undefined && division.start > (meta.start ?? -Infinity))
    return changed(stream, state, { ...meta, start: division.start }, ledger);
  if (division.kind !== 'range' || meta.chain) return resume(state);
  const listed = listedSpan(division);
  const isOut = ({ open, gte, lt }: Range) => open && (gte < listed.gte || lt > listed.lt);
  if (![...ledger.ranges.values()].some(isOut)) return resume(state);
  const left = narrowed(ledger, listed, division.unit);
  if (!left) return begin(facts, state, meta.mode === 'reread' ? 'reread' : 'load');
  return changed(stream, state, { ...meta, span: left.span }, left);
}

/** Everything, compared with what is stored; or, of a stream that is divided by time, a part. */
function readAgain(facts: Facts): OpenedStream {
  const { stream, mode, state } = facts;
  const { request, part } = facts.again!; // the rule asks for it
  let opened: OpenedStream;
  if (part) opened = reopen(stream, stream.name, state, part.gte, part.lt);
  else opened = mode === 'replace' ? { ...begin(facts, state, 'load'), restart: true } : begin(facts, state, 'reread');
  // The entry is part of the writes: what it holds is what is stored.
  Object.assign(opened.meta, { request });
  return opened;
}

/** The span of another stream says nothing on this one's axis: only when it was read counts. */
function leaveFirst({ stream, mode, history, state }: Facts): OpenedStream {
  const { division } = stream;
  const from = (state.meta.readTo ?? history.gte) - overlapOf(stream, mode);
  return beginAs(
    division.kind === 'range' ? { ...stream, division: { ...division, start: undefined } } : stream,
    { gte: from, lt: history.lt },
    state,
    'extend',
    false,
    true,
  );
}

/** Everything that is known once more, and what came since. */
function widen({ stream, history, state }: Facts): OpenedStream {
  const chain = state.meta.chain ?? false;
  const { unit } = axisOf(stream.division, chain);
  const { gte, lt } = state.meta.span;
  const now = stream.division.kind === 'range' && !chain ? spanOnAxis(stream.division, history, false) : { gte, lt };
  return openParts(stream, state, [{ gte: Math.min(gte, now.gte), lt: Math.max(lt, now.lt) }], unit);
}

/** Nothing tells that a parent is new, but that its own stream lists it. */
function hasUntoldParents({ follow }: Stream): boolean {
  return follow.kind === 'events' && follow.parents === 'listed';
}

/** Rows may show up late: where the last run began or the newest row lies, less the overlap, this one goes on. */
function slicesSince(facts: Facts): OpenedStream {
  const { stream, mode, history, state } = facts;
  const { follow, division } = stream;
  const { newest } = state.meta;
  // As in nextStart: what is only added goes on at the newest row.
  const known = newest !== undefined && isOnlyAdded(stream, mode) ? newest + 1 : newest;
  const since = earliest(state.meta.readTo ?? history.gte, known) - overlapOf(stream, mode);
  const start = division.kind === 'slices' ? division.start : undefined;
  const needsParents = follow.kind === 'cursor' && follow.parents !== 'changed';
  return slicesAfter(facts, { since, ...(start === undefined ? {} : { start }) }, needsParents);
}

function slicesOfNew(facts: Facts): OpenedStream {
  return slicesAfter(facts, {}, false);
}

/** Slices that an earlier run read to their end are followed by others, which their parents open. */
function slicesAfter(
  { stream, history, state }: Facts,
  more: Partial<StreamMeta>,
  needsParents: boolean,
): OpenedStream {
  const meta: StreamMeta = { ...state.meta, mode: 'extend', complete: false, readTo: history.lt, ...more };
  const write: StateWrite = { stream: stream.name, key: META_KEY, expect: state.metaVersion, value: meta };
  return {
    ...state,
    meta,
    metaVersion: state.metaVersion + 1,
    slices: new Map(),
    writes: [write],
    goesOn: false,
    restart: false,
    needsParents,
  };
}

/** What is new since the last run, by the ledger's own span; and what lies before it, where the start moved back. */
function extend({ stream, mode, history, state, bulk }: Facts): OpenedStream {
  const { division } = stream;
  if (division.kind !== 'range') return resume(state);
  const { unit } = division;
  const isAscending = division.order === 'ascending';
  const { span } = state.meta;
  const end = isAscending ? -span.gte + unit : span.lt;
  const newest = newer(state.meta.newest, newestOf(state.ledger));
  const begun = isAscending ? -span.lt + unit : span.gte;
  const rows = [...state.ledger.ranges.values()].reduce((sum, range) => sum + range.rows, 0);
  // Of a stream without rows all is read anew, and nothing before it.
  const from =
    rows === 0
      ? Math.max(begun, nextStart(stream, mode, end, newest, begun))
      : nextStart(stream, mode, end, newest, end);
  const now = spanOnAxis(division, history, false);
  const parts: Part[] = [isAscending ? { gte: now.gte, lt: -from + unit } : { gte: from, lt: now.lt }];
  const older = isAscending ? { gte: span.lt, lt: now.lt } : { gte: now.gte, lt: span.gte };
  if (older.gte < older.lt) parts.unshift(older);
  const listed = isAscending ? undefined : bulk;
  // A start that moved back meets what is read again where the whole history is shorter than the overlap.
  const all = apart(listed ? [...parts, listed.part] : parts);
  if (!isOnlyAdded(stream, mode)) all.push(...doubtfulParts(state, all));
  const start = isAscending ? -now.lt + unit : now.gte;
  const known = state.meta.start ?? begun;
  // A start that keeps its distance to now moves with the clock, and nobody moved it.
  const isMoved = start > known && start - known > history.lt - end + unit;
  const after = isOnlyAdded(stream, mode) && declaredOverlap(stream) === undefined ? newest : undefined;
  return {
    ...openParts(stream, state, all, unit, {
      start: start > begun ? start : undefined,
      endBefore: end,
      ...(after === undefined ? {} : { after }),
    }),
    note: isMoved
      ? `${stream.name}: the start moved from ${dayOf(known)} to ${dayOf(start)}; what was read before it stays`
      : undefined,
    awaited: listed?.ids,
  };
}

/** What an earlier run read to a doubtful end, where it is not read anyway. */
function doubtfulParts({ ledger }: StreamState, read: Part[]): Part[] {
  const isApart = ({ gte, lt }: Part) => read.every((part) => lt <= part.gte || gte >= part.lt);
  return worthAgain(ledger)
    .map(({ gte, lt }): Part => ({ gte, lt, again: true }))
    .filter(isApart);
}

/** The same without an overlap: what overlaps, or meets, becomes one. */
function apart(parts: Part[]): Part[] {
  const made: Part[] = [];
  for (const part of parts.toSorted((a, b) => a.gte - b.gte)) {
    const last = made.at(-1);
    if (last && part.gte <= last.lt) last.lt = Math.max(last.lt, part.lt);
    else made.push({ ...part });
  }
  return made;
}

/**
 * Where the next run begins: at the end of what was read or at the newest row, whichever is earlier, less the overlap;
 * where no row has a time, at `otherwise`. Rows that an API lists some time after the time that they bear are found that way, and no clock but the API's counts.
 */
function nextStart(
  stream: Stream,
  mode: WriteMode,
  end: number,
  newest: number | undefined,
  otherwise: number,
): number {
  const { division } = stream;
  const unit = division.kind === 'range' ? division.unit : 1;
  const overlap = overlapOf(stream, mode);
  // What is only added is not read twice: it goes on at the newest row, whose own unit may be asked for again.
  const known = newest !== undefined && isOnlyAdded(stream, mode) ? newest + unit : newest;
  let from = Math.min(end, known ?? otherwise) - overlap;
  // Each window is a request at least: a stream that is mostly silent must not ask for all of its silence every time.
  if (division.kind === 'range' && division.window !== undefined)
    from = Math.max(from, end - overlap - LIMITS.silentWindows * division.window);
  return Math.floor(from / unit) * unit;
}

/** How much of what was read is read once more, in seconds. */
export function overlapOf(stream: Stream, mode: WriteMode): number {
  const unit = stream.division.kind === 'range' ? stream.division.unit : 1;
  const declared = declaredOverlap(stream);
  if (isOnlyAdded(stream, mode)) return declared ?? unit;
  return Math.max(declared ?? 0, LIMITS.overlapSeconds, unit);
}

function declaredOverlap({ follow }: Stream): number | undefined {
  return follow.kind === 'cursor' ? follow.lookback : undefined;
}

function startsEarlier({ stream, state }: Facts): boolean {
  const { division } = stream;
  return (
    division.kind === 'slices' &&
    division.start !== undefined &&
    state.meta.start !== undefined &&
    division.start < state.meta.start
  );
}

function earliest(end: number, newest: number | undefined): number {
  return newest === undefined ? end : Math.min(end, newest);
}

const dayOf = (seconds: number) => new Date(seconds * 1000).toISOString().slice(0, 10);

/** What read the stream that is stored: its `first`, or itself. */
export function readBy(stream: Stream, meta: StreamMeta | undefined): Stream {
  return meta?.first && stream.first ? stream.first : stream;
}

/** What a stream is read by: its `first` until that was done once, and again when it lay too long. */
export function readerOf(stream: Stream, entries: StateEntry[], nowSeconds: number): Stream {
  const { first, keptSeconds = Infinity } = stream;
  if (!first) return stream;
  const meta = decodeStream(entries)?.meta;
  if (!meta || (meta.first && !meta.complete)) return first;
  const readTo = meta.readTo ?? meta.span.lt;
  return nowSeconds - readTo > keptSeconds ? first : stream;
}
