/** The token of the machine that serves: made with the first start, kept in a file that only its owner reads. */
import { randomBytes } from 'node:crypto';
import { chmodSync, linkSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { makeFolder } from '../base/folder.js';
import { codeOf, ConfigError, messageOf } from '../base/errors.js';
import { registerSecret } from '../base/log.js';

/** A shorter token can be guessed. */
export const LEAST_TOKEN = 16;
const OWNER_ONLY = 0o600;

export function newToken(): string {
  return `hr_${randomBytes(24).toString('base64url')}`;
}

export const ownTokenFile = (dataDir: string) => path.join(dataDir, 'token');

/**
 * The admin's token of this machine: `HEADRACE_TOKEN`, else the one in the data folder. Undefined: there is none yet.
 * Throws ConfigError where it is too short or cannot be read.
 */
export function findOwnToken(dataDir: string, env: NodeJS.ProcessEnv): string | undefined {
  const given = env['HEADRACE_TOKEN'] || undefined;
  if (given !== undefined) return longEnough(given, 'HEADRACE_TOKEN', 'export a longer one, or none');
  const file = ownTokenFile(dataDir);
  let token: string;
  try {
    token = readFileSync(file, 'utf8').trim();
    // Copied or restored with another mode, it would be everybody's.
    if ((statSync(file).mode & 0o077) !== 0) chmodSync(file, OWNER_ONLY);
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return undefined;
    throw unusable(file, 'read', error);
  }
  return longEnough(token, file, 'remove the file: the next headrace serve makes a new one');
}

/** The same, made where there is none. */
export function ownToken(dataDir: string, env: NodeJS.ProcessEnv): string {
  const found = findOwnToken(dataDir, env);
  if (found !== undefined) return found;
  const file = ownTokenFile(dataDir);
  const draft = `${file}.${process.pid}.${randomBytes(4).toString('hex')}`;
  try {
    makeFolder(dataDir);
    writeFileSync(draft, `${newToken()}\n`, { mode: OWNER_ONLY, flag: 'wx' });
    // Of two that start at once, one makes it, whole; both use it.
    try {
      linkSync(draft, file);
    } catch (error) {
      if (codeOf(error) !== 'EEXIST') throw error;
    } finally {
      rmSync(draft, { force: true });
    }
  } catch (error) {
    throw unusable(file, 'written', error);
  }
  return findOwnToken(dataDir, env)!;
}

function longEnough(token: string, place: string, next: string): string {
  registerSecret(token);
  if (token.length >= LEAST_TOKEN) return token;
  throw new ConfigError('the token is too short', {
    code: 'token_too_short',
    place,
    expected: `${LEAST_TOKEN} characters or more`,
    found: `${token.length}`,
    next,
  });
}

function unusable(file: string, what: string, error: unknown): ConfigError {
  return new ConfigError(`the token of this machine cannot be ${what}`, {
    code: 'token_file_unusable',
    place: file,
    expected: 'a data folder that this user owns',
    found: error instanceof ConfigError ? error.found : (codeOf(error) ?? messageOf(error)),
    next: 'name another folder with --data-dir, or set HEADRACE_TOKEN',
    cause: error,
  });
}
