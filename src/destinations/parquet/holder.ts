/** Which run has a connection's files, and whether it may still be under way. */
import { hostname } from 'node:os';
import { codeOf } from '../../base/errors.js';
import type { Holder } from './manifest.js';

/**
 * A holder on another machine that committed nothing for this long is gone; if it is not, its next commit is refused.
 */
export const GONE_MS = 300_000;

/** Whether a run may still be under way. One of this machine is known; of another, the time tells. */
export function isAlive({ host, pid, seenMs }: Holder, now: number): boolean {
  if (host !== hostname()) return now - seenMs < GONE_MS;
  // A container that is started again has the numbers of the one before.
  if (pid === process.pid && seenMs < now - process.uptime() * 1000) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return codeOf(error) === 'EPERM';
  }
}
