/** Decides, from what is stored, what a run has to read of a stream: everything, the rest, what came since, or nothing. */
import type { StateEntry, StateWrite } from '../destination/contract.js';
import type { WriteMode } from '../protocol/catalog.js';
import { isClosed, openLedger, reduce, type Ledger } from '../segments/ledger.js';
import type { Stream } from '../source/contract.js';
import { decodeStream, encodeRange, META_KEY, rangeKey, type StreamMeta, type StreamState } from '../state/checkpoint.js';
import { axisOf, spanOnAxis } from './axes.js';

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
}

export interface OpenInput {
  stream: Stream;
  entries: StateEntry[];
  mode: WriteMode;
  /** The span of the whole history, in positions of the stream (seconds). */
  history: { gte: number; lt: number };
  /** The change stream no longer reaches back to what this stream knows. */
  changesLost: boolean;
  /** A child stream has no state yet and needs every parent once more. */
  childrenMissing: boolean;
}

export function openStream(input: OpenInput): OpenedStream {
  const { stream, mode, history } = input;
  const state = decodeStream(input.entries);
  if (!state) return begin(input, undefined, 'load');
  if (!state.meta.complete && !input.childrenMissing) return resume(state);
  if (mode === 'replace') return { ...begin(input, state, 'load'), restart: true };
  if (input.childrenMissing && isClosed(state.ledger)) return extend(input, state, state.meta.span.gte);
  if (!state.meta.complete) return resume(state);
  const { follow, division } = stream;
  const changed = follow.kind === 'events' && !input.changesLost;
  if ((changed || follow.kind === 'cursor') && division.kind === 'range' && !state.meta.chain) {
    // Events tell of changes; not every API has one for every new object, so what is new is listed as well.
    const lookback = follow.kind === 'cursor' ? follow.lookback : NEW_ROWS_LOOKBACK_SECONDS;
    const span = spanOnAxis(division, history, false);
    const known = division.order === 'ascending' ? -state.meta.span.gte : state.meta.span.lt;
    const from = known - lookback;
    return division.order === 'ascending' ? extendTo(stream.name, state, { gte: span.gte, lt: -from + division.unit }, division.unit) : extendTo(stream.name, state, { gte: from, lt: span.lt }, division.unit);
  }
  return changed ? resume(state) : begin(input, state, 'reread');
}

function resume(state: StreamState): OpenedStream {
  return { ...state, writes: [], restart: false };
}

/** A new generation over the whole span; entries of the old one go. */
function begin({ stream, history }: OpenInput, state: StreamState | undefined, mode: StreamMeta['mode']): OpenedStream {
  const chain = state?.meta.chain ?? false;
  return beginAs(stream, history, state, mode, chain);
}

export function beginAs(stream: Stream, history: { gte: number; lt: number }, state: Pick<StreamState, 'meta' | 'metaVersion' | 'versions' | 'slices'> | undefined, mode: StreamMeta['mode'], chain: boolean, bounded = false): OpenedStream {
  const axis = axisOf(stream.division, chain);
  const ledger = stream.division.kind === 'slices' ? { span: { gte: 0, lt: 1 }, nextId: 1, ranges: new Map() } : openLedger(spanOnAxis(stream.division, history, chain), axis.unit);
  // What follows an earlier run ends where that one ended; a history has no end, since a row may be older than its account.
  if (bounded) for (const range of ledger.ranges.values()) range.filter = { ...range.filter, gte: ledger.span.gte };
  const meta: StreamMeta = { generation: (state?.meta.generation ?? 0) + 1, mode, span: ledger.span, complete: false, ...(chain ? { chain } : {}) };
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
  for (const [key, { version }] of state?.slices ?? []) writes.push({ stream: stream.name, key, expect: version, value: null });
  return { meta, metaVersion: (state?.metaVersion ?? 0) + 1, ledger, versions, slices: new Map(), writes, restart: false };
}

function extend(input: OpenInput, state: StreamState, from: number): OpenedStream {
  const { unit } = axisOf(input.stream.division, state.meta.chain ?? false);
  return extendTo(input.stream.name, state, { gte: from, lt: state.meta.span.lt }, unit);
}

/** Opens a part of the span again, and what came since. */
function extendTo(stream: string, state: StreamState, part: { gte: number; lt: number }, unit: number): OpenedStream {
  const ledger = reduce(state.ledger, { type: 'reopened', ...part, unit }, unit);
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
  return { meta, metaVersion: state.metaVersion + 1, ledger, versions, slices: state.slices, writes, restart: false };
}
