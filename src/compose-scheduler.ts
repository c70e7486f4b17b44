/** The wiring for what is particular to the scheduler: its database, the connections of headrace.yaml as it knows them, and what its tasks do. */
import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import path from 'node:path';
import { systemClock } from './clock.js';
import { limitsOf } from './connectors/stripe/source.js';
import { connectorOf, dataDirOf, fingerprintOf, newRunId, openDestination, openSource, resolveConnection, type ConnectionConfig, type ConnectionFlags } from './compose.js';
import { loadConfig, type LoadedConfig } from './config/load.js';
import type { FileConfig } from './config/schema.js';
import { ConfigError } from './errors.js';
import { registerSecret } from './log.js';
import type { RunEvent } from './pipeline/events.js';
import { EmbeddedServer } from './postgres/embedded/server.js';
import { targetFromUrl, type PostgresTarget } from './postgres/connect.js';
import { systemRandom } from './random.js';
import { secondsOf, assertCadence, type Cadence } from './scheduler/cadence.js';
import type { AppSchema } from './scheduler/cap.js';
import { WebhookInbox } from './scheduler/inbox.js';
import { Scheduler, type ClaimedTask, type ConnectionSetup } from './scheduler/scheduler.js';
import { Worker, type TaskHandler, type WorkerEvent } from './scheduler/worker.js';
import type { ConnectionAccess } from './tasks/access.js';
import { changesTask } from './tasks/changes.js';
import { checkTask, verifyTask } from './tasks/check.js';
import { payloadOf, taskOf, type PayloadOf, type TaskKind } from './tasks/kinds.js';
import { partTask } from './tasks/part.js';
import { runTask } from './tasks/run.js';
import { VERSION } from './version.js';

export { taskOf } from './tasks/kinds.js';

export interface Coordination {
  scheduler: Scheduler;
  inbox: WebhookInbox;
  target: PostgresTarget;
  close(): Promise<void>;
}

export interface CoordinationFlags extends ConnectionFlags {
  database?: string | undefined;
}

/** The file that names the connections; undefined where there is none and none was asked for. */
export function readFile(flags: CoordinationFlags, env: NodeJS.ProcessEnv): LoadedConfig | undefined {
  const file = flags.config ?? env['HEADRACE_CONFIG'];
  try {
    return loadConfig(file ?? 'headrace.yaml', env);
  } catch (error) {
    if (file === undefined && error instanceof ConfigError && error.code === 'config_missing') return undefined;
    throw error;
  }
}

/** Precedence: flag, environment, file, the embedded database of the data folder. */
export async function openCoordination(flags: CoordinationFlags, env: NodeJS.ProcessEnv): Promise<Coordination> {
  const loaded = readFile(flags, env);
  const url = flags.database ?? env['DATABASE_URL'] ?? loaded?.config.database;
  let server: EmbeddedServer | undefined;
  let target: PostgresTarget;
  if (url === undefined) {
    server = await EmbeddedServer.open(dataDirOf(flags, env, loaded));
    ({ target } = server);
  } else target = targetFromUrl(url);
  try {
    const scheduler = await Scheduler.open(target);
    return {
      scheduler, target, inbox: new WebhookInbox(scheduler),
      close: async () => {
        await scheduler.close();
        await server?.close();
      },
    };
  } catch (error) {
    await server?.close();
    throw error;
  }
}

export interface KnownConnection extends ConnectionSetup {
  cadence: Cadence | undefined;
  priority: number;
  webhookSecret: string | undefined;
}

/** Assumed of an API that nobody declared a limit of: two tasks at once, so that a short one need not wait for a long one. */
const UNDECLARED: AppSchema['rateLimit'] = { requests: 4, frequencySeconds: 1 };

/** The connections of the file as the scheduler knows them. Throws ConfigError that names the place. */
export function knownConnections(loaded: LoadedConfig, flags: CoordinationFlags, env: NodeJS.ProcessEnv): KnownConnection[] {
  return Object.entries(loaded.config.connections).map(([name, settings]) => {
    const resolved = resolveConnection(name, { ...flags, config: loaded.file }, env);
    const app = settings.app ?? appOf(resolved);
    const { schedule, webhook_secret: webhookSecret } = settings;
    const place = loaded.placeOf(['connections', name, 'schedule']);
    const cadence: Cadence | undefined = schedule?.every !== undefined ? { everySeconds: secondsOf(schedule.every, place) } : schedule?.cron !== undefined ? { cron: schedule.cron, timeZone: schedule.time_zone } : undefined;
    if (cadence) assertCadence(cadence, place);
    registerSecret(webhookSecret);
    return {
      id: name, app, limit: limitOf(app, resolved, loaded.config), maxConcurrent: settings.max_concurrent_processes, partition: settings.partition ?? `${app}/${credentialOf(resolved)}`,
      cadence, priority: schedule?.priority ?? 0, webhookSecret,
    };
  });
}

