/** Events of webhooks: many are stored by one statement, and asked for by a task each connection. */
export const INBOX_LAYOUT = `
drop index _headrace.webhook_event_waiting;
create index webhook_event_waiting on _headrace.webhook_event (connection_id, received_at) where handled_at is null;
create index task_changes on _headrace.task (connection_id) where kind = 'changes' and state = 'running';

-- Stores events, each once, and sees to it that a task comes which handles them. p_tasks: as enqueue takes them, one a connection. Returns
-- the places of those that are new. One that waits, or comes within a second, sees what is stored before it begins, for the partition's
-- lock keeps it from being claimed until then; beside one that runs, which may have looked for the last time, another comes a second later,
-- and no sooner: it would find nothing to do. After a failure events bring the next attempt forward to half a minute, not to now.
create function _headrace.receive(p_connections text[], p_ids text[], p_bodies jsonb[],
  p_tasks jsonb) returns table (place integer) language plpgsql as $$
#variable_conflict use_column
declare fresh text[]; places integer[]; wanted jsonb;
begin
  with given as (
    select distinct on (connection_id, event_id) * from unnest(p_connections, p_ids, p_bodies)
      with ordinality i(connection_id, event_id, body, n)
    order by connection_id, event_id, n),
  stored as (
    insert into _headrace.webhook_event as x (connection_id, event_id, body) select connection_id, event_id, body
      from given order by connection_id, event_id
    on conflict do nothing returning x.connection_id, x.event_id)
  select array_agg(distinct s.connection_id), array_agg(g.n::integer) into fresh, places
  from stored s join given g on g.connection_id = s.connection_id and g.event_id = s.event_id;
  if fresh is null then return; end if;
  perform _headrace.lock_partitions(array(select distinct partition_id from _headrace.connection
    where id = any (fresh)));
  select jsonb_agg(t.task || jsonb_build_object('run_at', t.run_at)) into wanted from (
    select e.value as task, _headrace.now() + case
        when exists (select 1 from _headrace.task r where r.connection_id = e.value->>'connection'
          and r.kind = 'changes' and r.state = 'running') then interval '1 second'
        when w.failures > 0 then interval '30 seconds' else interval '0' end as run_at
    from jsonb_array_elements(p_tasks) e
    left join _headrace.task w on w.connection_id = e.value->>'connection' and w.key = e.value->>'key'
      and w.state in ('queued', 'delayed', 'paused')
    where e.value->>'connection' = any (fresh)
      and (w.id is null or (w.state = 'delayed' and w.run_at > _headrace.now() + interval '1 second'))) t
  where not exists (select 1 from _headrace.task w where w.connection_id = t.task->>'connection'
    and w.key = t.task->>'key' and w.state = 'delayed' and w.run_at <= t.run_at);
  if wanted is not null then perform _headrace.enqueue(wanted); end if;
  return query select unnest(places);
end $$;
`;
