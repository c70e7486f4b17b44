/** A service in this process, on a database of its own: the server, and a worker where one is wanted. */
import { existsSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import {
  announce,
  knownConnections,
  openCoordination,
  readFile,
  type Coordination,
} from '../src/wiring/compose-scheduler.js';
import { newWorker } from '../src/wiring/compose-worker.js';
import { EmbeddedServer } from '../src/postgres/embedded/server.js';
import { serviceParts } from '../src/wiring/compose-service.js';
import { HeadraceClient } from '../src/service/client/index.js';
import { TokenStore } from '../src/service/tokens.js';
import { listen, webApp } from '../src/service/app.js';
import { until } from './patience.js';
import { freshDatabase, scratch, urlOf } from './support.js';

export const SECRET_KEY = 'a1'.repeat(32);
export const TEST_TOKEN = 'the-token-of-the-environment';

export interface TestService {
  url: string;
  client: HeadraceClient;
  /** Of a path, or an address, of the service, as its admin. */
  fetch: (at: string, init?: RequestInit) => Promise<Response>;
  coordination: Coordination;
  tokens: TokenStore;
  folder: string;
  /** What it reported as trouble. */
  troubles: string[];
  databaseUrl: string;
  close: () => Promise<void>;
}

export interface TestServiceOptions {
  /** headrace.yaml as an object; its `database` is filled in. */
  file?: Record<string, unknown>;
  token?: string;
  worker?: boolean;
  slots?: number;
  pages?: string;
  /** Its connections may lead to this machine, as the tests' do. Default: true. */
  wide?: boolean;
}

export async function startService({
  file,
  token = TEST_TOKEN,
  worker = true,
  slots = 4,
  pages,
  wide = true,
}: TestServiceOptions = {}): Promise<TestService> {
  const database = await freshDatabase();
  const databaseUrl = urlOf(database.target);
  const { folder, drop } = scratch();
  const config = path.join(folder, 'headrace.yaml');
  writeFileSync(config, JSON.stringify({ connections: {}, ...file }));
  const env = { HEADRACE_SECRET_KEY: SECRET_KEY, DATABASE_URL: databaseUrl };
  const flags = { config, allowPrivateTargets: wide, allowLocalFiles: wide };
  const troubles: string[] = [];
  const coordination = await openCoordination(flags, env);
  const loaded = readFile(flags, env)!;
  const known = await knownConnections(loaded, flags, env);
  await announce(coordination, known, loaded, flags, env);
  const service = serviceParts({
    coordination,
    flags,
    env,
    known,
    token,
    onError: (error) => troubles.push(error instanceof Error ? (error.stack ?? error.message) : String(error)),
  });
  const listening = await listen(
    webApp({ ...service.parts, ...(pages === undefined ? {} : { pages }) }),
    '127.0.0.1',
    0,
  );
  const own = newWorker({
    coordination,
    slots,
    flags,
    env,
    observe: (event) => event.type === 'trouble' && troubles.push(event.message),
  });
  if (worker) own.start();
  return {
    url: listening.url,
    client: new HeadraceClient({ url: listening.url, token }),
    fetch: (at, init = {}) =>
      fetch(new URL(at, listening.url), { ...init, headers: { authorization: `Bearer ${token}`, ...init.headers } }),
    coordination,
    tokens: new TokenStore(coordination.scheduler.pool),
    folder,
    troubles,
    databaseUrl,
    close: async () => {
      if (worker) await own.drain(10_000);
      await service.close();
      await listening.close();
      await coordination.close();
      await database.drop();
      await embeddedIsGone(path.join(folder, '.headrace'));
      drop();
    },
  };
}

/** A request that nobody waits for any more may just be opening a database in the folder: whoever leaves last stops it. */
async function embeddedIsGone(folder: string): Promise<void> {
  if (!existsSync(path.join(folder, 'postgres'))) return;
  await until(async () => {
    const server = await EmbeddedServer.open(folder);
    await server.close();
    return !existsSync(path.join(server.place.folder, 'data', 'postmaster.pid'));
  });
}

/** Where tests of a service have always found it. */
export { until } from './patience.js';
