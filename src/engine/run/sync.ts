/** One run of one connection: plan -> read -> write -> commit -> checkpoint -> prove. */
import { eitherOf } from '../../base/either-signal.js';
import { setMaxListeners } from 'node:events';
import { codeOf, messageOf, PausedError, type HeadraceError } from '../../base/errors.js';
import type { Progress, RunSummary } from '../report/events.js';
import type { Stream } from '../../sources/contract.js';
import { parentOf } from '../read/context.js';
import { ProgressMeter } from '../report/progress.js';
import { Lender } from '../share/lender.js';
import { withoutBrought } from './bulk-changes.js';
import { conclude } from './conclusion.js';
import { openRun, type Closing } from './open-run.js';
import { planStreams } from './plan-streams.js';
import { StreamRun } from './stream-run.js';
import type { SyncOptions } from './sync-options.js';
import { watchRun } from './watch-run.js';

export type { SyncOptions } from './sync-options.js';

/** A database that crashes again and again while a run is under way is no place to go on. */
const MOST_CRASHES = 10;

/** Copies every stream of a source into a destination, and proves the result. */
export function runSync(options: SyncOptions): Promise<RunSummary> {
  return whateverCrashes(options, runOnce);
}

/** A stream that has something to read, and what descends from it: they are read together. */
export interface PlannedPart {
  name: string;
  /** Those that are stored. */
  streams: string[];
}

/** Stores what a run has to read, and reads nothing. Returns what can be read apart (`only: 'read'`). */
export function planSync(options: SyncOptions): Promise<PlannedPart[]> {
  return whateverCrashes({ ...options, only: 'plan' }, planOnce);
}

async function planOnce(options: SyncOptions): Promise<PlannedPart[]> {
  const { source, again, signal } = options;
  const account = await (options.account ?? source.account?.(signal) ?? source.check(signal));
  const closing: Closing = [];
  try {
    const { session, context, writer, entries, changes, bulk } = await openRun(options, account, closing);
    const runs = await planStreams(
      { source, again, account, changesLost: changes.lost, bulk },
      context,
      writer,
      entries,
    );
    const familyOf = (stream: Stream): Stream[] => [
      stream,
      ...source.streams.filter((child) => parentOf(child) === stream.name).flatMap(familyOf),
    ];
    await session.finishRun('paused', { outcome: 'paused', runId: options.runId });
    return source.streams
      .filter((stream) => parentOf(stream) === undefined)
      .map((stream) => ({ name: stream.name, family: familyOf(stream) }))
      .filter(({ family }) => family.some(({ name }) => runs.get(name)!.pending))
      .map(({ name, family }) => ({ name, streams: family.filter(({ stored }) => stored).map((each) => each.name) }));
  } finally {
    for (const close of closing.toReversed()) await close();
  }
}

async function whateverCrashes<T>(given: SyncOptions, once: (options: SyncOptions) => Promise<T>): Promise<T> {
  let options = toldOnce(given);
  for (let crashes = 1; ; crashes++) {
    try {
      return await once(options);
    } catch (error) {
      if (crashes > 1 && codeOf(error) === 'connection_locked') throw takenMeanwhile(error);
      // What this run knew of the ledger is not stored any more: it begins where the stored one stands.
      if (codeOf(error) !== 'commits_forgotten' || crashes >= MOST_CRASHES || options.signal.aborted) throw error;
      options.emit?.({ type: 'note', message: `${messageOf(error)}; it is read on from what is stored` });
      options = { ...options, account: undefined };
    }
  }
}

/** To who watches it is one run, however often it begins anew. */
function toldOnce(options: SyncOptions): SyncOptions {
  let hasStarted = false;
  let snapshot: (() => Progress) | undefined;
  return {
    ...options,
    emit: (event) => {
      if (event.type === 'started' && hasStarted) return;
      hasStarted ||= event.type === 'started';
      options.emit?.(event);
    },
    onProgress: (newest) => {
      const isFirst = snapshot === undefined;
      snapshot = newest;
      if (isFirst) options.onProgress?.(() => snapshot!());
    },
  };
}

/** As where the lock is taken again after a session was lost: nothing is wrong, the other run goes on. */
function takenMeanwhile(error: unknown): PausedError {
  const { place, found } = error as HeadraceError;
  return new PausedError('another run took the connection while the database was out of reach', {
    code: 'connection_taken',
    place,
    found,
    next: 'nothing: the other run continues from what was committed',
    cause: error,
  });
}

async function runOnce(given: SyncOptions): Promise<RunSummary> {
  const halt = new AbortController();
  const { signal, leave } = eitherOf(given.signal, halt.signal);
  return runUntil({ ...given, signal }, () => halt.abort()).finally(leave);
}

async function runUntil(options: SyncOptions, halt: () => void): Promise<RunSummary> {
  const { source, again, signal, clock } = options;
  const startedMs = clock.monotonic();
  setMaxListeners(0, signal); // every request in flight and every reader listens
  const account = await (options.account ?? source.account?.(signal) ?? source.check(signal));
  const closing: Closing = [];
  try {
    const { session, context, memory, writer, entries, changes, bulk, keeper, notes } = await openRun(
      options,
      account,
      closing,
    );
    const { note } = context;
    const runs = await planStreams(
      { source, again, account, changesLost: changes.lost, bulk },
      context,
      writer,
      entries,
    );
    const { permits, gateStatus } = options;
    const meter = new ProgressMeter(options.runId, runs, permits, gateStatus, memory, clock, startedMs, session);
    options.onProgress?.(() => meter.snapshot());
    const lender = session.loans && new Lender(session, session.loans, options.runId, runs, clock, note);
    closing.push(() => lender?.close());
    const watchdog = watchRun(options, runs, { meter, writer, memory, lender }, note, halt);
    closing.push(() => watchdog.close());

    await Promise.race([Promise.all([...runs.values()].map((run) => run.run())), watchdog.stalled]);
    await lender?.close();
    const reading = changes.all.map(async ({ stream, opened, history, after }) => {
      if (signal.aborted) return;
      if (!stream) {
        if (after.length > 0) await session.writeState(after);
        return;
      }
      const before = Math.floor(account.serverTimeMs / 1000);
      const reader = withoutBrought(stream, runs, before);
      const run = new StreamRun(reader, [], context, writer, opened!, history, () => {});
      runs.set(run.stream.name, run);
      await session.writeState(opened!.writes);
      await run.run();
    });
    await Promise.race([Promise.all(reading), watchdog.stalled]);
    await keeper.keep();

    watchdog.close();
    return await conclude(options, session, runs, notes, meter, startedMs);
  } finally {
    for (const close of closing.toReversed()) await close();
  }
}
