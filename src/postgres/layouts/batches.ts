/**
 * Claims and ends of many tasks in short statements, each of which changes the rows of one table at once; and fewer
 * indexes on rows that every task changes. A statement for everything costs more to begin than ten tasks take. What
 * they do is what claim_many and settle_many of earlier layouts do, under the same locks.
 */
import { headOf } from './scheduler.js';

/** Of a partition, as SQL: a task of it can begin but for its own cap and pause. */
const somethingCanBegin = (partition: string) =>
  `exists (select 1 from _headrace.connection k where k.partition_id = ${partition} and k.can_begin)`;

/**
 * What each partition of `partitions p` gives next: its best connection's best task, or nulls where a flag was wrong.
 * The partitions are locked by a statement before: one that locks as it looks sees what was before the lock.
 */
const pickFrom = (partitions: string) => `
      select p.id as part, c.id as conn, h.id as task, h.exclusive
      from ${partitions}
      left join lateral (select k.id, k.exclusive_running from _headrace.connection k where k.partition_id = p.id
        and k.can_begin order by k.head limit 1) c on true
      left join lateral (
        (select k.id, k.rank, k.exclusive from _headrace.task k where k.connection_id = c.id and k.state = 'queued'
          and not k.exclusive order by k.rank, k.id limit 1)
        union all
        (select k.id, k.rank, k.exclusive from _headrace.task k where k.connection_id = c.id and k.state = 'queued'
          and k.exclusive and c.exclusive_running = 0 order by k.rank, k.id limit 1)
        order by rank, id limit 1) h on true`;

const PICKED = `array_agg(part) filter (where task is not null),
      array_agg(conn) filter (where task is not null), array_agg(task) filter (where task is not null),
      array_agg(exclusive) filter (where task is not null)`;

/** Flags that promise what is not there, looked at by one claim; the next goes on. */
const MOST_BARREN = 16;

/** Takes one task into the function's columns: `id` stays null where there is none. */
const TAKE_ONE = `
  for tries in 1..${MOST_BARREN} loop
    select p.id into part from _headrace.partition p where p.has_room order by p.served_at limit 1
      for update skip locked;
    exit when part is null;
    select conn, task, exclusive into conn, picked, alone from (${pickFrom('(select part as id) p')}) x;
    exit when picked is not null;
    perform _headrace.mend(array[part]);
  end loop;
  if picked is not null then
    update _headrace.task x set state = 'running', worker = p_worker, attempt = x.attempt + 1,
      started_at = _headrace.now(), stop = null, error = null
      where x.id = picked returning x.id, x.attempt, x.kind, x.payload, x.connection_id, x.concurrency_partition_id,
        x.parent_id, x.key, x.failures
      into id, attempt, kind, payload, connection_id, concurrency_partition_id, parent_id, key, failures;
    update _headrace.connection x set running = x.running + 1, exclusive_running = x.exclusive_running + alone::int,
      head = ${headOf('x.id', '(x.exclusive_running + alone::int)')} where x.id = conn;
    update _headrace.partition x set running = x.running + 1, served_at = clock_timestamp(),
      ready = ${somethingCanBegin('part')} where x.id = part;
    return next;
  end if;`;

/** Plans that hang neither on what is asked nor on how large the tables were when a session first asked. */
const PLANS =
  'set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off';

/** Fewer indexes: what asks for an app's rows is rare, and one index finds connections of a partition as well. */
const INDEXES = `
drop index _headrace.partition_app;
drop index _headrace.connection_app;
drop index _headrace.connection_partition;
drop index _headrace.connection_dispatch;
create index connection_dispatch on _headrace.connection (partition_id, can_begin, head);
`;

