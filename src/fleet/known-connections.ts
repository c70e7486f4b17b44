/** Connections as the scheduler knows them: which app and credential they share a limit by, and when they run. */
import { hostname } from 'node:os';
import path from 'node:path';
import { ConfigError, messageOf } from '../base/errors.js';
import { redact, registerSecret } from '../base/log.js';
import { validate, type LoadedConfig } from '../config/load.js';
import { connectionSchema, fileSchema, type ConnectionSettings, type FileConfig } from '../config/schema.js';
import type { ConnectionStore } from '../connections/connection-store.js';
import { fingerprintOf } from '../connections/open.js';
import { resolveConnection, type ConnectionConfig } from '../connections/resolve.js';
import type { IsSecret, Settings } from '../connections/secrets.js';
import { assertAlerts, assertTargets, isSecretOf, storedConnection } from '../connections/storable.js';
import { webhookSigning, type WebhookSigning } from '../connections/webhooks.js';
import { CONNECTORS } from '../sources/registry.js';
import type { Coordination, CoordinationFlags } from './coordination.js';
import { cadenceOf, readFile, schedulePlace } from './file.js';
import { secondsOf, type Cadence } from './scheduler/cadence.js';
import type { AppSchema } from './scheduler/cap.js';
import type { Scheduler } from './scheduler/scheduler.js';
import type { ConnectionSetup } from './scheduler/task.js';

export interface KnownConnection extends ConnectionSetup {
  cadence: Cadence | undefined;
  priority: number;
  webhook: WebhookSigning | undefined;
}

/**
 * Assumed of an API that nobody declared a limit of: two tasks at once, so that a short one need not wait for a long
 * one.
 */
const UNDECLARED: AppSchema['rateLimit'] = { requests: 4, frequencySeconds: 1 };
/** Letters of a fingerprint that tell the credentials of an app apart. */
const CREDENTIAL_LETTERS = 12;

/**
 * The connections of the file as the scheduler knows them. What is wrong with one of them is told, and stops that one
 * alone. `onFault` left out: throws the first ConfigError, which names the place.
 */
export async function knownConnections(
  loaded: LoadedConfig,
  flags: CoordinationFlags,
  env: NodeJS.ProcessEnv,
  onFault?: (name: string, error: ConfigError) => void,
): Promise<KnownConnection[]> {
  const known: KnownConnection[] = [];
  for (const [name, settings] of Object.entries(loaded.config.connections)) {
    try {
      loaded.unset.assertNone(['connections', name]);
      const connection = await resolveConnection(name, { ...flags, config: loaded.file }, env);
      known.push(await knownOf(connection, settings, loaded.config.apps, schedulePlace(loaded, name)));
    } catch (error) {
      if (!(error instanceof ConfigError) || !onFault) throw error;
      onFault(name, error);
    }
  }
  return known;
}

/** What `serve` and `worker` need of the file beside its connections. Throws ConfigError where a variable is not set. */
export function assertWhole({ unset, config }: LoadedConfig): void {
  for (const setting of Object.keys(fileSchema.shape)) if (setting !== 'connections') unset.assertNone([setting]);
  // Who is told of a connection's alerts is asked by every worker, whatever it runs.
  for (const name of Object.keys(config.connections)) unset.assertNone(['connections', name, 'alerts']);
}

async function knownOf(
  { name, source, sourceModule }: ConnectionConfig,
  settings: Omit<ConnectionSettings, 'source' | 'destination'>,
  apps: FileConfig['apps'],
  place: string,
): Promise<KnownConnection> {
  const connector = await CONNECTORS.get(source.connector, sourceModule);
  const app = settings.app ?? connector.app?.(source) ?? connector.name;
  const { schedule, webhook_secret: webhookSecret } = settings;
  const declared = apps[app];
  const usual = connector.limits(source).find((fact) => fact.scope === 'credential')?.usual;
  registerSecret(webhookSecret);
  return {
    id: name,
    app,
    limit: declared
      ? { requests: declared.rate_limit, frequencySeconds: declared.frequency_seconds }
      : usual
        ? { requests: Math.max(1, Math.floor((usual.requests * 1000) / usual.windowMs)), frequencySeconds: 1 }
        : UNDECLARED,
    maxConcurrent: settings.max_concurrent_processes,
    partition:
      settings.partition ?? `${app}/${fingerprintOf(...connector.credential(source)).slice(0, CREDENTIAL_LETTERS)}`,
    cadence: cadenceOf(schedule, place),
    priority: schedule?.priority ?? 0,
    webhook: webhookSigning(connector, webhookSecret),
  };
}

/**
 * Tells the scheduler of the file's connections, schedules and limits; connections that left the file are not run any
 * more. Returns the apps whose limit in the file is not applied, since somebody has set another by hand.
 */
export async function announce(
  { scheduler, connections }: Coordination,
  known: KnownConnection[],
  loaded: LoadedConfig,
  flags: CoordinationFlags,
  env: NodeJS.ProcessEnv,
): Promise<string[]> {
  const { file, config } = loaded;
  const origin = `${hostname()}:${path.resolve(file)}`;
  await scheduler.setFloor(config.concurrency_floor);
  await scheduler.upkeep.keepEnded(secondsOf(config.ended_tasks_kept, 'ended_tasks_kept'));
  const kept = await declareLimits(scheduler, config.apps);
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
      isSecret: await isSecretOf(await resolveConnection(id, { ...flags, config: file }, env)),
    });
  await connections.publish(origin, shown);
  return kept;
}

/** Applies the file's limits; returns the apps whose limit somebody has set by hand, which stays. */
async function declareLimits(scheduler: Scheduler, apps: FileConfig['apps']): Promise<string[]> {
  const kept: string[] = [];
  for (const [app, { rate_limit: requests, frequency_seconds: frequencySeconds }] of Object.entries(apps))
    if (!(await scheduler.declareLimit(app, { requests, frequencySeconds }))) kept.push(app);
  return kept;
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
  await assertAlerts(parsed.alerts ?? [], connection.egress);
  return {
    known: await knownOf(connection, parsed, loaded?.config.apps ?? {}, 'schedule'),
    connection,
    isSecret: await isSecretOf(connection),
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
  const settings = validate(connectionSchema, stored, [], (at) => `${name}: ${at.join('.')}`);
  const connection = storedConnection(name, settings, loaded, flags, env);
  // A token that is good for one use must outlive the process that got it.
  const onConfigChange = (config: Record<string, unknown>) => {
    void isSecretOf(connection)
      .then((isSecret) => connections.renew(name, config, isSecret))
      .catch((error: unknown) =>
        process.emitWarning(redact(`the renewed configuration of ${name} could not be stored: ${messageOf(error)}`)),
      );
  };
  return { ...connection, onConfigChange };
}
