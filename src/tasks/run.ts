/** Tasks that run a connection's ledger: an incremental read, a full one, a re-scrape. */
import type { Clock } from '../clock.js';
import { messageOf } from '../errors.js';
import type { RunEvent, RunSummary } from '../pipeline/events.js';
import { runSync, type SyncOptions } from '../pipeline/sync.js';
import type { ClaimedTask, Settlement } from '../scheduler/scheduler.js';
import { withOpened, type ConnectionAccess } from './access.js';
import type { PayloadOf } from './kinds.js';

export interface RunParts {
  clock: Clock;
  signal: AbortSignal;
  emit?: ((event: RunEvent) => void) | undefined;
  onProgress?: SyncOptions['onProgress'];
}

export async function runTask(task: ClaimedTask, access: ConnectionAccess, { clock, signal, emit, onProgress }: RunParts): Promise<Settlement> {
  const streams = task.kind === 'rescrape' ? [(task.payload as PayloadOf<'rescrape'>).stream] : undefined;
  return withOpened(access, streams, async ({ source, permits, gateStatus, limits, shareBudget }, destination) => {
    const summary = await runSync({
      source, destination, permits, gateStatus, limits, clock, signal, emit, onProgress, connection: access.name, runId: access.newRunId(), mode: access.mode, again: againOf(task),
      shareBudget: () => shareBudget(destination, (error) => emit?.({ type: 'note', message: `the shared budget is out of reach, on alone: ${messageOf(error)}` })),
    });
    return settlementOf(summary);
  });
}

function againOf(task: ClaimedTask): SyncOptions['again'] {
  const request = `task/${task.id}`;
  if (task.kind === 'full') return { request };
  return task.kind === 'rescrape' ? { request, ...(task.payload as PayloadOf<'rescrape'>) } : undefined;
}

/** What a skipped stream lacks no retry brings: such a run is done, and says so. */
function settlementOf(summary: RunSummary): Settlement {
  const { outcome, runId, rows, pages, requests, rejections, seconds, problems, notes } = summary;
  const result = { outcome, runId, rows, pages, requests, rejections, seconds: Math.round(seconds * 10) / 10, problems, notes };
  if (outcome === 'paused') return { state: 'again', result };
  const failed = problems.find((problem) => problem.status === 'failed');
  if (outcome === 'complete' || (outcome === 'partial' && !failed)) return { state: 'done', result };
  return { state: 'failed', error: { code: failed?.code ?? 'run_failed', message: failed ? `${failed.stream}: ${failed.message}` : 'the run failed', next: failed?.next } };
}