export const BATCHES_LAYOUT = `${INDEXES}
-- Partitions, locked by the caller, whose flag promised a task where there is none: they would be served first for ever.
create function _headrace.mend(p_partitions text[]) returns void language plpgsql as $$
begin
  perform _headrace.refresh(p_partitions,
    array(select x.id from _headrace.connection x where x.partition_id = any (p_partitions)));
end $$;

-- Takes up to p_n tasks for a worker, as claim_many does: one of each partition in turn, and again while there is room.
create function _headrace.claim_batch(p_worker text, p_n integer)
returns table (id bigint, attempt integer, kind text, payload jsonb, connection_id text, concurrency_partition_id text,
  parent_id bigint, key text, failures integer) language plpgsql as $$
#variable_conflict use_column
declare looked text[]; parts text[]; conns text[]; tasks bigint[]; alone boolean[]; room integer := p_n;
begin
  for tries in 1..${MOST_BARREN} loop
    looked := array(select p.id from _headrace.partition p where p.has_room order by p.served_at limit room
      for update skip locked);
    exit when looked = '{}';
    select ${PICKED} into parts, conns, tasks, alone from (${pickFrom('unnest(looked) p(id)')}) x;
    exit when parts is not null;
    perform _headrace.mend(looked);
  end loop;
  while parts is not null loop
    if cardinality(looked) > cardinality(parts) then
      perform _headrace.mend(array(select unnest(looked) except select unnest(parts)));
    end if;
    return query update _headrace.task x set state = 'running', worker = p_worker, attempt = x.attempt + 1,
      started_at = _headrace.now(), stop = null, error = null
      from unnest(tasks) u(id) where x.id = u.id
      returning x.id, x.attempt, x.kind, x.payload, x.connection_id, x.concurrency_partition_id, x.parent_id, x.key,
        x.failures;
    update _headrace.connection x set running = x.running + 1, exclusive_running = x.exclusive_running + u.alone::int,
      head = ${headOf('x.id', '(x.exclusive_running + u.alone::int)')}
      from unnest(conns, alone) u(id, alone) where x.id = u.id;
    update _headrace.partition x set running = x.running + 1, served_at = clock_timestamp(),
      ready = ${somethingCanBegin('x.id')}
      from unnest(parts) u(id) where x.id = u.id;
    room := room - cardinality(parts);
    exit when room = 0;
    looked := array(select p.id from unnest(parts) with ordinality u(id, n) join _headrace.partition p
      on p.id = u.id and p.has_room order by u.n limit room);
    select ${PICKED} into parts, conns, tasks, alone from (${pickFrom('unnest(looked) p(id)')}) x;
  end loop;
end $$;

-- Ends attempts that are done; returns the ids of those that were still theirs, as settle_many does.
create function _headrace.settle_all_done(p_ids bigint[], p_attempts integer[], p_errors jsonb[],
  p_results jsonb[]) returns bigint[] language plpgsql as $$
declare mine bigint[]; parts text[]; conns text[]; alone boolean[];
begin
  perform 1 from _headrace.partition p where p.id = any (array(select x.concurrency_partition_id from _headrace.task x
    where x.id = any (p_ids))) order by p.id for update;
  -- Whoever has a worker runs. Asked for by its state, each would be looked for among all that run.
  with ended as (
    update _headrace.task x set state = 'done', worker = null, stop = null, error = i.error,
      result = coalesce(i.result, x.result), ended_at = _headrace.now()
      from unnest(p_ids, p_attempts, p_errors, p_results) i(id, attempt, error, result)
      where x.id = i.id and x.attempt = i.attempt and x.worker is not null
      returning x.id, x.concurrency_partition_id as part, x.connection_id as conn, x.exclusive)
  select array_agg(e.id), array_agg(e.part), array_agg(e.conn), array_agg(e.exclusive)
    into mine, parts, conns, alone from ended e;
  if mine is null then return null; end if;
  update _headrace.connection x set running = x.running - f.n, exclusive_running = x.exclusive_running - f.alone,
    head = case when f.alone = 0 then x.head else ${headOf('x.id', '(x.exclusive_running - f.alone)')} end
    from (select u.id, count(*)::int as n, count(*) filter (where u.alone)::int as alone
      from unnest(conns, alone) u(id, alone) group by u.id) f where x.id = f.id;
  update _headrace.partition x set running = x.running - f.n,
    ready = case when x.ready then true else ${somethingCanBegin('x.id')} end
    from (select u.id, count(*)::int as n from unnest(parts) u(id) group by u.id) f where x.id = f.id;
  return mine;
end $$;

create or replace function _headrace.claim_one(p_worker text, out id bigint, out attempt integer, out kind text,
  out payload jsonb, out connection_id text, out concurrency_partition_id text, out parent_id bigint, out key text,
  out failures integer) returns setof record language plpgsql as $$
#variable_conflict use_column
declare part text; conn text; picked bigint; alone boolean;
begin${TAKE_ONE}
end $$;

create or replace function _headrace.settle_done(p_id bigint, p_attempt integer, p_error jsonb,
  p_result jsonb) returns boolean language plpgsql as $$
declare part text; conn text; alone boolean;
begin
  perform 1 from _headrace.partition p where p.id = (select x.concurrency_partition_id from _headrace.task x
    where x.id = p_id) for update;
  update _headrace.task x set state = 'done', worker = null, stop = null, error = p_error,
    result = coalesce(p_result, x.result), ended_at = _headrace.now()
    where x.id = p_id and x.attempt = p_attempt and x.state = 'running'
    returning x.concurrency_partition_id, x.connection_id, x.exclusive into part, conn, alone;
  if not found then return false; end if;
  update _headrace.connection x set running = x.running - 1, exclusive_running = x.exclusive_running - alone::int,
    head = case when alone then ${headOf('x.id', '(x.exclusive_running - 1)')} else x.head end where x.id = conn;
  update _headrace.partition x set running = x.running - 1,
    ready = case when x.ready then true else ${somethingCanBegin('part')} end where x.id = part;
  return true;
end $$;

create or replace function _headrace.exchange(p_worker text, p_n integer, p_ids bigint[], p_attempts integer[],
  p_states text[], p_run_at timestamptz[], p_errors jsonb[], p_results jsonb[])
returns table (state text, id bigint, attempt integer, kind text, payload jsonb, connection_id text,
  concurrency_partition_id text, parent_id bigint, key text, failures integer) language plpgsql
${PLANS} as $$
#variable_conflict use_column
declare mine bigint[]; leased boolean; due boolean; part text; conn text; picked bigint; alone boolean;
begin
  if not ('done' = all (p_states)) or cardinality(p_ids) = 0 then
    return query select * from _headrace.exchange_many(p_worker, p_n, p_ids, p_attempts, p_states, p_run_at, p_errors,
      p_results);
    return;
  end if;
  state := 'done';
  if cardinality(p_ids) = 1 then
    if _headrace.settle_done(p_ids[1], p_attempts[1], p_errors[1], p_results[1]) then
      id := p_ids[1];
      return next;
    end if;
  else
    mine := _headrace.settle_all_done(p_ids, p_attempts, p_errors, p_results);
    foreach id in array coalesce(mine, '{}') loop return next; end loop;
  end if;
  if p_n = 0 then return; end if;
  select exists (select 1 from _headrace.worker w where w.id = p_worker and not w.draining
      and w.lease_until > _headrace.now()),
    exists (select 1 from _headrace.partition p where p.delayed_at <= _headrace.now()) into leased, due;
  if not leased then return; end if;
  if due then perform _headrace.promote(); end if;
  if p_n > 1 then
    return query select null::text, c.* from _headrace.claim_batch(p_worker, p_n) c;
    return;
  end if;
  state := null;${TAKE_ONE}
end $$;
`;

