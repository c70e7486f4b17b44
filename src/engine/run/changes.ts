/** The change stream: which part of it this run reads, and whether it still reaches back far enough. */
import type { StateEntry, StateWrite } from '../../destinations/contract.js';
import { isClosed, newer, newestOf } from '../../ledger/ledger.js';
import type { Account, ChangeStream, Source } from '../../sources/contract.js';
import { decodeStream, META_KEY, type StreamMeta } from '../../ledger/checkpoint.js';
import { beginAs, resume, type OpenedStream } from './opening.js';

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

/** Those of all parts of a source. */
export interface AllChanges {
  all: OpenedChanges[];
  lost: OpenedChanges['lost'];
}

/** All change streams of a source, each with the streams of its own part; none where there is no source. */
export function openAllChanges(source: Source | undefined, entries: StateEntry[], account: Account): AllChanges {
  const all = source ? changesOf(source).map((stream) => openChanges(source, stream, entries, account)) : [];
  return { all, lost: (name) => all.some(({ lost }) => lost(name)) };
}

/** A source's change streams. */
export function changesOf({ changes, moreChanges = [] }: Source): ChangeStream[] {
  return changes ? [changes, ...moreChanges] : moreChanges;
}

function openChanges(source: Source, stream: ChangeStream, entries: StateEntry[], account: Account): OpenedChanges {
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
  const isOurs = (name: string) =>
    source.streams.find((each) => each.name === name)?.part?.value === stream.part?.value;
  const state = decodeStream(entries.filter((entry) => entry.stream === stream.name));
  const follows = source.streams
    .filter(({ follow, stored, part }) => follow.kind === 'events' && stored && part?.value === stream.part?.value)
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
      lost: isOurs,
      notice: `the last run was ${days} days ago and the API keeps events for ${stream.keptSeconds / 86_400}: streams are read again and compared`,
    };
  }
  // A run that read other streams took the events of those alone: who was left out is read again.
  const { follows: before } = state.meta;
  const lost = (name: string) => isOurs(name) && before !== undefined && !before.includes(name);
  const missed = follows.filter(lost);
  // One that was never read is read for the first time: nothing of it was missed.
  const known = new Set(entries.map((entry) => entry.stream));
  const told = missed.filter((name) => known.has(name));
  const notice =
    told.length > 0
      ? `changes of ${told.join(', ')} were not followed by the last run: read again and compared`
      : undefined;
  if (!state.meta.complete && !isClosed(state.ledger) && missed.length === 0) {
    return {
      ...nothing,
      stream,
      opened: resume(state),
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
