/** How ends of tasks are told to the database. */
import { codeOf, HeadraceError, messageOf } from '../../base/errors.js';
import { redact } from '../../base/log.js';
import type { ClaimedTask, Settlement, TaskError, TaskRef, TaskState } from './task.js';

/** Until it looks again whether a run outside the fleet has left a connection. */
const LOCKED_MS = 10_000;

export type Ended = TaskRef & { settlement: Settlement };

/** An end that a worker has to tell, and who waits for that. */
export interface End extends Ended {
  worker: string;
  resolve: (state: string | undefined) => void;
}

/** Work under a worker's lease that is none of its tasks: told to stop, it resolves once it has ended. */
export type Guest = (why: 'lost' | 'drain') => Promise<void>;

/** A task that a worker runs. */
export interface Running {
  task: ClaimedTask;
  abort: AbortController;
  ended: Promise<void>;
}

/** Columns of a claimed task, as ClaimedTask names them. */
export const CLAIMED =
  'id, attempt, kind, payload, connection_id as connection, concurrency_partition_id as partition, parent_id as parent, key, failures';

/** What became of attempts that ended, by the task's id; and what was taken with them. */
export interface Exchanged {
  ended: Map<number, TaskState>;
  taken: ClaimedTask[];
}

/** Whether the attempt counts as a failure; such ones are told apart from others. */
export const isFailed = ({ settlement: { state } }: Ended): boolean => state === 'failed' || state === 'patient';

export const SETTLE = 'select id, state from _headrace.settle($1, $2, $3, $4, $5, $6::jsonb[], $7::jsonb[])';
export const EXCHANGE = `select state as became, ${CLAIMED}
  from _headrace.exchange($1, $2, $3, $4, $5, $6, $7::jsonb[], $8::jsonb[])`;

/** A row of EXCHANGE: `became` where something ended, else what was taken. */
export type ExchangedRow = ClaimedTask & { became: TaskState | null };

export function exchangedOf(before: { id: number; state: TaskState }[], rows: ExchangedRow[]): Exchanged {
  const out: Exchanged = { ended: new Map(before.map(({ id, state }) => [id, state])), taken: [] };
  for (const { became, ...task } of rows) {
    if (became === null) out.taken.push(task);
    else out.ended.set(task.id, became);
  }
  return out;
}

/** Ids, attempts, states, times, errors and results, for the functions that take them as arrays. */
export function columnsOf(group: Ended[]): unknown[][] {
  return [
    group.map(({ id }) => id),
    group.map(({ attempt }) => attempt),
    group.map(({ settlement: { state } }) => (state === 'failed' ? 'again' : state)),
    group.map(({ settlement }) => ('runAt' in settlement ? (settlement.runAt ?? null) : null)),
    group.map(({ settlement }) => json('error' in settlement ? settlement.error : undefined)),
    group.map(({ settlement }) => json('result' in settlement ? settlement.result : undefined)),
  ];
}

function json(value: unknown): string | null {
  return value === undefined ? null : JSON.stringify(value);
}

/**
 * A task that was asked to stop did not fail; a mistake of the user's is not mended by a retry; a run of somebody
 * else's is waited for.
 */
export function failureOf(error: unknown, signal: AbortSignal, nowMs: number): Settlement {
  if (signal.aborted) return { state: 'again' };
  if (error instanceof HeadraceError && error.code === 'connection_locked')
    return { state: 'again', runAt: new Date(nowMs + LOCKED_MS) };
  const detail = detailOf(error);
  return error instanceof HeadraceError && error.exitCode === 2 && error.code !== 'database_unreachable'
    ? { state: 'dead', error: detail }
    : { state: 'failed', error: detail };
}

/** What failed, as a task keeps it. */
export function detailOf(error: unknown): TaskError {
  const found = error instanceof HeadraceError && error.found !== undefined ? ` (found: ${error.found})` : '';
  return {
    code: error instanceof HeadraceError ? error.code : (codeOf(error) ?? 'unexpected'),
    message: redact(messageOf(error) + found),
    next: error instanceof HeadraceError ? error.next : undefined,
  };
}
