/**
 * The way of a single task, in short statements: the plan of one statement for many costs more to begin than a task
 * takes. What they do is the same, under the same locks.
 */
import { headOf, TAKEABLE } from './scheduler.js';

/** Flags that promise what is not there, looked at by one claim; the next goes on. */
const MOST_BARREN = 16;

/** The functions for many, by names of their own. */
const MANY = `
alter function _headrace.claim(text, integer) rename to claim_many;
alter function _headrace.settle(bigint[], integer[], text[], timestamptz[], boolean, jsonb[],
  jsonb[]) rename to settle_many;
`;

export const SINGLY_LAYOUT = `${MANY}
-- Takes one task for a worker, or none, as claim_many does.
create function _headrace.claim_one(p_worker text, out id bigint, out attempt integer, out kind text,
  out payload jsonb, out connection_id text,
  out concurrency_partition_id text, out parent_id bigint, out key text,
    out failures integer) returns setof record language plpgsql as $$
#variable_conflict use_column
declare part text; conn text; alone integer; task bigint; single boolean; takeable boolean;
begin
  for tries in 1..${MOST_BARREN} loop
    select p.id into part from _headrace.partition p where p.ready and p.running < p.cap and not p.paused
      order by p.served_at limit 1 for update skip locked;
    if part is null then return; end if;
    select k.id, k.exclusive_running into conn, alone from _headrace.connection k where k.partition_id = part
      and ${TAKEABLE} order by k.head limit 1;
    if conn is not null then
      select e.id, e.exclusive into task, single from (
        (select k.id, k.rank, k.exclusive from _headrace.task k where k.connection_id = conn and k.state = 'queued'
          and not k.exclusive order by k.rank, k.id limit 1)
        union all
        (select k.id, k.rank, k.exclusive from _headrace.task k where k.connection_id = conn and k.state = 'queued'
          and k.exclusive and alone = 0 order by k.rank, k.id limit 1)
      ) e order by e.rank, e.id limit 1;
    end if;
    exit when task is not null;
    -- A flag that promised a task where there is none would be served first for ever.
    perform _headrace.refresh(array[part], array(select x.id from _headrace.connection x where x.partition_id = part));
    conn := null;
  end loop;
  if task is null then return; end if;
  update _headrace.task x set state = 'running', worker = p_worker, attempt = x.attempt + 1,
    started_at = _headrace.now(), stop = null, error = null
    where x.id = task returning x.id, x.attempt, x.kind, x.payload, x.connection_id, x.concurrency_partition_id,
      x.parent_id, x.key, x.failures
    into id, attempt, kind, payload, connection_id, concurrency_partition_id, parent_id, key, failures;
  update _headrace.connection x set running = x.running + 1, exclusive_running = x.exclusive_running + single::int,
    head = ${headOf('x.id', '(x.exclusive_running + single::int)')}
    where x.id = conn returning x.head is not null and x.running < x.cap and not x.paused into takeable;
  update _headrace.partition x set running = x.running + 1, served_at = clock_timestamp(),
    ready = takeable or exists (select 1 from _headrace.connection k where k.partition_id = part and k.id <> conn
      and ${TAKEABLE})
    where x.id = part;
  return next;
end $$;

create function _headrace.claim(p_worker text, p_n integer)
returns table (id bigint, attempt integer, kind text, payload jsonb, connection_id text, concurrency_partition_id text,
  parent_id bigint, key text, failures integer) language plpgsql as $$
begin
  if p_n <> 1 then return query select * from _headrace.claim_many(p_worker, p_n); return; end if;
  if not exists (select 1 from _headrace.worker w where w.id = p_worker and not w.draining
    and w.lease_until > _headrace.now()) then
    raise exception 'worker % has no lease', p_worker using errcode = 'HR001';
  end if;
  if exists (select 1 from _headrace.partition p where p.delayed_at <= _headrace.now())
    then perform _headrace.promote(); end if;
  return query select * from _headrace.claim_one(p_worker);
end $$;

-- Ends an attempt that is done, or returns nothing, as settle_many does.
create function _headrace.settle_done(p_id bigint, p_attempt integer, p_error jsonb,
  p_result jsonb) returns boolean language plpgsql as $$
declare part text; conn text; single boolean; takeable boolean;
begin
  select x.concurrency_partition_id into part from _headrace.task x where x.id = p_id;
  perform 1 from _headrace.partition x where x.id = part for update;
  update _headrace.task x set state = 'done', worker = null, stop = null, error = p_error,
    result = coalesce(p_result, x.result), ended_at = _headrace.now()
    where x.id = p_id and x.attempt = p_attempt and x.state = 'running' returning x.concurrency_partition_id,
      x.connection_id, x.exclusive into part, conn, single;
  if not found then return false; end if;
  if single then
    update _headrace.connection x set running = x.running - 1, exclusive_running = x.exclusive_running - 1,
      head = ${headOf('x.id', '(x.exclusive_running - 1)')}
      where x.id = conn returning x.head is not null and x.running < x.cap and not x.paused into takeable;
  else
    update _headrace.connection x set running = x.running - 1
      where x.id = conn returning x.head is not null and x.running < x.cap and not x.paused into takeable;
  end if;
  update _headrace.partition x set running = x.running - 1, ready = x.ready or takeable where x.id = part;
  return true;
end $$;

create function _headrace.settle(p_ids bigint[], p_attempts integer[], p_states text[], p_run_at timestamptz[],
  p_failed boolean, p_errors jsonb[], p_results jsonb[])
returns table (id bigint, state text) language plpgsql as $$
begin
  if cardinality(p_ids) = 1 and p_states[1] = 'done' and not p_failed then
    if _headrace.settle_done(p_ids[1], p_attempts[1], p_errors[1], p_results[1]) then
      id := p_ids[1]; state := 'done'; return next;
    end if;
  else
    return query select * from _headrace.settle_many(p_ids, p_attempts, p_states, p_run_at, p_failed, p_errors,
      p_results);
  end if;
end $$;
`;
