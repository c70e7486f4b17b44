/**
 * A real PostgreSQL that Headrace starts below its data folder. Several processes share it: the second one attaches,
 * the last to leave stops it, and a postmaster that outlived a killed process is adopted. It listens on a socket alone,
 * in a private folder, with a password.
 *
 * Presence is a shared advisory lock on a connection that lives as long as its process: no file to clean up after a
 * kill. Who leaves asks for the lock exclusively; getting it means that nobody else is there.
 */
import { execFile, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import {
  chownSync,
  existsSync,
  linkSync,
  mkdtempSync,
  openSync,
  closeSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
  statSync,
} from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import type pg from 'pg';
import { systemClock } from '../../base/clock.js';
import { codeOf, FatalError, messageOf, RetriableError } from '../../base/errors.js';
import { makeFolder } from '../../base/folder.js';
import { LIMITS } from '../../base/bounds.js';
import { registerSecret } from '../../base/log.js';
import { connect, type PostgresTarget } from '../connect.js';
import { describePostgresError } from '../database-errors.js';
import { newSocketFolder, removeDeadSocketFolders, removeSocketFolder } from './sockets.js';
import { findBinaries, reachable, serverAccount, type Account } from './binaries.js';

const run = promisify(execFile);

/** Advisory lock of presence, an arbitrary constant of Headrace's own. */
const PRESENCE_LOCK = 7_205_512_002;
const DATABASE = 'headrace';
const USER = 'headrace';
const POLL_MS = 5;
/** The password is 192 random bits: stretching it would protect nothing, and every connection would pay for it. */
const SCRAM_ITERATIONS = 1;
/** Starts that may end at once before opening fails. */
const MAX_STARTS = 4;

interface Started {
  exited: boolean;
}

/** Where the embedded server keeps its files. */
export interface EmbeddedPlace {
  folder: string;
  /** Why it is not the folder that was asked for. */
  notice: string | undefined;
}

/** The asked-for folder, or a fallback where the server's account cannot enter it (root below a 0700 home). */
export function embeddedPlace(asked: string, account = serverAccount()): EmbeddedPlace {
  const folder = path.resolve(asked, 'postgres');
  if (reachable(path.join(folder, 'data', 'x'), account)) return { folder, notice: undefined };
  const hash = createHash('sha256').update(folder).digest('hex').slice(0, 16);
  const fallback = path.join('/var/tmp', `headrace-root-${hash}`);
  return {
    folder: fallback,
    notice: `the database's account cannot enter ${path.dirname(path.resolve(asked))}; its files are in ${fallback}`,
  };
}

/** Of this process: those that are open, and those that are just being opened. */
const opened = new Set<EmbeddedServer>();
const opening = new Set<Promise<EmbeddedServer>>();

export class EmbeddedServer {
  private constructor(
    readonly target: PostgresTarget,
    readonly place: EmbeddedPlace,
    private readonly presence: pg.Client,
  ) {
    opened.add(this);
  }

  /** Leaves all servers of this process, for one that ends in the middle. */
  static async closeAll(): Promise<void> {
    await Promise.allSettled(opening);
    await Promise.allSettled([...opened].map((server) => server.close()));
  }

  /** Starts the server of a data folder, or attaches to the one that runs. */
  static async open(asked: string, clock = systemClock): Promise<EmbeddedServer> {
    const under = EmbeddedServer.attach(asked, clock);
    opening.add(under);
    return under.finally(() => opening.delete(under));
  }

  private static async attach(asked: string, clock: typeof systemClock): Promise<EmbeddedServer> {
    makeFolder(path.resolve(asked));
    const account = serverAccount();
    const place = embeddedPlace(asked, account);
    const deadline = clock.monotonic() + LIMITS.serverStartMs;
    const data = await prepare(place.folder, account);
    let started: Started | undefined;
    let starts = 0;
    for (;;) {
      const running = runningServer(data);
      if (running) {
        const target = targetOf(place.folder, running.socketFolder);
        const presence = await tryPresence(target);
        if (presence) return new EmbeddedServer(target, place, presence);
      } else if (!started || started.exited) {
        // A server that ends at once lost a race to another process, or cannot start at all.
        if (++starts > MAX_STARTS) break;
        started = await start(place.folder, data, account, clock.now());
      }
      if (clock.monotonic() > deadline) {
        break;
      }
      await clock.sleep(POLL_MS);
    }
    const log = path.join(place.folder, 'server.log');
    const found = lastLines(log);
    if (/No space left/.test(found))
      throw describePostgresError(Object.assign(new Error(found), { code: 'ENOSPC' }), place.folder);
    throw new FatalError('the embedded database did not start', {
      code: 'embedded_start',
      place: place.folder,
      found,
      next: `look at ${log}`,
    });
  }

  /** Whether the data folder of `asked` holds a database. */
  static exists(asked: string): boolean {
    return existsSync(path.join(embeddedPlace(asked).folder, 'data', 'PG_VERSION'));
  }

  /** Leaves; stops the server where nobody else is present. */
  async close(clock = systemClock): Promise<void> {
    opened.delete(this);
    const pidFile = path.join(this.place.folder, 'data', 'postmaster.pid');
    let last = false;
    const socketFolder = this.target.options.host;
    try {
      await this.presence.query('select pg_advisory_unlock_shared($1)', [PRESENCE_LOCK]);
      const { rows } = await this.presence.query('select pg_try_advisory_lock($1) as alone', [PRESENCE_LOCK]);
      last = rows[0].alone;
      if (last) {
        const pid = runningServer(path.join(this.place.folder, 'data'))?.pid;
        if (pid) process.kill(pid, 'SIGINT');
      }
    } catch {
      // The server is gone already: nothing to stop.
    }
    await this.presence.end().catch(() => {});
    if (!last) return;
    const deadline = clock.monotonic() + LIMITS.serverStartMs;
    while (existsSync(pidFile) && clock.monotonic() < deadline) await clock.sleep(POLL_MS);
    if (socketFolder) removeSocketFolder(socketFolder);
  }
}

/** Makes the folder and, once, the database cluster in it; returns the data directory. */
async function prepare(folder: string, account: Account | undefined): Promise<string> {
  const data = path.join(folder, 'data');
  if (existsSync(path.join(data, 'PG_VERSION'))) return data;
  makeFolder(folder);
  const own = (file: string) => account && chownSync(file, account.uid, account.gid);
  own(folder);
  const fresh = mkdtempSync(path.join(folder, 'new-'));
  own(fresh);
  const passwordFile = path.join(folder, 'password');
  ensurePassword(passwordFile);
  own(passwordFile);
  const { initdb } = findBinaries(account, folder);
  const args = [
    '-D',
    fresh,
    '-U',
    USER,
    '--pwfile',
    passwordFile,
    '--auth',
    'scram-sha-256',
    '--encoding',
    'UTF8',
    '--locale-provider',
    'builtin',
    '--builtin-locale',
    'C.UTF-8',
    '--locale',
    'C',
    '--no-sync',
    '--no-instructions',
    '-c',
    `scram_iterations=${SCRAM_ITERATIONS}`,
  ];
  try {
    await run(initdb, args, { ...account, cwd: folder, env: serverEnv() });
  } catch (error) {
    rmSync(fresh, { recursive: true, force: true });
    const found = ((error as { stderr?: string }).stderr || messageOf(error)).trim();
    if (/No space left/.test(found))
      throw describePostgresError(Object.assign(new Error(found), { code: 'ENOSPC' }), folder);
    throw new FatalError('the embedded database could not be created', {
      code: 'embedded_initdb',
      place: folder,
      found,
      next: 'check that the folder is writable, or name a server with --to postgres://…',
    });
  }
  writeFileSync(path.join(fresh, 'postgresql.auto.conf'), SETTINGS);
  try {
    renameSync(fresh, data);
  } catch (error) {
    rmSync(fresh, { recursive: true, force: true });
    if (!existsSync(path.join(data, 'PG_VERSION'))) throw error;
  }
  return data;
}

/**
 * Rows and the state that they imply are one transaction, so a crash of the machine that loses the last of them loses
 * both: that makes asynchronous commit safe here. It never concerns a killed process.
 */
const SETTINGS = `listen_addresses = ''
max_connections = 200
shared_buffers = 128MB
synchronous_commit = off
wal_level = minimal
max_wal_senders = 0
max_wal_size = 2GB
checkpoint_timeout = 15min
logging_collector = off
log_min_messages = warning
`;

function serverEnv(): NodeJS.ProcessEnv {
  return { PATH: process.env['PATH'], LC_ALL: 'C', TZ: 'UTC', PGPASSFILE: '/dev/null' };
}

async function start(folder: string, data: string, account: Account | undefined, nowMs: number): Promise<Started> {
  const { postgres } = findBinaries(account, folder);
  removeDeadSocketFolders(folder, nowMs);
  const socketFolder = await newSocketFolder(folder, account);
  const log = openSync(path.join(folder, 'server.log'), 'a', 0o600);
  const server = spawn(postgres, ['-D', data, '-k', socketFolder], {
    ...account,
    cwd: '/',
    detached: true,
    stdio: ['ignore', log, log],
    env: serverEnv(),
  });
  const started = { exited: false };
  const ended = () => {
    started.exited = true;
    removeSocketFolder(socketFolder);
  };
  server.on('error', ended);
  server.on('exit', ended);
  server.unref();
  closeSync(log);
  return started;
}

/** The postmaster of a data directory, from its own pid file; undefined where none lives. */
function runningServer(data: string): { pid: number; socketFolder: string } | undefined {
  let lines: string[];
  try {
    lines = readFileSync(path.join(data, 'postmaster.pid'), 'utf8').split('\n');
  } catch {
    return undefined;
  }
  const pid = Number(lines[0]);
  if (!(pid > 0)) return undefined;
  if (!isPostgres(pid)) {
    // PostgreSQL would take another program with this pid for its own.
    if (isAlive(pid)) rmSync(path.join(data, 'postmaster.pid'), { force: true });
    return undefined;
  }
  return { pid, socketFolder: lines[4] ?? '' };
}

/** A pid may have gone to another program since the file was written. */
function isPostgres(pid: number): boolean {
  if (!isAlive(pid)) return false;
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('postgres');
  } catch {
    return true; // no /proc on this system: believe the file
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return codeOf(error) === 'EPERM';
  }
}

