/** The same workflow without an engine: its journal is a table beside the tasks, its timers are the tasks' own. */
import { randomUUID } from 'node:crypto';
import type { Clock } from '../../base/clock.js';
import type { TaskHandler } from '../scheduler/executor.js';
import type { Scheduler } from '../scheduler/scheduler.js';
import type { ClaimedTask, Settlement } from '../scheduler/task.js';
import type { Durable, Json, WorkflowTask } from './durable.js';
import { taskWorkflow, type InSlot, type TaskSteps } from './task-workflow.js';

/** Thrown through the workflow: its attempt ends, and another begins at that time. */
class Asleep extends Error {
  constructor(readonly until: Date) {
    super('asleep');
  }
}

/** A claimed task holds its slot; while a timer runs it is no running task, and holds none. */
const ownSlot: InSlot = async (_, __, signal, work) => ({ value: await work(signal) });

/** Runs claimed tasks as workflows. */
export function workflowHandler(scheduler: Scheduler, steps: TaskSteps, clock: Clock): TaskHandler {
  const { pool } = scheduler;
  return async (task, { signal }): Promise<Settlement> => {
    const id = `task/${task.id}`;
    const kept = new Map(
      (
        await pool.query<{ step: string; value: Json }>(
          'select step, value from _headrace.journal where workflow = $1',
          [id],
        )
      ).map(({ step, value }) => [step, value]),
    );
    const keep = async (step: string, value: Json) => {
      await pool.query('insert into _headrace.journal (workflow, step, value) values ($1, $2, $3)', [
        id,
        step,
        JSON.stringify(value ?? null),
      ]);
    };
    const durable: Durable = {
      id,
      async step<T extends Json>(name: string, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
        if (kept.has(name)) return kept.get(name) as T;
        signal.throwIfAborted();
        const value = await work(signal);
        // Stopped on the way it has more to do.
        signal.throwIfAborted();
        await keep(name, value);
        return value;
      },
      async sleep(name, ms) {
        const until = kept.get(name) ?? clock.now() + ms;
        if (!kept.has(name)) await keep(name, until);
        if (clock.now() < Number(until)) throw new Asleep(new Date(Number(until)));
      },
    };
    try {
      const outcome = await taskWorkflow(workflowTaskOf(task), durable, steps, ownSlot);
      await pool.query('delete from _headrace.journal where workflow = $1', [id]);
      return outcome;
    } catch (error) {
      if (error instanceof Asleep) return { state: 'again', runAt: error.until };
      throw error;
    }
  };
}

function workflowTaskOf({ connection, kind, payload }: ClaimedTask): WorkflowTask {
  return { connection, kind, payload: payload as WorkflowTask['payload'], exclusive: false };
}

/** A name for a workflow that nobody named. */
export function newWorkflowId(connection: string, kind: string): string {
  return `${connection}/${kind}/${randomUUID()}`;
}
