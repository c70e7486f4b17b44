/**
 * Who ran beside whom, from a log that triggers write: the same audit for any queue in PostgreSQL. A start is logged in the transaction that
 * makes it, after its locks were taken, an end before its transaction commits: so an overlap in the log was one.
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
create table audit_log (seq bigint generated always as identity, at timestamptz not null default clock_timestamp(), grp text not null, task text, change integer not null, cap integer);
`;

export async function overruns(client: pg.Client): Promise<Overruns> {
  const running = new Map<string, Set<string>>();
  const caps = new Map<string, number>();
  const out: Overruns = { starts: 0, over: 0, doubled: 0 };
  const { rows } = await client.query<{ grp: string; task: string; change: number; cap: number | null }>('select grp, task, change, cap from audit_log order by at, seq');
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
