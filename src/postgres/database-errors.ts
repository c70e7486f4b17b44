/** PostgreSQL's errors in the words of those who must act on them. */
import { redact } from '../base/log.js';
import { codeOf, ConfigError, FatalError, HeadraceError, messageOf, RetriableError } from '../base/errors.js';

/** A detail may quote a whole row. */
const MOST_WORDS = 500;
const LOST = new Set(['database_lost', 'database_unreachable']);

/** Whether the connection is gone, and may be made again; what was under way may have been done or not. */
export function isLost(error: unknown): boolean {
  return LOST.has(describePostgresError(error, '').code);
}

/**
 * SQLSTATE classes and codes: https://www.postgresql.org/docs/current/errcodes-appendix.html Long because it is a
 * list: each code that users meet, with what it means and what to do.
 */
export function describePostgresError(error: unknown, place: string): HeadraceError {
  if (error instanceof HeadraceError) return error;
  const code = codeOf(error) ?? '';
  const found = messageOf(error);
  const cause = error;
  if (
    code === 'ECONNREFUSED' ||
    code === 'ENOTFOUND' ||
    code === 'ETIMEDOUT' ||
    code === 'ENOENT' ||
    code === 'EHOSTUNREACH'
  ) {
    return new ConfigError('the database cannot be reached', {
      code: 'database_unreachable',
      place,
      expected: 'a PostgreSQL server that listens there',
      found,
      next: 'check host, port and network, then run again',
      cause,
    });
  }
  if (code.startsWith('28')) {
    return new ConfigError('the database refused the login', {
      code: 'database_login',
      place,
      found,
      next: 'check user and password in the URL',
      cause,
    });
  }
  if (code === '3D000') {
    return new ConfigError('the database does not exist', {
      code: 'database_missing',
      place,
      found,
      next: 'create it with createdb, or correct the URL',
      cause,
    });
  }
  if (code === '42501' || code === '25006') {
    return new ConfigError(code === '25006' ? 'the database is read-only' : 'the database user may not do this', {
      code: code === '25006' ? 'database_read_only' : 'database_permission',
      place,
      expected: 'a user that may create schemas and tables and write to them',
      found,
      next:
        code === '25006'
          ? 'name the primary server, not a replica'
          : 'grant CREATE on the database, or name another user',
      cause,
    });
  }
  if (code === '53100' || code === 'ENOSPC' || /No space left/i.test(found)) {
    return new RetriableError('the database has no disk space left', {
      code: 'disk_full',
      place,
      found,
      next: 'free space, then run the same command; it continues where it stopped',
      cause,
    });
  }
  if (code === '53300') {
    return new RetriableError('the database has no free connection', {
      code: 'too_many_connections',
      place,
      found,
      next: 'close other sessions, or raise max_connections',
      cause,
    });
  }
  if (
    code.startsWith('08') ||
    (code.startsWith('57') && code !== '57014') ||
    // The server ended a session that stood still.
    code === '25P03' ||
    code === 'ECONNRESET' ||
    code === 'EPIPE' ||
    /Connection terminated|not queryable|timeout expired|Connection ended/i.test(found)
  ) {
    return new RetriableError('the connection to the database was lost', {
      code: 'database_lost',
      place,
      found,
      next: 'run the same command again; it continues where it stopped',
      cause,
    });
  }
  // The server's own words say more than ours could, whoever shows only the message.
  return new FatalError(`the database reported an error: ${redact(found)}`, {
    code: `postgres_${code || 'error'}`,
    place,
    found: wordsOf(error, found),
    next: 'run again with --debug for the details',
    cause,
  });
}

/** What PostgreSQL says besides the message: the detail, the hint, and where it happened. */
function wordsOf(error: unknown, message: string): string {
  const { detail, hint, where } = (error ?? {}) as { detail?: unknown; hint?: unknown; where?: unknown };
  const more = [detail, hint, where].filter((text): text is string => typeof text === 'string' && text !== '');
  return redact([message, ...more].join('; ')).slice(0, MOST_WORDS);
}
