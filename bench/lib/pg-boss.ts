/**
 * pg-boss for comparison: a Node.js 22 and the library, both from npm, in a folder of their own beside the bench's
 * results.
 */
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import type { PostgresTarget } from '../../src/postgres/connect.js';
import { installed } from './installed.js';

const NODE = `node-${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}`;
const VERSION = '12.35.0';

export interface PgBoss {
  folder: string;
  node: string;
  version: string;
}

/** Undefined where it cannot be installed: the bench goes on without it. */
export function installPgBoss(): PgBoss | undefined {
  const folder = installed(`pg-boss-${VERSION}`, [`pg-boss@${VERSION}`, `${NODE}@22`]);
  if (folder === undefined) return undefined;
  return { folder, node: path.join(folder, 'node_modules', NODE, 'bin', 'node'), version: VERSION };
}

export function connectionOf(target: PostgresTarget): string {
  return JSON.stringify({ ...target.options, options: '-c synchronous_commit=on' });
}

/** Runs a script of pg-boss's own to its end. */
export function runPgBoss({ folder, node }: PgBoss, script: string, args: string[]): string {
  const ran = spawnSync(node, [path.join(import.meta.dirname, script), ...args], {
    cwd: folder,
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  });
  if (ran.status !== 0) throw new Error(`pg-boss: ${ran.stderr.slice(0, 2000)}`);
  return ran.stdout;
}
