/**
 * A lease in two round trips whose statements are planned once: the row taken with all that its reader needs, and
 * written back.
 */
export const BUDGET_LAYOUT = `
  create function _headrace.budget_take(
    p_scope text, p_member text, p_beat boolean, p_gone interval, p_task text,
    out row_owner text, out row_owner_until float8, out row_state bytea, out now_ms float8, out boot_ms float8,
      out members text[], out task_attempt float8
  ) language plpgsql as $$
  begin
    if p_beat then
      insert into _headrace.budget_member as m (scope, member, seen_at) values (p_scope, p_member, clock_timestamp())
      on conflict (scope, member) do update set seen_at = excluded.seen_at;
    end if;
    -- What an owner wrote down itself, it has in its memory.
    select b.owner, b.owner_until, case when b.owner = p_member then null else b.state end into row_owner,
      row_owner_until, row_state
    from _headrace.budget b where b.scope = p_scope for update;
    now_ms := extract(epoch from clock_timestamp()) * 1000;
    boot_ms := extract(epoch from pg_postmaster_start_time()) * 1000;
    members := array(select m.member from _headrace.budget_member m where m.scope = p_scope
      and m.seen_at > clock_timestamp() - p_gone);
    if p_task is not null then
      select f.attempt into task_attempt from _headrace.budget_fence f where f.scope = p_scope and f.task = p_task;
    end if;
  end $$;

  create function _headrace.budget_keep(p_scope text, p_owner text, p_owner_until float8,
    p_state bytea) returns void language plpgsql as $$
  begin
    update _headrace.budget b set owner = p_owner, owner_until = p_owner_until, state = p_state where b.scope = p_scope;
  end $$;
`;
