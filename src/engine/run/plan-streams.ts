/** Opens every stream's ledger, and says what each has to read. */
import type { StreamMeta } from '../../ledger/checkpoint.js';
import type { DestinationSession, StateEntry, StateWrite } from '../../destinations/contract.js';
import type { Account, Source, Stream } from '../../sources/contract.js';
import { parentOf, type RunContext } from '../read/context.js';
import type { Writer } from '../write/writer.js';
import type { BulkChanges } from './bulk-changes.js';
import { openStream, readerOf, type OpenInput } from './follow.js';
import { reachOf } from './reach.js';
import { StreamRun } from './stream-run.js';

/** Positions before this are no unix seconds of any API: the default start of a history, 2008-01-01. */
const EARLIEST_SECOND = 1_199_145_600;

export interface PlanInput {
  source: Source;
  /** Streams to read again although they are complete. */
  again: Again | undefined;
  account: Account;
  /** Whether the change stream no longer reaches back to where this stream was read. */
  changesLost: (stream: string) => boolean;
  /** Streams in which more changed than can be asked for one by one. */
  bulk: BulkChanges;
}

/** All streams, or one, or a part of one; asked once, done once: `request` tells. */
export interface Again {
  request: string;
  stream?: string | undefined;
  gte?: number | undefined;
  lt?: number | undefined;
}

interface Plan extends PlanInput {
  context: RunContext;
  writer: Writer;
  history: { gte: number; lt: number };
  entries: Map<string, StateEntry[]>;
  /** Those that are open, by name: children before their parents. */
  runs: Map<string, StreamRun>;
}

/**
 * Children are opened before their parents, and what begins anew is written a family at a time: a crash between would
 * leave children that wait for parents which are not read again.
 */
export async function planStreams(
  input: PlanInput,
  context: RunContext,
  writer: Writer,
  entries: StateEntry[],
): Promise<Map<string, StreamRun>> {
  const { account, source } = input;
  const lt = Math.floor(account.serverTimeMs / 1000);
  const history = {
    gte: Math.min(account.createdMs === undefined ? EARLIEST_SECOND : Math.floor(account.createdMs / 1000), lt - 1),
    lt,
  };
  const byStream = new Map<string, StateEntry[]>();
  for (const entry of entries) byStream.set(entry.stream, [...(byStream.get(entry.stream) ?? []), entry]);
  const plan: Plan = { ...input, context, writer, history, entries: byStream, runs: new Map() };
  for (const root of source.streams.filter((stream) => parentOf(stream) === undefined)) {
    const writes: StateWrite[] = [];
    for (const stream of childrenFirst(root, source.streams)) await openRun(stream, plan, writes);
    if (writes.length > 0) await context.session.writeState(writes);
  }
  return plan.runs;
}

/** A stream behind all that descend from it. */
function childrenFirst(root: Stream, streams: readonly Stream[]): Stream[] {
  const children = streams.filter((stream) => parentOf(stream) === root.name);
  return [...children.flatMap((child) => childrenFirst(child, streams)), root];
}

async function openRun(stream: Stream, plan: Plan, writes: StateWrite[]): Promise<void> {
  const { context, writer, runs, source } = plan;
  const { session, mode } = context;
  const children = source.streams.filter((other) => parentOf(other) === stream.name).map(({ name }) => runs.get(name)!);
  const own = plan.entries.get(stream.name) ?? [];
  const reader = readerOf(stream, own, plan.history.lt);
  const history = historyOf(reader, plan.history);
  const opened = openStream({
    stream: reader,
    mode,
    history,
    entries: own,
    changesLost: plan.changesLost(stream.name),
    bulk: plan.bulk.get(stream.name),
    again: askedFor(stream.name, plan.again),
    isFirst: reader !== stream,
    reach: reachOf(reader, source.streams, plan.history.lt),
    childrenMissing: children.some((child) => child.pending && child.needsParents) && plan.entries.has(stream.name),
  });
  if (opened.isPart) for (const child of children) withoutSome(child);
  if (opened.note) context.note(opened.note);
  if (stream.stored && opened.restart) await session.restart(stream.name);
  else if (stream.stored && opened.meta.mode !== 'extend' && !opened.goesOn)
    await beginAccount(session, stream.name, opened.meta);
  for (const write of opened.writes) writes.push(write);
  const parent = parentOf(stream);
  // A child that has all it needs is not fed again when its parent is read for its own sake.
  const fed = children.filter((child) => child.pending);
  const onRoom = () => (parent === undefined ? undefined : runs.get(parent)?.reader.pump());
  runs.set(stream.name, new StreamRun(reader, fed, context, writer, opened, history, onRoom));
}

/** Not all of its parents come: what it does not bring may be theirs. Its entry is not written yet. */
function withoutSome(run: StreamRun): void {
  if (!run.pending || !run.needsParents) return;
  run.meta.narrower = true;
  for (const child of run.children) withoutSome(child);
}

/** A stream may end before the present, or after it, by its own account. */
function historyOf({ division }: Stream, history: { gte: number; lt: number }): { gte: number; lt: number } {
  if (division.kind !== 'range' || division.end === undefined) return history;
  const start = division.start ?? history.gte;
  return { gte: Math.min(history.gte, start), lt: Math.max(Math.ceil(division.end(history.lt)), start + 1) };
}

function askedFor(stream: string, again: Again | undefined): OpenInput['again'] {
  if (!again || (again.stream !== undefined && again.stream !== stream)) return undefined;
  const { request, gte, lt } = again;
  return {
    request,
    part: again.stream === undefined || (gte === undefined && lt === undefined) ? undefined : { gte, lt },
  };
}

/**
 * What is read whole is accounted for from what is stored now: rows that came or went by other hands, and rows of
 * another connection, are no part of this ledger's proof.
 */
async function beginAccount(session: DestinationSession, stream: string, meta: StreamMeta): Promise<void> {
  const before = await session.beginAccount(stream);
  // The entry is part of the writes: what it holds is what is stored.
  if (before > 0) meta.before = before;
  else delete meta.before;
}
