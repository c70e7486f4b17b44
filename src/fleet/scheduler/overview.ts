/** What people and machines are shown of the scheduler. Read only. */
import type { Pool } from '../../postgres/pool.js';
import type { TaskState } from './task.js';

export interface AppView {
  app: string;
  rateLimit: number;
  frequencySeconds: number;
  partitions: PartitionView[];
}

export interface PartitionView {
  partition: string;
  app: string;
  /** `max_concurrent_processes_per_concurrency_partition`. */
  cap: number;
  running: number;
  waiting: number;
  paused: boolean;
}

export interface TaskView {
  id: number;
  connection: string;
  partition: string;
  cap: number;
  kind: string;
  state: TaskState;
  payload: Record<string, unknown>;
  priority: number;
  attempt: number;
  failures: number;
  maxAttempts: number;
  worker: string | null;
  runAt: string;
  startedAt: string | null;
  endedAt: string | null;
  error: { code: string; message: string; next?: string } | null;
  result: Record<string, unknown> | null;
}

/** Room in the caps that a step holds whose workflow another engine keeps: it is no task here. */
export interface SlotView {
  /** The workflow, as its engine knows it. */
  workflow: string;
  connection: string;
  partition: string;
  cap: number;
  /** Under whose lease it is held. */
  worker: string;
  exclusive: boolean;
  takenAt: string;
}

export interface WorkerView {
  worker: string;
  host: string;
  pid: number;
  version: string;
  slots: number;
  running: number;
  draining: boolean;
  seenAt: string;
}

export interface TaskFilter {
  connection?: string | undefined;
  states?: string[] | undefined;
  ids?: number[] | undefined;
  limit?: number | undefined;
}

