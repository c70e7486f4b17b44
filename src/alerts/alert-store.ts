/** Alerts in the coordination database: what is wrong with which connection, and what is still to be told. */
import { LIMITS } from '../base/bounds.js';
import { FAILING, joined, LATE, FRESH_WITHIN } from '../connections/overview.js';
import type { Pool } from '../postgres/pool.js';
import { timeText } from '../runs/run-store.js';
import type { Alert, AlertKind } from './targets.js';

/** A connection whose problems are not those that were told. */
export interface Change {
  connection: string;
  before: AlertKind[];
  now: AlertKind[];
  run: { id: string; outcome: string | null } | null;
  /** Why its last run failed, or is not proven. */
  why: string | null;
  freshAsOf: string | null;
  freshnessSeconds: number | null;
  freshWithinSeconds: number | null;
}

export interface Delivery {
  id: number;
  connection: string;
  kind: Alert['kind'];
  /** The target's host. */
  shown: string;
  message: string;
  madeAt: string;
  nextAt: string | null;
  attempts: number;
  deliveredAt: string | null;
  error: string | null;
}

/** Not proven: a stream has faults or doubts, or is not there as a whole. */
const UNPROVEN = `coalesce(r.outcome = 'partial' or (r.outcome = 'complete' and exists (select 1 from jsonb_array_elements(r.summary->'proofs') p
  where jsonb_array_length(p->'faults') > 0 or p->>'doubt' is not null)), false)`;
const NOW = `array_remove(array[case when ${FAILING} then 'failed' end, case when ${LATE} then 'late' end, case when ${UNPROVEN} then 'unproven' end], null)`;
const WHY = `coalesce((select t.error->>'message' from _headrace.task t where t.connection_id = k.id
  and t.state = 'dead' order by t.id desc limit 1), r.reason->>'message',
  (select coalesce(p->>'stream' || ': ', '') || (p->>'message') from jsonb_array_elements(r.summary->'problems') p
    limit 1),
  (select (p->>'stream') || ': ' || coalesce(p->'faults'->>0, p->>'doubt')
    from jsonb_array_elements(r.summary->'proofs') p where jsonb_array_length(p->'faults') > 0
    or p->>'doubt' is not null limit 1))`;
/** The newest run that tells something: one that was paused or cancelled says nothing of what is stored. */
const LAST_RUN = `left join lateral (select id, outcome, summary, reason from _headrace.run_record
  where connection_id = k.id and outcome in ('complete', 'partial', 'failed', 'killed') order by started_at desc
  limit 1) r on true`;
const KEPT = '14 days';

export class AlertStore {
  constructor(private readonly pool: Pool) {}

  /** Connections of which something else is to be told than was. */
  async changes(): Promise<Change[]> {
    return this.pool.query<Change & Record<string, unknown>>(
      `select * from (select k.id as connection, coalesce(s.problems, '{}') as before, ${NOW} as now, case
        when r.id is not null then jsonb_build_object('id', r.id, 'outcome', r.outcome) end as run, ${WHY} as why,
         ${timeText('t.fresh_as_of')} as "freshAsOf",
           round(extract(epoch from now() - t.fresh_as_of))::bigint as "freshnessSeconds",
           ${FRESH_WITHIN} as "freshWithinSeconds"
         ${joined('_headrace.connection_config')} ${LAST_RUN} left join _headrace.alert_state s
           on s.connection_id = k.id) x where x.before <> x.now limit $1`,
      [LIMITS.alertsAtOnce],
    );
  }

  /** False: somebody else was first. What is told is stored with the change, or not at all. */
  async take(
    { connection, before, now }: Change,
    alerts: { alert: Alert; target: string; shown: string }[],
  ): Promise<boolean> {
    const [row] = await this.pool.query<{ moved: boolean }>(
      `with moved as (insert into _headrace.alert_state as s (connection_id, problems) values ($1, $2)
           on conflict (connection_id) do update set problems = excluded.problems, since = clock_timestamp()
             where s.problems = $3 returning 1),
         made as (insert into _headrace.alert_delivery (connection_id, kind, target, shown, payload)
           select $1, a->'alert'->>'kind', a->>'target', a->>'shown', a->'alert' from jsonb_array_elements($4::jsonb) a
             where exists (select 1 from moved))
       select exists (select 1 from moved) as moved`,
      [connection, now, before, JSON.stringify(alerts)],
    );
    return row!.moved;
  }

  async add(alerts: { alert: Alert; target: string; shown: string }[]): Promise<void> {
    await this.pool.query(
      `insert into _headrace.alert_delivery (connection_id, kind, target, shown, payload)
        select a->'alert'->>'connection', a->'alert'->>'kind', a->>'target', a->>'shown', a->'alert'
        from jsonb_array_elements($1::jsonb) a`,
      [JSON.stringify(alerts)],
    );
  }

  /** Takes what is due for these targets; each is tried again later unless it is settled. */
  async due(targets: string[]): Promise<{ id: number; target: string; alert: Alert; attempts: number }[]> {
    return this.pool.query<{ id: number; target: string; alert: Alert; attempts: number }>(
      `update _headrace.alert_delivery d set attempts = attempts + 1,
        next_at = clock_timestamp() + make_interval(secs => least(3600, 30 * power(2, attempts)))
       where id in (select id from _headrace.alert_delivery where next_at <= clock_timestamp()
         and target = any($1::text[]) order by id limit $2 for update skip locked)
       returning id, target, payload as alert, attempts`,
      [targets, LIMITS.alertsAtOnce],
    );
  }

  /** `error` undefined: it was taken. */
  async settle(id: number, error: string | undefined, givesUp: boolean): Promise<void> {
    await this.pool.query(
      `update _headrace.alert_delivery set delivered_at = case when $2::text is null then clock_timestamp() end,
        error = $2, next_at = case when $2::text is not null and not $3 then next_at end where id = $1`,
      [id, error ?? null, givesUp],
    );
  }

  /** The newest first. */
  async list(limit: number, before: number | undefined): Promise<Delivery[]> {
    return this.pool.query<Delivery & Record<string, unknown>>(
      `select id, connection_id as connection, kind, shown, payload->>'message' as message,
        ${timeText('made_at')} as "madeAt", ${timeText('next_at')} as "nextAt", attempts,
        ${timeText('delivered_at')} as "deliveredAt", error
       from _headrace.alert_delivery where $2::bigint is null or id < $2 order by id desc limit $1`,
      [limit, before ?? null],
    );
  }

  async prune(): Promise<void> {
    await this.pool.query(`delete from _headrace.alert_delivery where made_at < now() - interval '${KEPT}'`);
    await this.pool.query(
      `delete from _headrace.alert_state s where not exists (select 1 from _headrace.connection_config k
        where k.id = s.connection_id)`,
    );
  }
}
