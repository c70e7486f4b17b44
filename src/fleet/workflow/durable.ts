/**
 * The port to a durable engine. A workflow is a function that an engine may run again from its start after a crash:
 * whatever it did through `step` is not done again, but answered from the engine's journal. So all that is random, reads
 * a clock or has an effect happens in steps.
 */

/** What a journal keeps. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json | undefined };

/** What an engine gives to a workflow that it runs. */
export interface Durable {
  /** The same for every time that this workflow is run again. */
  id: string;
  /**
   * Does `work` and keeps what it returns under `name`, unique in the workflow. What it throws is tried again by the
   * engine, later or elsewhere. `signal` aborts when the workflow is cancelled or the process shall end: `work` then
   * throws soon, having kept what it has. Rejects, without a return, once the workflow is cancelled.
   */
  step<T extends Json>(name: string, work: (signal: AbortSignal) => Promise<T>): Promise<T>;
  /** A timer of the engine's: it outlives processes, and nothing is held meanwhile. */
  sleep(name: string, ms: number): Promise<void>;
}

/** One run of a task's kind on a connection, as it is handed to an engine. */
export interface WorkflowTask {
  connection: string;
  kind: string;
  payload: { [key: string]: Json | undefined };
  /** No other exclusive work of the connection runs at the same time. */
  exclusive: boolean;
}

/** What a workflow returns. */
export type WorkflowOutcome =
  { state: 'done'; result: Json } | { state: 'dead'; error: { code: string; message: string; next?: string } };

/** Starts workflows, and follows them, from outside. */
export interface WorkflowEngine {
  /** Shown to people; no secret. */
  description: string;
  /** Started twice under one id it runs once. Returns what the engine calls it. */
  start(id: string, task: WorkflowTask): Promise<string>;
  /** Its step under way is stopped, its slot given back; what was committed stays. */
  cancel(handle: string): Promise<void>;
  /** Undefined while it runs. */
  outcome(handle: string): Promise<WorkflowOutcome | { state: 'cancelled' } | undefined>;
}