/** Claims and ends by themselves, not in an exchange, go the same short ways. */
export const BATCHES_APART_LAYOUT = `
create or replace function _headrace.claim(p_worker text, p_n integer)
returns table (id bigint, attempt integer, kind text, payload jsonb, connection_id text, concurrency_partition_id text,
  parent_id bigint, key text, failures integer) language plpgsql ${PLANS} as $$
declare leased boolean; due boolean;
begin
  select exists (select 1 from _headrace.worker w where w.id = p_worker and not w.draining
      and w.lease_until > _headrace.now()),
    exists (select 1 from _headrace.partition p where p.delayed_at <= _headrace.now()) into leased, due;
  if not leased then raise exception 'worker % has no lease', p_worker using errcode = 'HR001'; end if;
  if due then perform _headrace.promote(); end if;
  if p_n = 1 then return query select * from _headrace.claim_one(p_worker);
  else return query select * from _headrace.claim_batch(p_worker, p_n); end if;
end $$;

create or replace function _headrace.settle(p_ids bigint[], p_attempts integer[], p_states text[],
  p_run_at timestamptz[], p_failed boolean, p_errors jsonb[], p_results jsonb[])
returns table (id bigint, state text) language plpgsql ${PLANS} as $$
begin
  if p_failed or not ('done' = all (p_states)) then
    return query select * from _headrace.settle_many(p_ids, p_attempts, p_states, p_run_at, p_failed, p_errors,
      p_results);
  elsif cardinality(p_ids) = 1 then
    if _headrace.settle_done(p_ids[1], p_attempts[1], p_errors[1], p_results[1]) then
      id := p_ids[1]; state := 'done'; return next;
    end if;
  else
    return query select u.id, 'done' from unnest(_headrace.settle_all_done(p_ids, p_attempts, p_errors,
      p_results)) u(id);
  end if;
end $$;
`;
