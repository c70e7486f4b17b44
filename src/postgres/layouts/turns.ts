/** Chores that one process at a time does for all. */
export const TURNS_LAYOUT = `
-- Whether it is this caller's turn: of all that ask, one within p_every. Most are told so by a look alone.
create function _headrace.turn(p_chore text, p_every interval) returns boolean language plpgsql as $$
declare at float8 := extract(epoch from _headrace.now()); since float8 := at - extract(epoch from p_every);
begin
  if exists (select 1 from _headrace.setting s where s.name = p_chore and (s.value->>'at')::float8 between since and at) then return false; end if;
  if not pg_try_advisory_xact_lock(hashtextextended('headrace turn ' || p_chore, 0)) then return false; end if;
  insert into _headrace.setting as s (name, value) values (p_chore, jsonb_build_object('at', at))
    on conflict (name) do update set value = excluded.value where not ((s.value->>'at')::float8 between since and at);
  return found;
end $$;
`;
