/** headrace serve, headrace worker */
import pc from 'picocolors';
import { systemClock } from '../clock.js';
import { announce, knownConnections, newWorker, openCoordination, readFile, restate, type Coordination, type CoordinationFlags, type WorkerSetup } from '../compose-scheduler.js';
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
      await work(workerOf(coordination, flags), flags);
    } finally {
      await service.close();
      await listening.close();
    }
  });
}

export async function worker(_: unknown[], flags: WorkFlags & { dispatch?: string; endpoint?: number; endpointHost: string }): Promise<number> {
  const { dispatch, endpoint, endpointHost } = flags;
  if (dispatch !== undefined && endpoint !== undefined) throw new ConfigError('a worker either hands tasks on or takes them', { code: 'bad_roles', place: '--dispatch, --endpoint', expected: 'one of both', found: 'both' });
  const identityKeys = (process.env['RESTATE_IDENTITY_KEYS'] ?? '').split(',').filter((key) => key !== '');
  if (endpoint !== undefined && !isLoopback(endpointHost) && identityKeys.length === 0) {
    throw new ConfigError('beyond this machine, deliveries must be signed', { code: 'identity_missing', place: '--endpoint-host', expected: 'RESTATE_IDENTITY_KEYS: public keys of the Restate server', found: 'none', next: 'turn request identity on at the server, and export its public key' });
  }
  return withCoordination(flags, async (coordination) => {
    const { scheduler } = coordination;
    const onTrouble = (message: string) => tell(flags, { type: 'trouble', message }, pc.yellow(message));
    const executor = dispatch === undefined ? undefined : (await restate()).restateExecutor({
      scheduler, clock: systemClock, ingress: dispatch, token: process.env['RESTATE_TOKEN'], onTrouble,
    });
    const what = executor ? `handing tasks to ${executor.description}` : endpoint === undefined ? `${flags.slots} tasks at once` : `${flags.slots} tasks at once, as they are delivered`;
    tell(flags, { type: 'working', slots: flags.slots }, `working on ${scheduler.pool.description}, ${what}`);
    const own = workerOf(coordination, flags, { executor, claims: endpoint === undefined });
    const serving = endpoint === undefined ? undefined : await (await restate()).serveRestate({ worker: own, port: endpoint, host: endpointHost, identityKeys, onTrouble });
    if (serving) tell(flags, { type: 'endpoint', url: serving.url }, `deliveries to ${pc.bold(serving.url)}`);
    try {
      await work(own, flags);
    } finally {
      await serving?.close();
    }
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

function workerOf(coordination: Coordination, flags: WorkFlags, how: Pick<WorkerSetup, 'executor' | 'claims'> = {}): Worker {
  return newWorker({
    coordination, slots: flags.slots, flags, env: process.env, observe: (event) => report(event, flags), ...how,
    onRunEvent: flags.json ? (task, event) => (event.type === 'committed' || event.type === 'split' ? undefined : json({ at: now(), task: task.id, connection: task.connection, ...event })) : undefined,
  });
}

/** Until a signal: then no new tasks, and those under way commit what they fetched and go back to the queue. */
async function work(own: Worker, flags: WorkFlags): Promise<void> {
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
