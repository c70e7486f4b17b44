/** headrace sync */
import { systemClock } from '../../base/clock.js';
import {
  historyOf,
  newRunId,
  openDestination,
  openSource,
  resolveConnection,
  type ConnectionConfig,
  type ConnectionFlags,
  type RunHistory,
} from '../../wiring/compose.js';
import { EXIT, messageOf, PausedError } from '../../base/errors.js';
import { LIMITS } from '../../base/bounds.js';
import type { Progress, RunEvent, RunSummary, Wait } from '../../engine/report/events.js';
import { runSync } from '../../engine/run/sync.js';
import { rateLimitedStatus } from '../../sources/manifest/airbyte/stream-status.js';
import { EXIT_OF } from '../exit-codes.js';
import { onStop } from '../signals.js';
import { metricsText, writeMetrics } from '../metrics.js';
import { json, note, out } from '../terminal/output.js';
import { ProgressView } from '../terminal/progress-view.js';
import { summaryText } from '../terminal/summary.js';

interface SyncFlags extends ConnectionFlags {
  json?: boolean;
  quiet?: boolean;
  metrics?: string;
  strict?: boolean;
  acceptDeletions?: string[];
  planner?: 'adaptive' | 'uniform';
}

/** How often `--json` tells where the run stands. */
const PROGRESS_MS = 1_000;

export async function command([name]: (string | undefined)[], flags: SyncFlags): Promise<number> {
  const connection = await resolveConnection(name, flags, process.env);
  const summary = await syncConnection(connection, flags);
  if (!flags.json) out(summaryText(summary, resumeCommand(), process.stdout.columns));
  if (flags.strict && summary.outcome === 'complete' && summary.proofs.some(({ doubt }) => doubt !== undefined))
    return EXIT.partial;
  return EXIT_OF[summary.outcome];
}

/** One run with progress and signals; used by the demo as well. */
export async function syncConnection(
  connection: ConnectionConfig,
  flags: Pick<SyncFlags, 'json' | 'quiet' | 'planner' | 'metrics' | 'acceptDeletions'>,
): Promise<RunSummary> {
  // Before anything is asked or stored.
  if (flags.metrics !== undefined) writeMetrics(flags.metrics, '');
  const controller = new AbortController();
  const view = new ProgressView(!flags.quiet && !flags.json);
  const signals = pauseOnSignals(controller, view);
  let history: RunHistory | undefined;
  const emit = (event: RunEvent) => {
    history?.take(event);
    if (flags.json) json({ at: new Date(systemClock.now()).toISOString(), ...event });
    else if (event.type === 'note') view.say(`note: ${event.message}`);
  };
  const opened = await openSource(connection, (attempt) => {
    if (attempt.outcome === 'ok' || attempt.outcome === 'error') return;
    emit({ type: 'retry', endpoint: attempt.endpoint, reason: attempt.reason ?? '', status: attempt.status });
    if ((attempt.waitMs ?? 0) > LIMITS.visibleWaitMs)
      emit({ type: 'wait', reason: attempt.reason ?? '', ms: attempt.waitMs! });
  });
  for (const message of opened.notes) emit({ type: 'note', message });
  const told = tellProgress(connection.name, flags, view, emit);
  try {
    // The API answers while the database starts.
    const account = opened.source.check(controller.signal);
    account.catch(() => {});
    const destination = await destinationOf(connection, controller.signal);
    try {
      if (destination.notice) note(`note: ${destination.notice}`);
      const record = (history = await historyOf(destination, connection.name, systemClock));
      const summary = await record.during(() =>
        runSync({
          source: opened.source,
          destination,
          permits: opened.permits,
          gateStatus: opened.gateStatus,
          limits: opened.limits,
          shareBudget: () =>
            opened.shareBudget(destination, (error) =>
              emit({ type: 'note', message: `the shared budget is out of reach, on alone: ${messageOf(error)}` }),
            ),
          account,
          connection: connection.name,
          runId: newRunId(),
          mode: connection.destination.mode,
          clock: systemClock,
          signal: controller.signal,
          planner: flags.planner ?? 'adaptive',
          acceptDeletions: flags.acceptDeletions,
          emit,
          onProgress: (snapshot) => {
            told.onProgress(snapshot);
            record.watch(snapshot);
          },
        }),
      );
      told.end();
      return summary;
    } finally {
      await destination.close();
    }
  } finally {
    told.stop();
    view.stop();
    signals();
    await opened.source.close();
  }
}

