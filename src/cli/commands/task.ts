/** headrace task */
import { systemClock } from '../../base/clock.js';
import {
  knownConnections,
  newWorkflowId,
  openCoordination,
  readFile,
  restate,
  taskOf,
  type Coordination,
  type CoordinationFlags,
  type WorkflowTask,
} from '../../wiring/compose-scheduler.js';
import { ConfigError, EXIT } from '../../base/errors.js';
import { listTasks, pageSlots, type SlotView, type TaskView } from '../../fleet/scheduler/overview.js';
import type { Control, Scope } from '../../fleet/scheduler/task.js';
import { countOf } from '../../base/plural.js';
import { duration, json, note, out, table } from '../terminal/output.js';

type Flags = CoordinationFlags & { json?: boolean };

const STATES = ['queued', 'delayed', 'paused', 'running', 'done', 'dead', 'cancelled'];

export async function list(
  _: unknown[],
  flags: Flags & { connection?: string; state?: string[]; limit: number },
): Promise<number> {
  const stranger = flags.state?.find((state) => !STATES.includes(state));
  if (stranger !== undefined)
    throw new ConfigError(`tasks are never ${stranger}`, {
      code: 'unknown_state',
      place: '--state',
      expected: STATES.join(', '),
      found: stranger,
    });
  return opened(flags, async ({ scheduler }) => {
    const tasks = await listTasks(scheduler.pool, {
      connection: flags.connection,
      states: flags.state,
      limit: flags.limit,
    });
    // What an engine keeps is no task, but runs.
    const slots =
      flags.state === undefined || flags.state.includes('running')
        ? await pageSlots(scheduler.pool, { connection: flags.connection, limit: flags.limit })
        : [];
    if (flags.json) {
      for (const task of tasks) json({ type: 'task', ...task });
      for (const slot of slots) json({ type: 'slot', ...slot });
      return EXIT.complete;
    }
    if (tasks.length === 0) note('No tasks.');
    else out(table(['task', 'connection', 'kind', 'state', 'attempt', 'when', ''], tasks.map(row)));
    if (slots.length > 0)
      out(table(['step of workflow', 'connection', 'worker', 'holds its slot'], slots.map(slotRow)));
    return EXIT.complete;
  });
}

function slotRow({ workflow, connection, worker, takenAt }: SlotView): string[] {
  return [workflow, connection, worker, `for ${duration(Math.abs(systemClock.now() - Date.parse(takenAt)))}`];
}

function row(task: TaskView): (string | number)[] {
  const now = systemClock.now();
  const ago = (time: string | null) => (time === null ? '' : duration(Math.abs(now - Date.parse(time))));
  const when =
    task.endedAt !== null
      ? `${ago(task.endedAt)} ago`
      : task.state === 'running'
        ? `for ${ago(task.startedAt)}`
        : Date.parse(task.runAt) > now
          ? `in ${ago(task.runAt)}`
          : `waits ${ago(task.runAt)}`;
  const { stream, gte, lt } = task.payload as { stream?: string; gte?: number; lt?: number };
  const what =
    stream === undefined
      ? ''
      : `${stream}${gte === undefined && lt === undefined ? '' : ` [${gte ?? ''}, ${lt ?? ''})`}`;
  const result = task.result as { outcome?: string; rows?: number; runId?: string } | null;
  const said = task.error
    ? `${task.error.message}${task.error.next === undefined ? '' : `; next: ${task.error.next}`}`
    : result?.outcome === undefined
      ? ''
      : `${result.outcome}, ${countOf(result.rows ?? 0, 'row')}`;
  return [
    String(task.id),
    task.connection,
    what === '' ? task.kind : `${task.kind} ${what}`,
    task.state,
    task.attempt,
    when,
    said,
  ];
}

export async function enqueue(
  [connection, kind]: [string, string],
  flags: Flags & {
    stream?: string;
    from?: number;
    before?: number;
    priority?: number;
    samples?: number;
    parts?: number;
    acceptDeletions?: string[];
    engine?: string;
    wait?: boolean;
  },
): Promise<number> {
  const { stream, from, before, samples, parts, acceptDeletions } = flags;
  const given = { stream, gte: from, lt: before, samples, parts, accept_deletions: acceptDeletions };
  const task = taskOf(
    connection,
    kind,
    Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)),
    flags.priority,
  );
  return opened(flags, async (coordination) => {
    await introduce(coordination, connection, flags);
    if (flags.engine !== undefined) return onEngine(flags.engine, task, flags);
    const [made] = await coordination.scheduler.enqueue([task]);
    if (flags.json && !flags.wait)
      json({ type: 'enqueued', ...made, connection, kind: task.kind, payload: task.payload });
    else if (!flags.wait)
      out(made!.joined ? `task ${made!.id} is asked for already: joined` : `task ${made!.id} waits`);
    return flags.wait ? outcome(coordination, made!.id, flags) : EXIT.complete;
  });
}

