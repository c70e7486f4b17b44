/** The wiring of `headrace serve`: what its server is handed. */
import path from 'node:path';
import { systemClock } from '../base/clock.js';
import { DEFAULT_FILE } from '../config/load.js';
import { describeDefinition, listDefinitions } from '../connections/definitions.js';
import { describeConnectors, describeDestinations } from '../connections/describe.js';
import { definitionsFolder } from '../connections/storable.js';
import {
  readFile,
  storable,
  taskOf,
  type Coordination,
  type CoordinationFlags,
  type KnownConnection,
} from './compose-scheduler.js';
import { accessOf, accessTo } from './compose-worker.js';
import { alertsOf } from './compose-alerts.js';
import { TokenStore } from '../service/tokens.js';
import { SessionStore } from '../service/sessions.js';
import { Feed } from '../service/feed.js';
import type { ServerParts } from '../service/app.js';
import { VERSION } from '../base/version.js';

export interface Service {
  parts: ServerParts;
  close(): Promise<void>;
}

export interface ServiceOptions {
  coordination: Coordination;
  flags: CoordinationFlags;
  env: NodeJS.ProcessEnv;
  /** Of the file. */
  known: KnownConnection[];
  /** An admin's: of the environment, or of the data folder. */
  token: string;
  /** Told once of a token that came over plain HTTP. */
  onPlainHttp?: (() => void) | undefined;
  onError: (error: unknown) => void;
}

const PAGES = path.join(import.meta.dirname, '..', 'service', 'web');

export function serviceParts({
  coordination,
  flags,
  env,
  known,
  token,
  onPlainHttp,
  onError,
}: ServiceOptions): Service {
  const { scheduler, connections, runs, inbox } = coordination;
  const folder = path.dirname(path.resolve(flags.config ?? env['HEADRACE_CONFIG'] ?? DEFAULT_FILE));
  const feed = new Feed(scheduler.pool, runs, systemClock, onError);
  const webhooks = new Map(known.map(({ id, webhook }) => [id, webhook]));
  return {
    parts: {
      clock: systemClock,
      version: VERSION,
      scheduler,
      connections,
      runs,
      tokens: new TokenStore(scheduler.pool),
      sessions: new SessionStore(scheduler.pool),
      feed,
      alerts: alertsOf(coordination, flags, env),
      onError,
      token,
      onPlainHttp,
      pages: PAGES,
      desk: {
        storable: async (name, settings) => {
          const { known: setup, connection, isSecret } = await storable(name, settings, flags, env);
          return { setup, access: accessOf(connection), isSecret };
        },
        access: (name) => accessTo(name, connections, flags, env),
        connectors: () => describeConnectors(folder),
        destinations: () => describeDestinations(folder),
        definitions: () => listDefinitions(definitionsFolder(readFile(flags, env))),
        definition: (name) => describeDefinition(definitionsFolder(readFile(flags, env)), name),
      },
      webhookOf: async (connection) =>
        webhooks.has(connection) ? webhooks.get(connection) : connections.signings.of(connection),
      store: (connection, event) => inbox.store(connection, event, taskOf(connection, 'changes')),
    },
    close: () => feed.close(),
  };
}
