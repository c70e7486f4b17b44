/**
 * What the scheduler learned after its first layout: partitions that several apps share, edits that leave ended rows
 * alone, tasks enqueued in linear time, counters that are counted again in small steps.
 */
import { headOf, TAKEABLE } from './scheduler.js';

/** Of a partition `s`: what it or its connections keep of their tasks is not what the tasks say. */
const STALE = `
      s.ready <> exists (select 1 from _headrace.connection k where k.partition_id = s.id and ${TAKEABLE})
      or s.delayed_at is distinct from (select min(run_at) from _headrace.task t
        where t.concurrency_partition_id = s.id and t.state = 'delayed')
      or exists (select 1 from _headrace.connection c where c.partition_id = s.id
        and c.head is distinct from ${headOf('c.id', 'c.exclusive_running')})`;

export const FLEET_LAYOUT = `
alter table _headrace.app add column cap integer check (cap > 0);
-- Who set the limit last: a file or a connector ('file'), whose edits are applied, or somebody by hand ('user'), whose stay.
alter table _headrace.app add column origin text not null default 'file' check (origin in ('file', 'user'));
alter table _headrace.connection add column app text references _headrace.app;
update _headrace.app a set cap = (select min(p.cap) from _headrace.partition p where p.app = a.id);
update _headrace.connection c set app = p.app from _headrace.partition p where p.id = c.partition_id;
create index connection_app on _headrace.connection (app);

-- The smallest cap of the apps whose connections share a partition; of one without connections, its own app's.
create function _headrace.cap_of(p_partition text) returns integer language sql stable as $$
  select min(a.cap) from _headrace.partition p left join _headrace.connection c on c.partition_id = p.id
    join _headrace.app a on a.id = coalesce(c.app, p.app) where p.id = p_partition
$$;

-- Caps of partitions, which the caller has locked, and of their rows that can still run. Returns the rows that changed.
create function _headrace.spread_caps(p_partitions text[]) returns integer language plpgsql as $$
declare n integer;
begin
  update _headrace.partition p set cap = x.cap
    from (select id, _headrace.cap_of(id) as cap from unnest(p_partitions) u(id)) x
    where p.id = x.id and p.cap <> x.cap;
  update _headrace.task t set max_concurrent_processes_per_concurrency_partition = p.cap from _headrace.partition p
    where p.id = any (p_partitions) and t.concurrency_partition_id = p.id and t.state not in ('done', 'cancelled')
      and t.max_concurrent_processes_per_concurrency_partition <> p.cap;
  get diagnostics n = row_count;
  return n;
end $$;

-- An app's limit, and with it the cap of the partitions that its connections are in and of the rows there that can still
-- run. A limit of a file does not replace one that somebody set by hand: no row is returned then.
drop function _headrace.set_limit(text, bigint, bigint, integer);
create function _headrace.set_limit(p_app text, p_rate_limit bigint, p_frequency_seconds bigint, p_cap integer,
  p_origin text default 'user')
returns table (partitions integer, tasks integer) language plpgsql as $$
declare parts text[];
begin
  insert into _headrace.app as a (id, rate_limit, frequency_seconds, cap, origin)
    values (p_app, p_rate_limit, p_frequency_seconds, p_cap, p_origin)
    on conflict (id) do update set rate_limit = excluded.rate_limit, frequency_seconds = excluded.frequency_seconds,
      cap = excluded.cap,
      origin = excluded.origin, updated_at = now()
      where p_origin = 'user' or a.origin = 'file';
  if not found then return; end if;
  parts := array(select id from _headrace.partition where id in (
    select id from _headrace.partition where app = p_app union select partition_id from _headrace.connection
      where app = p_app) order by id for update);
  tasks := _headrace.spread_caps(parts);
  partitions := cardinality(parts);
  perform pg_notify('headrace_tasks', '');
  return next;
end $$;

drop function _headrace.define_connection(text, text, text, integer, integer);
create function _headrace.define_connection(p_id text, p_partition text, p_app text, p_cap_of_app integer,
  p_cap integer) returns void language plpgsql as $$
declare now_in text;
begin
  update _headrace.app set cap = p_cap_of_app where id = p_app and cap is distinct from p_cap_of_app;
  insert into _headrace.partition (id, app, cap) values (p_partition, p_app, p_cap_of_app) on conflict (id) do nothing;
  insert into _headrace.connection (id, partition_id, cap, app) values (p_id, p_partition, p_cap, p_app)
    on conflict (id) do nothing;
  select partition_id into now_in from _headrace.connection where id = p_id;
  perform _headrace.lock_partitions(array[now_in, p_partition]);
  if now_in <> p_partition then
    if (select running > 0 from _headrace.connection where id = p_id) then
      raise exception 'connection % has running tasks', p_id using errcode = 'HR003';
    end if;
    update _headrace.connection set partition_id = p_partition where id = p_id;
    update _headrace.task t set concurrency_partition_id = p_partition,
      max_concurrent_processes_per_concurrency_partition = p.cap
      from _headrace.partition p where t.connection_id = p_id and p.id = p_partition;
  end if;
  update _headrace.connection set cap = p_cap, app = p_app where id = p_id;
  perform _headrace.spread_caps(array[now_in, p_partition]);
  perform _headrace.refresh(array[now_in, p_partition], array[p_id]);
end $$;

create or replace function _headrace.drop_connection(p_id text) returns boolean language plpgsql as $$
declare part text;
begin
  select partition_id into part from _headrace.connection where id = p_id;
  if part is null then return false; end if;
  perform _headrace.lock_partitions(array[part]);
  if (select running > 0 from _headrace.connection where id = p_id) then
    raise exception 'connection % has running tasks', p_id using errcode = 'HR003';
  end if;
  delete from _headrace.task where connection_id = p_id;
  delete from _headrace.schedule where connection_id = p_id;
  delete from _headrace.webhook_event where connection_id = p_id;
  delete from _headrace.connection_total where connection_id = p_id;
  delete from _headrace.run_record where connection_id = p_id;
  delete from _headrace.connection where id = p_id;
  if exists (select 1 from _headrace.connection where partition_id = part) then
    perform _headrace.spread_caps(array[part]);
    perform _headrace.refresh(array[part], array[]::text[]);
  else
    delete from _headrace.partition where id = part;
  end if;
  return true;
end $$;

-- p_tasks: [{connection, kind, payload, key, parent, exclusive, priority, run_at, max_attempts}]. One that waits under the same key is
-- joined: it takes the higher priority and the earlier time. Returns a row for each, in order. What was put is found again by sorting, not
-- by joins, whose cost the planner cannot know.
create or replace function _headrace.enqueue(p_tasks jsonb) returns table (n integer, id bigint,
  joined boolean) language plpgsql as $$
#variable_conflict use_column
declare parts text[]; touched text[]; stranger text; at timestamptz := _headrace.now();
begin
  select array_agg(distinct c.partition_id), array_agg(distinct c.id),
    min(i.connection) filter (where c.id is null) into parts, touched, stranger
  from (select distinct e->>'connection' as connection from jsonb_array_elements(p_tasks) e) i
    left join _headrace.connection c on c.id = i.connection;
  if stranger is not null then raise exception 'there is no connection %', stranger using errcode = 'HR002'; end if;
  if touched is null then return; end if;
  perform _headrace.lock_partitions(parts);
  return query
    with parsed as materialized (
      select e.ordinality::int as n, e.value->>'connection' as connection_id, e.value->>'kind' as kind,
        coalesce(e.value->'payload', '{}') as payload, e.value->>'key' as key,
        (e.value->>'parent')::bigint as parent_id, coalesce((e.value->>'exclusive')::boolean, false) as exclusive,
          coalesce((e.value->>'priority')::int, 0) as priority,
        coalesce((e.value->>'run_at')::timestamptz, at) as run_at,
          coalesce((e.value->>'max_attempts')::int, 8) as max_attempts
      from jsonb_array_elements(p_tasks) with ordinality e),
    input as materialized (
      select *, case when key is null then n
        else first_value(n) over (partition by connection_id, key order by priority desc, run_at, n) end as leader,
        case when key is null then row_number() over (partition by key is null order by n) end as place
      from parsed),
    put as (
      insert into _headrace.task as x (concurrency_partition_id, connection_id,
        max_concurrent_processes_per_concurrency_partition, kind, payload, key, parent_id, exclusive, state, priority,
        run_at, rank, max_attempts, enqueued_at)
      select p.id, o.connection_id, p.cap, o.kind, o.payload, o.key, o.parent_id, o.exclusive, case when o.run_at > at
        then 'delayed' else 'queued' end,
        o.priority, o.run_at, o.run_at - make_interval(mins => o.priority), o.max_attempts, at
      from input o join _headrace.connection c on c.id = o.connection_id join _headrace.partition p
        on p.id = c.partition_id where o.n = o.leader order by o.n
      on conflict (connection_id, key) where key is not null and state in ('queued', 'delayed', 'paused') do update set
        priority = greatest(x.priority, excluded.priority), run_at = least(x.run_at, excluded.run_at),
          rank = least(x.rank, excluded.rank),
        state = case when x.state = 'delayed' then excluded.state else x.state end
      returning x.id, x.connection_id, x.key, xmax::text <> '0' as joined),
    both_sides as (
      select i.n, i.n <> i.leader as follows, i.connection_id, i.key,
        i.place, null::bigint as id, null::boolean as joined from input i
      union all
      select null, null, put.connection_id, put.key, case when put.key is null
        then row_number() over (partition by put.key is null order by put.id) end, put.id, put.joined from put),
    matched as (
      select b.n, max(b.id) over same as id, coalesce(b.follows, false)
        or coalesce(bool_or(b.joined) over same, false) as joined
      from both_sides b window same as (partition by b.connection_id, b.key, b.place))
    select m.n, m.id, m.joined from matched m where m.n is not null order by m.n;
  perform _headrace.refresh(parts, touched);
  perform pg_notify('headrace_tasks', '');
end $$;

-- Partitions whose counters are not what the running tasks say, by one look without locks; what it finds is counted again under them.
create function _headrace.miscounted() returns setof text language sql as $$
  with r as materialized (
    select concurrency_partition_id as part, connection_id as conn, count(*)::int as n,
      count(*) filter (where exclusive)::int as exclusives
    from _headrace.task where state = 'running' group by 1, 2)
  select c.partition_id from _headrace.connection c left join r on r.conn = c.id
    where (c.running, c.exclusive_running) <> (coalesce(r.n, 0), least(1, coalesce(r.exclusives, 0)))
  union
  select p.id from _headrace.partition p left join (select part, sum(n)::int as n from r group by 1) x on x.part = p.id
    where p.running <> coalesce(x.n, 0)
$$;

-- Of the next p_count partitions after p_after, those whose flags are not what their tasks say; and the last that was looked at, null at
-- the end.
create function _headrace.stale(p_after text, p_count integer, out last text, out found text[]) language sql as $$
  with step as materialized (select id, ready, delayed_at from _headrace.partition where id > p_after order by id
    limit p_count)
  select max(s.id), coalesce(array_agg(s.id) filter (where ${STALE}), '{}') from step s
$$;

-- Whether a task waits that could begin now but for a slot, or for the room that p_partition's parts take.
create function _headrace.waits(p_partition text) returns boolean language sql as $$
  select exists (select 1 from _headrace.connection k join _headrace.partition p on p.id = k.partition_id
    where k.head <= _headrace.now() and k.running < k.cap and not k.paused and not p.paused
      and (p.running < p.cap or p.id = p_partition))
$$;
`;