/** Kept by an engine: its journal, its timers, its retries; only the caps are the scheduler's. */
async function onEngine(
  ingress: string,
  { connection, kind, payload, exclusive }: ReturnType<typeof taskOf>,
  flags: Flags & { wait?: boolean },
): Promise<number> {
  const { restateEngine } = await restate();
  const engine = restateEngine({ ingress, token: process.env['RESTATE_TOKEN'] });
  const id = newWorkflowId(connection, kind);
  const handle = await engine.start(id, { connection, kind, payload: payload as WorkflowTask['payload'], exclusive });
  if (!flags.wait) {
    if (flags.json) json({ type: 'started', id, handle, connection, kind });
    else out(`${handle} of ${engine.description} runs ${kind} of ${connection}`);
    return EXIT.complete;
  }
  for (;;) {
    const ended = await engine.outcome(handle);
    if (ended) {
      if (flags.json) json({ type: 'ended', id, handle, connection, kind, ...ended });
      else out(ended.state === 'dead' ? `dead: ${ended.error.message}` : ended.state);
      if (ended.state !== 'done') return EXIT.failed;
      return (ended.result as { outcome?: string } | null)?.outcome === 'partial' ? EXIT.partial : EXIT.complete;
    }
    await systemClock.sleep(POLL_MS);
  }
}

/** A connection of the file that no `serve` has told the scheduler of yet. */
async function introduce(coordination: Coordination, connection: string, flags: Flags): Promise<void> {
  const [known] = await coordination.scheduler.pool.query('select 1 as x from _headrace.connection where id = $1', [
    connection,
  ]);
  if (known) return;
  const loaded = readFile(flags, process.env);
  const faults = new Map<string, ConfigError>();
  const setup =
    loaded && (await knownConnections(loaded, flags, process.env, (name, error) => faults.set(name, error)));
  const fault = faults.get(connection);
  if (fault) throw fault;
  if (!setup?.some(({ id }) => id === connection)) {
    throw new ConfigError(`there is no connection ${connection}`, {
      code: 'unknown_connection',
      place: loaded?.file,
      expected: setup?.map(({ id }) => id).join(', ') ?? 'a headrace.yaml that names it',
      found: connection,
      next: 'name one of them',
    });
  }
  await coordination.scheduler.define(setup.find(({ id }) => id === connection)!);
}

const POLL_MS = 200;

async function outcome({ scheduler }: Coordination, id: number, flags: Flags): Promise<number> {
  for (;;) {
    const [task] = await listTasks(scheduler.pool, { ids: [id] });
    if (task && ['done', 'dead', 'cancelled'].includes(task.state)) {
      if (flags.json) json({ type: 'task', ...task });
      else out(table(['task', 'connection', 'kind', 'state', 'attempt', 'when', ''], [row(task)]));
      return task.state === 'done'
        ? (task.result as { outcome?: string } | null)?.outcome === 'partial'
          ? EXIT.partial
          : EXIT.complete
        : EXIT.failed;
    }
    await systemClock.sleep(POLL_MS);
  }
}

export const pause = controlled('pause', 'paused');
export const resume = controlled('resume', 'resumed');
export const cancel = controlled('cancel', 'cancelled');
export const retry = controlled('retry', 'to be tried again');

function controlled(action: Control, done: string) {
  return async ([ids]: [string[]], flags: Flags & { connection?: string; partition?: string }): Promise<number> => {
    const targets: [Scope, string][] = [
      ...ids.map((id): [Scope, string] => ['task', id]),
      ...(flags.connection === undefined ? [] : [['connection', flags.connection] as [Scope, string]]),
      ...(flags.partition === undefined ? [] : [['partition', flags.partition] as [Scope, string]]),
    ];
    if (targets.length === 0)
      throw new ConfigError(`what shall be ${done}?`, {
        code: 'no_target',
        expected: 'ids of tasks, --connection or --partition',
        found: 'none of them',
        next: 'see headrace task list',
      });
    for (const id of ids)
      if (!/^\d{1,15}$/.test(id))
        throw new ConfigError('that is no id of a task', {
          code: 'bad_task_id',
          expected: 'a number',
          found: id,
          next: 'see headrace task list',
        });
    return opened(flags, async ({ scheduler }) => {
      for (const [scope, id] of targets) {
        const tasks = await scheduler.control(scope, id, action);
        if (tasks === undefined)
          throw new ConfigError(`there is no ${scope} ${id}`, {
            code: `unknown_${scope}`,
            found: id,
            next: scope === 'task' ? 'see headrace task list' : 'see headrace app list',
          });
        if (flags.json) json({ type: action, scope, id, tasks });
        else
          out(
            scope === 'task'
              ? tasks === 0
                ? `task ${id} is left as it is`
                : `task ${id}: ${done}`
              : `${scope} ${id}: ${done}${action === 'resume' ? '' : `, ${tasks} tasks`}`,
          );
      }
      return EXIT.complete;
    });
  };
}

async function opened(flags: Flags, work: (coordination: Coordination) => Promise<number>): Promise<number> {
  const coordination = await openCoordination(flags, process.env);
  try {
    return await work(coordination);
  } finally {
    await coordination.close();
  }
}
