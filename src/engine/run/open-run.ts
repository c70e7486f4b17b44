/**
 * What the parts of one run share, before it is known what there is to read: the destination's session, and its state.
 */
import { ConfigError } from '../../base/errors.js';
import { LIMITS } from '../../base/bounds.js';
import type { WriteMode } from '../../base/catalog.js';
import type { DestinationSession, StateEntry } from '../../destinations/contract.js';
import type { Account } from '../../sources/contract.js';
import { targetsOf, type RunContext } from '../read/context.js';
import { Demand } from '../read/demand.js';
import { ByteBudget } from '../read/memory.js';
import { Writer } from '../write/writer.js';
import { bulkChanges, type BulkChanges } from './bulk-changes.js';
import { openAllChanges, type AllChanges } from './changes.js';
import { LimitMemory } from './limit-memory.js';
import { recallSource, SourceKeeper } from './source-memory.js';
import type { SyncOptions } from './sync-options.js';

export interface OpenRun {
  session: DestinationSession;
  context: RunContext;
  memory: ByteBudget;
  writer: Writer;
  /** State as it is stored, with what others had of it taken back. */
  entries: StateEntry[];
  changes: AllChanges;
  bulk: BulkChanges;
  /** Writes what the source keeps for the next run. */
  keeper: SourceKeeper;
  /** For the summary. */
  notes: string[];
}

/** What is to be closed at the end of a run, last opened first. */
export type Closing = (() => void | Promise<void>)[];

export async function openRun(options: SyncOptions, account: Account, closing: Closing): Promise<OpenRun> {
  const { source, connection, runId, clock } = options;
  await recallSource(source, options.destination, {
    connection,
    runId,
    startedMs: clock.now(),
    signal: options.signal,
  });
  assertAccepted(options);
  const emit = options.emit ?? (() => {});
  const session = await openSession(options);
  closing.push(() => session.close());
  const notes: string[] = [];
  const note = (message: string) => {
    notes.push(message);
    emit({ type: 'note', message });
  };
  const memory = new ByteBudget(LIMITS.bufferedBytes);
  const writer = new Writer(session, memory, clock);
  const context: RunContext = {
    session,
    permits: options.permits,
    memory,
    clock,
    signal: options.signal,
    emit,
    kick: () => writer.kick(),
    planner: options.planner ?? 'adaptive',
    demand: new Demand(options.permits, clock),
    mode: followed(options),
    acceptDeletions: options.acceptDeletions ?? [],
    note,
  };
  const streams = targetsOf(source.streams, options.mode).map((target) => target.name);
  emit({ type: 'started', runId, connection, account: account.id, streams });

  await session.loans?.recall();
  const entries = await session.loadState();
  const keeper = new SourceKeeper(source, session, entries);
  await keeper.keep();
  if (options.limits) {
    const limitMemory = new LimitMemory(options.limits, session, clock, entries);
    closing.push(() => limitMemory.close());
  }
  const leaveBudget = await options.shareBudget?.();
  if (leaveBudget) closing.push(leaveBudget);
  const withChanges = options.again?.stream === undefined && options.only !== 'read';
  const changes = openAllChanges(withChanges ? source : undefined, entries, account);
  for (const { notice } of changes.all) if (notice) note(notice);
  const before = changes.all.flatMap((each) => each.before);
  if (before.length > 0) await session.writeState(before);
  const bulk = await bulkChanges(source, changes.all, entries, context);
  return { session, context, memory, writer, entries, changes, bulk, keeper, notes };
}

/** What is accepted of a stream that there is not would be forgotten without a word. */
function assertAccepted({ source, mode, acceptDeletions = [] }: SyncOptions): void {
  const names = targetsOf(source.streams, mode).map(({ name }) => name);
  const unknown = acceptDeletions.find((name) => !names.includes(name));
  if (unknown !== undefined)
    throw new ConfigError(`there is no stream ${unknown} whose deletions could be accepted`, {
      code: 'unknown_stream',
      place: '--accept-deletions',
      expected: 'a stream that this run reads',
      found: unknown,
      candidates: names,
      next: 'name one of them',
    });
}

function openSession(options: SyncOptions): Promise<DestinationSession> {
  const { source, destination, connection, runId, mode, clock, signal } = options;
  return destination.open({
    connection,
    runId,
    streams: targetsOf(source.streams, mode),
    readOnly: false,
    startedMs: clock.now(),
    signal,
    onWait: (wait) =>
      options.emit?.({ type: 'wait', reason: wait.reason, ms: Math.max(0, (wait.untilMs ?? 0) - clock.monotonic()) }),
  });
}

/** Where rows are only added, nothing is read twice for safety: it would stand there twice. */
function followed({ destination, mode }: SyncOptions): WriteMode {
  return destination.addsOnly === true && mode === 'upsert' ? 'append' : mode;
}
