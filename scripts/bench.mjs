// npm run bench -- NAME [--json] [options]: runs bench/NAME.ts.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';

const folder = path.join(import.meta.dirname, '..', 'bench');
const [name, ...rest] = process.argv.slice(2);
const file = path.join(folder, `${name}.ts`);
if (!name || !/^[a-z-]+$/.test(name) || !existsSync(file)) {
  const names = readdirSync(folder, { withFileTypes: true })
    .filter((f) => f.isFile())
    .map((f) => f.name.replace(/\.ts$/, ''));
  console.error(
    `usage: npm run bench -- NAME [--json]\n  expected one of: ${names.join(', ')}\n  found: ${name ?? '(none)'}`,
  );
  process.exit(2);
}
const run = spawnSync(process.execPath, ['--import', 'tsx', file, ...rest], {
  stdio: 'inherit',
  cwd: path.join(folder, '..'),
});
process.exit(run.status ?? 1);
