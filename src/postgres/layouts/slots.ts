/**
 * Slots of caps that work holds which another engine keeps: all that the scheduler knows of it. They count as running
 * tasks do, and are taken and given back by calls that may be repeated.
 */
import { headOf, TAKEABLE } from './scheduler.js';

/** Tasks that run and slots that are held, alike. */
const RUNNING = `(select concurrency_partition_id as part, connection_id as conn, exclusive from _headrace.task where state = 'running'
    union all select partition_id, connection_id, exclusive from _headrace.slot)`;

export const SLOTS_LAYOUT = `
create table _headrace.slot (
  holder text primary key, partition_id text not null references _headrace.partition, connection_id text not null references _headrace.connection,
  worker text not null, exclusive boolean not null, taken_at timestamptz not null
);
create index slot_partition on _headrace.slot (partition_id);
create index slot_worker on _headrace.slot (worker);

-- What steps of workflows returned that run without an engine; a task that was deleted takes its journal along.
create table _headrace.journal (workflow text not null, step text not null, value jsonb not null, kept_at timestamptz not null default now(), primary key (workflow, step));

-- Takes a slot for a holder, under the lease of the worker's process; false: there is none. Asked again by the same worker it is the same
-- slot; of a worker that is gone it is taken over.
create function _headrace.take_slot(p_holder text, p_worker text, p_connection text, p_exclusive boolean) returns boolean language plpgsql as $$
declare part text; owner text;
begin
  if not exists (select 1 from _headrace.worker w where w.id = p_worker and not w.draining and w.lease_until > _headrace.now()) then
    raise exception 'worker % has no lease', p_worker using errcode = 'HR001';
  end if;
  select partition_id into part from _headrace.connection where id = p_connection;
  if part is null then raise exception 'there is no connection %', p_connection using errcode = 'HR002'; end if;
  perform _headrace.lock_partitions(array[part]);
  select s.worker into owner from _headrace.slot s where s.holder = p_holder;
  if owner is not null then
    if owner <> p_worker and exists (select 1 from _headrace.worker w where w.id = owner) then return false; end if;
    update _headrace.slot set worker = p_worker where holder = p_holder;
    return true;
  end if;
  update _headrace.connection x set running = x.running + 1, exclusive_running = x.exclusive_running + p_exclusive::int,
    head = case when p_exclusive then ${headOf('x.id', '1')} else x.head end
    from _headrace.partition p
    where x.id = p_connection and x.partition_id = part and p.id = part and p.running < p.cap and not p.paused and x.running < x.cap and not x.paused
      and (not p_exclusive or x.exclusive_running = 0);
  if not found then return false; end if;
  update _headrace.partition x set running = x.running + 1, ready = exists (select 1 from _headrace.connection k where k.partition_id = part and ${TAKEABLE}) where x.id = part;
  insert into _headrace.slot (holder, partition_id, connection_id, worker, exclusive, taken_at) values (p_holder, part, p_connection, p_worker, p_exclusive, _headrace.now());
  return true;
end $$;

-- Gives it back; false: this worker does not hold it any more.
create function _headrace.give_slot(p_holder text, p_worker text) returns boolean language plpgsql as $$
declare part text; conn text; single boolean; takeable boolean;
begin
  select partition_id into part from _headrace.slot where holder = p_holder;
  if part is null then return false; end if;
  perform _headrace.lock_partitions(array[part]);
  delete from _headrace.slot where holder = p_holder and worker = p_worker returning connection_id, exclusive into conn, single;
  if not found then return false; end if;
  update _headrace.connection x set running = x.running - 1, exclusive_running = x.exclusive_running - single::int,
    head = case when single then ${headOf('x.id', '(x.exclusive_running - 1)')} else x.head end
    where x.id = conn returning x.head is not null and x.running < x.cap and not x.paused into takeable;
  update _headrace.partition x set running = x.running - 1, ready = x.ready or takeable where x.id = part;
  if takeable then perform pg_notify('headrace_tasks', ''); end if;
  return true;
end $$;

-- Slots of workers that are gone.
create function _headrace.reap_slots() returns integer language sql as $$
  select count(*) filter (where _headrace.give_slot(s.holder, s.worker))::int from (
    select holder, worker from _headrace.slot t where not exists (select 1 from _headrace.worker w where w.id = t.worker) order by holder limit 1000) s
$$;

create or replace function _headrace.miscounted() returns setof text language sql as $$
  with r as materialized (select part, conn, count(*)::int as n, count(*) filter (where exclusive)::int as exclusives from ${RUNNING} x group by 1, 2)
  select c.partition_id from _headrace.connection c left join r on r.conn = c.id
    where (c.running, c.exclusive_running) <> (coalesce(r.n, 0), least(1, coalesce(r.exclusives, 0)))
  union
  select p.id from _headrace.partition p left join (select part, sum(n)::int as n from r group by 1) x on x.part = p.id where p.running <> coalesce(x.n, 0)
$$;

create or replace function _headrace.reconcile(p_partition text) returns integer language plpgsql as $$
declare wrong integer; more integer;
begin
  perform _headrace.lock_partitions(array[p_partition]);
  update _headrace.connection c set running = x.n, exclusive_running = least(1, x.exclusives) from (
    select k.id, count(r.conn)::int as n, count(*) filter (where r.exclusive)::int as exclusives
    from _headrace.connection k left join ${RUNNING} r on r.conn = k.id and r.part = p_partition where k.partition_id = p_partition group by k.id) x
    where c.id = x.id and (c.running, c.exclusive_running) <> (x.n, least(1, x.exclusives));
  get diagnostics wrong = row_count;
  update _headrace.partition set running = x.n from (select count(*)::int as n from ${RUNNING} r where r.part = p_partition) x
    where id = p_partition and running <> x.n;
  get diagnostics more = row_count;
  perform _headrace.refresh(array[p_partition], array(select id from _headrace.connection where partition_id = p_partition));
  return wrong + more;
end $$;
`;
