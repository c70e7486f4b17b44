/** Tasks that run a connection's ledger: an incremental read, a full one, a re-scrape. */
import type { Clock } from '../../base/clock.js';
import { messageOf } from '../../base/errors.js';
import type { Progress, RunEvent, RunSummary } from '../../engine/report/events.js';
import { runSync, type SyncOptions } from '../../engine/run/sync.js';
import type { ClaimedTask, Settlement } from '../scheduler/task.js';
import { withOpened, type ConnectionAccess } from './access.js';
import type { PayloadOf } from './kinds.js';

export interface RunParts {
  clock: Clock;
  signal: AbortSignal;
  emit?: ((event: RunEvent) => void) | undefined;
  /** Receives a function that takes a snapshot. */
  onProgress?: ((snapshot: () => Progress) => void) | undefined;
  /** Whether a worker other than this one has a free slot: without one, sharing gains nothing. */
  othersAreFree: () => Promise<boolean>;
  /** Names what is asked for: asked twice it is done once. Default: the task's id. */
  request?: string | undefined;
  /** A part of the run: these streams, with their children, as far as they are planned. */
  part?: string[] | undefined;
  /** Asks for one more worker to share the run, the `number`th. */
  spread: (run: string, number: number) => Promise<void>;
}

/** How often it looks whether more workers would fill the limit sooner. */
const LOOK_MS = 2_000;
/** Busier than this, a process is what holds a read up. */
const BUSY = 0.85;
/** A limit that is used less than this has room. */
const USED = 0.8;
/** What will be over sooner is not worth another worker. */
const LEAST_LEFT_MS = 30_000;
const MOST_WORKERS = 16;

export async function runTask(
  task: Pick<ClaimedTask, 'id' | 'kind' | 'payload'>,
  access: ConnectionAccess,
  { clock, signal, emit, onProgress, othersAreFree, spread, request, part }: RunParts,
): Promise<Settlement> {
  const streams = task.kind === 'rescrape' ? [(task.payload as PayloadOf<'rescrape'>).stream] : part;
  return withOpened(access, streams, async ({ source, permits, gateStatus, limits, shareBudget }, destination) => {
    const runId = access.newRunId();
    const over = new AbortController();
    const { parts: asked, accept_deletions: acceptDeletions } = task.payload as PayloadOf<'sync'>;
    try {
      const summary = await runSync({
        source,
        destination,
        permits,
        gateStatus,
        limits,
        clock,
        signal,
        emit,
        connection: access.name,
        runId,
        mode: access.mode,
        again: againOf(task, request ?? `task/${task.id}`),
        ...(part === undefined ? {} : { only: 'read' as const }),
        ...(acceptDeletions === undefined ? {} : { acceptDeletions }),
        shareBudget: () =>
          shareBudget(destination, (error) =>
            emit?.({ type: 'note', message: `the shared budget is out of reach, on alone: ${messageOf(error)}` }),
          ),
        onProgress: (snapshot) => {
          onProgress?.(snapshot);
          void spreadRun(asked, snapshot, clock, over.signal, othersAreFree, (number) =>
            spread(runId, number).catch(() =>
              emit?.({ type: 'note', message: 'another worker could not be asked for' }),
            ),
          );
        },
      });
      return settlementOf(summary);
    } finally {
      over.abort();
    }
  });
}

/**
 * So many workers as were asked for; else, while this process is too busy to use the limit and much is left, one more
 * at a time.
 */
export async function spreadRun(
  asked: number | undefined,
  snapshot: () => Progress,
  clock: Clock,
  over: AbortSignal,
  othersAreFree: () => Promise<boolean>,
  spread: (number: number) => Promise<void>,
  busySince: () => number = eventLoopUse(),
): Promise<void> {
  if (asked !== undefined) {
    for (let number = 1; number < asked; number++) await spread(number);
    return;
  }
  busySince();
  for (let workers = 1; workers < MOST_WORKERS;) {
    await clock.sleep(LOOK_MS, over);
    if (over.aborted) return;
    const utilization = busySince();
    const { requestsPerSecond, limitPerSecond, leftMs, waits } = snapshot();
    const hasRoom = limitPerSecond === undefined || requestsPerSecond < USED * limitPerSecond;
    if (
      utilization < BUSY ||
      !hasRoom ||
      (leftMs ?? 0) < LEAST_LEFT_MS ||
      waits.some(({ reason }) => reason === 'destination')
    )
      continue;
    if (await othersAreFree().catch(() => false)) await spread(workers++);
  }
}

/** The share of the time since it was asked last that this process's event loop was busy. */
function eventLoopUse(): () => number {
  let before = performance.eventLoopUtilization();
  return () => {
    const now = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(now, before);
    before = now;
    return utilization;
  };
}

export function againOf(task: Pick<ClaimedTask, 'kind' | 'payload'>, request: string): SyncOptions['again'] {
  if (task.kind === 'full') return { request };
  return task.kind === 'rescrape' ? { request, ...(task.payload as PayloadOf<'rescrape'>) } : undefined;
}

/** What a skipped stream lacks no retry brings: such a run is done, and says so. */
function settlementOf(summary: RunSummary): Settlement {
  const { outcome, runId, rows, pages, requests, rejections, seconds, problems, notes } = summary;
  const result = {
    outcome,
    runId,
    rows,
    pages,
    requests,
    rejections,
    seconds: Math.round(seconds * 10) / 10,
    problems,
    notes,
  };
  if (outcome === 'paused') return { state: 'again', result };
  const failed = problems.find((problem) => problem.status === 'failed');
  if (outcome === 'complete' || (outcome === 'partial' && !failed)) return { state: 'done', result };
  return {
    state: 'failed',
    error: {
      code: failed?.code ?? 'run_failed',
      message: failed ? `${failed.stream}: ${failed.message}` : 'the run failed',
      next: failed?.next,
    },
  };
}
