/** What a worker asks of its tasks, and tells of them. */
import type { ClaimedTask, Stop } from './task.js';

/** Why a task is asked to stop: what a user wants of it, the worker's end, or the loss of its lease. */
export type StopReason = Stop | 'drain' | 'lost';

/** What a worker tells of its tasks. */
export type WorkerEvent =
  | { type: 'joined'; worker: string }
  | { type: 'task_started'; task: ClaimedTask }
  | { type: 'task_settled'; task: ClaimedTask; state: string; error?: string; result?: unknown }
  | { type: 'trouble'; message: string };
