/** What keeps the scheduler's tables right and small, apart from what must not wait: counters, flags, old rows. */
import type pg from 'pg';
import type { Clock } from '../../base/clock.js';
import type { Random } from '../../base/random.js';

/** Of the time between two turns: who asks at its pace shall not come a moment too early. */
const TURN_PART = 0.8;
const EVERY_MS = 60_000;
const PRUNE_MS = 3_600_000;
const ENDED_TASKS_KEPT_SECONDS = 7 * 86_400;
/** One worker counts again this often, and a little earlier counts as a minute. */
const RECOUNT_SECONDS = 50;
/** Partitions looked at by one statement, and the pause after it: others' statements go between. */
const RECOUNT_STEP = 500;
const RECOUNT_PAUSE_MS = 20;
/** Of flags, a minute. */
const RECOUNT_WORK_MS = 1_000;
/** Rows deleted by one statement. */
const PRUNE_STEP = 1_000;
/** Longer than any sender repeats an event. */
const HANDLED_EVENTS_KEPT = '40 days';

/** Runs one statement of the scheduler's. */
export type Call = <Row extends pg.QueryResultRow>(sql: string, parameters?: unknown[]) => Promise<Row[]>;

export class Upkeep {
  constructor(private readonly call: Call) {}

  /**
   * Does what one process within `everyMs` has to do for the whole fleet, where it is this one's turn. One that died in
   * its turn is a turn lost.
   */
  async inTurn(chore: 'tick' | 'reap', everyMs: number, work: () => Promise<void>): Promise<void> {
    const [row] = await this.call<{ mine: boolean }>(
      'select _headrace.turn($1, make_interval(secs => $2::float8 / 1000)) as mine',
      [chore, everyMs * TURN_PART],
    );
    if (row!.mine) await work();
  }

  /** Milliseconds until the next repeated task is due; undefined: there is none. */
  async dueInMs(): Promise<number | undefined> {
    const [row] = await this.call<{ ms: number | null }>(
      'select (extract(epoch from min(next_at) - _headrace.now()) * 1000)::float8 as ms from _headrace.schedule',
    );
    return row!.ms === null ? undefined : Math.max(0, row!.ms);
  }

  /** What takes its time, apart from what must not wait: once a minute in each process, and old rows once an hour. */
  async loop(clock: Clock, random: Random, over: AbortSignal, housekeeping?: () => Promise<void>): Promise<void> {
    let pruneMs = clock.monotonic() + PRUNE_MS * random.next();
    await clock.sleep(EVERY_MS * random.next(), over);
    while (!over.aborted) {
      // Another process does it, or the next turn.
      await this.recount(clock, over).catch(() => {});
      await housekeeping?.().catch(() => {});
      if (clock.monotonic() >= pruneMs) {
        pruneMs = clock.monotonic() + PRUNE_MS;
        await this.prune(clock, over).catch(() => {});
      }
      await clock.sleep(EVERY_MS, over);
    }
  }

  /** Counts all counters again, and looks at all flags; returns how many counters were wrong. */
  async reconcile(): Promise<number> {
    const wrong = await this.recountCounters();
    for (let after: string | null = ''; after !== null;) after = await this.recheckFlags(after);
    return wrong;
  }

  /**
   * The same in small steps, by one worker a minute: all counters, and as many flags as a second of work allows. The
   * next one goes on where this ended.
   */
  async recount(clock: Clock, signal: AbortSignal): Promise<void> {
    const [turn] = await this.call<{ after: string }>(
      `insert into _headrace.setting as s (name, value)
        values ('recount', jsonb_build_object('at', extract(epoch from _headrace.now()), 'after', ''))
       on conflict (name) do update set value = s.value || jsonb_build_object('at', extract(epoch from _headrace.now()))
         where (s.value->>'at')::float8 < extract(epoch from _headrace.now()) - $1
       returning value->>'after' as after`,
      [RECOUNT_SECONDS],
    );
    if (!turn) return;
    await this.recountCounters();
    let after: string | null = turn.after;
    for (let workedMs = 0; workedMs < RECOUNT_WORK_MS && after !== null && !signal.aborted;) {
      const startedMs = clock.monotonic();
      after = await this.recheckFlags(after);
      workedMs += clock.monotonic() - startedMs;
      await clock.sleep(RECOUNT_PAUSE_MS, signal);
    }
    await this.call(
      `update _headrace.setting set value = value || jsonb_build_object('after', $1::text) where name = 'recount'`,
      [after ?? ''],
    );
  }

  private async recountCounters(): Promise<number> {
    let wrong = 0;
    for (const { id } of await this.call<{ id: string }>('select id from _headrace.miscounted() as m(id)'))
      wrong += await this.recountPartition(id);
    return wrong;
  }

  /** Flags of the next partitions; where to go on, null at the end. */
  private async recheckFlags(after: string): Promise<string | null> {
    const [step] = await this.call<{ last: string | null; found: string[] }>(
      'select last, found from _headrace.stale($1, $2)',
      [after, RECOUNT_STEP],
    );
    for (const id of step!.found) await this.recountPartition(id);
    return step!.last;
  }

  private async recountPartition(id: string): Promise<number> {
    return (await this.call<{ n: number }>('select _headrace.reconcile($1) as n', [id]))[0]!.n;
  }

  /** Forgets tasks that ended long ago, and events that were handled long ago, in small steps. Dead letters stay. */
  async prune(clock: Clock, signal: AbortSignal): Promise<void> {
    const [kept] = await this.call<{ value: number }>(
      `select value from _headrace.setting where name = 'ended_tasks_kept_seconds'`,
    );
    const olds = [
      `delete from _headrace.webhook_event where ctid = any (array(
         select ctid from _headrace.webhook_event
           where handled_at < _headrace.now() - interval '${HANDLED_EVENTS_KEPT}' limit ${PRUNE_STEP}))
       returning 1 as gone`,
      `delete from _headrace.task where id in (
         select id from _headrace.task
           where ended_at < _headrace.now() - make_interval(secs => ${Number(kept?.value ?? ENDED_TASKS_KEPT_SECONDS)})
           and state in ('done', 'cancelled') order by ended_at limit ${PRUNE_STEP})
       returning 1 as gone`,
      `delete from _headrace.journal where ctid = any (array(
         select j.ctid from _headrace.journal j left join _headrace.task t on 'task/' || t.id = j.workflow
         where t.id is null or t.state in ('done', 'cancelled') limit ${PRUNE_STEP}))
       returning 1 as gone`,
    ];
    for (const old of olds) {
      while (!signal.aborted && (await this.call(old)).length === PRUNE_STEP)
        await clock.sleep(RECOUNT_PAUSE_MS, signal);
    }
  }

  /** For how long tasks that ended are kept; dead letters stay. */
  async keepEnded(seconds: number): Promise<void> {
    await this.call(
      `insert into _headrace.setting (name, value) values ('ended_tasks_kept_seconds', $1) on conflict (name) do update
        set value = excluded.value`,
      [JSON.stringify(seconds)],
    );
  }
}
