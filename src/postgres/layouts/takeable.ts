/**
 * What can be taken, as columns: they change far less often than the counters that they are made of. While counters
 * were part of an index, each task wrote every index of its partition and its connection four times.
 */
export const TAKEABLE_LAYOUT = `
alter table _headrace.partition add column has_room boolean
  generated always as (ready and running < cap and not paused) stored;
alter table _headrace.connection add column can_begin boolean
  generated always as (head is not null and running < cap and not paused) stored;
drop index _headrace.partition_dispatch;
drop index _headrace.connection_dispatch;
create index partition_dispatch on _headrace.partition (served_at) where has_room;
create index connection_dispatch on _headrace.connection (partition_id, head) where can_begin;

-- The functions of earlier layouts, with the columns in place of what they stand for.
do $$
declare made record;
begin
  for made in
    select f.old, replace(replace(replace(f.old,
      'p.ready and p.running < p.cap and not p.paused', 'p.has_room'),
      'k.head is not null and k.running < k.cap and not k.paused', 'k.can_begin'),
      'x.head is not null and x.running < x.cap and not x.paused', 'x.can_begin') as new
    from (select pg_get_functiondef(p.oid) as old from pg_proc p
      where p.pronamespace = '_headrace'::regnamespace and p.prokind = 'f') f
  loop
    if made.new <> made.old then execute made.new; end if;
  end loop;
end $$;
`;
