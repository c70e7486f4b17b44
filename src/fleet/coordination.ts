/** The database where workers and servers meet: the scheduler's, with what else is kept beside it. */
import type { LoadedConfig } from '../config/load.js';
import { ConnectionStore } from '../connections/connection-store.js';
import { dataDirOf, knowFetched } from '../connections/resolve.js';
import { SecretBox } from '../connections/secrets.js';
import { ConfigError } from '../base/errors.js';
import { targetFromUrl, type PostgresTarget } from '../postgres/connect.js';
import { EmbeddedServer } from '../postgres/embedded/server.js';
import { RunStore } from '../runs/run-store.js';
import { readFile, type CoordinationFlags } from './file.js';
import { WebhookInbox } from './scheduler/inbox.js';
import { Scheduler } from './scheduler/scheduler.js';

export { readFile, type CoordinationFlags } from './file.js';

export interface Coordination {
  scheduler: Scheduler;
  inbox: WebhookInbox;
  connections: ConnectionStore;
  runs: RunStore;
  target: PostgresTarget;
  close(): Promise<void>;
}

/** Sessions of a process with the scheduler's database. */
const SESSIONS = 10;

/** A direct URL of a place that comes later than the URL's would be another database's. */
function databaseOf(
  flags: CoordinationFlags,
  env: NodeJS.ProcessEnv,
  loaded: LoadedConfig | undefined,
): { url: string | undefined; directUrl: string | undefined } {
  const elsewhere = flags.database !== undefined || Boolean(env['DATABASE_URL']);
  for (const setting of elsewhere ? [] : ['database', 'direct_url']) loaded?.unset.assertNone([setting]);
  const places = [
    { url: flags.database, directUrl: flags.directUrl },
    { url: env['DATABASE_URL'] || undefined, directUrl: env['DATABASE_DIRECT_URL'] || undefined },
    { url: loaded?.config.database, directUrl: loaded?.config.direct_url },
  ];
  const from = places.findIndex(({ url }) => url !== undefined);
  const directUrl = places.slice(0, from + 1).find((place) => place.directUrl !== undefined)?.directUrl;
  if (from === -1 && flags.directUrl !== undefined) {
    throw new ConfigError('a direct URL without a URL', {
      code: 'direct_url_alone',
      place: '--direct-url',
      expected: '--database or DATABASE_URL, the URL of the pool, beside it',
      next: 'without a pool, name the server with --database alone',
    });
  }
  return { url: places[from]?.url, directUrl };
}

/** Precedence: flag, environment, file, the embedded database of the data folder. */
export async function openCoordination(flags: CoordinationFlags, env: NodeJS.ProcessEnv): Promise<Coordination> {
  const loaded = readFile(flags, env);
  knowFetched(flags, env);
  const { url, directUrl } = databaseOf(flags, env, loaded);
  const box = SecretBox.from(env['HEADRACE_SECRET_KEY']);
  const server = url === undefined ? await EmbeddedServer.open(dataDirOf(flags, env, loaded)) : undefined;
  const target = server ? server.target : targetFromUrl(url!, undefined, directUrl);
  try {
    const scheduler = await Scheduler.open(target, SESSIONS);
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
