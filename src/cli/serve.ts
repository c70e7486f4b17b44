/** headrace serve, headrace worker */
import pc from 'picocolors';
import { systemClock } from '../clock.js';
import { announce, knownConnections, newWorker, openCoordination, readFile, type Coordination, type CoordinationFlags } from '../compose-scheduler.js';
import { serviceParts } from '../compose-service.js';
import { ConfigError, EXIT, messageOf } from '../errors.js';
import { LIMITS } from '../limits.js';
import { registerSecret } from '../log.js';
import type { Worker, WorkerEvent } from '../scheduler/worker.js';
import { isLoopback, listen, webApp } from '../server/app.js';
import { json, note } from './output.js';

interface WorkFlags extends CoordinationFlags {
  slots: number;
  json?: boolean;
}

const LEAST_TOKEN = 16;
/** Exit code of a process stopped by a second signal, by convention. */
const INTERRUPTED = 130;

export async function serve(_: unknown[], flags: WorkFlags & { host: string; port: number }): Promise<number> {
  const loaded = readFile(flags, process.env);
  const known = loaded ? knownConnections(loaded, flags, process.env) : [];
  const token = process.env['HEADRACE_TOKEN'] || undefined;
  if (token === undefined ? !isLoopback(flags.host) : token.length < LEAST_TOKEN) {
    throw new ConfigError(token === undefined ? 'beyond this machine a token is wanted' : 'the token is too short', { code: 'token_missing', place: token === undefined ? '--host' : 'HEADRACE_TOKEN', expected: `HEADRACE_TOKEN with ${LEAST_TOKEN} characters or more`, found: token === undefined ? 'none' : 'a shorter one', next: 'export HEADRACE_TOKEN=…, or listen on 127.0.0.1 without one' });
  }
  registerSecret(token);
  return withCoordination(flags, async (coordination) => {
    if (loaded) await announce(coordination, known, loaded, flags, process.env);
    const service = serviceParts({ coordination, flags, env: process.env, known, token, onError: (error) => tell(flags, { type: 'trouble', message: messageOf(error) }, pc.yellow(messageOf(error))) });
    const listening = await listen(webApp(service.parts), flags.host, flags.port);
    const count = known.length === 0 ? 'connections are made there' : `${known.length} connections of ${loaded!.file}`;
    tell(flags, { type: 'listening', url: listening.url, connections: known.map(({ id }) => id) }, `dashboard and API on ${pc.bold(listening.url)}, ${count}, ${flags.slots} tasks at once`);
    try {
      await work(coordination, flags);
    } finally {
      await service.close();
      await listening.close();
    }
  });
}

export async function worker(_: unknown[], flags: WorkFlags): Promise<number> {
  return withCoordination(flags, async (coordination) => {
    tell(flags, { type: 'working', slots: flags.slots }, `working on ${coordination.scheduler.pool.description}, ${flags.slots} tasks at once`);
    await work(coordination, flags);
  });
}

async function withCoordination(flags: WorkFlags, run: (coordination: Coordination) => Promise<void>): Promise<number> {
  if (flags.slots < 1) throw new ConfigError('a worker without slots does nothing', { code: 'no_slots', place: '--slots', expected: '1 or more', found: String(flags.slots) });
  const coordination = await openCoordination(flags, process.env);
  try {
    await run(coordination);
    return EXIT.complete;
  } finally {
    await coordination.close();
  }
}

/** Until a signal: then no new tasks, and those under way commit what they fetched and go back to the queue. */
async function work(coordination: Coordination, flags: WorkFlags): Promise<void> {
  const own = newWorker({
    coordination, slots: flags.slots, flags, env: process.env, observe: (event) => report(event, flags),
    onRunEvent: flags.json ? (task, event) => (event.type === 'committed' || event.type === 'split' ? undefined : json({ at: now(), task: task.id, connection: task.connection, ...event })) : undefined,
  });
  own.start();
  await stopSignal(own);
  tell(flags, { type: 'draining', tasks: own.tasks.map(({ id }) => id) }, `stopping: ${own.tasks.length} tasks commit what they fetched; once more to stop at once`);
  await own.drain(LIMITS.drainMs);
  tell(flags, { type: 'stopped' }, 'stopped');
}

function stopSignal(own: Worker): Promise<void> {
  return new Promise((resolve) => {
    let asked = false;
    const onSignal = () => {
      if (asked) process.exit(own.tasks.length > 0 ? INTERRUPTED : 0);
      asked = true;
      resolve();
    };
    process.on('SIGINT', onSignal);
    process.on('SIGTERM', onSignal);
  });
}

const now = () => new Date(systemClock.now()).toISOString();

function tell(flags: WorkFlags, event: Record<string, unknown>, text: string): void {
  if (flags.json) json({ at: now(), ...event });
  else note(`${pc.dim(now())} ${text}`);
}

function report(event: WorkerEvent, flags: WorkFlags): void {
  switch (event.type) {
    case 'joined': return tell(flags, { ...event }, `joined as ${event.worker}`);
    case 'task_started': return tell(flags, { type: 'task_started', task: event.task.id, connection: event.task.connection, kind: event.task.kind, attempt: event.task.attempt }, `${event.task.connection}: ${event.task.kind} begins (task ${event.task.id}, attempt ${event.task.attempt})`);
    case 'task_settled': {
      const { id, connection, kind } = event.task;
      const text = `${connection}: ${kind} ${event.state === 'done' ? pc.green('done') : event.state} (task ${id})${event.error === undefined ? '' : `: ${event.error}`}`;
      return tell(flags, { type: 'task_settled', task: id, connection, kind, state: event.state, ...(event.error === undefined ? {} : { error: event.error }), ...(event.result === undefined ? {} : { result: event.result }) }, text);
    }
    case 'trouble': return tell(flags, { ...event }, pc.yellow(event.message));
  }
}
