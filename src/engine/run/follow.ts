/**
 * Decides, from what is stored, what a run has to read of a stream: everything, the rest, what came since, or nothing.
 */
import type { StateEntry, StateWrite } from '../../destinations/contract.js';
import { ConfigError } from '../../base/errors.js';
import type { WriteMode } from '../../base/catalog.js';
import { cutIntoWindows, isClosed, openLedger, reduce, type Ledger } from '../../ledger/ledger.js';
import type { Division, Stream } from '../../sources/contract.js';
import {
  decodeStream,
  encodeRange,
  META_KEY,
  rangeKey,
  type StreamMeta,
  type StreamState,
} from '../../ledger/checkpoint.js';
import { axisOf, isOneWay, spanOnAxis } from '../read/axes.js';

/** Rows may show up in a list a little late. */
const NEW_ROWS_LOOKBACK_SECONDS = 600;

export interface OpenedStream {
  meta: StreamMeta;
  metaVersion: number;
  ledger: Ledger;
  versions: Map<number, number>;
  slices: StreamState['slices'];
  /** What must be written before the first page; empty where a run goes on. */
  writes: StateWrite[];
  /** The table of a stream in mode `replace` begins empty. */
  restart: boolean;
  /** Slices of every parent are to be opened, also of those that were read before. */
  needsParents: boolean;
}

export interface OpenInput {
  stream: Stream;
  entries: StateEntry[];
  mode: WriteMode;
  /** The span of the whole history, in positions of the stream (seconds). */
  history: { gte: number; lt: number };
  /** The change stream no longer reaches back to what this stream knows. */
  changesLost: boolean;
  /** A child stream needs every parent once more. */
  childrenMissing: boolean;
  /** Read it again, once for each such request. */
  again?: { request: string; part: { gte: number | undefined; lt: number | undefined } | undefined } | undefined;
}

export function openStream(input: OpenInput): OpenedStream {
  const { stream, mode, history } = input;
  const state = decodeStream(input.entries);
  if (!state) return begin(input, undefined, 'load');
  if (state.meta.abandoned) return begin(input, state, state.meta.mode === 'reread' ? 'reread' : 'load');
  if (!state.meta.complete && !input.childrenMissing) return resume(state);
  const { again } = input;
  if (again && state.meta.complete && state.meta.request !== again.request) return readAgain(input, state, again);
  if (again && state.meta.complete && !input.childrenMissing) return resume(state);
  if (mode === 'replace') return { ...begin(input, state, 'load'), restart: true };
  const { follow, division } = stream;
  if (state.meta.first && follow.kind === 'cursor' && division.kind === 'range') {
    // The span of another stream says nothing on this one's axis: only when it was read counts.
    return beginAs(
      { ...stream, division: { ...division, start: undefined } },
      { gte: (state.meta.readTo ?? history.gte) - follow.lookback, lt: history.lt },
      state,
      'extend',
      false,
      true,
    );
  }
  const changed = follow.kind === 'events' && !input.changesLost;
  if (input.childrenMissing && division.kind === 'slices') return begin(input, state, 'reread');
  if (input.childrenMissing && (changed || follow.kind === 'cursor' || division.kind !== 'range'))
    return isClosed(state.ledger) ? extend(input, state) : begin(input, state, 'load');
  if (!state.meta.complete) return begin(input, state, 'load');
  if (follow.kind === 'cursor' && division.kind === 'slices') {
    // Rows may show up late: where the last run began, less the lookback, is where this one goes on.
    const since = (state.meta.readTo ?? history.gte) - follow.lookback;
    const meta: StreamMeta = { ...state.meta, mode: 'extend', complete: false, since, readTo: history.lt };
    const write: StateWrite = { stream: stream.name, key: META_KEY, expect: state.metaVersion, value: meta };
    return {
      ...state,
      meta,
      metaVersion: state.metaVersion + 1,
      slices: new Map(),
      writes: [write],
      restart: false,
      needsParents: follow.parents !== 'changed',
    };
  }
  if ((changed || follow.kind === 'cursor') && division.kind === 'range' && !state.meta.chain) {
    // Events tell of changes; not every API has one for every new object, so what is new is listed as well.
    const lookback = follow.kind === 'cursor' ? follow.lookback : NEW_ROWS_LOOKBACK_SECONDS;
    const span = spanOnAxis(division, history, false);
    const known = division.order === 'ascending' ? -state.meta.span.gte : state.meta.span.lt;
    const from = known - lookback;
    return division.order === 'ascending'
      ? extendTo(stream, state, { gte: span.gte, lt: -from + division.unit }, division.unit)
      : extendTo(stream, state, { gte: from, lt: span.lt }, division.unit);
  }
  return changed ? resume(state) : begin(input, state, 'reread');
}

/** Everything, compared with what is stored; or, of a stream that is divided by time, a part. */
function readAgain(
  input: OpenInput,
  state: StreamState,
  { request, part }: NonNullable<OpenInput['again']>,
): OpenedStream {
  const { stream, mode } = input;
  let opened: OpenedStream;
  if (part) opened = reopen(stream, stream.name, state, part.gte, part.lt);
  else opened = mode === 'replace' ? { ...begin(input, state, 'load'), restart: true } : begin(input, state, 'reread');
  // The entry is part of the writes: what it holds is what is stored.
  Object.assign(opened.meta, { request });
  return opened;
}

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

function resume(state: StreamState): OpenedStream {
  return { ...state, writes: [], restart: false, needsParents: false };
}

/** A new generation over the whole span; entries of the old one go. */
function begin({ stream, history }: OpenInput, state: StreamState | undefined, mode: StreamMeta['mode']): OpenedStream {
  const chain = state?.meta.chain ?? false;
  return beginAs(stream, history, state, mode, chain);
}

