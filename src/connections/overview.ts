/** What people and machines are shown of connections. Read only. */
import type { Pool } from '../postgres/pool.js';
import { timeText } from '../runs/run-store.js';
import type { Settings } from './secrets.js';

export const CONNECTION_STATES = ['running', 'paused', 'failing', 'waiting', 'new', 'idle'] as const;
export type ConnectionState = (typeof CONNECTION_STATES)[number];

export interface ConnectionView {
  id: string;
  app: string;
  partition: string;
  managedBy: 'file' | 'api';
  state: ConnectionState;
  paused: boolean;
  /** Tasks at once, and at most. */
  running: number;
  maxConcurrentProcesses: number;
  /** Tasks that ended as dead letters. */
  dead: number;
  schedule: { everySeconds: number | null; cron: string | null; timeZone: string } | null;
  nextRunAt: string | null;
  lastRun: { id: string; outcome: string | null; startedAt: string; finishedAt: string | null } | null;
  /** Everything that the API had at this time is stored. */
  freshAsOf: string | null;
  freshnessSeconds: number | null;
  /** How old it may be, as was asked. */
  freshWithinSeconds: number | null;
  /** It is older than that. */
  late: boolean;
  rows: number;
  requests: number;
  rejections: number;
  version: number;
}

export interface ConnectionDetail extends ConnectionView {
  /** Settings as they may be shown: secrets masked. */
  settings: Settings;
}

/** A dead letter, or a last run that failed. */
export const FAILING = `(coalesce(t.last_outcome, '') in ('failed', 'killed')
  or exists (select 1 from _headrace.task d where d.connection_id = c.id and d.state = 'dead'))`;

const STATE = `case when c.running > 0 then 'running' when c.paused or p.paused then 'paused'
    when ${FAILING} then 'failing'
    when c.head is not null then 'waiting' when t.last_run_id is null then 'new' else 'idle' end`;

/** Seconds that what is stored may be old, as asked; null: nobody asked. */
export const FRESH_WITHIN = `case when k.config->>'fresh_within' ~ '^[1-9]\\d{0,8}[smhd]$' then left(k.config->>'fresh_within', -1)::bigint
    * case right(k.config->>'fresh_within', 1) when 's' then 1 when 'm' then 60 when 'h' then 3600 else 86400 end end`;
export const LATE = `coalesce(coalesce(t.fresh_as_of, k.created_at) < now() - make_interval(secs => ${FRESH_WITHIN}), false)`;

/** Configurations as `k`, with their connection `c`, partition `p` and sums `t`. */
export const joined = (configs: string) =>
  `from ${configs} k join _headrace.connection c on c.id = k.id join _headrace.partition p on p.id = c.partition_id
    left join _headrace.connection_total t on t.connection_id = c.id`;

const VIEW = `k.id, p.app, p.id as partition, k.managed_by as "managedBy", ${STATE} as state, c.paused
  or p.paused as paused, c.running, c.cap as "maxConcurrentProcesses",
  (select count(*) from _headrace.task d where d.connection_id = c.id and d.state = 'dead') as dead,
  case when s.connection_id is not null then jsonb_build_object('everySeconds', s.every_seconds, 'cron', s.cron,
    'timeZone', s.time_zone) end as schedule, ${timeText('s.next_at')} as "nextRunAt",
  case when r.id is not null then jsonb_build_object('id', r.id, 'outcome', r.outcome, 'startedAt',
    ${timeText('r.started_at')}, 'finishedAt', ${timeText('r.finished_at')}) end as "lastRun",
  ${timeText('t.fresh_as_of')} as "freshAsOf",
    round(extract(epoch from now() - t.fresh_as_of))::bigint as "freshnessSeconds",
  ${FRESH_WITHIN} as "freshWithinSeconds", ${LATE} as late,
  coalesce(t.rows, 0) as rows, coalesce(t.requests, 0) as requests, coalesce(t.rejections, 0) as rejections, k.version`;
const MORE = `left join lateral (select connection_id, every_seconds, cron, time_zone, next_at from _headrace.schedule
  where connection_id = k.id and kind = 'sync' limit 1) s on true
  left join lateral (select id, outcome, started_at, finished_at from _headrace.run_record where connection_id = k.id
    order by started_at desc limit 1) r on true`;
/** Names of a page come first, or the plan would walk all tables from their start. */
const PAGE = `(select * from _headrace.connection_config where ($1::text is null or id > $1)
  and ($2::text is null or position(lower($2) in id) > 0) order by id limit $3)`;

/** By name. `after`: the last one of the page before. `search`: part of a name. */
export async function listConnections(
  pool: Pool,
  {
    after,
    limit,
    search,
    state,
  }: { after?: string | undefined; limit: number; search?: string | undefined; state?: string | undefined },
): Promise<ConnectionView[]> {
  const parameters = [after ?? null, search ?? null];
  if (state === undefined)
    return pool.query<ConnectionView & Record<string, unknown>>(
      `select ${VIEW} ${joined(PAGE)} ${MORE} order by k.id`,
      [...parameters, limit],
      'list_connections',
    );
  return pool.query<ConnectionView & Record<string, unknown>>(
    `select ${VIEW} ${joined(PAGE)} ${MORE} where ${STATE} = $4 order by k.id limit $5`,
    [...parameters, null, state, limit],
  );
}

/** `secrets` are sealed. */
export async function findConnectionView(
  pool: Pool,
  id: string,
): Promise<(ConnectionDetail & { secrets: Buffer | null }) | undefined> {
  const [row] = await pool.query<ConnectionDetail & { secrets: Buffer | null } & Record<string, unknown>>(
    `select ${VIEW}, k.config as settings, k.secrets ${joined('_headrace.connection_config')} ${MORE} where k.id = $1`,
    [id],
    'find_connection',
  );
  return row;
}

/** How many connections are in which state, how many tasks, and who works. */
export async function countAll(pool: Pool): Promise<{
  connections: Partial<Record<ConnectionState, number>>;
  tasks: Record<string, number>;
  workers: number;
  slots: number;
  partitions: number;
}> {
  const [states, tasks, [others]] = await Promise.all([
    pool.query<{ state: ConnectionState; n: number }>(
      `select ${STATE} as state, count(*) as n ${joined('_headrace.connection_config')} group by 1`,
    ),
    pool.query<{ state: string; n: number }>(
      `select state, count(*) as n from _headrace.task
        where state in ('queued', 'delayed', 'paused', 'running', 'dead') group by 1`,
    ),
    pool.query<{ workers: number; slots: number; partitions: number }>(
      `select (select count(*) from _headrace.worker where lease_until > now()) as workers,
        (select coalesce(sum(slots), 0) from _headrace.worker where lease_until > now()) as slots,
        (select count(*) from _headrace.partition) as partitions`,
    ),
  ]);
  return {
    connections: Object.fromEntries(states.map(({ state, n }) => [state, n])),
    tasks: Object.fromEntries(tasks.map(({ state, n }) => [state, n])),
    ...others!,
  };
}
