/** The end of a run: each stream's proof, what went wrong, and what the whole came to. */
import { countOf } from '../../base/plural.js';
import { HeadraceError, messageOf, PausedError } from '../../base/errors.js';
import type { DestinationSession } from '../../destinations/contract.js';
import { RangeReader } from '../read/range-reader.js';
import { SliceReader } from '../read/slice-reader.js';
import type { RunOutcome, RunSummary } from '../report/events.js';
import type { ProgressMeter } from '../report/progress.js';
import { changesOf } from './changes.js';
import { prove } from './proof.js';
import type { StreamRun } from './stream-run.js';
import type { SyncOptions } from './sync-options.js';

/** Proves what was read, stores the summary, and returns it. */
export async function conclude(
  options: SyncOptions,
  session: DestinationSession,
  runs: Map<string, StreamRun>,
  notes: string[],
  meter: ProgressMeter,
  startedMs: number,
): Promise<RunSummary> {
  const { mode, clock, gateStatus } = options;
  const list = [...runs.values()];
  // By name: what is read may be the stream with something left out.
  const changes = new Set(changesOf(options.source).map(({ name }) => name));
  const counts = await session.counts();
  const proofs = [];
  for (const run of list) {
    if (!run.stream.stored || changes.has(run.stream.name)) continue;
    const { reader } = run;
    const ledger = reader instanceof RangeReader ? reader.ledger : undefined;
    const proof = await prove(
      session,
      {
        stream: run.stream,
        mode,
        ledger,
        openSlices: reader instanceof SliceReader ? reader.openSlices : 0,
        complete: run.meta.complete,
        before: run.meta.before ?? 0,
        evidence: run.meta.evidence,
        held: run.meta.held,
      },
      counts,
    );
    proofs.push(proof);
    if (proof.faults.length === 0 && mode === 'replace' && run.rows > 0) await session.publish(run.stream.name);
    if (proof.quarantined > 0)
      notes.push(`${proof.stream}: ${countOf(proof.quarantined, 'row is', 'rows are')} in _headrace_quarantine`);
  }
  notes.push(...(options.source.notes?.() ?? []), ...(session.notes?.() ?? []));
  const problems = list.filter((run) => run.error !== undefined && run.status !== 'paused').map(problemOf);
  const status = gateStatus();
  const summary: RunSummary = {
    runId: options.runId,
    connection: options.connection,
    outcome: outcomeOf(
      list,
      proofs.every((proof) => proof.faults.length === 0 && proof.quarantined === 0),
    ),
    seconds: (clock.monotonic() - startedMs) / 1000,
    requests: status.requests,
    rejections: status.rejections,
    rejectedFor: status.rejectedFor,
    rows: list.reduce((sum, run) => sum + run.rows, 0),
    pages: list.reduce((sum, run) => sum + run.pages, 0),
    proofs,
    problems,
    notes,
  };
  await session.finishRun(summary.outcome, { ...summary, progress: undefined });
  meter.stop();
  options.emit?.({ type: 'finished', summary });
  return summary;
}

function problemOf({ stream, status, error }: StreamRun): RunSummary['problems'][number] {
  const { code = 'unexpected', found, next } = error instanceof HeadraceError ? error : ({} as Partial<HeadraceError>);
  return { stream: stream.name, status, message: messageOf(error), code, found, next };
}

function outcomeOf(runs: StreamRun[], proven: boolean): RunOutcome {
  if (runs.some((run) => run.error instanceof PausedError)) return 'paused';
  const wanted = runs.filter((run) => run.stream.stored);
  if (wanted.length > 0 && wanted.every((run) => run.status === 'failed')) return 'failed';
  return proven && runs.every((run) => run.status === 'complete') ? 'complete' : 'partial';
}
