/** What the steps of a task's workflow do, with the connection opened anew for each. */
import { hostname } from 'node:os';
import type { Clock } from '../../base/clock.js';
import type { Random } from '../../base/random.js';
import type { Progress } from '../../engine/report/events.js';
import { planSync } from '../../engine/run/sync.js';
import { reasonOf, RunRecorder } from '../../runs/recorder.js';
import type { WebhookInbox } from '../scheduler/inbox.js';
import type { Scheduler } from '../scheduler/scheduler.js';
import type { Settlement } from '../scheduler/task.js';
import type { WorkflowTask } from '../workflow/durable.js';
import type { Part, TaskSteps } from '../workflow/task-workflow.js';
import { withOpened, type ConnectionAccess } from './access.js';
import { changesTask } from './changes.js';
import { checkTask, verifyTask } from './check.js';
import { payloadOf, type PayloadOf, type TaskKind } from './kinds.js';
import { againOf, runTask } from './run.js';

export interface StepParts {
  scheduler: Scheduler;
  inbox: WebhookInbox;
  clock: Clock;
  random: Random;
  accessTo: (connection: string) => Promise<ConnectionAccess>;
}

/** Kinds whose reads are cut into parts; what else is read is one piece. */
const IN_PARTS: string[] = ['sync', 'full'] satisfies TaskKind[];
const never = () => Promise.resolve(false);

export function taskSteps(parts: StepParts): TaskSteps {
  const { clock, random, inbox, accessTo } = parts;
  return {
    async plan({ connection, kind, payload }, id, signal) {
      payloadOf(kind, payload);
      if (!IN_PARTS.includes(kind)) return undefined;
      const access = await accessTo(connection);
      return withOpened(access, undefined, ({ source, permits, gateStatus, limits }, destination) =>
        planSync({
          source,
          destination,
          permits,
          gateStatus,
          limits,
          clock,
          signal,
          connection,
          runId: access.newRunId(),
          mode: access.mode,
          again: againOf({ kind, payload }, id),
        }),
      );
    },
    read: (task, id, part, signal) => recorded(task, id, part, signal, parts),
    changes: (task, id, signal) => recorded(task, id, undefined, signal, parts),
    proof: async ({ connection }, _, signal) => {
      const proof = await verifyTask(await accessTo(connection), 0, signal, clock, random);
      // What is short of a proof is no failure of the run: its outcome says partial.
      if (proof.state !== 'dead' || proof.error.code !== 'not_proven') return proof;
      return { state: 'done', result: { proven: false, why: proof.error.message } };
    },
    async whole(task, id, signal) {
      const { connection, kind, payload } = task;
      if (kind === 'check') return checkTask(await accessTo(connection), signal);
      if (kind === 'verify')
        return verifyTask(await accessTo(connection), (payload as PayloadOf<'verify'>).samples, signal, clock, random);
      if (kind === 'changes') return changesTask(undefined, await accessTo(connection), inbox, signal, clock);
      return recorded(task, id, undefined, signal, parts);
    },
  };
}

/** A run that is written down for whoever watches. */
async function recorded(
  { connection, kind, payload }: WorkflowTask,
  id: string,
  part: Part | undefined,
  signal: AbortSignal,
  { scheduler, clock, accessTo }: StepParts,
): Promise<Settlement> {
  const recorder = new RunRecorder(
    scheduler.pool,
    { connection, kind, task: undefined, attempt: undefined, worker: `${hostname()}/${process.pid}` },
    clock,
  );
  try {
    const settlement = await runTask({ id: 0, kind, payload }, await accessTo(connection), {
      clock,
      signal,
      emit: (event) => recorder.take(event),
      onProgress: (snapshot: () => Progress) => recorder.watch(snapshot),
      // Parts of a workflow are read one after the other: none is lent.
      othersAreFree: never,
      spread: () => Promise.resolve(),
      request: id,
      part: part?.streams,
    });
    await recorder.close(undefined);
    return settlement;
  } catch (error) {
    await recorder.close(reasonOf(error));
    throw error;
  }
}
