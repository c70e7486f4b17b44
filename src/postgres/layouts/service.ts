/**
 * Tables of the service: connections made through its API, tokens, and what runs tell while they go on.
 *
 * A run's record is written by the worker that leads it alone; whoever shows runs only reads. Secrets are sealed before
 * they come here.
 */
export const SERVICE_LAYOUT = `
create table _headrace.connection_config (
  id text primary key references _headrace.connection on delete cascade, managed_by text not null
    check (managed_by in ('file', 'api')), origin text not null default '',
  config jsonb not null, secrets bytea, version bigint not null default 1, created_at timestamptz not null
    default now(), updated_at timestamptz not null default now()
);
create table _headrace.token (
  id text primary key, name text not null, role text not null check (role in ('read', 'operate', 'admin')),
    digest bytea not null unique,
  created_at timestamptz not null default now(), expires_at timestamptz, last_used_at timestamptz
);
create table _headrace.run_record (
  id text primary key, connection_id text not null, task_id bigint, attempt integer, kind text not null, worker text,
  started_at timestamptz not null, updated_at timestamptz not null default clock_timestamp(), finished_at timestamptz,
    watched_until timestamptz,
  outcome text, progress jsonb, summary jsonb
) with (fillfactor = 50);
create index run_record_connection on _headrace.run_record (connection_id, started_at desc);
create index run_record_started on _headrace.run_record (started_at desc, id);
create index run_record_open on _headrace.run_record (id) where finished_at is null;
create table _headrace.run_event (
  id bigint generated always as identity primary key, run_id text not null references _headrace.run_record on
    delete cascade, at timestamptz not null, stored_at timestamptz not null default clock_timestamp(),
    event jsonb not null
);
create index run_event_run on _headrace.run_event (run_id, id);
create index run_event_stored on _headrace.run_event (stored_at);
-- What a connection's runs did in sum: unlike the runs, never forgotten.
create table _headrace.connection_total (
  connection_id text primary key, runs bigint not null default 0, rows bigint not null default 0,
    requests bigint not null default 0, rejections bigint not null default 0,
  last_run_id text, last_outcome text, fresh_as_of timestamptz
) with (fillfactor = 50);
create index task_dead on _headrace.task (connection_id) where state = 'dead';
create index task_all on _headrace.task (connection_id, id desc);

-- One repeated task of a kind for each connection; returns when it is due. An interval begins at once, and one that is edited counts from when it
-- was due last; p_first is where a cron expression begins.
create function _headrace.set_schedule(p_connection text, p_kind text, p_payload jsonb, p_every integer, p_cron text,
  p_zone text, p_priority integer, p_first timestamptz, p_origin text)
returns timestamptz language sql as $$
  insert into _headrace.schedule as s (connection_id, kind, payload, every_seconds, cron, time_zone, priority, next_at,
    origin)
    values (p_connection, p_kind, p_payload, p_every, p_cron, p_zone, p_priority, coalesce(p_first, _headrace.now()),
      p_origin)
    on conflict (connection_id, kind) do update set payload = excluded.payload, every_seconds = excluded.every_seconds,
      cron = excluded.cron, time_zone = excluded.time_zone, priority = excluded.priority, origin = excluded.origin,
      next_at = case when (s.every_seconds, s.cron, s.time_zone) is not distinct from (excluded.every_seconds,
        excluded.cron, excluded.time_zone) then s.next_at
        when s.every_seconds is not null and excluded.every_seconds is not null
          then greatest(s.next_at + make_interval(secs => excluded.every_seconds - s.every_seconds), _headrace.now())
        else excluded.next_at end
    returning next_at
$$;

-- What the API was given of a connection that the scheduler knows: its configuration and its schedule, together or not at all. p_expect: the
-- version that the writer has seen, 0 for none, null for any. No row: somebody else was faster, or it is not the API's.
create function _headrace.write_connection(p_id text, p_config jsonb, p_secrets bytea, p_expect bigint,
  p_every integer, p_cron text, p_zone text, p_priority integer, p_first timestamptz)
returns table (version bigint, next_at timestamptz) language plpgsql as $$
#variable_conflict use_column
begin
  insert into _headrace.connection_config as c (id, managed_by, config, secrets)
    values (p_id, 'api', p_config, p_secrets)
    on conflict (id) do update set config = excluded.config, secrets = excluded.secrets, version = c.version + 1,
      updated_at = now()
      where c.managed_by = 'api' and (p_expect is null or c.version = p_expect)
    returning c.version into version;
  if not found then return; end if;
  if p_every is null and p_cron is null then
    delete from _headrace.schedule s where s.connection_id = p_id and s.kind = 'sync';
  else
    next_at := _headrace.set_schedule(p_id, 'sync', '{}', p_every, p_cron, p_zone, p_priority, p_first, 'api');
  end if;
  return next;
end $$;

-- An attempt that was admitted goes from who claimed it to who runs it. It becomes a new attempt, so that of two deliveries one is run. Null: it
-- was taken over, ended, or the worker has no lease.
create function _headrace.adopt(p_id bigint, p_attempt integer, p_worker text) returns integer language plpgsql as $$
declare part text; took integer;
begin
  select concurrency_partition_id into part from _headrace.task where id = p_id and attempt = p_attempt
    and state = 'running';
  if part is null then return null; end if;
  perform _headrace.lock_partitions(array[part]);
  if not exists (select 1 from _headrace.worker w where w.id = p_worker and w.lease_until > _headrace.now()) then
    raise exception 'worker % has no lease', p_worker using errcode = 'HR001';
  end if;
  update _headrace.task set worker = p_worker, attempt = attempt + 1, started_at = _headrace.now() where id = p_id
    and attempt = p_attempt and state = 'running' returning attempt into took;
  return took;
end $$;

-- A connection that nobody needs any more, with all that waits for it. False: there is none; an error where it still runs.
create function _headrace.drop_connection(p_id text) returns boolean language plpgsql as $$
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
    perform _headrace.refresh(array[part], array[]::text[]);
  else
    delete from _headrace.partition where id = part;
  end if;
  return true;
end $$;
`;
