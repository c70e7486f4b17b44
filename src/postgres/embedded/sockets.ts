/**
 * The folder of a server's socket: beside its data, so that it goes with them whoever is killed when; below the
 * temporary folder only where a socket cannot lie there, since its path would be too long or the file system has none.
 */
import { chmodSync, chownSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { LIMITS } from '../../base/bounds.js';
import type { Account } from './binaries.js';

const BESIDE = 'socket-';
const BELOW_TEMPORARY = 'headrace-';
/** As PostgreSQL names it; on some systems the whole path may have 103 bytes. */
const SOCKET = '.s.PGSQL.5432';
const MOST_BYTES = 103;

/** Makes a new folder for the server of `folder`; it is the server account's alone. */
export async function newSocketFolder(folder: string, account: Account | undefined): Promise<string> {
  let made = mkdtempSync(path.join(folder, BESIDE));
  if (!(await holdsSockets(made))) {
    rmSync(made, { recursive: true, force: true });
    made = mkdtempSync(path.join(tmpdir().length < 40 ? tmpdir() : '/tmp', BELOW_TEMPORARY));
  }
  chmodSync(made, 0o700);
  if (account) chownSync(made, account.uid, account.gid);
  return made;
}

/** Removes the folder that a server had, where it is one of ours. */
export function removeSocketFolder(socketFolder: string): void {
  const name = path.basename(socketFolder);
  if (name.startsWith(BESIDE) || name.startsWith(BELOW_TEMPORARY))
    rmSync(socketFolder, { recursive: true, force: true });
}

/** Removes what starts of old left behind that were killed before their server was up. No server may run. */
export function removeDeadSocketFolders(folder: string, nowMs: number): void {
  for (const name of readdirSync(folder)) {
    const each = path.join(folder, name);
    // A younger one may be another process's, whose server is about to be up.
    if (
      name.startsWith(BESIDE) &&
      nowMs - (statSync(each, { throwIfNoEntry: false })?.mtimeMs ?? nowMs) > LIMITS.serverStartMs
    )
      rmSync(each, { recursive: true, force: true });
  }
}

/** Tries one out: shared folders of virtual machines, for one, have no sockets. */
async function holdsSockets(folder: string): Promise<boolean> {
  const file = path.join(folder, SOCKET);
  if (Buffer.byteLength(file) > MOST_BYTES) return false;
  const probe = createServer();
  return new Promise((resolve) => {
    probe.once('error', () => resolve(false));
    probe.listen(file, () => probe.close(() => resolve(true)));
  });
}
