import { codeOf, ConfigError, messageOf, RetriableError } from '../../base/errors.js';

/** Says that files know no keys. */
export function noKeys(): ConfigError {
  return new ConfigError('NDJSON files cannot be looked up by key', {
    code: 'no_keys',
    next: 'use the embedded or a PostgreSQL destination to verify against the API',
  });
}

/** What a failure of the file system means to whoever runs a sync. */
export function fileError(error: unknown, place: string): Error {
  switch (codeOf(error)) {
    case 'ENOSPC':
      return new RetriableError('the disk is full', {
        code: 'disk_full',
        place,
        next: 'free space, then run the same command; it continues where it stopped',
        cause: error,
      });
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
    case 'ENOTDIR':
    case 'EEXIST':
    case 'ENOENT':
      return new ConfigError('the folder cannot be written to', {
        code: 'folder_read_only',
        place,
        found: messageOf(error),
        next: 'choose another folder, or change its permissions',
        cause: error,
      });
    default:
      return error instanceof Error ? error : new Error(String(error));
  }
}