function appOf({ source }: ConnectionConfig): string {
  return source.connector === 'manifest' ? connectorOf(source.manifest) : source.connector;
}

function credentialOf({ source }: ConnectionConfig): string {
  return (source.connector === 'manifest' ? fingerprintOf(source.base_url, JSON.stringify(source.config)) : fingerprintOf(source.base_url, source.api_key, source.account)).slice(0, 12);
}

function limitOf(app: string, { source }: ConnectionConfig, file: FileConfig): AppSchema['rateLimit'] {
  const declared = file.apps[app];
  if (declared) return { requests: declared.rate_limit, frequencySeconds: declared.frequency_seconds };
  if (source.connector !== 'stripe') return UNDECLARED;
  const usual = limitsOf(source).facts.find((fact) => fact.scope === 'credential')!.usual!;
  return { requests: Math.max(1, Math.floor((usual.requests * 1000) / usual.windowMs)), frequencySeconds: 1 };
}

/** Tells the scheduler of the file's connections and schedules; those that left the file are not run any more. */
export async function announce({ scheduler }: Coordination, known: KnownConnection[], { file, config }: LoadedConfig): Promise<void> {
  const origin = `${hostname()}:${path.resolve(file)}`;
  await scheduler.setFloor(config.concurrency_floor);
  for (const { cadence, priority, ...setup } of known) {
    await scheduler.define(setup);
    await scheduler.repeat(setup.id, 'sync', cadence, { priority, origin });
  }
  await scheduler.repeatOnly(known.filter(({ cadence }) => cadence).map(({ id }) => id), origin);
}

export interface WorkerSetup {
  coordination: Coordination;
  slots: number;
  flags: CoordinationFlags;
  env: NodeJS.ProcessEnv;
  observe: (event: WorkerEvent) => void;
  onRunEvent?: ((task: ClaimedTask, event: RunEvent) => void) | undefined;
}

export function newWorker({ coordination, slots, flags, env, observe, onRunEvent }: WorkerSetup): Worker {
  const { scheduler, target } = coordination;
  return new Worker({
    scheduler, target, info: { host: hostname(), pid: process.pid, version: VERSION, slots }, newId: () => `${hostname()}/${process.pid}/${randomBytes(4).toString('hex')}`,
    handle: taskHandler(coordination, flags, env, onRunEvent), clock: systemClock, random: systemRandom(), observe,
  });
}

function taskHandler({ inbox, scheduler }: Coordination, flags: CoordinationFlags, env: NodeJS.ProcessEnv, onRunEvent: WorkerSetup['onRunEvent']): TaskHandler {
  return async (task, { signal }) => {
    const payload = payloadOf(task.kind, task.payload);
    const access = accessTo(task.connection, flags, env);
    switch (task.kind as TaskKind) {
      case 'check': return checkTask(access, signal);
      case 'verify': return verifyTask(access, (payload as PayloadOf<'verify'>).samples, signal, systemClock, systemRandom());
      case 'changes': return changesTask(access, inbox, signal, systemClock);
      case 'part': return partTask(task, access, systemClock, signal, (event) => onRunEvent?.(task, event));
      default: return runTask(task, access, {
        clock: systemClock, signal, emit: (event) => onRunEvent?.(task, event),
        spread: async (run, number) => void (await scheduler.enqueue([{ ...taskOf(task.connection, 'part', { run, number }), parent: task.id }])),
      });
    }
  };
}

/** Read anew for each task, so that an edit of the file counts from the next one on. */
function accessTo(name: string, flags: CoordinationFlags, env: NodeJS.ProcessEnv): ConnectionAccess {
  const connection = resolveConnection(name, flags, env);
  return {
    name, newRunId, mode: connection.destination.mode,
    openSource: (streams) => openSource(streams === undefined ? connection : ({ ...connection, source: { ...connection.source, streams } } as ConnectionConfig)),
    openDestination: () => openDestination(connection),
  };
}
