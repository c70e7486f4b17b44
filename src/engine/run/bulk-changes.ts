/**
 * Changes in bulk: where events name more objects of a stream than listing it would take requests, the part that they
 * lie in is listed again. What that brings is not asked for one by one; what it does not, the events still bring.
 */
import { LIMITS } from '../../base/bounds.js';
import { decodeStream, type StreamState } from '../../ledger/checkpoint.js';
import { isClosed } from '../../ledger/ledger.js';
import type { Counts, StateEntry } from '../../destinations/contract.js';
import type { ChangeStream, NamedObject, Source, Stream } from '../../sources/contract.js';
import { isOneWay } from '../read/axes.js';
import { parentOf, type RunContext } from '../read/context.js';
import type { OpenedChanges } from './changes.js';
import type { Part } from './opening.js';
import type { StreamRun } from './stream-run.js';

/** A stream of which a part is listed again. */
export interface BulkChange {
  part: Part;
  /** Ids of the objects that events name; `all`: there are more than were looked at, and any may be one. */
  ids: ReadonlySet<string> | 'all';
}

/** Streams to list again, by name. */
export type BulkChanges = ReadonlyMap<string, BulkChange>;

interface Candidate {
  stream: Stream;
  state: StreamState;
  /** Requests that listing it takes. */
  requests: number;
  rows: number;
  ids: Set<string>;
  /** Of what was named: undefined once a position is not known. */
  bounds: Part | undefined;
}

/** What looking at the events beforehand may cost, against listing all that they may tell of. */
const LOOKED_AT = 0.02;

export async function bulkChanges(
  source: Source,
  changes: readonly OpenedChanges[],
  entries: StateEntry[],
  context: RunContext,
): Promise<BulkChanges> {
  const found = new Map<string, BulkChange>();
  if (context.mode !== 'upsert') return found;
  for (const { stream, opened, history, lost } of changes) {
    if (!stream?.named || !opened || opened.goesOn) continue;
    const counts = await context.session.counts();
    const candidates = candidatesOf(source, stream, entries, counts).filter(({ stream: { name } }) => !lost(name));
    if (candidates.length === 0) continue;
    const isAll = await look(stream, history.gte, candidates, context.signal).catch(() => undefined);
    // What keeps the events from being read is told when they are.
    if (isAll === undefined) continue;
    for (const { stream: each, state, requests, rows, ids, bounds } of candidates) {
      if (ids.size <= requests || (!isAll && rows > LIMITS.unitKeys)) continue;
      const part = isAll && bounds ? bounds : state.meta.span;
      found.set(each.name, { part, ids: isAll ? ids : 'all' });
      const number = `${ids.size.toLocaleString('en')}${isAll ? '' : ' or more'}`;
      context.note(
        `${each.name}: ${number} changed, more than the ${requests.toLocaleString('en')} requests that its list takes: it is listed again`,
      );
    }
  }
  return found;
}

/** Streams that can be listed by time, and whose children do not change with what events name. */
function candidatesOf(
  source: Source,
  changes: ChangeStream,
  entries: StateEntry[],
  counts: Record<string, Counts>,
): Candidate[] {
  const isFed = ({ name }: Stream) =>
    source.streams.some((other) => parentOf(other) === name && other.follow.kind === 'events');
  return source.streams.flatMap((stream) => {
    const { division, follow, stored, primaryKey, part, name } = stream;
    if (follow.kind !== 'events' || !stored || primaryKey.length !== 1 || part?.value !== changes.part?.value)
      return [];
    if (division.kind !== 'range' || isOneWay(division) || isFed(stream)) return [];
    const state = decodeStream(entries.filter((entry) => entry.stream === name));
    if (!state?.meta.complete || state.meta.chain || !isClosed(state.ledger)) return [];
    const rows = counts[name]?.inserted ?? 0;
    const requests = Math.ceil(rows / division.pageRows);
    return requests === 0
      ? []
      : [{ stream, state, requests, rows, ids: new Set<string>(), bounds: { gte: Infinity, lt: -Infinity } }];
  });
}

/** Looks at what events name until that is decided. Returns whether that was all of it. */
async function look(
  changes: ChangeStream,
  gte: number,
  candidates: Candidate[],
  signal: AbortSignal,
): Promise<boolean> {
  const byName = new Map(candidates.map((candidate) => [candidate.stream.name, candidate]));
  const most = 1 + Math.ceil(LOOKED_AT * candidates.reduce((sum, { requests }) => sum + requests, 0));
  let cursor: string | null = null;
  for (let pages = 0; pages < most; pages++) {
    const page = await changes.named!({ gte, lt: null, cursor, signal, weight: () => 0 });
    for (const object of page.objects) {
      const candidate = byName.get(object.stream);
      if (candidate) note(candidate, object);
    }
    cursor = page.next;
    if (!page.hasMore || cursor === null) return true;
    if (candidates.every(({ ids, requests }) => ids.size > requests)) return false;
  }
  return false;
}

function note(candidate: Candidate, { id, position }: NamedObject): void {
  candidate.ids.add(id);
  const { bounds } = candidate;
  if (bounds === undefined) return;
  candidate.bounds =
    position === undefined ? undefined : { gte: Math.min(bounds.gte, position), lt: Math.max(bounds.lt, position + 1) };
}

/**
 * The change stream without what lists brought: rows that are committed, and were read after the event. `before`: the
 * server's clock when the run began, seconds.
 */
export function withoutBrought(
  stream: ChangeStream,
  runs: ReadonlyMap<string, StreamRun>,
  before: number,
): ChangeStream {
  const isBrought = (object: NamedObject): boolean => {
    const run = runs.get(object.stream);
    return run?.status === 'complete' && object.at < before && run.brought.has(object.id);
  };
  return { ...stream, page: (request) => stream.page({ ...request, isBrought }) };
}