export function beginAs(
  stream: Stream,
  history: { gte: number; lt: number },
  state: Pick<StreamState, 'meta' | 'metaVersion' | 'versions' | 'slices'> | undefined,
  mode: StreamMeta['mode'],
  chain: boolean,
  bounded = false,
): OpenedStream {
  const axis = axisOf(stream.division, chain);
  const ledger =
    stream.division.kind === 'slices'
      ? { span: { gte: 0, lt: 1 }, nextId: 1, ranges: new Map() }
      : windowed(openLedger(spanOnAxis(stream.division, history, chain), axis.unit), stream.division, chain);
  // What follows an earlier run ends where that one ended; a history has no end, since a row may be older than its
  // account.
  if (bounded) for (const range of ledger.ranges.values()) range.filter = { ...range.filter, gte: ledger.span.gte };
  const meta: StreamMeta = {
    generation: (state?.meta.generation ?? 0) + 1,
    mode,
    span: ledger.span,
    complete: false,
    ...(chain ? { chain } : {}),
    ...(stream.division.kind === 'range' ? {} : { readTo: history.lt }),
  };
  const writes: StateWrite[] = [{ stream: stream.name, key: META_KEY, expect: state?.metaVersion ?? 0, value: meta }];
  const versions = new Map<number, number>();
  for (const [id, version] of state?.versions ?? []) {
    if (!ledger.ranges.has(id)) writes.push({ stream: stream.name, key: rangeKey(id), expect: version, value: null });
  }
  for (const [id, range] of ledger.ranges) {
    const expect = state?.versions.get(id) ?? 0;
    writes.push({ stream: stream.name, key: rangeKey(id), expect, value: encodeRange(range) });
    versions.set(id, expect + 1);
  }
  for (const [key, { version }] of state?.slices ?? [])
    writes.push({ stream: stream.name, key, expect: version, value: null });
  return {
    meta,
    metaVersion: (state?.metaVersion ?? 0) + 1,
    ledger,
    versions,
    slices: new Map(),
    writes,
    restart: false,
    needsParents: stream.division.kind === 'slices',
  };
}

function windowed(ledger: Ledger, division: Division, chain: boolean): Ledger {
  return division.kind === 'range' && division.order === 'unordered' && division.window !== undefined && !chain
    ? cutIntoWindows(ledger, division.window, division.unit)
    : ledger;
}

/** Everything that is known once more, and what came since. */
function extend({ stream, history }: OpenInput, state: StreamState): OpenedStream {
  const chain = state.meta.chain ?? false;
  const { unit } = axisOf(stream.division, chain);
  const { gte, lt } = state.meta.span;
  const now = stream.division.kind === 'range' && !chain ? spanOnAxis(stream.division, history, false) : { gte, lt };
  return extendTo(stream, state, { gte: Math.min(gte, now.gte), lt: Math.max(lt, now.lt) }, unit);
}

/**
 * Opens the part of a finished stream between two positions (unix seconds); what is left out is the span's own end.
 * Throws ConfigError.
 */
export function reopen(
  stream: Stream | undefined,
  name: string,
  state: StreamState | undefined,
  from: number | undefined,
  before: number | undefined,
): OpenedStream {
  if (!state || stream?.division.kind !== 'range' || isOneWay(stream.division)) {
    throw new ConfigError(`stream ${name} is not divided by time`, {
      code: 'not_a_range',
      place: '--from, --before',
      expected: 'a stream that headrace discover lists as divided by time',
      found: name,
      next: 'reset the whole stream: leave --from and --before out',
    });
  }
  if (!isClosed(state.ledger))
    throw new ConfigError(`stream ${name} is not finished`, {
      code: 'stream_open',
      expected: 'a complete stream',
      found: 'open ranges',
      next: 'run headrace sync first',
    });
  const part = {
    gte: Math.max(from ?? state.ledger.span.gte, state.ledger.span.gte),
    lt: Math.min(before ?? state.ledger.span.lt, state.ledger.span.lt),
  };
  if (part.gte >= part.lt)
    throw new ConfigError('the range is empty', {
      code: 'empty_range',
      place: '--from, --before',
      expected: `a part of [${state.ledger.span.gte}, ${state.ledger.span.lt})`,
      found: `[${part.gte}, ${part.lt})`,
    });
  return extendTo(stream, state, part, stream.division.unit);
}

/** Opens a part of the span again, and what came since. */
function extendTo(
  { name: stream, division }: Stream,
  state: StreamState,
  part: { gte: number; lt: number },
  unit: number,
): OpenedStream {
  const ledger = windowed(
    reduce(state.ledger, { type: 'reopened', ...part, unit }, unit),
    division,
    state.meta.chain ?? false,
  );
  const meta: StreamMeta = { ...state.meta, mode: 'extend', span: ledger.span, complete: false };
  const writes: StateWrite[] = [{ stream, key: META_KEY, expect: state.metaVersion, value: meta }];
  const versions = new Map(state.versions);
  for (const id of new Set([...state.ledger.ranges.keys(), ...ledger.ranges.keys()])) {
    const range = ledger.ranges.get(id);
    if (range === state.ledger.ranges.get(id)) continue;
    const expect = state.versions.get(id) ?? 0;
    writes.push({ stream, key: rangeKey(id), expect, value: range ? encodeRange(range) : null });
    if (range) versions.set(id, expect + 1);
    else versions.delete(id);
  }
  return {
    meta,
    metaVersion: state.metaVersion + 1,
    ledger,
    versions,
    slices: state.slices,
    writes,
    restart: false,
    needsParents: false,
  };
}