/** Ctrl-C reaches what makes the database as well. */
async function destinationOf(connection: ConnectionConfig, signal: AbortSignal): ReturnType<typeof openDestination> {
  try {
    return await openDestination(connection);
  } catch (error) {
    if (signal.aborted) throw new PausedError('stopped while the database was made', { code: 'paused' });
    throw error;
  }
}

interface Telling {
  onProgress: (snapshot: () => Progress) => void;
  /** The last figures, once the run has ended. */
  end(): void;
  stop(): void;
}

/** Where the run stands: on the terminal, in the file of metrics, and as lines of JSON. */
function tellProgress(
  connection: string,
  { json: asJson, metrics }: Pick<SyncFlags, 'json' | 'metrics'>,
  view: ProgressView,
  emit: (event: RunEvent) => void,
): Telling {
  let ticker: NodeJS.Timeout | undefined;
  let meter: NodeJS.Timeout | undefined;
  let last: (() => Progress) | undefined;
  let refused = false;
  // What could be written once and cannot any more is no reason to stop a sync, nor to call it failed.
  const measure = (file: string, snapshot: () => Progress) => {
    if (refused) return;
    try {
      writeMetrics(file, metricsText(connection, snapshot()));
    } catch (error) {
      refused = true;
      clearInterval(meter);
      emit({ type: 'note', message: messageOf(error) });
    }
  };
  return {
    onProgress(snapshot) {
      view.start(snapshot);
      last = snapshot;
      if (metrics !== undefined) {
        meter = setInterval(() => measure(metrics, snapshot), PROGRESS_MS);
        measure(metrics, snapshot);
      }
      if (asJson) ticker = tickJson(snapshot);
    },
    end() {
      if (metrics !== undefined && last) measure(metrics, last);
    },
    stop() {
      clearInterval(ticker);
      clearInterval(meter);
    },
  };
}

/** For machines: progress every second, and each reason for a wait once. */
function tickJson(snapshot: () => Progress): NodeJS.Timeout {
  const waits = new Set<string>();
  return setInterval(() => {
    const progress = snapshot();
    const reading = progress.streams.filter(({ status }) => status === 'reading').map(({ name }) => name);
    for (const wait of progress.waits) {
      if (!waits.has(wait.reason)) tellWait(wait, reading);
      waits.add(wait.reason);
    }
    json({ at: new Date(systemClock.now()).toISOString(), type: 'progress', ...progress });
  }, PROGRESS_MS);
}

/** For machines: the wait, and Airbyte's status of each stream that it holds up. */
function tellWait(wait: Wait, streams: string[]): void {
  const now = systemClock.now();
  json({
    at: new Date(now).toISOString(),
    type: 'wait',
    reason: wait.reason,
    limit: wait.limit,
    ms: wait.ms,
    until: new Date(now + wait.ms).toISOString(),
  });
  if (wait.limit !== undefined) for (const stream of streams) json(rateLimitedStatus(stream, now, now + wait.ms));
}

/** The first signal pauses, the second stops at once; both leave a state that the next run continues from. */
function pauseOnSignals(controller: AbortController, view: ProgressView): () => void {
  return onStop({
    first: () => {
      controller.abort();
      view.say('Pausing: what was fetched is being committed. Press Ctrl-C again to stop at once.');
    },
    again: () => process.exit(EXIT.interrupted),
  });
}

/** The command as it was given, without what it may have held of secrets. */
function resumeCommand(): string {
  return `headrace ${process.argv.slice(2).join(' ')}`;
}
