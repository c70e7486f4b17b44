/**
 * The wiring for what is particular to the scheduler: its database, the connections of headrace.yaml as it knows them,
 * and what its tasks do.
 */
import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import path from 'node:path';
import { systemClock } from '../base/clock.js';
import { limitsOf } from '../sources/stripe/source.js';
import {
  connectionFrom,
  connectorOf,
  dataDirOf,
  fingerprintOf,
  newRunId,
  openDestination,
  openSource,
  resolveConnection,
  type ConnectionConfig,
  type ConnectionFlags,
} from './compose.js';
import { loadConfig, validate, type LoadedConfig } from '../config/load.js';
import { connectionSchema, type ConnectionSettings, type FileConfig } from '../config/schema.js';
import { SecretBox, type IsSecret, type Settings } from '../connections/secrets.js';
import { ConnectionStore } from '../connections/connection-store.js';
import { Egress } from '../base/egress.js';
import { ConfigError, messageOf } from '../base/errors.js';
import { redact, registerSecret } from '../base/log.js';
import type { Progress, RunEvent } from '../engine/report/events.js';
import { EmbeddedServer } from '../postgres/embedded/server.js';
import { targetFromUrl, type PostgresTarget } from '../postgres/connect.js';
import { systemRandom } from '../base/random.js';
import { RunRecorder } from '../runs/recorder.js';
import { RunStore } from '../runs/run-store.js';
import type { Executor } from '../fleet/scheduler/executor.js';
import { secondsOf, assertCadence, type Cadence } from '../fleet/scheduler/cadence.js';
import type { AppSchema } from '../fleet/scheduler/cap.js';
import { WebhookInbox } from '../fleet/scheduler/inbox.js';
import { Scheduler, type ClaimedTask, type ConnectionSetup } from '../fleet/scheduler/scheduler.js';
import { Worker, type TaskHandler, type WorkerEvent } from '../fleet/scheduler/worker.js';
import type { ConnectionAccess } from '../fleet/tasks/access.js';
import { changesTask } from '../fleet/tasks/changes.js';
import { checkTask, verifyTask } from '../fleet/tasks/check.js';
import { payloadOf, taskOf, type PayloadOf, type TaskKind } from '../fleet/tasks/kinds.js';
import { partTask } from '../fleet/tasks/part.js';
import { runTask } from '../fleet/tasks/run.js';
import { VERSION } from '../base/version.js';

export { taskOf } from '../fleet/tasks/kinds.js';

export interface Coordination {
  scheduler: Scheduler;
  inbox: WebhookInbox;
  connections: ConnectionStore;
  runs: RunStore;
  target: PostgresTarget;
  close(): Promise<void>;
}

