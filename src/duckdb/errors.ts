/** What DuckDB's errors mean to whoever runs a sync. It has no codes: its messages begin with their kind. */
import { ConfigError, HeadraceError, messageOf, RetriableError } from '../base/errors.js';

/** Whether an error is about what a row holds: a value, or a constraint of the user's. */
export function isOfRows(error: unknown): boolean {
  return /(?:Constraint|Conversion|Out of Range|Invalid Input) Error|constraint (?:violat|failed)|duplicate key/i.test(
    messageOf(causeOf(error)),
  );
}

const causeOf = (error: unknown): unknown => (error instanceof HeadraceError ? (error.cause ?? error) : error);

/** Never a stack for people; errors of Headrace stay as they are. */
export function duckdbError(error: unknown, place: string): Error {
  if (error instanceof HeadraceError) return error;
  const message = messageOf(error);
  const found = message.split('\n')[0]!.slice(0, 300);
  const detail = { place, found, cause: error };
  if (/could not set lock|being used by another process|open read-only in this process/i.test(message))
    return new ConfigError('the DuckDB file is open in another process', {
      ...detail,
      code: 'connection_locked',
      expected: 'a file that nobody else has open: DuckDB lets in one process that writes, or several that read',
      found: /PID (\d+)/.exec(message) ? `process ${/PID (\d+)/.exec(message)![1]}` : found,
      next: 'wait for it to end, or close the program that has the file open; everything committed stays',
    });
  if (/no space left|not enough space|disk full/i.test(message))
    return new RetriableError('the disk is full', {
      ...detail,
      code: 'disk_full',
      next: 'free space, then run the same command; it continues where it stopped',
    });
  if (/not a valid DuckDB database|Serialization Error|trying to read a database file with version/i.test(message))
    return new ConfigError('the file is no DuckDB database that can be read', {
      ...detail,
      code: 'bad_database',
      expected: 'a file that DuckDB 1.x wrote, or a name that is free',
      next: 'name another file, or move this one away',
    });
  if (/cannot open|permission denied|read-only file system|no such file|is a directory|could not create/i.test(message))
    return new ConfigError('the DuckDB file cannot be opened', {
      ...detail,
      code: 'file_unreachable',
      expected: 'a file in a folder that this user may write to',
      next: 'name another file, or change the permissions',
    });
  if (/out of memory/i.test(message))
    return new RetriableError('DuckDB has no memory left', {
      ...detail,
      code: 'out_of_memory',
      next: 'give the machine or the container more memory; what was committed stays',
    });
  if (/FATAL|database has been invalidated/i.test(message))
    return new RetriableError('DuckDB stopped working on the file', {
      ...detail,
      code: 'database_failed',
      next: 'run the same command; it continues from what was committed',
    });
  return error instanceof Error ? error : new Error(message);
}
