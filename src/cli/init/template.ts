/** Examples that `headrace init --template` copies. */
import { copyFileSync, existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { ConfigError, EXIT } from '../../base/errors.js';
import { note } from '../terminal/output.js';

const TEMPLATES: Record<string, string> = { source: 'my-source' };

/** Copies an example that runs, with its test. */
export function writeTemplate(template: string): number {
  const folder = Object.hasOwn(TEMPLATES, template) ? TEMPLATES[template] : undefined;
  if (folder === undefined)
    throw new ConfigError(`there is no template ${template}`, {
      code: 'unknown_template',
      place: '--template',
      expected: Object.keys(TEMPLATES).join(', '),
      found: template,
    });
  const from = path.join(import.meta.dirname, '..', '..', '..', 'examples', folder);
  const files = readdirSync(from);
  const taken = files.find((file) => existsSync(file));
  if (taken !== undefined) throw alreadyThere(taken, 'work in another folder');
  for (const file of files) copyFileSync(path.join(from, file), file);
  note(
    `Wrote ${files.join(', ')}. Next: export MY_SOURCE_KEY=… and MY_SOURCE_URL=…, then headrace sync ./my-source.ts; its test: npm install --save-dev headrace vitest && npx vitest run`,
  );
  return EXIT.complete;
}

export function alreadyThere(file: string, next: string): ConfigError {
  return new ConfigError(`${file} is there already`, {
    code: 'config_exists',
    place: file,
    expected: 'no file',
    found: 'one',
    next,
  });
}