export interface CoordinationFlags extends ConnectionFlags {
  database?: string | undefined;
  /** Connections of the API may lead to private networks and to this machine. */
  allowPrivateTargets?: boolean | undefined;
  /** They may name sockets and files of this machine. */
  allowLocalFiles?: boolean | undefined;
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
  const box = SecretBox.from(env['HEADRACE_SECRET_KEY']);
  let server: EmbeddedServer | undefined;
  let target: PostgresTarget;
  if (url === undefined) {
    server = await EmbeddedServer.open(dataDirOf(flags, env, loaded));
    ({ target } = server);
  } else target = targetFromUrl(url);
  try {
    const scheduler = await Scheduler.open(target, 10);
    return {
      scheduler,
      target,
      inbox: new WebhookInbox(scheduler),
      connections: new ConnectionStore(scheduler.pool, box),
      runs: new RunStore(scheduler.pool),
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

/**
 * Assumed of an API that nobody declared a limit of: two tasks at once, so that a short one need not wait for a long
 * one.
 */
const UNDECLARED: AppSchema['rateLimit'] = { requests: 4, frequencySeconds: 1 };

/** The connections of the file as the scheduler knows them. Throws ConfigError that names the place. */
export function knownConnections(
  loaded: LoadedConfig,
  flags: CoordinationFlags,
  env: NodeJS.ProcessEnv,
): KnownConnection[] {
  return Object.entries(loaded.config.connections).map(([name, settings]) =>
    known(
      resolveConnection(name, { ...flags, config: loaded.file }, env),
      settings,
      loaded.config.apps,
      loaded.placeOf(['connections', name, 'schedule']),
    ),
  );
}

function known(
  resolved: ConnectionConfig,
  settings: ConnectionSettings,
  apps: FileConfig['apps'],
  place: string,
): KnownConnection {
  const app = settings.app ?? appOf(resolved);
  const { schedule, webhook_secret: webhookSecret } = settings;
  const cadence: Cadence | undefined =
    schedule?.every !== undefined
      ? { everySeconds: secondsOf(schedule.every, place) }
      : schedule?.cron !== undefined
        ? { cron: schedule.cron, timeZone: schedule.time_zone }
        : undefined;
  if (cadence) assertCadence(cadence, place);
  registerSecret(webhookSecret);
  return {
    id: resolved.name,
    app,
    limit: limitOf(app, resolved, apps),
    maxConcurrent: settings.max_concurrent_processes,
    partition: settings.partition ?? `${app}/${credentialOf(resolved)}`,
    cadence,
    priority: schedule?.priority ?? 0,
    webhookSecret,
  };
}

function appOf({ source }: ConnectionConfig): string {
  return source.connector === 'manifest' ? connectorOf(source.manifest) : source.connector;
}

function credentialOf({ source }: ConnectionConfig): string {
  return (
    source.connector === 'manifest'
      ? fingerprintOf(source.base_url, JSON.stringify(source.config))
      : fingerprintOf(source.base_url, source.api_key, source.account)
  ).slice(0, 12);
}

function limitOf(app: string, { source }: ConnectionConfig, apps: FileConfig['apps']): AppSchema['rateLimit'] {
  const declared = apps[app];
  if (declared) return { requests: declared.rate_limit, frequencySeconds: declared.frequency_seconds };
  if (source.connector !== 'stripe') return UNDECLARED;
  const usual = limitsOf(source).facts.find((fact) => fact.scope === 'credential')!.usual!;
  return { requests: Math.max(1, Math.floor((usual.requests * 1000) / usual.windowMs)), frequencySeconds: 1 };
}

const NAMES_SECRET = /key|secret|token|password|passwd|dsn|credential/i;

/**
 * What is never shown of a connection: what its connector's specification calls a secret, and what has a secret's name.
 */
export function secretsOf(specified: ReadonlySet<string>): IsSecret {
  return (path, value) => {
    const last = path.at(-1)!;
    if (path[0] === 'webhook_secret' || (path[0] === 'destination' && last === 'url')) return true;
    if (path[0] !== 'source' || value === '') return false;
    return (
      specified.has(value) ||
      (path.length > 1 &&
        path[1] !== 'streams' &&
        path[1] !== 'exclude' &&
        path[1] !== 'fields' &&
        path.slice(1).some((name) => NAMES_SECRET.test(name))) ||
      /\/\/[^/@]*@/.test(value)
    );
  };
}

/** Secrets among the settings of a manifest's connector, by its own specification. */
export async function specifiedSecrets({ source }: ConnectionConfig): Promise<ReadonlySet<string>> {
  if (source.connector !== 'manifest') return new Set();
  const { secretTexts } = await import('../sources/manifest/open.js');
  return new Set(secretTexts(source));
}

/** Tells the scheduler of the file's connections and schedules; those that left the file are not run any more. */
export async function announce(
  { scheduler, connections }: Coordination,
  known: KnownConnection[],
  loaded: LoadedConfig,
  flags: CoordinationFlags,
  env: NodeJS.ProcessEnv,
): Promise<void> {
  const { file, config } = loaded;
  const origin = `${hostname()}:${path.resolve(file)}`;
  await scheduler.setFloor(config.concurrency_floor);
  for (const { cadence, priority, ...setup } of known) {
    await scheduler.define(setup);
    await scheduler.repeat(setup.id, 'sync', cadence, { priority, origin });
  }
  await scheduler.repeatOnly(
    known.filter(({ cadence }) => cadence).map(({ id }) => id),
    origin,
  );
  const shown = [];
  for (const { id } of known)
    shown.push({
      id,
      settings: config.connections[id] as Settings,
      isSecret: secretsOf(await specifiedSecrets(resolveConnection(id, { ...flags, config: file }, env))),
    });
  await connections.publish(origin, shown);
}

/**
 * What the API was given as a connection: checked, and as the scheduler wants it. Throws ConfigError that names the
 * setting.
 */
export async function storable(
  name: string,
  settings: Settings,
  flags: CoordinationFlags,
  env: NodeJS.ProcessEnv,
): Promise<{ known: KnownConnection; connection: ConnectionConfig; isSecret: IsSecret }> {
  const loaded = readFile(flags, env);
  const parsed = validate(connectionSchema, settings, [], (at) => at.join('.'));
  const connection = storedConnection(name, parsed, loaded, flags, env);
  await assertTargets(connection);
  return {
    known: known(connection, parsed, loaded?.config.apps ?? {}, 'schedule'),
    connection,
    isSecret: secretsOf(await specifiedSecrets(connection)),
  };
}

/**
 * A connection that is kept in the database. Who may write one through the API shall not read the machine with it: no
 * variable of the environment, no code, no file but the manifests that were put there for it.
 */
function storedConnection(
  name: string,
  { source, destination }: ConnectionSettings,
  loaded: LoadedConfig | undefined,
  flags: CoordinationFlags,
  env: NodeJS.ProcessEnv,
): ConnectionConfig {
  const refuse = (place: string, expected: string, found: string) =>
    new ConfigError('a connection of the API cannot have this', {
      code: 'not_storable',
      place,
      expected,
      found,
      next: 'write such a connection in headrace.yaml',
    });
  const dataDir = dataDirOf(flags, env, loaded);
  const own = { ...source };
  if (typeof own['components'] === 'string') throw refuse('source.components', 'no code', 'a module');
  if (own['files'] !== undefined) throw refuse('source.files', 'no folder of the machine', 'one');
  if (typeof own['manifest'] === 'string') {
    const manifest = own['manifest'];
    if (!/^[\w-]+(?:\.ya?ml)?$/.test(manifest))
      throw refuse('source.manifest', 'the name of a file in manifests_dir', 'another text');
    const folder = loaded
      ? path.resolve(path.dirname(loaded.file), loaded.config.manifests_dir)
      : path.resolve('manifests');
    own['manifest'] = path.join(folder, /\.ya?ml$/.test(manifest) ? manifest : `${manifest}.yaml`);
  }
  let into = destination;
  if (destination.type === 'ndjson') {
    if (!/^[\w-]+(?:\/[\w-]+)*$/.test(destination.path))
      throw refuse(
        'destination.path',
        'a folder below the data folder, such as exports/acme',
        destination.path.slice(0, 80),
      );
    into = { ...destination, path: path.join(dataDir, 'files', destination.path) };
  }
  const egress = new Egress({
    privateTargets: flags.allowPrivateTargets === true,
    localFiles: flags.allowLocalFiles === true,
  });
  return { ...connectionFrom(name, own, into, dataDir), egress };
}

/** What it names is judged when it is written, and again by every connection that is made to it. */
async function assertTargets({ source, destination, egress }: ConnectionConfig): Promise<void> {
  const at = async (place: string, work: () => unknown) => {
    try {
      await work();
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      const { code, expected, found, next, message } = error;
      throw new ConfigError(message, { code, place, expected, found, next });
    }
  };
  const { base_url: base } = source;
  if (base !== undefined) await at('source.base_url', () => egress!.assertResolved(new URL(base).hostname));
  if (destination.type !== 'postgres') return;
  await at('destination.url', () => targetFromUrl(destination.url, egress));
  const { hostname } = new URL(destination.url);
  if (hostname !== '' && !hostname.startsWith('%')) await at('destination.url', () => egress!.assertResolved(hostname));
}

export interface WorkerSetup {
  coordination: Coordination;
  slots: number;
  flags: CoordinationFlags;
  env: NodeJS.ProcessEnv;
  observe: (event: WorkerEvent) => void;
  onRunEvent?: ((task: ClaimedTask, event: RunEvent) => void) | undefined;
  /** Hands what it claims to this executor instead of running it. */
  executor?: Executor | undefined;
  /** False: it runs what is delivered to it, and claims nothing. */
  claims?: boolean | undefined;
}

export function newWorker({
  coordination,
  slots,
  flags,
  env,
  observe,
  onRunEvent,
  executor,
  claims = true,
}: WorkerSetup): Worker {
  const { scheduler, target } = coordination;
  return new Worker({
    scheduler,
    target,
    info: { host: hostname(), pid: process.pid, version: VERSION, slots },
    newId: () => `${hostname()}/${process.pid}/${randomBytes(4).toString('hex')}`,
    handle: executor?.handle ?? taskHandler(coordination, flags, env, onRunEvent),
    claims,
    housekeeping: () => coordination.runs.prune(),
    clock: systemClock,
    random: systemRandom(),
    observe,
  });
}

/** Its code is only loaded where a Restate server is used. Throws ConfigError where its SDK is not installed. */
export async function restate(): Promise<typeof import('../fleet/executors/restate/index.js')> {
  try {
    return await import('../fleet/executors/restate/index.js');
  } catch (cause) {
    throw new ConfigError('what speaks to Restate is not installed', {
      code: 'restate_missing',
      expected: '@restatedev/restate-sdk',
      found: messageOf(cause).split('\n')[0],
      next: 'npm install @restatedev/restate-sdk',
      cause,
    });
  }
}

function taskHandler(
  { inbox, scheduler, connections }: Coordination,
  flags: CoordinationFlags,
  env: NodeJS.ProcessEnv,
  onRunEvent: WorkerSetup['onRunEvent'],
): TaskHandler {
  return async (task, { signal }) => {
    const payload = payloadOf(task.kind, task.payload);
    const access = await accessTo(task.connection, connections, flags, env);
    switch (task.kind as TaskKind) {
      case 'check':
        return checkTask(access, signal);
      case 'verify':
        return verifyTask(access, (payload as PayloadOf<'verify'>).samples, signal, systemClock, systemRandom());
      case 'changes':
        return changesTask(access, inbox, signal, systemClock);
      case 'part':
        return partTask(task, access, systemClock, signal, (event) => onRunEvent?.(task, event));
      default: {
        const recorder = new RunRecorder(
          scheduler.pool,
          {
            connection: task.connection,
            kind: task.kind,
            task: task.id,
            attempt: task.attempt,
            worker: `${hostname()}/${process.pid}`,
          },
          systemClock,
        );
        const emit = (event: RunEvent) => {
          recorder.take(event);
          onRunEvent?.(task, event);
        };
        let failure: string | undefined;
        try {
          return await runTask(task, access, {
            clock: systemClock,
            signal,
            emit,
            onProgress: (snapshot: () => Progress) => recorder.watch(snapshot),
            spread: async (run, number) =>
              void (await scheduler.enqueue([
                { ...taskOf(task.connection, 'part', { run, number }), parent: task.id },
              ])),
          });
        } catch (error) {
          failure = messageOf(error);
          throw error;
        } finally {
          await recorder.close(failure);
        }
      }
    }
  };
}

/**
 * A connection by its name: of the file, else made through the API. Read anew each time, so that an edit counts from
 * the next task on.
 */
export async function findConnection(
  name: string,
  connections: ConnectionStore,
  flags: CoordinationFlags,
  env: NodeJS.ProcessEnv,
): Promise<ConnectionConfig> {
  const loaded = readFile(flags, env);
  if (loaded && Object.hasOwn(loaded.config.connections, name)) return resolveConnection(name, flags, env);
  const stored = await connections.open(name);
  if (!stored) return resolveConnection(name, flags, env);
  const connection = storedConnection(
    name,
    validate(connectionSchema, stored, [], (at) => `${name}: ${at.join('.')}`),
    loaded,
    flags,
    env,
  );
  // A token that is good for one use must outlive the process that got it.
  const onConfigChange = (config: Record<string, unknown>) => {
    void specifiedSecrets(connection)
      .then((specified) => connections.renew(name, config, secretsOf(specified)))
      .catch((error: unknown) =>
        process.emitWarning(redact(`the renewed configuration of ${name} could not be stored: ${messageOf(error)}`)),
      );
  };
  return { ...connection, onConfigChange };
}

export async function accessTo(
  name: string,
  connections: ConnectionStore,
  flags: CoordinationFlags,
  env: NodeJS.ProcessEnv,
): Promise<ConnectionAccess> {
  return accessOf(await findConnection(name, connections, flags, env));
}

export function accessOf(connection: ConnectionConfig): ConnectionAccess {
  return {
    name: connection.name,
    newRunId,
    mode: connection.destination.mode,
    openSource: (streams) =>
      openSource(
        streams === undefined
          ? connection
          : ({ ...connection, source: { ...connection.source, streams } } as ConnectionConfig),
      ),
    openDestination: () => openDestination(connection),
  };
}
