/**
 * Tables and functions of the scheduler. Admission is decided here, under the lock of a partition's row. Long because
 * a layout is applied as one, and stays as it was released.
 *
 * Invariants (scheduler/*.test.ts, bench scheduler-chaos):
 * - `partition.running` and `connection.running` never rise above their caps, and equal the count of running tasks.
 * - A task has one live attempt; what an older attempt says is refused.
 * - `partition.ready` holds exactly where a task could be taken but for the partition's own cap and pause;
 *   `connection.head` is the rank of
 *   the connection's best takeable task. Both change only under the partition's lock, so a wake-up is never lost.
 *
 * Locks are taken in this order: partitions by id, then connections and tasks, which the lock of their partition
 * covers. A task's `rank` is the time it is due less a minute for each step of priority: the higher goes first, and
 * none waits for ever.
 */
/** Rank of the best task that a connection could begin, whatever its cap says. */
export const headOf = (connection: string, exclusiveRunning: string, without = '-1') => `least(
    (select k.rank from _headrace.task k where k.connection_id = ${connection} and k.state = 'queued'
      and not k.exclusive and k.id <> ${without} order by k.rank, k.id limit 1),
    case when ${exclusiveRunning} = 0 then (select k.rank from _headrace.task k where k.connection_id = ${connection}
      and k.state = 'queued' and k.exclusive and k.id <> ${without} order by k.rank, k.id limit 1) end)`;

/** Of a connection `k`: a task of it can begin. */
export const TAKEABLE = 'k.head is not null and k.running < k.cap and not k.paused';

