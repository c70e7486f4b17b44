/** What a worker does with a task: opens its connection, and hands it to the behaviour of its kind. */
import { hostname } from 'node:os';
import type { Clock } from '../../base/clock.js';
import { unreachable } from '../../base/errors.js';
import type { Random } from '../../base/random.js';
import type { Progress, RunEvent } from '../../engine/report/events.js';
import type { WebhookInbox } from '../scheduler/inbox.js';
import type { Scheduler } from '../scheduler/scheduler.js';
import type { ClaimedTask, Settlement } from '../scheduler/task.js';
import type { TaskHandler } from '../scheduler/executor.js';
import { reasonOf, RunRecorder, type Reason } from '../../runs/recorder.js';
import type { ConnectionAccess } from './access.js';
import { changesTask } from './changes.js';
import { checkTask, verifyTask } from './check.js';
import { payloadOf, taskOf, type PayloadOf, type TaskKind } from './kinds.js';
import { partTask } from './part.js';
import { runTask } from './run.js';

export interface HandlerParts {
  scheduler: Scheduler;
  inbox: WebhookInbox;
  clock: Clock;
  random: Random;
  accessTo: (connection: string) => Promise<ConnectionAccess>;
  onRunEvent?: ((task: ClaimedTask, event: RunEvent) => void) | undefined;
}

export function taskHandler(parts: HandlerParts): TaskHandler {
  const { clock, random, inbox, onRunEvent } = parts;
  return async (task, { signal }) => {
    const payload = payloadOf(task.kind, task.payload);
    const access = await parts.accessTo(task.connection);
    const kind = task.kind as TaskKind;
    switch (kind) {
      case 'check':
        return checkTask(access, signal);
      case 'verify':
        return verifyTask(access, (payload as PayloadOf<'verify'>).samples, signal, clock, random);
      case 'changes':
        return changesTask(task, access, inbox, signal, clock);
      case 'part':
        return partTask(task, access, {
          clock,
          signal,
          emit: (event) => onRunEvent?.(task, event),
          somethingWaits: () => parts.scheduler.somethingWaits(task.partition),
        });
      case 'sync':
      case 'full':
      case 'rescrape':
        return recordedRun(task, access, signal, parts);
      default:
        return unreachable(kind);
    }
  };
}

/** A run that is written down for whoever watches. */
async function recordedRun(
  task: ClaimedTask,
  access: ConnectionAccess,
  signal: AbortSignal,
  { scheduler, clock, onRunEvent }: HandlerParts,
): Promise<Settlement | 'settled'> {
  const recorder = new RunRecorder(
    scheduler.pool,
    {
      connection: task.connection,
      kind: task.kind,
      task: task.id,
      attempt: task.attempt,
      worker: `${hostname()}/${process.pid}`,
    },
    clock,
  );
  let failure: Reason | undefined;
  try {
    return await runTask(task, access, {
      clock,
      signal,
      emit: (event) => {
        recorder.take(event);
        onRunEvent?.(task, event);
      },
      onProgress: (snapshot: () => Progress) => recorder.watch(snapshot),
      othersAreFree: () => scheduler.othersAreFree(task.id),
      spread: async (run, number) =>
        void (await scheduler.enqueue([{ ...taskOf(task.connection, 'part', { run, number }), parent: task.id }])),
    });
  } catch (error) {
    failure = reasonOf(error);
    throw error;
  } finally {
    await recorder.close(failure);
  }
}
