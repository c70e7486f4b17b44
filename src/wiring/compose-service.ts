/** The wiring of `headrace serve`: what its server is handed. */
import path from 'node:path';
import { z } from 'zod';
import { systemClock } from '../base/clock.js';
import {
  accessOf,
  accessTo,
  storable,
  taskOf,
  type Coordination,
  type CoordinationFlags,
  type KnownConnection,
} from './compose-scheduler.js';
import { stripeConfigSchema } from '../sources/stripe/config.js';
import { TokenStore } from '../service/tokens.js';
import { manifestSourceSchema } from '../sources/manifest/settings.js';
import { SessionStore } from '../service/sessions.js';
import { Feed } from '../service/feed.js';
import type { ServerParts } from '../service/app.js';
import type { ConnectionDesk } from '../service/api/kit.js';
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

/** What source settings are, for who fills in a form. */
export function connectorSettings(): ConnectionDesk['connectors'] {
  return [stripeConfigSchema, manifestSourceSchema].map((schema) => ({
    name: schema.shape.connector.value,
    settings: z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as Record<string, unknown>,
  }));
}

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
  const feed = new Feed(scheduler.pool, runs, systemClock, onError);
  const secrets = new Map(known.map(({ id, webhookSecret }) => [id, webhookSecret]));
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
        connectors: connectorSettings(),
      },
      webhookSecret: async (connection) => {
        if (secrets.has(connection)) return secrets.get(connection);
        const secret = (await connections.open(connection))?.['webhook_secret'];
        return typeof secret === 'string' ? secret : undefined;
      },
      store: (connection, event) => inbox.store(connection, event, taskOf(connection, 'changes')),
    },
    close: () => feed.close(),
  };
}
