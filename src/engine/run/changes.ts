/** The change stream: which part of it this run reads, and whether it still reaches back far enough. */
import type { StateEntry, StateWrite } from '../../destinations/contract.js';
import { isClosed, newer, newestOf } from '../../ledger/ledger.js';
import type { Account, Source } from '../../sources/contract.js';
import { decodeStream, META_KEY, type StreamMeta } from '../../ledger/checkpoint.js';
import { beginAs, type OpenedStream } from './opening.js';

export interface OpenedChanges {
  stream: Source['changes'];
  opened: OpenedStream | undefined;
  history: { gte: number; lt: number };
  /** Written before anything is read: where changes will be read from, so that none falls between two runs. */
  before: StateWrite[];
  /** Written once the streams that lost their changes are read again. */
  after: StateWrite[];
  /** Whether a stream that follows by events must be read again. */
  lost: (stream: string) => boolean;
  notice: string | undefined;
}

/** Events near the end of their keeping may be gone before they are read. */
const MARGIN_SECONDS = 86_400;

export function openChanges(source: Source, entries: StateEntry[], account: Account): OpenedChanges {
  const stream = source.changes;
  const lt = Math.floor(account.serverTimeMs / 1000);
  const nothing: OpenedChanges = {
    stream: undefined,
    opened: undefined,
    history: { gte: lt, lt },
    before: [],
    after: [],
    lost: () => false,
    notice: undefined,
  };
  if (!stream) return nothing;
  const state = decodeStream(entries.filter((entry) => entry.stream === stream.name));
  const follows = source.streams
    .filter(({ follow, stored }) => follow.kind === 'events' && stored)
    .map(({ name }) => name);
  if (!state) {
    const meta: StreamMeta = {
      generation: 0,
      mode: 'load',
      span: { gte: lt - stream.lookback, lt },
      complete: true,
      follows,
    };
    return { ...nothing, before: [{ stream: stream.name, key: META_KEY, expect: 0, value: meta }] };
  }
  const newest = newer(state.meta.newest, newestOf(state.ledger)) ?? Infinity;
  if (lt - state.meta.span.lt + stream.lookback > stream.keptSeconds - MARGIN_SECONDS) {
    const meta: StreamMeta = { ...state.meta, span: { gte: lt - stream.lookback, lt }, complete: true, follows };
    const writes: StateWrite[] = [{ stream: stream.name, key: META_KEY, expect: state.metaVersion, value: meta }];
    for (const [id, version] of state.versions)
      writes.push({ stream: stream.name, key: `range/${id}`, expect: version, value: null });
    const days = Math.floor((lt - state.meta.span.lt) / 86_400);
    return {
      ...nothing,
      after: writes,
      lost: () => true,
      notice: `the last run was ${days} days ago and the API keeps events for ${stream.keptSeconds / 86_400}: streams are read again and compared`,
    };
  }
  // A run that read other streams took the events of those alone: who was left out is read again.
  const { follows: before } = state.meta;
  const lost = (name: string) => before !== undefined && !before.includes(name);
  const missed = follows.filter(lost);
  const notice =
    missed.length > 0
      ? `changes of ${missed.join(', ')} were not followed by the last run: read again and compared`
      : undefined;
  if (!state.meta.complete && !isClosed(state.ledger) && missed.length === 0) {
    return {
      ...nothing,
      stream,
      opened: { ...state, writes: [], restart: false, needsParents: false },
      history: state.meta.span,
    };
  }
  const from = Math.min(state.meta.span.lt, newest) - stream.lookback;
  const history = { gte: state.meta.complete ? from : Math.min(from, state.meta.span.gte), lt };
  const opened = beginAs(stream, history, state, 'extend', false, true);
  opened.meta.follows = follows;
  if (Number.isFinite(newest)) opened.meta.newest = newest;
  return { ...nothing, stream, opened, history, lost, notice };
}
