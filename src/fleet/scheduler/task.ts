/** A task on its way: as it is enqueued, claimed and settled. */
import type { AppSchema } from './cap.js';

/** A task to be enqueued. */
export interface NewTask {
  connection: string;
  kind: string;
  payload?: unknown;
  /** One that waits under the same key is joined instead of a second one made. */
  key?: string | undefined;
  parent?: number | undefined;
  /** No other exclusive task of the connection runs at the same time. */
  exclusive?: boolean | undefined;
  /** Higher goes first, within its partition; each step counts as a minute of waiting. */
  priority?: number | undefined;
  runAt?: Date | undefined;
  maxAttempts?: number | undefined;
}

/** A task that a worker was given. */
export interface ClaimedTask {
  id: number;
  /** The fence: what an earlier attempt says is refused. */
  attempt: number;
  kind: string;
  payload: Record<string, unknown>;
  connection: string;
  partition: string;
  parent: number | null;
  key: string | null;
  failures: number;
}

export type TaskRef = Pick<ClaimedTask, 'id' | 'attempt'>;

export type TaskState = 'queued' | 'delayed' | 'paused' | 'running' | 'done' | 'dead' | 'cancelled';

/** What a worker is asked to do with a task of its own: end it, keep it for a resume, or give it back. */
export type Stop = 'cancel' | 'pause' | 'yield';

export interface WorkerInfo {
  id: string;
  host: string;
  pid: number;
  version: string;
  slots: number;
  /** Key of the advisory lock that a session of the worker holds for as long as it lives. */
  presence?: number | undefined;
}

export interface TaskError {
  code: string;
  message: string;
  next?: string | undefined;
}

/** What a worker says of a task that it no longer runs. */
export type Settlement =
  | { state: 'done'; result?: unknown }
  /** Again, without counting a failure. */
  | { state: 'again'; runAt?: Date | undefined; result?: unknown }
  | { state: 'failed'; error: TaskError; runAt?: Date | undefined }
  /** The same for a cause that passes by itself: never a dead letter, however often. */
  | { state: 'patient'; error: TaskError; runAt: Date }
  /** No retry can help. */
  | { state: 'dead'; error: TaskError };

export interface ConnectionSetup {
  id: string;
  partition: string;
  app: string;
  limit: AppSchema['rateLimit'];
  /** `max_concurrent_processes_per_connection`. */
  maxConcurrent: number;
}

export type Scope = 'task' | 'connection' | 'partition';
export type Control = 'pause' | 'resume' | 'cancel' | 'retry';