export const SCHEDULER_LAYOUT = `
create table _headrace.app (
  id text primary key, rate_limit bigint not null check (rate_limit > 0), frequency_seconds bigint not null
    check (frequency_seconds > 0),
  updated_at timestamptz not null default now()
);
create table _headrace.partition (
  id text primary key, app text not null references _headrace.app,
  cap integer not null check (cap > 0), running integer not null default 0 check (running >= 0),
    paused boolean not null default false,
  ready boolean not null default false, delayed_at timestamptz, served_at timestamptz not null default 'epoch'
) with (fillfactor = 50);
create index partition_dispatch on _headrace.partition (served_at) where ready and running < cap and not paused;
create index partition_delayed on _headrace.partition (delayed_at) where delayed_at is not null;
create index partition_app on _headrace.partition (app);
create table _headrace.connection (
  id text primary key, partition_id text not null references _headrace.partition,
  cap integer not null check (cap > 0), running integer not null default 0 check (running >= 0),
  exclusive_running integer not null default 0 check (exclusive_running between 0 and 1), paused boolean not null
    default false, head timestamptz
) with (fillfactor = 50);
create index connection_dispatch on _headrace.connection (partition_id, head) where head is not null and running < cap
  and not paused;
create index connection_partition on _headrace.connection (partition_id);
create table _headrace.worker (
  id text primary key, host text not null, pid integer not null, version text not null, slots integer not null,
    draining boolean not null default false,
  started_at timestamptz not null, seen_at timestamptz not null, lease_until timestamptz not null, presence bigint
) with (fillfactor = 50);
create table _headrace.task (
  id bigint generated always as identity primary key,
  concurrency_partition_id text not null references _headrace.partition, connection_id text not null
    references _headrace.connection,
  max_concurrent_processes_per_concurrency_partition integer not null,
  kind text not null, payload jsonb not null default '{}', key text, parent_id bigint, exclusive boolean not null
    default false,
  state text not null check (state in ('queued', 'delayed', 'paused', 'running', 'done', 'dead', 'cancelled')),
  priority integer not null default 0, run_at timestamptz not null, rank timestamptz not null,
  attempt integer not null default 0, failures integer not null default 0, max_attempts integer not null default 8
    check (max_attempts > 0),
  stop text check (stop in ('pause', 'cancel', 'yield')), worker text,
  enqueued_at timestamptz not null, started_at timestamptz, ended_at timestamptz, error jsonb, result jsonb
) with (fillfactor = 70);
create index task_queue on _headrace.task (connection_id, exclusive, rank, id) where state = 'queued';
create index task_delayed on _headrace.task (concurrency_partition_id, run_at) where state = 'delayed';
create index task_running on _headrace.task (worker) where state = 'running';
create index task_partition on _headrace.task (concurrency_partition_id) where state not in ('done', 'cancelled');
create index task_ended on _headrace.task (ended_at) where ended_at is not null;
create unique index task_key on _headrace.task (connection_id, key) where key is not null
  and state in ('queued', 'delayed', 'paused');
create table _headrace.schedule (
  connection_id text not null references _headrace.connection, kind text not null, payload jsonb not null default '{}',
  every_seconds integer check (every_seconds > 0), cron text, time_zone text not null default 'UTC',
    priority integer not null default 0, origin text not null default '',
  next_at timestamptz not null, primary key (connection_id, kind),
  check ((every_seconds is null) <> (cron is null))
);
create index schedule_next on _headrace.schedule (next_at);
create table _headrace.setting (name text primary key, value jsonb not null);
create table _headrace.webhook_event (
  connection_id text not null, event_id text not null, received_at timestamptz not null default now(),
    body jsonb not null, handled_at timestamptz,
  primary key (connection_id, event_id)
);
create index webhook_event_waiting on _headrace.webhook_event (received_at) where handled_at is null;

-- The clock of all decisions; simulations set it.
create function _headrace.now() returns timestamptz language sql volatile as $$
  select coalesce(nullif(current_setting('headrace.now', true), '')::timestamptz, clock_timestamp())
$$;

create function _headrace.lock_partitions(p_ids text[]) returns void language plpgsql as $$
begin
  perform 1 from _headrace.partition where id = any (p_ids) order by id for update;
end $$;

-- Brings heads and flags in line with the tasks. The partitions are locked by the caller.
create function _headrace.refresh(p_partitions text[], p_connections text[]) returns void language plpgsql as $$
begin
  update _headrace.connection c set head = ${headOf('c.id', 'c.exclusive_running')} where c.id = any (p_connections);
  update _headrace.partition p set ready = exists (select 1 from _headrace.connection k where k.partition_id = p.id
    and ${TAKEABLE}),
    delayed_at = (select min(run_at) from _headrace.task where concurrency_partition_id = p.id and state = 'delayed')
    where p.id = any (p_partitions);
end $$;

-- Delayed tasks whose time has come join the queue.
create function _headrace.promote() returns void language plpgsql as $$
declare due text[]; touched text[];
begin
  select array_agg(id) into due from (select id from _headrace.partition where delayed_at <= _headrace.now()
    order by delayed_at limit 16 for update skip locked) p;
  if due is null then return; end if;
  with moved as (
    update _headrace.task set state = 'queued' where id in (
      select id from _headrace.task where concurrency_partition_id = any (due) and state = 'delayed'
        and run_at <= _headrace.now() order by run_at limit 500)
    returning connection_id)
  select array_agg(distinct connection_id) into touched from moved;
  perform _headrace.refresh(due, touched);
end $$;

-- Takes up to p_n tasks for a worker: partitions in turn, least recently served first; one task of each, and again while there is room.
create function _headrace.claim(p_worker text, p_n integer)
returns table (id bigint, attempt integer, kind text, payload jsonb, connection_id text, concurrency_partition_id text,
  parent_id bigint, key text, failures integer) language plpgsql as $$
#variable_conflict use_column
declare parts text[]; served text[]; barren text[]; got integer := 0; r record;
begin
  if not exists (select 1 from _headrace.worker w where w.id = p_worker and not w.draining
    and w.lease_until > _headrace.now()) then
    raise exception 'worker % has no lease', p_worker using errcode = 'HR001';
  end if;
  perform _headrace.promote();
  select array_agg(q.id) into parts from (
    select p.id from _headrace.partition p where p.ready and p.running < p.cap and not p.paused order by p.served_at
      limit p_n for update skip locked) q;
  while parts is not null and got < p_n loop
    served := '{}';
    for r in
      with pick as materialized (
        select p.id as partition_id, c.id as connection_id, c.exclusive_running, h.id as task_id, h.exclusive
        from unnest(parts) u(id) join _headrace.partition p on p.id = u.id and p.running < p.cap
        cross join lateral (select k.id, k.exclusive_running from _headrace.connection k where k.partition_id = p.id
          and ${TAKEABLE} order by k.head limit 1) c
        cross join lateral (
          select e.id, e.exclusive from (
            (select k.id, k.rank, k.exclusive from _headrace.task k where k.connection_id = c.id and k.state = 'queued'
              and not k.exclusive order by k.rank, k.id limit 1)
            union all
            (select k.id, k.rank, k.exclusive from _headrace.task k where k.connection_id = c.id and k.state = 'queued'
              and k.exclusive and c.exclusive_running = 0 order by k.rank, k.id limit 1)
          ) e order by e.rank, e.id limit 1) h
        limit p_n - got),
      t as (
        update _headrace.task x set state = 'running', worker = p_worker, attempt = x.attempt + 1,
          started_at = _headrace.now(), stop = null, error = null
        from pick where x.id = pick.task_id returning x.*),
      c as (
        update _headrace.connection x set running = x.running + 1,
          exclusive_running = x.exclusive_running + pick.exclusive::int,
          head = ${headOf('x.id', 'x.exclusive_running + pick.exclusive::int', 'pick.task_id')}
        from pick where x.id = pick.connection_id
        returning x.id, x.partition_id, x.head is not null and x.running < x.cap and not x.paused as takeable),
      p as (
        update _headrace.partition x set running = x.running + 1, served_at = clock_timestamp(),
          ready = c.takeable or exists (select 1 from _headrace.connection k where k.partition_id = x.id
            and k.id <> c.id and ${TAKEABLE})
        from c where x.id = c.partition_id returning x.id)
      select t.* from t join p on p.id = t.concurrency_partition_id
    loop
      got := got + 1;
      served := served || r.concurrency_partition_id;
      id := r.id; attempt := r.attempt; kind := r.kind; payload := r.payload; connection_id := r.connection_id;
      concurrency_partition_id := r.concurrency_partition_id; parent_id := r.parent_id; key := r.key;
        failures := r.failures;
      return next;
    end loop;
    if got < p_n then
      -- A flag that promised a task where there is none would be served first for ever.
      barren := array(select unnest(parts) except (select unnest(served) union select x.id from _headrace.partition x
        where x.id = any (parts) and x.running >= x.cap));
      if cardinality(barren) > 0 then
        perform _headrace.refresh(barren,
          array(select x.id from _headrace.connection x where x.partition_id = any (barren)));
      end if;
    end if;
    parts := nullif(served, '{}');
  end loop;
end $$;

-- Seconds until the next attempt after so many failures: doubling to an hour, a fifth of it told apart by the task.
create function _headrace.backoff(p_id bigint, p_failures integer) returns interval language sql immutable as $$
  select make_interval(secs => least(3600,
    power(2, least(p_failures, 20))) * (0.8 + 0.2 * (abs(hashint8(p_id)::bigint) % 1000) / 1000.0))
$$;

-- Ends attempts of running tasks; returns those that were still theirs, and what became of them. p_states: done, dead, or again (at
-- p_run_at; none: at once, or after the backoff where p_failed). What was asked of a task meanwhile goes first. A task keeps its rank: who
-- begins again does not queue behind those that came later.
create function _headrace.settle(p_ids bigint[], p_attempts integer[], p_states text[], p_run_at timestamptz[],
  p_failed boolean, p_errors jsonb[], p_results jsonb[])
returns table (id bigint, state text) language plpgsql as $$
#variable_conflict use_column
declare parts text[];
begin
  select array_agg(distinct x.concurrency_partition_id) into parts from _headrace.task x where x.id = any (p_ids);
  if parts is null then return; end if;
  perform _headrace.lock_partitions(parts);
  return query
    with ended as materialized (
      select x.id, x.concurrency_partition_id, x.connection_id, x.exclusive, x.key, x.failures, i.error, i.result,
        case when i.state = 'done' then 'done'
          when x.stop = 'cancel' then 'cancelled'
          when i.state = 'dead' or (p_failed and x.failures + 1 >= x.max_attempts) then 'dead'
          when x.key is not null and exists (
            select 1 from _headrace.task y where y.connection_id = x.connection_id and y.key = x.key and y.id <> x.id
              and y.state in ('queued', 'delayed', 'paused')) then 'cancelled'
          when x.stop = 'pause' then 'paused'
          else 'delayed' end as state,
        coalesce(i.run_at, _headrace.now() + case when p_failed then _headrace.backoff(x.id, x.failures + 1)
          else interval '0' end) as run_at
      from unnest(p_ids, p_attempts, p_states, p_run_at, p_errors, p_results) i(id, attempt, state, run_at, error,
        result)
      join _headrace.task x on x.id = i.id and x.attempt = i.attempt and x.state = 'running'),
    t as (
      update _headrace.task x set state = e.state, worker = null, stop = null, error = e.error,
        result = coalesce(e.result, x.result), failures = x.failures + p_failed::int,
        run_at = case when e.state in ('delayed', 'paused') then e.run_at else x.run_at end,
        ended_at = case when e.state in ('delayed', 'paused') then null else _headrace.now() end
      from ended e where x.id = e.id returning x.id, x.state),
    -- Who waits under the same key goes on, and counts what failed before it: else a run that always fails would never be a dead letter.
    carried as (
      update _headrace.task y set failures = greatest(y.failures, e.failures + 1) from ended e
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
end $$;

-- Tasks of workers whose lease ran out begin again soon: the worker died, most likely not of them. One that kills each of its workers
-- comes less and less often, and ends as a dead letter.
create function _headrace.reap() returns integer language plpgsql as $$
declare ids bigint[]; attempts integer[]; later timestamptz[]; n integer;
begin
  -- A worker that missed heartbeats and whose session is gone died: its lease need not run out.
  delete from _headrace.worker where id in (
    select id from _headrace.worker where lease_until < _headrace.now()
      or (seen_at < _headrace.now() - interval '1500 milliseconds' and presence is not null
      and pg_try_advisory_xact_lock(presence))
    for update skip locked);
  select array_agg(x.id), array_agg(x.attempt),
    array_agg(_headrace.now() + make_interval(secs => least(60,
    0.02 * power(2, least(x.failures, 20)) - 0.02))) into ids, attempts, later from (
    select t.id, t.attempt, t.failures from _headrace.task t where t.state = 'running'
      and not exists (select 1 from _headrace.worker w where w.id = t.worker) order by t.id limit 1000) x;
  if ids is null then return 0; end if;
  perform pg_notify('headrace_tasks', '');
  select count(*) into n from _headrace.settle(ids, attempts, array_fill('again'::text, array[cardinality(ids)]),
    later, true,
    array_fill('{"code": "worker_lost", "message": "the worker did not come back"}'::jsonb, array[cardinality(ids)]),
      array_fill(null::jsonb, array[cardinality(ids)]));
  return n;
end $$;

-- p_tasks: [{connection, kind, payload, key, parent, exclusive, priority, run_at, max_attempts}]. One that waits under the same key is
-- joined: it takes the higher priority and the earlier time. Returns a row for each, in order.
create function _headrace.enqueue(p_tasks jsonb) returns table (n integer, id bigint,
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
    with input as materialized (
      select e.ordinality::int as n, c.id as connection_id, c.partition_id, e.value->>'kind' as kind,
        coalesce(e.value->'payload', '{}') as payload, e.value->>'key' as key,
        (e.value->>'parent')::bigint as parent_id, coalesce((e.value->>'exclusive')::boolean, false) as exclusive,
          coalesce((e.value->>'priority')::int, 0) as priority,
        coalesce((e.value->>'run_at')::timestamptz, at) as run_at,
          coalesce((e.value->>'max_attempts')::int, 8) as max_attempts
      from jsonb_array_elements(p_tasks) with ordinality e join _headrace.connection c
        on c.id = e.value->>'connection'),
    one as (select distinct on (connection_id, coalesce(key, n::text), key is null) * from input
      order by connection_id, coalesce(key, n::text), key is null, priority desc, run_at, n),
    put as (
      insert into _headrace.task as x (concurrency_partition_id, connection_id,
        max_concurrent_processes_per_concurrency_partition, kind, payload, key, parent_id, exclusive, state, priority,
        run_at, rank, max_attempts, enqueued_at)
      select o.partition_id, o.connection_id, p.cap, o.kind, o.payload, o.key, o.parent_id, o.exclusive, case
        when o.run_at > at then 'delayed' else 'queued' end,
        o.priority, o.run_at, o.run_at - make_interval(mins => o.priority), o.max_attempts, at
      from one o join _headrace.partition p on p.id = o.partition_id order by o.n
      on conflict (connection_id, key) where key is not null and state in ('queued', 'delayed', 'paused') do update set
        priority = greatest(x.priority, excluded.priority), run_at = least(x.run_at, excluded.run_at),
          rank = least(x.rank, excluded.rank),
        state = case when x.state = 'delayed' then excluded.state else x.state end
      returning x.id, x.connection_id, x.key, xmax::text <> '0' as joined),
    numbered as (select o.n, row_number() over (order by o.n) as k from one o where o.key is null),
    plain as (select put.id, row_number() over (order by put.id) as k from put where put.key is null)
    select i.n, coalesce(put.id, plain.id), coalesce(put.joined or one.n <> i.n, false)
    from input i left join put on put.key = i.key and put.connection_id = i.connection_id left join one
      on one.key = i.key and one.connection_id = i.connection_id
    left join numbered on numbered.n = i.n left join plain on plain.k = numbered.k order by i.n;
  perform _headrace.refresh(parts, touched);
  perform pg_notify('headrace_tasks', '');
end $$;

-- Prolongs a worker's lease; returns the tasks that are still its own, and what is asked of them.
create function _headrace.heartbeat(p_worker text, p_lease interval) returns table (id bigint, attempt integer,
  stop text) language plpgsql as $$
#variable_conflict use_column
begin
  update _headrace.worker w set seen_at = _headrace.now(), lease_until = _headrace.now() + p_lease
    where w.id = p_worker and w.lease_until > _headrace.now();
  if not found then raise exception 'worker % has no lease', p_worker using errcode = 'HR001'; end if;
  return query select t.id, t.attempt, t.stop from _headrace.task t where t.worker = p_worker and t.state = 'running';
end $$;

-- An app's limit, and with it the cap of its partitions and of all their rows, at once.
create function _headrace.set_limit(p_app text, p_rate_limit bigint, p_frequency_seconds bigint,
  p_cap integer) returns table (partitions integer, tasks integer) language plpgsql as $$
declare parts text[];
begin
  insert into _headrace.app as a (id, rate_limit, frequency_seconds) values (p_app, p_rate_limit, p_frequency_seconds)
    on conflict (id) do update set rate_limit = excluded.rate_limit, frequency_seconds = excluded.frequency_seconds,
      updated_at = now();
  parts := array(select id from _headrace.partition where app = p_app order by id for update);
  update _headrace.partition set cap = p_cap where id = any (parts);
  get diagnostics partitions = row_count;
  update _headrace.task set max_concurrent_processes_per_concurrency_partition = p_cap
    where concurrency_partition_id = any (parts) and max_concurrent_processes_per_concurrency_partition <> p_cap;
  get diagnostics tasks = row_count;
  perform pg_notify('headrace_tasks', '');
  return next;
end $$;

create function _headrace.define_connection(p_id text, p_partition text, p_app text, p_cap_of_partition integer,
  p_cap integer) returns void language plpgsql as $$
declare now_in text;
begin
  insert into _headrace.partition (id, app, cap) values (p_partition, p_app, p_cap_of_partition) on conflict (id)
    do nothing;
  insert into _headrace.connection (id, partition_id, cap) values (p_id, p_partition, p_cap) on conflict (id)
    do nothing;
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
  update _headrace.connection set cap = p_cap where id = p_id;
  perform _headrace.refresh(array[now_in, p_partition], array[p_id]);
end $$;

-- pause, resume, cancel, retry: of a task, a connection or a partition. Returns how many tasks it concerned; null: there is no such thing.
create function _headrace.control(p_scope text, p_id text, p_action text) returns integer language plpgsql as $$
declare part text; touched text[]; n integer := 0; more integer; wanted bigint[];
begin
  part := case p_scope
    when 'task' then (select concurrency_partition_id from _headrace.task where id = p_id::bigint)
    when 'connection' then (select partition_id from _headrace.connection where id = p_id)
    else (select id from _headrace.partition where id = p_id) end;
  if part is null then return null; end if;
  perform _headrace.lock_partitions(array[part]);
  if p_action in ('pause', 'resume') then
    update _headrace.partition set paused = p_action = 'pause' where p_scope = 'partition' and id = p_id;
    update _headrace.connection set paused = p_action = 'pause' where p_scope = 'connection' and id = p_id;
  end if;
  wanted := array(select id from _headrace.task where concurrency_partition_id = part
    and state not in ('done', 'cancelled')
    and (p_scope = 'partition' or (p_scope = 'connection' and connection_id = p_id)
      or (p_scope = 'task' and id = p_id::bigint)));
  if p_action = 'cancel' then
    update _headrace.task set state = 'cancelled', ended_at = _headrace.now() where id = any (wanted)
      and state in ('queued', 'delayed', 'paused', 'dead');
    get diagnostics n = row_count;
  elsif p_action = 'pause' and p_scope = 'task' then
    update _headrace.task set state = 'paused' where id = any (wanted) and state in ('queued', 'delayed');
    get diagnostics n = row_count;
  elsif p_action = 'resume' and p_scope = 'task' then
    update _headrace.task set state = case when run_at > _headrace.now() then 'delayed' else 'queued' end
      where id = any (wanted) and state = 'paused';
    get diagnostics n = row_count;
  elsif p_action = 'retry' then
    -- Where the same is asked for already, that will do.
    update _headrace.task t set state = 'cancelled' where id = any (wanted) and state = 'dead' and key is not null
      and exists (
      select 1 from _headrace.task y where y.connection_id = t.connection_id and y.key = t.key and y.id <> t.id
        and (y.state in ('queued', 'delayed', 'paused') or (y.state = 'dead' and y.id < t.id)));
    update _headrace.task set state = 'queued', failures = 0, run_at = _headrace.now(),
      rank = _headrace.now() - make_interval(mins => priority), ended_at = null where id = any (wanted)
      and state = 'dead';
    get diagnostics n = row_count;
  end if;
  if p_action in ('cancel', 'pause') then
    update _headrace.task set stop = case when p_action = 'cancel' then 'cancel' when p_scope = 'task' then 'pause'
      else 'yield' end where id = any (wanted) and state = 'running';
    get diagnostics more = row_count;
    n := n + more;
  elsif p_action = 'resume' then
    update _headrace.task set stop = null where id = any (wanted) and state = 'running' and stop in ('pause', 'yield');
  end if;
  perform _headrace.refresh(array[part], array(select id from _headrace.connection where partition_id = part
    and (p_scope = 'partition' or id = p_id or p_scope = 'task')));
  perform pg_notify('headrace_tasks', '');
  return n;
end $$;

-- Counts again what a partition and its connections keep as counters; returns how many were wrong.
create function _headrace.reconcile(p_partition text) returns integer language plpgsql as $$
declare wrong integer; more integer;
begin
  perform _headrace.lock_partitions(array[p_partition]);
  update _headrace.connection c set running = x.n, exclusive_running = least(1, x.exclusives) from (
    select k.id, count(t.id)::int as n, count(t.id) filter (where t.exclusive)::int as exclusives
    from _headrace.connection k left join _headrace.task t on t.connection_id = k.id and t.state = 'running'
      where k.partition_id = p_partition group by k.id) x
    where c.id = x.id and (c.running, c.exclusive_running) <> (x.n, least(1, x.exclusives));
  get diagnostics wrong = row_count;
  update _headrace.partition set running = x.n
    from (select count(*)::int as n from _headrace.task where concurrency_partition_id = p_partition
    and state = 'running') x
    where id = p_partition and running <> x.n;
  get diagnostics more = row_count;
  perform _headrace.refresh(array[p_partition],
    array(select id from _headrace.connection where partition_id = p_partition));
  return wrong + more;
end $$;
`;
