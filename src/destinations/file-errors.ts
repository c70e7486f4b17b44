/** What failures of the file system mean, for destinations that write files. */
import { codeOf, ConfigError, messageOf, RetriableError } from '../base/errors.js';

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
