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
