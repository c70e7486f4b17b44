/** graphile-worker for comparison, in a folder of its own beside the bench's results. */
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { installed } from './installed.js';

const VERSION = '0.18.0';

export interface Graphile {
  folder: string;
  version: string;
}

/** Undefined where it cannot be installed: the bench goes on without it. */
export function installGraphile(): Graphile | undefined {
  const folder = installed(`graphile-worker-${VERSION}`, [`graphile-worker@${VERSION}`]);
  return folder === undefined ? undefined : { folder, version: VERSION };
}

/** Its tables, and so many jobs. */
export function fillGraphile({ folder }: Graphile, connection: string, jobs: number): void {
  const ran = spawnSync(process.execPath, [graphileScript('fill'), connection, String(jobs)], {
    cwd: folder,
    encoding: 'utf8',
  });
  if (ran.status !== 0) throw new Error(`graphile-worker: ${ran.stderr.slice(0, 2000)}`);
}

export function graphileScript(what: 'fill' | 'claimer'): string {
  return path.join(import.meta.dirname, `graphile-${what}.mjs`);
}
