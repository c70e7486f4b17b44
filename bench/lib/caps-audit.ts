/**
 * Who ran beside whom, from a log that triggers write: the same audit for any queue in PostgreSQL. A start is logged in
 * the transaction that makes it, after its locks were taken, an end before its transaction commits: so an overlap in
 * the log was one.
 */
import type pg from 'pg';

export interface Overruns {
  starts: number;
  /** Starts that made a group run more than its cap at that time. */
  over: number;
  /** Tasks with two attempts running at once. */
  doubled: number;
}

export const AUDIT_TABLES = `
create table audit_log (seq bigint generated always as identity, at timestamptz not null default clock_timestamp(),
  grp text not null, task text, change integer not null, cap integer);
`;

/** The same for Headrace's own tables, as triggers: who runs, what the caps are, and what no statement may do. */
export const TASK_AUDIT = `
  create table oracle (at timestamptz default clock_timestamp(), what text);
  create function audit_task() returns trigger language plpgsql as $$ begin
    if new.state = 'running' and old.state <> 'running' then insert into audit_log (grp, task, change)
      values ('p:' || new.concurrency_partition_id, new.id, 1), ('c:' || new.connection_id, new.id, 1);
    elsif old.state = 'running' and new.state <> 'running' then insert into audit_log (grp, task, change)
      values ('p:' || new.concurrency_partition_id, new.id, -1), ('c:' || new.connection_id, new.id, -1);
    elsif old.state = 'running' and (new.attempt > old.attempt + 1 or new.worker = old.worker
      and new.attempt <> old.attempt) then insert into oracle (what) values ('two attempts of ' || new.id); end if;
    return null; end $$;
  create trigger audit after update on _headrace.task for each row execute function audit_task();
  create function audit_cap() returns trigger language plpgsql as $$ begin
    if tg_op = 'INSERT' or new.cap <> old.cap then insert into audit_log (grp, change, cap)
      values (tg_argv[0] || new.id, 0, new.cap); end if;
    if tg_op = 'UPDATE' and new.running > old.running and new.running > new.cap then insert into oracle (what)
      values (tg_argv[0] || new.id || ' runs ' || new.running || ' of ' || new.cap); end if;
    return null; end $$;
  create trigger audit after insert or update on _headrace.partition for each row execute function audit_cap('p:');
  create trigger audit after insert or update on _headrace.connection for each row execute function audit_cap('c:');
`;

export async function overruns(client: pg.Client): Promise<Overruns> {
  const running = new Map<string, Set<string>>();
  const caps = new Map<string, number>();
  const out: Overruns = { starts: 0, over: 0, doubled: 0 };
  const { rows } = await client.query<{ grp: string; task: string; change: number; cap: number | null }>(
    'select grp, task, change, cap from audit_log order by at, seq',
  );
  for (const { grp, task, change, cap } of rows) {
    if (cap !== null) caps.set(grp, cap);
    let tasks = running.get(grp);
    if (!tasks) running.set(grp, (tasks = new Set()));
    if (change > 0) {
      out.starts++;
      if (tasks.has(task)) out.doubled++;
      tasks.add(task);
      if (tasks.size > (caps.get(grp) ?? Infinity)) out.over++;
    } else if (change < 0) tasks.delete(task);
  }
  return out;
}
