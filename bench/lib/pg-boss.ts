/**
 * pg-boss for comparison: a Node.js 22 and the library, both from npm, in a folder of their own beside the bench's
 * results.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { PostgresTarget } from '../../src/postgres/connect.js';

const FOLDER = path.join(import.meta.dirname, '..', '..', 'node_modules', '.cache', 'headrace-bench', 'pg-boss');
const NODE = `node-${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}`;
const VERSION = '12.35.0';

export interface PgBoss {
  folder: string;
  node: string;
  version: string;
}

/** Undefined where it cannot be installed, with the reason on stderr: the bench goes on without it. */
export function installPgBoss(): PgBoss | undefined {
  const node = path.join(FOLDER, 'node_modules', NODE, 'bin', 'node');
  if (!existsSync(node) || !existsSync(path.join(FOLDER, 'node_modules', 'pg-boss'))) {
    mkdirSync(FOLDER, { recursive: true });
    writeFileSync(path.join(FOLDER, 'package.json'), '{"private": true}\n');
    const installed = spawnSync(
      'npm',
      ['install', '--force', '--no-audit', '--no-fund', '--prefix', FOLDER, `pg-boss@${VERSION}`, `${NODE}@22`],
      { encoding: 'utf8' },
    );
    if (installed.status !== 0) {
      process.stderr.write(
        `pg-boss cannot be installed here, on without it: ${installed.stderr.split('\n').find((line) => line.includes('error')) ?? ''}\n`,
      );
      return undefined;
    }
  }
  return { folder: FOLDER, node, version: VERSION };
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
