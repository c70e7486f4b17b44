/**
 * Programs of others that only benches and a few tests want: installed from npm when they are first asked for, into a
 * folder of their own below node_modules/.cache, not by every `npm ci`.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';

const CACHE = path.join(import.meta.dirname, '..', '..', 'node_modules', '.cache', 'headrace-bench');

/**
 * The folder whose node_modules holds the packages; undefined where they cannot be installed, with the reason on
 * stderr.
 */
export function installed(name: string, packages: string[]): string | undefined {
  const folder = path.join(CACHE, name);
  if (existsSync(folder)) return folder;
  // Renamed once whole: an installation that was cut off is never taken for one, and two at a time do no harm.
  const fresh = `${folder}.${process.pid}`;
  mkdirSync(fresh, { recursive: true });
  writeFileSync(path.join(fresh, 'package.json'), '{"private": true}\n');
  const npm = ['install', '--force', '--no-audit', '--no-fund', '--no-package-lock', '--prefix', fresh, ...packages];
  const ran = spawnSync('npm', npm, { encoding: 'utf8' });
  try {
    if (ran.status === 0) renameSync(fresh, folder);
  } catch {
    // Another process was first.
  }
  rmSync(fresh, { recursive: true, force: true });
  if (existsSync(folder)) return folder;
  const reason = (ran.stderr ?? '').split('\n').find((line) => line.includes('error')) ?? String(ran.error ?? '');
  process.stderr.write(`${name} cannot be installed here, on without it: ${reason}\n`);
  return undefined;
}
