/** The wiring of workers: what a worker is made of, and how its tasks open their connections. */
import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { systemClock } from '../base/clock.js';
import { messageOf } from '../base/errors.js';
import { systemRandom } from '../base/random.js';
import { VERSION } from '../base/version.js';
import type { ConnectionStore } from '../connections/connection-store.js';
import { newRunId, openDestination, openSource } from '../connections/open.js';
import type { ConnectionConfig } from '../connections/resolve.js';
import type { RunEvent } from '../engine/report/events.js';
import type { Coordination, CoordinationFlags } from '../fleet/coordination.js';
import { findConnection } from '../fleet/known-connections.js';
import type { Executor } from '../fleet/scheduler/executor.js';
import type { ClaimedTask } from '../fleet/scheduler/task.js';
import { Worker, type WorkerEvent } from '../fleet/scheduler/worker.js';
import type { ConnectionAccess } from '../fleet/tasks/access.js';
import { taskHandler } from '../fleet/tasks/handler.js';
import { taskSteps } from '../fleet/tasks/steps.js';
import { workflowHandler } from '../fleet/workflow/built-in.js';
import { Slots } from '../fleet/workflow/slots.js';
import type { InSlot, TaskSteps } from '../fleet/workflow/task-workflow.js';
import { alertsOf } from './compose-alerts.js';

export interface WorkerSetup {
  coordination: Coordination;
  slots: number;
  flags: CoordinationFlags;
  env: NodeJS.ProcessEnv;
  observe: (event: WorkerEvent) => void;
  onRunEvent?: ((task: ClaimedTask, event: RunEvent) => void) | undefined;
  /** Hands what it claims to this executor instead of running it. */
  executor?: Executor | undefined;
  /** False: it runs what is delivered to it, and claims nothing. */
  claims?: boolean | undefined;
}

/** Runs what it claims step by step, with a journal of its own. */
export function journaled({ scheduler, inbox, connections }: Coordination, flags: CoordinationFlags): Executor {
  const [clock, random] = [systemClock, systemRandom()];
  const accessOfTask = (name: string) => accessTo(name, connections, flags, process.env);
  const steps = taskSteps({ scheduler, inbox, clock, random, accessTo: accessOfTask });
  return { description: 'steps with a journal', handle: workflowHandler(scheduler, steps, clock) };
}

/** What an endpoint of an engine needs to run workflows: their steps, and room in the caps under this worker's lease. */
export function workflowParts(
  { scheduler, inbox, connections }: Coordination,
  worker: Worker,
  flags: CoordinationFlags,
  env: NodeJS.ProcessEnv,
): { steps: TaskSteps; inSlot: InSlot } {
  const [clock, random] = [systemClock, systemRandom()];
  const steps = taskSteps({
    scheduler,
    inbox,
    clock,
    random,
    accessTo: (name) => accessTo(name, connections, flags, env),
  });
  return { steps, inSlot: new Slots(scheduler, worker, clock).inSlot };
}

export function newWorker(setup: WorkerSetup): Worker {
  const { coordination, slots, flags, env, observe, onRunEvent, executor, claims = true } = setup;
  const { scheduler, target, inbox, connections, runs } = coordination;
  const [clock, random] = [systemClock, systemRandom()];
  const alerts = alertsOf(coordination, flags, env);
  return new Worker({
    scheduler,
    target,
    info: { host: hostname(), pid: process.pid, version: VERSION, slots },
    newId: () => `${hostname()}/${process.pid}/${randomBytes(4).toString('hex')}`,
    handle:
      executor?.handle ??
      taskHandler({
        scheduler,
        inbox,
        clock,
        random,
        accessTo: (name) => accessTo(name, connections, flags, env),
        onRunEvent,
      }),
    claims,
    housekeeping: async () => {
      await runs.prune();
      await alerts
        .pass()
        .catch((error: unknown) => observe({ type: 'trouble', message: `alerts: ${messageOf(error)}` }));
    },
    clock,
    random,
    observe,
  });
}

export async function accessTo(
  name: string,
  connections: ConnectionStore,
  flags: CoordinationFlags,
  env: NodeJS.ProcessEnv,
): Promise<ConnectionAccess> {
  return accessOf(await findConnection(name, connections, flags, env));
}

export function accessOf(connection: ConnectionConfig): ConnectionAccess {
  return {
    name: connection.name,
    newRunId,
    mode: connection.destination.mode,
    openSource: (streams) =>
      openSource(streams === undefined ? connection : { ...connection, source: { ...connection.source, streams } }),
    openDestination: () => openDestination(connection),
  };
}