/** Makes the file whole or not at all: one that a kill left empty would lock everybody out for good. */
function ensurePassword(file: string): void {
  if (existsSync(file) && statSync(file).size === 0) rmSync(file);
  if (existsSync(file)) return;
  const draft = `${file}.${randomBytes(6).toString('hex')}`;
  writeFileSync(draft, randomBytes(24).toString('base64url'), { mode: 0o600 });
  try {
    linkSync(draft, file);
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
  } finally {
    rmSync(draft);
  }
}

function targetOf(folder: string, socketFolder: string): PostgresTarget {
  const password = readFileSync(path.join(folder, 'password'), 'utf8').trim();
  registerSecret(password);
  const url = `postgres://${USER}:${encodeURIComponent(password)}@/${DATABASE}?host=${encodeURIComponent(socketFolder)}`;
  return {
    url,
    description: `embedded database in ${folder}`,
    options: { host: socketFolder, user: USER, password, database: DATABASE },
  };
}

/** Undefined while the server starts or stops. */
async function tryPresence(target: PostgresTarget): Promise<pg.Client | undefined> {
  if (!target.options.host) return undefined;
  let client: pg.Client | undefined;
  try {
    client = await connect({ ...target, options: { ...target.options, database: 'postgres' } }, 'headrace presence');
    await client.query('select pg_advisory_lock_shared($1)', [PRESENCE_LOCK]);
    const { rowCount } = await client.query('select 1 from pg_database where datname = $1', [DATABASE]);
    if (rowCount === 0) await client.query(`create database ${DATABASE}`).catch(ignoreDuplicate);
    return client;
  } catch (error) {
    await client?.end().catch(() => {});
    if (error instanceof RetriableError || codeOf(error) === 'database_unreachable' || codeOf(error)?.startsWith('57'))
      return undefined;
    if (/terminat|ended/i.test(messageOf(error))) return undefined;
    throw describePostgresError(error, target.description);
  }
}

/** Two processes may create the database at once; one of them is late. */
function ignoreDuplicate(error: unknown): void {
  if (codeOf(error) !== '42P04' && codeOf(error) !== '23505') throw error;
}

function lastLines(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim().split('\n').slice(-3).join(' | ');
  } catch {
    return 'no log';
  }
}
