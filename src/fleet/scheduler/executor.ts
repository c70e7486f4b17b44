/**
 * The port between admission and execution. Admission (`claim`) is always the database's; what is done with an admitted
 * task is an executor's: the built-in one runs it in the worker's process, others hand it to an engine that delivers it
 * to a process elsewhere (executors/). There it is adopted: a new attempt of a worker with a lease of its own, so that
 * whatever is delivered twice, late or after a crash is run once, and counts against the same caps.
 */
import type { ClaimedTask, Settlement } from './task.js';

export interface TaskContext {
  /**
   * Aborts when the task shall stop; `reason` is a StopReason. What was done shall be kept: the task may go on
   * elsewhere.
   */
  signal: AbortSignal;
}

/**
 * Runs a task to its end. What it throws counts as a failed attempt; `settled`: it told the scheduler itself, or
 * another has the task.
 */
export type TaskHandler = (task: ClaimedTask, context: TaskContext) => Promise<Settlement | 'settled'>;

/** Hands admitted tasks on. */
export interface Executor {
  /** Shown to people; no secret. */
  description: string;
  /** For a worker that claims on behalf of others. Resolves when the task was adopted elsewhere. */
  handle: TaskHandler;
}
