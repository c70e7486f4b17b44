/**
 * Ends of attempts that failed for a cause which passes by itself: they are tried again for as long as whoever ends
 * them says so, and never make a dead letter.
 */
import { headOf } from './scheduler.js';

/** As the function of the first layout, but for what is patient. */
export const PATIENCE_LAYOUT = `
-- p_states may also be 'patient': failed, and no dead letter however often. Its failures are counted to half of what makes one, so that a
-- task which kills its workers still becomes one. Who waits under the same key waits as long as it would have.
create or replace function _headrace.settle_many(p_ids bigint[], p_attempts integer[], p_states text[], p_run_at timestamptz[],
  p_failed boolean, p_errors jsonb[], p_results jsonb[])
returns table (id bigint, state text) language plpgsql as $$
#variable_conflict use_column
declare parts text[]; behind text[]; at timestamptz := _headrace.now();
begin
  select array_agg(distinct x.concurrency_partition_id) into parts from _headrace.task x where x.id = any (p_ids);
  if parts is null then return; end if;
  perform _headrace.lock_partitions(parts);
  return query
    with ended as materialized (
      select x.id, x.concurrency_partition_id, x.connection_id, x.exclusive, x.key, i.error, i.result,
        case when not p_failed then x.failures
          when i.state = 'patient' then greatest(x.failures, least(x.failures + 1, x.max_attempts / 2))
          else x.failures + 1 end as failures,
        case when i.state = 'done' then 'done'
          when x.stop = 'cancel' then 'cancelled'
          when i.state = 'dead' or (p_failed and i.state <> 'patient' and x.failures + 1 >= x.max_attempts) then 'dead'
          when x.key is not null and exists (
            select 1 from _headrace.task y where y.connection_id = x.connection_id and y.key = x.key and y.id <> x.id
              and y.state in ('queued', 'delayed', 'paused')) then 'cancelled'
          when x.stop = 'pause' then 'paused'
          else 'delayed' end as state,
        coalesce(i.run_at, at + case when p_failed then _headrace.backoff(x.id, x.failures + 1)
          else interval '0' end) as run_at
      from unnest(p_ids, p_attempts, p_states, p_run_at, p_errors, p_results) i(id, attempt, state, run_at, error,
        result)
      join _headrace.task x on x.id = i.id and x.attempt = i.attempt and x.state = 'running'),
    t as (
      update _headrace.task x set state = e.state, worker = null, stop = null, error = e.error,
        result = coalesce(e.result, x.result), failures = e.failures,
        run_at = case when e.state in ('delayed', 'paused') then e.run_at else x.run_at end,
        ended_at = case when e.state in ('delayed', 'paused') then null else at end
      from ended e where x.id = e.id returning x.id, x.state),
    carried as (
      update _headrace.task y set failures = greatest(y.failures, e.failures) from ended e
      where p_failed and e.state = 'cancelled' and y.connection_id = e.connection_id and y.key = e.key and y.id <> e.id
        and y.state in ('queued', 'delayed', 'paused')),
    freed as (select connection_id, count(*)::int as n, count(*) filter (where exclusive)::int as exclusives from ended
      group by 1),
    c as (
      update _headrace.connection x set running = x.running - f.n,
        exclusive_running = x.exclusive_running - f.exclusives,
        head = case when f.exclusives = 0 then x.head else ${headOf('x.id', 'x.exclusive_running - f.exclusives')} end
      from freed f where x.id = f.connection_id
      returning x.partition_id, f.n, x.head is not null and x.running < x.cap and not x.paused as takeable),
    sums as (select partition_id, sum(n)::int as n, bool_or(takeable) as takeable from c group by 1),
    p as (
      update _headrace.partition x set running = x.running - s.n, ready = x.ready or s.takeable,
        delayed_at = least(x.delayed_at, (select min(e.run_at) from ended e where e.state = 'delayed'
          and e.concurrency_partition_id = x.id))
      from sums s where x.id = s.partition_id returning x.id)
    select t.id, t.state from t;
  if 'patient' = any (p_states) then
    with later as (
      update _headrace.task y set run_at = i.run_at, state = 'delayed'
      from unnest(p_ids, p_attempts, p_states, p_run_at) i(id, attempt, state, run_at) join _headrace.task x
        on x.id = i.id and x.attempt = i.attempt and x.state = 'cancelled' and x.ended_at = at
      where i.state = 'patient' and i.run_at > at and y.connection_id = x.connection_id and y.key = x.key
        and y.state in ('queued', 'delayed') and y.run_at < i.run_at
      returning y.connection_id)
    select array_agg(distinct connection_id) into behind from later;
    if behind is not null then perform _headrace.refresh(parts, behind); end if;
  end if;
end $$;
`;