const time = (column: string) => `to_char(${column} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;

const PARTITION = `p.id as partition, p.app, p.cap, p.running, p.paused,
       (select count(*) from _headrace.task t where t.concurrency_partition_id = p.id
         and t.state in ('queued', 'delayed')) as waiting`;
const TASK = `id, connection_id as connection, concurrency_partition_id as partition, max_concurrent_processes_per_concurrency_partition as cap, kind, state, payload, priority, attempt, failures,
       max_attempts as "maxAttempts", worker, ${time('run_at')} as "runAt", ${time('started_at')} as "startedAt", ${time('ended_at')} as "endedAt", error, result`;

export async function listPartitions(pool: Pool): Promise<PartitionView[]> {
  return pool.query<PartitionView & Record<string, unknown>>(
    `select ${PARTITION} from _headrace.partition p order by p.id`,
  );
}

export async function listApps(pool: Pool): Promise<AppView[]> {
  const partitions = await listPartitions(pool);
  const apps = await pool.query<{ app: string; rateLimit: number; frequencySeconds: number }>(
    `select id as app, rate_limit as "rateLimit", frequency_seconds as "frequencySeconds" from _headrace.app
      order by id`,
  );
  return apps.map((app) => ({ ...app, partitions: partitions.filter((partition) => partition.app === app.app) }));
}

export async function listTasks(
  pool: Pool,
  { connection, states, ids, limit = 50 }: TaskFilter = {},
): Promise<TaskView[]> {
  return pool.query<TaskView & Record<string, unknown>>(
    `select ${TASK}
     from _headrace.task where ($1::text is null or connection_id = $1) and ($2::text[] is null or state = any($2))
       and ($3::bigint[] is null or id = any($3))
     order by case state when 'running' then 0 when 'queued' then 1 when 'delayed' then 2 when 'paused' then 3 else 4
       end, coalesce(ended_at, run_at) desc, id desc limit $4`,
    [connection ?? null, states ?? null, ids ?? null, limit],
  );
}

/** The newest first; `before`: the last one of the page before. */
export async function pageTasks(
  pool: Pool,
  {
    connection,
    state,
    before,
    limit,
  }: { connection?: string | undefined; state?: string | undefined; before?: number | undefined; limit: number },
): Promise<TaskView[]> {
  return pool.query<TaskView & Record<string, unknown>>(
    `select ${TASK} from _headrace.task where ($1::text is null or connection_id = $1)
      and ($2::text is null or state = $2) and ($3::bigint is null or id < $3) order by id desc limit $4`,
    [connection ?? null, state ?? null, before ?? null, limit],
  );
}

export async function findTask(pool: Pool, id: number): Promise<TaskView | undefined> {
  return (
    await pool.query<TaskView & Record<string, unknown>>(`select ${TASK} from _headrace.task where id = $1`, [id])
  )[0];
}

/** By workflow. `after`: the last one of the page before. */
export async function pageSlots(
  pool: Pool,
  { connection, after, limit }: { connection?: string | undefined; after?: string | undefined; limit: number },
): Promise<SlotView[]> {
  return pool.query<SlotView & Record<string, unknown>>(
    `select s.holder as workflow, s.connection_id as connection, s.partition_id as partition, p.cap, s.worker,
       s.exclusive, ${time('s.taken_at')} as "takenAt"
     from _headrace.slot s join _headrace.partition p on p.id = s.partition_id
     where ($1::text is null or s.connection_id = $1) and ($2::text is null or s.holder > $2)
     order by s.holder limit $3`,
    [connection ?? null, after ?? null, limit],
  );
}

/** By id. `after`: the last one of the page before. */
export async function pagePartitions(
  pool: Pool,
  { app, after, limit }: { app?: string | undefined; after?: string | undefined; limit: number },
): Promise<PartitionView[]> {
  return pool.query<PartitionView & Record<string, unknown>>(
    `select ${PARTITION} from _headrace.partition p where ($1::text is null or p.app = $1)
      and ($2::text is null or p.id > $2) order by p.id limit $3`,
    [app ?? null, after ?? null, limit],
  );
}

export interface AppSummary {
  app: string;
  rateLimit: number;
  frequencySeconds: number;
  cap: number;
  partitions: number;
  running: number;
  waiting: number;
}

/** By name, with what follows from each limit. `after`: the last one of the page before. */
export async function pageApps(
  pool: Pool,
  { after, limit }: { after?: string | undefined; limit: number },
): Promise<AppSummary[]> {
  return pool.query<AppSummary & Record<string, unknown>>(
    `select a.id as app, a.rate_limit as "rateLimit", a.frequency_seconds as "frequencySeconds",
      coalesce(max(p.cap), 0) as cap, count(p.id) as partitions, coalesce(sum(p.running), 0) as running,
       coalesce(sum((select count(*) from _headrace.task t where t.concurrency_partition_id = p.id
         and t.state in ('queued', 'delayed'))), 0)::bigint as waiting
     from (select * from _headrace.app where ($1::text is null or id > $1) order by id limit $2) a
       left join _headrace.partition p on p.app = a.id group by a.id, a.rate_limit, a.frequency_seconds order by a.id`,
    [after ?? null, limit],
  );
}

export interface TaskChange {
  id: number;
  connection: string;
  partition: string;
  kind: string;
  state: TaskState;
  attempt: number;
  error: { code: string; message: string; next?: string } | null;
}

/** Tasks that run, that ended a moment ago, and the newest: what may have changed since the last look. */
export async function changedTasks(pool: Pool): Promise<TaskChange[]> {
  const view = 'id, connection_id as connection, concurrency_partition_id as partition, kind, state, attempt, error';
  return pool.query<TaskChange & Record<string, unknown>>(
    `(select ${view} from _headrace.task where state = 'running' limit 1000)
      union (select ${view} from _headrace.task where ended_at > now() - interval '10 seconds' limit 1000)
      union (select ${view} from _headrace.task order by id desc limit 100)`,
  );
}

export async function listWorkers(pool: Pool): Promise<WorkerView[]> {
  return pool.query<WorkerView & Record<string, unknown>>(
    `select w.id as worker, w.host, w.pid, w.version, w.slots, w.draining, ${time('w.seen_at')} as "seenAt",
      (select count(*) from _headrace.task t where t.worker = w.id and t.state = 'running') as running
     from _headrace.worker w where w.lease_until > now() order by w.id`,
  );
}
