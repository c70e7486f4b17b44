/** Runs as they were written down. Read only, but for saying that somebody watches. */
import type { Progress, RunSummary, StreamProof } from '../engine/report/events.js';
import { LIMITS } from '../base/bounds.js';
import type { Pool } from '../postgres/pool.js';
import type { StoredSample } from './samples.js';

export interface RunView {
  id: string;
  connection: string;
  task: number | null;
  attempt: number | null;
  kind: string;
  worker: string | null;
  startedAt: string;
  updatedAt: string;
  finishedAt: string | null;
  /** Null while it goes on. */
  outcome: string | null;
  rows: number;
  requests: number;
  rejections: number;
}

export interface RunDetail extends RunView {
  progress: Progress | null;
  summary: RunSummary | null;
  /** Why it ended, where it ended without a summary, and why its task gave up. */
  reason: { message: string; code?: string; next?: string } | null;
}

export interface LimitMinute {
  name: string;
  minute: string;
  used: number;
  perSecond: number | null;
  rejections: number;
}

export interface StreamHistory {
  stream: string;
  changedAt: string | null;
  proof: StreamProof | null;
}

export interface StoredEvent {
  id: number;
  run: string;
  connection: string;
  at: string;
  event: { type: string } & Record<string, unknown>;
}

export const timeText = (column: string) => `to_char(${column} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;

/** A task that gave up: its last run is the one that died. */
const DEAD = `select t.error from _headrace.task t where t.id = r.task_id and t.attempt = r.attempt
  and t.state = 'dead'`;
const OUTCOME = `case when r.outcome in ('failed', 'killed') and exists (${DEAD}) then 'dead' else r.outcome end`;
const REASON = `coalesce((${DEAD}), r.reason)`;
const VIEW = `r.id, r.connection_id as connection, r.task_id as task, r.attempt, r.kind, r.worker, ${timeText('r.started_at')} as "startedAt", ${timeText('r.updated_at')} as "updatedAt", ${timeText('r.finished_at')} as "finishedAt", ${OUTCOME} as outcome,
  coalesce((coalesce(r.summary, r.progress)->>'rows')::numeric::bigint, 0) as rows, coalesce((coalesce(r.summary, r.progress)->>'requests')::numeric::bigint, 0) as requests, coalesce((coalesce(r.summary, r.progress)->>'rejections')::numeric::bigint, 0) as rejections`;
const KEPT = '90 days';
const EVENTS_KEPT = '14 days';
const MINUTES = 60;
/** Limits of a partition that are told of. */
const LIMITS_SHOWN = 30;
/** A run is watched until this long after the last look. */
const WATCH = '10 seconds';

export class RunStore {
  constructor(private readonly pool: Pool) {}

  /** Newest first; `before` is the id of a run that was listed last. */
  async list({
    connection,
    outcome,
    before,
    limit,
  }: {
    connection?: string | undefined;
    outcome?: string | undefined;
    before?: string | undefined;
    limit: number;
  }): Promise<RunView[]> {
    return this.pool.query<RunView & Record<string, unknown>>(
      `select ${VIEW} from _headrace.run_record r where ($1::text is null or r.connection_id = $1)
        and ($2::text is null or coalesce(${OUTCOME}, 'running') = $2)
         and ($3::text is null or (r.started_at, r.id) < (select started_at, id from _headrace.run_record
           where id = $3)) order by r.started_at desc, r.id desc limit $4`,
      [connection ?? null, outcome ?? null, before ?? null, limit],
    );
  }

  async find(id: string): Promise<RunDetail | undefined> {
    const [row] = await this.pool.query<RunDetail & Record<string, unknown>>(
      `select ${VIEW}, r.progress, r.summary, ${REASON} as reason from _headrace.run_record r where r.id = $1`,
      [id],
    );
    return row;
  }

  /** Oldest first. */
  async events(run: string, after: number, limit: number): Promise<StoredEvent[]> {
    return this.pool.query<StoredEvent & Record<string, unknown>>(
      `select e.id, e.run_id as run, r.connection_id as connection, ${timeText('e.at')} as at, e.event
        from _headrace.run_event e join _headrace.run_record r on r.id = e.run_id where e.run_id = $1 and e.id > $2
        order by e.id limit $3`,
      [run, after, limit],
    );
  }

  /**
   * Of each limit that runs of a partition met in the last hour, minute by minute: requests a second over the whole
   * minute, the limit, and rejections. Rows of one limit follow each other, the oldest first.
   */
  async lastHour(partition: string): Promise<LimitMinute[]> {
    return this.pool.query<LimitMinute & Record<string, unknown>>(
      `with s as (
           select r.id as run, r.started_at, s.at, s.sample,
             (s.sample->>'elapsedMs')::float8 - coalesce(lag((s.sample->>'elapsedMs')::float8) over (partition by r.id
             order by s.tick), case when r.started_at > now() - interval '1 hour' then 0
             else (s.sample->>'elapsedMs')::float8 end) as ms
           from _headrace.connection c join _headrace.run_record r on r.connection_id = c.id
             join _headrace.run_sample s on s.run_id = r.id
           where c.partition_id = $1 and r.updated_at > now() - interval '1 hour' and s.at > now() - interval '1 hour'),
         run_minute as (
           select s.run, s.started_at, date_trunc('minute', s.at) as minute, l.key as name,
             sum((l.value->>0)::float8 * s.ms) / 60000 as used, max((l.value->>1)::float8) as per,
             max((l.value->>2)::bigint) as rejected
           from s, jsonb_each(s.sample->'limits') l group by 1, 2, 3, 4),
         since as (
           select *, rejected - coalesce(lag(rejected) over (partition by run, name order by minute), case
             when started_at > now() - interval '1 hour' then 0 else rejected end) as own from run_minute)
       select name, ${timeText('minute')} as minute, round(sum(used)::numeric, 3)::float8 as used,
         max(per) as "perSecond", sum(greatest(own, 0))::bigint as rejections
       from since group by name, minute order by name, minute limit $2`,
      [partition, MINUTES * LIMITS_SHOWN * 4],
    );
  }

  /** Of each stream: when a run last committed rows of it, and what the newest proof says. */
  async streamsOf(connection: string): Promise<StreamHistory[]> {
    return this.pool.query<StreamHistory & Record<string, unknown>>(
      `with r as (select started_at, updated_at, progress, summary from _headrace.run_record where connection_id = $1
        order by started_at desc limit 200),
         changed as (select distinct on (s->>'name') s->>'name' as stream, r.updated_at from r,
           jsonb_array_elements(r.progress->'streams') s where (s->>'rows')::numeric > 0 order by s->>'name',
           r.started_at desc),
         proven as (select distinct on (p->>'stream') p->>'stream' as stream, p from r,
           jsonb_array_elements(r.summary->'proofs') p order by p->>'stream', r.started_at desc)
       select stream, ${timeText('c.updated_at')} as "changedAt", p.p as proof from changed c full join proven p
         using (stream)`,
      [connection],
    );
  }

  /** The oldest first; at most twice as many as a run keeps. */
  async samples(run: string): Promise<StoredSample[]> {
    return this.pool.query<StoredSample & Record<string, unknown>>(
      `select ${timeText('s.at')} as at, s.sample from _headrace.run_sample s where s.run_id = $1 order by s.tick
        limit $2`,
      [run, 2 * LIMITS.runSamples],
    );
  }

  /**
   * The latest of these runs' snapshots that came after `since` (by the database's clock, milliseconds), and a new
   * `since`. Says that they are watched.
   */
  async watch(runs: string[] | undefined, sinceMs: number): Promise<RunDetail[]> {
    await this.pool.query(
      `update _headrace.run_record set watched_until = now() + interval '${WATCH}' where finished_at is null
        and ($1::text[] is null or id = any($1))
        and (watched_until is null or watched_until < now() + interval '${WATCH}' / 2)`,
      [runs ?? null],
    );
    return this.pool.query<RunDetail & Record<string, unknown>>(
      `select ${VIEW}, r.progress, r.summary, ${REASON} as reason from _headrace.run_record r
        where r.updated_at > to_timestamp($2::float8 / 1000) and ($1::text[] is null or r.id = any($1))
        order by r.updated_at limit 500`,
      [runs ?? null, sinceMs],
    );
  }

  /** Events since a moment, for all who watch. */
  async eventsSince(sinceMs: number): Promise<StoredEvent[]> {
    return this.pool.query<StoredEvent & Record<string, unknown>>(
      `select e.id, e.run_id as run, r.connection_id as connection, ${timeText('e.at')} as at, e.event
        from _headrace.run_event e join _headrace.run_record r on r.id = e.run_id
        where e.stored_at > to_timestamp($1::float8 / 1000) order by e.id limit 2000`,
      [sinceMs],
    );
  }

  /** Forgets what ended long ago, and ends what has no worker any more. */
  async prune(): Promise<void> {
    await this.pool.query(
      `update _headrace.run_record r set finished_at = clock_timestamp(), updated_at = clock_timestamp(),
        outcome = 'killed' where finished_at is null and updated_at < now() - interval '1 minute'
         and not exists (select 1 from _headrace.task t where t.id = r.task_id and t.attempt = r.attempt
           and t.state = 'running')`,
    );
    await this.pool.query(`delete from _headrace.run_sample where at < now() - interval '${EVENTS_KEPT}'`);
    await this.pool.query(`delete from _headrace.run_event where stored_at < now() - interval '${EVENTS_KEPT}'`);
    await this.pool.query(`delete from _headrace.run_record where finished_at < now() - interval '${KEPT}'`);
  }
}
