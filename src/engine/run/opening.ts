/** The ledger that a run begins with, and what must be written before its first page. */
import type { StateWrite } from '../../destinations/contract.js';
import { ConfigError } from '../../base/errors.js';
import { cutIntoWindows, isClosed, newer, newestOf, openLedger, reduce, type Ledger } from '../../ledger/ledger.js';
import type { Division, Stream } from '../../sources/contract.js';
import {
  encodeRange,
  META_KEY,
  rangeKey,
  type Reach,
  type StreamMeta,
  type StreamState,
} from '../../ledger/checkpoint.js';
import { axisOf, isOneWay, spanOnAxis } from '../read/axes.js';

export interface OpenedStream {
  meta: StreamMeta;
  metaVersion: number;
  ledger: Ledger;
  versions: Map<number, number>;
  slices: StreamState['slices'];
  weak: StreamState['weak'];
  /** What must be written before the first page. */
  writes: StateWrite[];
  /** It goes on with what an earlier run began. */
  goesOn: boolean;
  /** The table of a stream in mode `replace` begins empty. */
  restart: boolean;
  /** Slices of every parent are to be opened, also of those that were read before. */
  needsParents: boolean;
  /** It does not bring all rows that are asked for: children of the others do not come. */
  isPart?: boolean | undefined;
  /** What is asked for now. */
  reach?: Reach | undefined;
  /** For the user. */
  note?: string | undefined;
  /** Ids that something told of, to be looked for among what is read; see `AwaitedRows`. */
  awaited?: ReadonlySet<string> | 'all' | undefined;
}

/** A part of a span, in positions of the planner's axis. */
export interface Part {
  gte: number;
  lt: number;
  /** Its end was doubtful. */
  again?: true;
}

export function resume(state: StreamState): OpenedStream {
  return { ...state, writes: [], goesOn: true, restart: false, needsParents: false };
}

/** Whether the newest part of a stream is asked for without an upper bound. */
export function hasOpenEnd({ division }: Stream, chain: boolean): boolean {
  return division.kind === 'range' && !division.bounded && division.order !== 'ascending' && !chain;
}

/** A new generation over the whole history; entries of the old one go. */
export function beginAs(
  stream: Stream,
  history: { gte: number; lt: number },
  state: Omit<StreamState, 'ledger'> | undefined,
  mode: StreamMeta['mode'],
  chain: boolean,
  bounded = false,
): OpenedStream {
  const axis = axisOf(stream.division, chain);
  const ledger =
    stream.division.kind === 'slices'
      ? { span: { gte: 0, lt: 1 }, nextId: 1, ranges: new Map() }
      : windowed(
          openLedger(spanOnAxis(stream.division, history, chain), axis.unit, hasOpenEnd(stream, chain)),
          stream.division,
          chain,
        );
  // What follows an earlier run ends where that one ended; a history has no end, since a row may be older than its
  // account.
  if (bounded) for (const range of ledger.ranges.values()) range.filter = { ...range.filter, gte: ledger.span.gte };
  const start = stream.division.kind === 'slices' ? stream.division.start : undefined;
  const meta: StreamMeta = {
    generation: (state?.meta.generation ?? 0) + 1,
    mode,
    span: ledger.span,
    complete: false,
    ...(chain ? { chain } : {}),
    ...(state?.meta.before === undefined ? {} : { before: state.meta.before }),
    ...(state?.meta.reach === undefined ? {} : { reach: state.meta.reach }),
    ...(stream.division.kind === 'range' ? {} : { readTo: history.lt }),
    ...(start === undefined ? {} : { start }),
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
  for (const [key, version] of state?.weak?.versions ?? [])
    writes.push({ stream: stream.name, key, expect: version, value: null });
  for (const [key, { version }] of state?.slices ?? [])
    writes.push({ stream: stream.name, key, expect: version, value: null });
  return {
    meta,
    metaVersion: (state?.metaVersion ?? 0) + 1,
    ledger,
    versions,
    slices: new Map(),
    weak: undefined,
    writes,
    goesOn: false,
    restart: false,
    needsParents: stream.division.kind === 'slices',
  };
}

function windowed(ledger: Ledger, division: Division, chain: boolean): Ledger {
  return division.kind === 'range' && division.order === 'unordered' && division.window !== undefined && !chain
    ? cutIntoWindows(ledger, division.window, division.unit, division.boundsWithin)
    : ledger;
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
  return openParts(stream, state, [part], stream.division.unit);
}

/** Opens parts of a finished stream again, or parts that its span did not have. */
export function openParts(
  stream: Stream,
  state: StreamState,
  parts: Part[],
  unit: number,
  more: Partial<StreamMeta> = {},
): OpenedStream {
  const chain = state.meta.chain ?? false;
  const unbounded = hasOpenEnd(stream, chain);
  let { ledger } = state;
  for (const part of parts) ledger = reduce(ledger, { type: 'reopened', ...part, unit, unbounded }, unit);
  ledger = windowed(ledger, stream.division, chain);
  const newest = newer(state.meta.newest, newestOf(state.ledger));
  const { after: _, endBefore: __, ...kept } = state.meta;
  const meta: StreamMeta = {
    ...kept,
    mode: 'extend',
    span: ledger.span,
    complete: false,
    ...(newest === undefined ? {} : { newest }),
    ...more,
  };
  return { ...changed(stream, state, meta, ledger), goesOn: false };
}

/** The state with another ledger, and what has to be written of it. */
export function changed(stream: Stream, state: StreamState, meta: StreamMeta, ledger: Ledger): OpenedStream {
  const writes: StateWrite[] = [{ stream: stream.name, key: META_KEY, expect: state.metaVersion, value: meta }];
  const versions = new Map(state.versions);
  for (const id of new Set([...state.ledger.ranges.keys(), ...ledger.ranges.keys()])) {
    const range = ledger.ranges.get(id);
    if (range === state.ledger.ranges.get(id)) continue;
    const expect = state.versions.get(id) ?? 0;
    writes.push({ stream: stream.name, key: rangeKey(id), expect, value: range ? encodeRange(range) : null });
    if (range) versions.set(id, expect + 1);
    else versions.delete(id);
  }
  return {
    ...state,
    meta,
    metaVersion: state.metaVersion + 1,
    ledger,
    versions,
    writes,
    goesOn: true,
    restart: false,
    needsParents: false,
  };
}
