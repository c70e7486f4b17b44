/**
 * Public entry `headrace/dbos`: tasks as durable workflows of DBOS, a library that journals in PostgreSQL and needs no
 * server of its own. Wants `@dbos-inc/dbos-sdk` 5, which is handed in.
 */
import { eitherOf } from '../../../base/either-signal.js';
import type { Clock } from '../../../base/clock.js';
import { FatalError } from '../../../base/errors.js';
import type { Durable, Json, WorkflowEngine, WorkflowOutcome, WorkflowTask } from '../../workflow/durable.js';
import { taskWorkflow, type InSlot, type TaskSteps } from '../../workflow/task-workflow.js';

type Run = (id: string, task: WorkflowTask) => Promise<WorkflowOutcome>;

/** What of the class `DBOS` is used. */
export interface DbosLibrary {
  registerWorkflow(run: Run, config: { name: string; maxRecoveryAttempts?: number }): Run;
  startWorkflow(run: Run, how: { workflowID: string }): (...input: Parameters<Run>) => Promise<unknown>;
  runStep<T>(
    work: () => Promise<T>,
    config: {
      name: string;
      retriesAllowed: boolean;
      maxAttempts: number;
      intervalSeconds: number;
      backoffRate: number;
    },
  ): Promise<T>;
  sleep(ms: number): Promise<void>;
  cancelWorkflow(id: string): Promise<void>;
  getWorkflowStatus(id: string): Promise<{ status: string; output?: unknown; error?: unknown } | null>;
}

/** What the workflows of this process work with. */
export interface DbosEngineOptions {
  steps: TaskSteps;
  inSlot: InSlot;
  clock: Clock;
  /** Aborts when this process shall end: what works stops, and is recovered. */
  signal: AbortSignal;
}

const NAME = 'headraceTask';
/** A crash is no fault of the task: it is recovered however often its processes die. */
const MOST_RECOVERIES = 1_000;
const MOST_TRIES = 1_000;
const LOOK_MS = 1_000;

/** Registers the workflow: call it before `DBOS.launch()`. */
export function dbosEngine(library: DbosLibrary, options: DbosEngineOptions): WorkflowEngine {
  const run = library.registerWorkflow(
    (id, task) => taskWorkflow(task, durableOf(library, id, options), options.steps, options.inSlot),
    { name: NAME, maxRecoveryAttempts: MOST_RECOVERIES },
  );
  return {
    description: 'DBOS',
    async start(id, task) {
      await library.startWorkflow(run, { workflowID: id })(id, task);
      return id;
    },
    cancel: (id) => library.cancelWorkflow(id),
    async outcome(id) {
      const found = await library.getWorkflowStatus(id);
      if (!found)
        throw new FatalError(`DBOS knows no workflow ${id}`, { code: 'unknown_workflow', next: 'start it first' });
      if (found.status === 'SUCCESS') return found.output as WorkflowOutcome;
      if (found.status === 'CANCELLED') return { state: 'cancelled' };
      if (found.status !== 'ERROR' && found.status !== 'MAX_RECOVERY_ATTEMPTS_EXCEEDED') return undefined;
      return { state: 'dead', error: { code: 'engine_failed', message: String(found.error ?? found.status) } };
    },
  };
}

function durableOf(library: DbosLibrary, id: string, { clock, signal }: DbosEngineOptions): Durable {
  return {
    id,
    step: <T extends Json>(name: string, work: (signal: AbortSignal) => Promise<T>) =>
      library.runStep(
        async () => {
          const over = new AbortController();
          const cancelled = new AbortController();
          const either = eitherOf(signal, cancelled.signal);
          const watching = watchCancel(library, id, clock, over.signal, () => cancelled.abort('cancel'));
          try {
            return await work(either.signal);
          } finally {
            either.leave();
            over.abort();
            await watching;
          }
        },
        { name, retriesAllowed: true, maxAttempts: MOST_TRIES, intervalSeconds: 0.2, backoffRate: 1.5 },
      ),
    sleep: (_, ms) => library.sleep(ms),
  };
}

/** DBOS ends a cancelled workflow with its next step: the one under way is told here. */
async function watchCancel(
  library: DbosLibrary,
  id: string,
  clock: Clock,
  over: AbortSignal,
  cancel: () => void,
): Promise<void> {
  while (!over.aborted) {
    await clock.sleep(LOOK_MS, over);
    if (over.aborted) return;
    const found = await library.getWorkflowStatus(id).catch(() => null);
    if (found?.status === 'CANCELLED') return cancel();
  }
}
