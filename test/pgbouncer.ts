/** A real PgBouncer where there is one, before the tests' PostgreSQL. */
import { spawn } from 'node:child_process';
import { chmodSync, chownSync, existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import pg from 'pg';
import type { PostgresTarget } from '../src/postgres/connect.js';
import { freePort } from './nginx.js';
import { until } from './patience.js';

/** Undefined: tests that need it are skipped, by name. */
export const PGBOUNCER = [
  '/usr/sbin/pgbouncer',
  '/usr/bin/pgbouncer',
  '/usr/local/bin/pgbouncer',
  '/opt/homebrew/bin/pgbouncer',
].find(existsSync);

export interface Pooler {
  /** Of the target's database, through the pool. */
  url: string;
  close: () => Promise<void>;
}

/**
 * `sessions`: of the server; fewer than clients, so that they must be shared. Start-up options are refused, as ever.
 */
export async function startPgBouncer(
  folder: string,
  { options }: PostgresTarget,
  { mode = 'transaction', sessions = 2 }: { mode?: 'transaction' | 'session'; sessions?: number } = {},
): Promise<Pooler> {
  const { host, port, user, password, database } = new pg.Client(options);
  const listenPort = await freePort();
  const own = path.join(folder, `pgbouncer-${listenPort}`);
  mkdirSync(own);
  const config = path.join(own, 'pgbouncer.ini');
  const login = password ? ` password='${String(password).replaceAll("'", "''")}'` : '';
  writeFileSync(
    config,
    `[databases]
${database} = host=${host} port=${port} dbname=${database} user=${user}${login}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${listenPort}
unix_socket_dir =
auth_type = any
pool_mode = ${mode}
default_pool_size = ${sessions}
max_client_conn = 200
query_wait_timeout = 60\n`,
  );
  // Root it does not run as; whoever may enter the folder of the server's socket can.
  const { uid, gid } = host.startsWith('/') ? statSync(host) : { uid: 65534, gid: 65534 };
  const asRoot = process.getuid?.() === 0;
  if (asRoot) for (const each of [own, config]) chownSync(each, uid, gid);
  chmodSync(config, 0o600);
  const child = spawn(PGBOUNCER!, ['--quiet', config], {
    stdio: ['ignore', 'ignore', 'pipe'],
    ...(asRoot ? { uid, gid } : {}),
  });
  let told = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (told += text));
  let isOver = false;
  const ended = new Promise<void>((resolve) =>
    child.once('close', () => {
      isOver = true;
      resolve();
    }),
  );
  const url = `postgres://pooled@127.0.0.1:${listenPort}/${database}`;
  await until(async () => {
    if (isOver) throw new Error(`PgBouncer ended: ${told}`);
    const client = new pg.Client({ connectionString: url });
    return client
      .connect()
      .then(() => client.end())
      .then(
        () => true,
        () => false,
      );
  });
  return {
    url,
    async close() {
      child.kill('SIGQUIT');
      await ended;
    },
  };
}
