/** What the system says of files and folders, in the words of Headrace's errors. */
import { codeOf, ConfigError, FatalError, type HeadraceError } from './errors.js';

/** By `code` of the error; those that no other name or permission would mend are not the user's to correct. */
const FAULTS: Record<string, string> = {
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EROFS: 'a file system that is read only',
  ENOENT: 'no such file or folder',
  EISDIR: 'a folder',
  ENOTDIR: 'a file where a folder should be',
  ELOOP: 'links that lead in a circle',
  ENAMETOOLONG: 'a name that is too long',
};
const OF_THE_MACHINE: Record<string, string> = {
  ENOSPC: 'no space left on the device',
  EDQUOT: 'no space left of what this user may have',
  EMFILE: 'too many open files',
  ENFILE: 'too many open files on this machine',
  EIO: 'the device failed',
};

/** Undefined: this is no error of the file system. `file`: where the system does not say which. */
export function systemFault(error: unknown, file?: string): HeadraceError | undefined {
  const code = codeOf(error) ?? '';
  const { path = file, syscall } = (error ?? {}) as { path?: unknown; syscall?: unknown };
  if (typeof path !== 'string' || typeof syscall !== 'string' || /^(?:connect|listen|bind|spawn)/.test(syscall))
    return undefined;
  const place = path === '' ? '""' : path;
  if (Object.hasOwn(FAULTS, code))
    return new ConfigError('a file or folder cannot be used', {
      code: 'file_unusable',
      place,
      expected: 'a file or folder that is there, and that this user may read or write',
      found: `${FAULTS[code]} (${code}, ${syscall})`,
      next: 'name another, or change its permissions',
      cause: error,
    });
  if (Object.hasOwn(OF_THE_MACHINE, code))
    return new FatalError('a file or folder cannot be used', {
      code: 'file_failed',
      place,
      expected: 'a machine that can read and write it',
      found: `${OF_THE_MACHINE[code]} (${code}, ${syscall})`,
      next: 'make room, or see to the machine, then run again',
      cause: error,
    });
  return undefined;
}
