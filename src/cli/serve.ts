/** headrace serve, headrace worker */
import pc from 'picocolors';
import { systemClock } from '../clock.js';
import { announce, knownConnections, newWorker, openCoordination, readFile, restate, type Coordination, type CoordinationFlags, type WorkerSetup } from '../compose-scheduler.js';
import { serviceParts } from '../compose-service.js';
import { ConfigError, EXIT, messageOf } from '../errors.js';
import { LIMITS } from '../limits.js';
import { registerSecret } from '../log.js';
import type { Worker } from '../scheduler/worker.js';
import { isLoopback, listen, webApp } from '../server/app.js';
import { ServiceLog } from './service-log.js';
import { openTracing } from './tracing.js';

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
  return withCoordination(flags, async (coordination, log) => {
    if (loaded) await announce(coordination, known, loaded, flags, process.env);
    const service = serviceParts({ coordination, flags, env: process.env, known, token, onError: (error) => log.trouble(messageOf(error)) });
    const listening = await listen(webApp(service.parts), flags.host, flags.port);
    const count = known.length === 0 ? 'connections are made there' : `${known.length} ${known.length === 1 ? 'connection' : 'connections'} of ${loaded!.file}`;
    log.tell('info', { type: 'listening', url: listening.url, connections: known.map(({ id }) => id) }, `dashboard and API on ${pc.bold(listening.url)}, ${count}, ${flags.slots} tasks at once`);
    try {
      await work(workerOf(coordination, flags, log), log);
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
  return withCoordination(flags, async (coordination, log) => {
    const { scheduler } = coordination;
    const onTrouble = (message: string) => log.trouble(message);
    const executor = dispatch === undefined ? undefined : (await restate()).restateExecutor({ scheduler, clock: systemClock, ingress: dispatch, token: process.env['RESTATE_TOKEN'], onTrouble });
    const what = executor ? `handing tasks to ${executor.description}` : endpoint === undefined ? `${flags.slots} tasks at once` : `${flags.slots} tasks at once, as they are delivered`;
    log.tell('info', { type: 'working', slots: flags.slots }, `working on ${scheduler.pool.description}, ${what}`);
    const own = workerOf(coordination, flags, log, { executor, claims: endpoint === undefined });
    const serving = endpoint === undefined ? undefined : await (await restate()).serveRestate({ worker: own, port: endpoint, host: endpointHost, identityKeys, onTrouble });
    if (serving) log.tell('info', { type: 'endpoint', url: serving.url }, `deliveries to ${pc.bold(serving.url)}`);
    try {
      await work(own, log);
    } finally {
      await serving?.close();
    }
  });
}

async function withCoordination(flags: WorkFlags, run: (coordination: Coordination, log: ServiceLog) => Promise<void>): Promise<number> {
  if (flags.slots < 1) throw new ConfigError('a worker without slots does nothing', { code: 'no_slots', place: '--slots', expected: '1 or more', found: String(flags.slots) });
  const tracing = await openTracing(process.env);
  const log = new ServiceLog(flags.json === true, process.env, tracing);
  const coordination = await openCoordination(flags, process.env);
  try {
    await run(coordination, log);
    return EXIT.complete;
  } finally {
    await coordination.close();
    await tracing?.close();
  }
}

function workerOf(coordination: Coordination, flags: WorkFlags, log: ServiceLog, how: Pick<WorkerSetup, 'executor' | 'claims'> = {}): Worker {
  return newWorker({ coordination, slots: flags.slots, flags, env: process.env, observe: (event) => log.worker(event), onRunEvent: (task, event) => log.run(task, event), ...how });
}

/** Until a signal: then no new tasks, and those under way commit what they fetched and go back to the queue. */
async function work(own: Worker, log: ServiceLog): Promise<void> {
  own.start();
  await stopSignal(own);
  log.tell('info', { type: 'draining', tasks: own.tasks.map(({ id }) => id) }, `stopping: ${own.tasks.length} tasks commit what they fetched; once more to stop at once`);
  await own.drain(LIMITS.drainMs);
  log.tell('info', { type: 'stopped' }, 'stopped');
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
