/** One run of one connection: plan -> read -> write -> commit -> checkpoint -> prove. */
import { setMaxListeners } from 'node:events';
import { LIMITS } from '../../base/bounds.js';
import type { WriteMode } from '../../base/catalog.js';
import { codeOf, messageOf } from '../../base/errors.js';
import { targetsOf, type RunContext } from '../read/context.js';
import { ByteBudget } from '../read/memory.js';
import type { RunSummary } from '../report/events.js';
import { ProgressMeter } from '../report/progress.js';
import { Lender } from '../share/lender.js';
import { Writer } from '../write/writer.js';
import { openChanges } from './changes.js';
import { conclude } from './conclusion.js';
import { LimitMemory } from './limit-memory.js';
import { planStreams } from './plan-streams.js';
import { StreamRun } from './stream-run.js';
import type { SyncOptions } from './sync-options.js';
import { watchRun } from './watch-run.js';
import type { Watchdog } from './watchdog.js';

export type { SyncOptions } from './sync-options.js';

/** A database that crashes again and again while a run is under way is no place to go on. */
const MOST_CRASHES = 10;

/** Copies every stream of a source into a destination, and proves the result. */
export async function runSync(options: SyncOptions): Promise<RunSummary> {
  for (let crashes = 1; ; crashes++) {
    try {
      return await runOnce(crashes === 1 ? options : { ...options, account: undefined });
    } catch (error) {
      // What this run knew of the ledger is not stored any more: it begins where the stored one stands.
      if (codeOf(error) !== 'commits_forgotten' || crashes >= MOST_CRASHES || options.signal.aborted) throw error;
      options.emit?.({ type: 'note', message: `${messageOf(error)}; it is read on from what is stored` });
    }
  }
}

async function runOnce(given: SyncOptions): Promise<RunSummary> {
  const halt = new AbortController();
  const options = { ...given, signal: AbortSignal.any([given.signal, halt.signal]) };
  const { source, destination, connection, runId, mode, signal, clock } = options;
  const startedMs = clock.monotonic();
  setMaxListeners(0, signal); // every request in flight and every reader listens
  const account = await (options.account ?? source.account?.(signal) ?? source.check(signal));
  const targets = targetsOf(source.streams, mode);
  const session = await destination.open({
    connection,
    runId,
    streams: targets,
    readOnly: false,
    startedMs: clock.now(),
    signal,
    onWait: (wait) =>
      options.emit?.({ type: 'wait', reason: wait.reason, ms: Math.max(0, (wait.untilMs ?? 0) - clock.monotonic()) }),
  });
  let limitMemory: LimitMemory | undefined;
  let lender: Lender | undefined;
  let leaveBudget: (() => Promise<void>) | undefined;
  let watchdog: Watchdog | undefined;
  try {
    const notes: string[] = [];
    const emit = options.emit ?? (() => {});
    const memory = new ByteBudget(LIMITS.bufferedBytes);
    const writer = new Writer(session, memory, clock);
    const note = (message: string) => {
      notes.push(message);
      emit({ type: 'note', message });
    };
    const context: RunContext = {
      session,
      permits: options.permits,
      memory,
      clock,
      signal,
      emit,
      kick: () => writer.kick(),
      planner: options.planner ?? 'adaptive',
      mode: followed(options),
      acceptDeletions: options.acceptDeletions ?? [],
      note,
    };
    emit({ type: 'started', runId, connection, account: account.id, streams: targets.map((target) => target.name) });

    await session.loans?.recall();
    const entries = await session.loadState();
    limitMemory = options.limits && new LimitMemory(options.limits, session, clock, entries);
    leaveBudget = await options.shareBudget?.();
    const changes = openChanges(
      options.again?.stream === undefined ? source : { ...source, changes: undefined },
      entries,
      account,
    );
    if (changes.notice) note(changes.notice);
    if (changes.before.length > 0) await session.writeState(changes.before);
    const runs = await planStreams(
      { source, again: options.again, account, changesLost: changes.lost },
      context,
      writer,
      entries,
    );
    const meter = new ProgressMeter(
      runId,
      runs,
      options.permits,
      options.gateStatus,
      memory,
      clock,
      startedMs,
      session,
    );
    options.onProgress?.(() => meter.snapshot());

    lender = session.loans && new Lender(session, session.loans, runId, runs, clock, note);
    watchdog = watchRun(options, runs, { meter, writer, memory, lender }, note, () => halt.abort());
    await Promise.race([Promise.all([...runs.values()].map((run) => run.run())), watchdog.stalled]);
    await lender?.close();
    if (!signal.aborted && changes.stream) {
      const run = new StreamRun(changes.stream, [], context, writer, changes.opened!, changes.history, () => {});
      runs.set(run.stream.name, run);
      await session.writeState(changes.opened!.writes);
      await Promise.race([run.run(), watchdog.stalled]);
    } else if (!signal.aborted && changes.after.length > 0) await session.writeState(changes.after);

    watchdog.close();
    return await conclude(options, session, runs, notes, meter, startedMs);
  } finally {
    watchdog?.close();
    await lender?.close();
    await leaveBudget?.();
    await limitMemory?.close();
    await session.close();
  }
}

/** Where rows are only added, nothing is read twice for safety: it would stand there twice. */
function followed({ destination, mode }: SyncOptions): WriteMode {
  return destination.addsOnly === true && mode === 'upsert' ? 'append' : mode;
}
