// Compiles src/ to dist/, and the dashboard to dist/service/web/. The old output goes first, so that a deleted file
// cannot live on in a package.
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

const root = path.join(import.meta.dirname, '..');
const stamp = path.join(root, 'dist', '.built');

function newest(folder) {
  let latest = 0;
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const file = path.join(folder, entry.name);
    latest = Math.max(latest, entry.isDirectory() ? newest(file) : statSync(file).mtimeMs);
  }
  return Math.max(latest, statSync(folder).mtimeMs);
}

const inputs = Math.max(
  newest(path.join(root, 'src')),
  ...['tsconfig.build.json', 'vite.config.ts'].map((name) => statSync(path.join(root, name)).mtimeMs),
);
if (!existsSync(stamp) || statSync(stamp).mtimeMs <= inputs) {
  rmSync(path.join(root, 'dist'), { recursive: true, force: true });
  const tsc = createRequire(import.meta.url)
    .resolve('typescript/package.json')
    .replace(/package\.json$/, 'bin/tsc');
  const run = spawnSync(process.execPath, [tsc, '-p', path.join(root, 'tsconfig.build.json')], { stdio: 'inherit' });
  if (run.status !== 0) process.exit(run.status ?? 1);
  // Loaded only where there is something to build.
  const { build } = await import('vite');
  await build({ configFile: path.join(root, 'vite.config.ts') });
  chmodSync(path.join(root, 'dist', 'main.js'), 0o755);
  mkdirSync(path.dirname(stamp), { recursive: true });
  writeFileSync(stamp, '');
}
