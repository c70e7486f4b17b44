/** Folders that are made on the way to a file. */
import { existsSync, mkdirSync } from 'node:fs';
import path from 'node:path';
import { codeOf, ConfigError, messageOf } from './errors.js';

/**
 * Makes a folder and those above it. Throws ConfigError where that cannot be. One by one: Node.js's own `recursive`
 * never returns below folders that exist and can hold nothing, such as /proc.
 */
export function makeFolder(folder: string): void {
  const missing: string[] = [];
  for (let at = path.resolve(folder); !existsSync(at); at = path.dirname(at)) missing.unshift(at);
  for (const each of missing) {
    try {
      mkdirSync(each);
    } catch (error) {
      // Somebody else was faster.
      if (codeOf(error) === 'EEXIST') continue;
      throw new ConfigError('the folder cannot be made', {
        code: 'folder_failed',
        place: folder,
        expected: 'a folder that this user may write to',
        found: `${codeOf(error) ?? messageOf(error)} at ${each}`,
        next: 'name another folder, or make it yourself',
        cause: error,
      });
    }
  }
}
