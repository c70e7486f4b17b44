/** One statement between two tasks of a worker: what ended, and what comes next. */
export const EXCHANGE_LAYOUT = `
-- Ends attempts as settle does, and takes up to p_n tasks as claim does, in one transaction. A worker without a lease ends what is still
-- its own, and takes nothing. Only settle waits for locks, before anything is held: two of these never wait for each other.
create function _headrace.exchange(p_worker text, p_n integer, p_ids bigint[], p_attempts integer[], p_states text[],
  p_run_at timestamptz[], p_errors jsonb[], p_results jsonb[])
returns table (state text, id bigint, attempt integer, kind text, payload jsonb, connection_id text,
  concurrency_partition_id text, parent_id bigint, key text, failures integer) language plpgsql as $$
#variable_conflict use_column
begin
  return query select s.state,
    s.id, null::integer, null::text, null::jsonb, null::text, null::text, null::bigint, null::text, null::integer
    from _headrace.settle(p_ids, p_attempts, p_states, p_run_at, false, p_errors, p_results) s;
  if p_n > 0 and exists (select 1 from _headrace.worker w where w.id = p_worker and not w.draining
    and w.lease_until > _headrace.now()) then
    return query select null::text, c.* from _headrace.claim(p_worker, p_n) c;
  end if;
end $$;
`;

/** The same for one task, done, and one that comes next: most of what small tasks cost, without a step between. */
export const EXCHANGE_ONE_LAYOUT = `
alter function _headrace.exchange(text, integer, bigint[], integer[], text[], timestamptz[], jsonb[], jsonb[]) rename to exchange_many;
create function _headrace.exchange(p_worker text, p_n integer, p_ids bigint[], p_attempts integer[], p_states text[], p_run_at timestamptz[], p_errors jsonb[], p_results jsonb[])
returns table (state text, id bigint, attempt integer, kind text, payload jsonb, connection_id text, concurrency_partition_id text, parent_id bigint, key text, failures integer) language plpgsql as $$
#variable_conflict use_column
begin
  if p_n <> 1 or cardinality(p_ids) <> 1 or p_states[1] <> 'done' then
    return query select * from _headrace.exchange_many(p_worker, p_n, p_ids, p_attempts, p_states, p_run_at, p_errors, p_results);
    return;
  end if;
  if _headrace.settle_done(p_ids[1], p_attempts[1], p_errors[1], p_results[1]) then
    state := 'done'; id := p_ids[1];
    return next;
    state := null;
  end if;
  if exists (select 1 from _headrace.worker w where w.id = p_worker and not w.draining and w.lease_until > _headrace.now()) then
    if exists (select 1 from _headrace.partition p where p.delayed_at <= _headrace.now()) then perform _headrace.promote(); end if;
    select c.id, c.attempt, c.kind, c.payload, c.connection_id, c.concurrency_partition_id, c.parent_id, c.key, c.failures
      into id, attempt, kind, payload, connection_id, concurrency_partition_id, parent_id, key, failures from _headrace.claim_one(p_worker) c;
    if id is not null then return next; end if;
  end if;
end $$;
-- Their plans do not hang on what they are asked.
alter function _headrace.claim_one(text) set plan_cache_mode = force_generic_plan;
alter function _headrace.settle_done(bigint, integer, jsonb, jsonb) set plan_cache_mode = force_generic_plan;
`;
