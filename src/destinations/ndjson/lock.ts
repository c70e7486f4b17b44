/** A lock file with its holder's pid; one whose process is gone was left by a kill. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { codeOf, ConfigError } from '../../base/errors.js';
import type { OpenOptions } from '../contract.js';

interface Holder {
  runId: string;
  host: string;
  pid: number;
  startedAt: string;
}

/** Takes the lock that this file is, or says who holds it. */
export function takeLock(file: string, { connection, runId, startedMs }: OpenOptions): void {
  const startedAt = new Date(startedMs).toISOString();
  const mine: Holder = { runId, host: hostname(), pid: process.pid, startedAt };
  for (let attempt = 0; attempt < 2; attempt++) {
    try {
      writeFileSync(file, JSON.stringify(mine), { flag: 'wx' });
      return;
    } catch (error) {
      if (codeOf(error) !== 'EEXIST') throw error;
    }
    const holder = JSON.parse(readFileSync(file, 'utf8')) as Holder;
    if (holder.host !== hostname() || isAlive(holder.pid)) {
      throw new ConfigError(`connection ${connection} is being synced by another run`, {
        code: 'connection_locked',
        place: file,
        found: `run ${holder.runId}, process ${holder.pid} on ${holder.host}, started ${holder.startedAt}`,
        next: 'wait for it to end, or stop that process; everything it committed stays',
      });
    }
    rmSync(file, { force: true });
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
