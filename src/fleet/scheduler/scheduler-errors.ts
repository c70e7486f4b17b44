/** What the scheduler's SQL functions refuse, as errors that say what to do. */
import { codeOf, ConfigError, HeadraceError } from '../../base/errors.js';

/** SQLSTATE of a worker whose lease ran out. */
const NO_LEASE = 'HR001';

/** The lease of a worker ran out: what it runs belongs to others by now. */
export class LeaseLostError extends HeadraceError {
  readonly exitCode = 1;
}

/** An error of the database, as what it means to the scheduler; any other as it is. */
export function describeRefusal(error: unknown): unknown {
  const cause = (error as { cause?: unknown }).cause ?? error;
  const message = cause instanceof Error ? cause.message : String(cause);
  switch (codeOf(cause)) {
    case NO_LEASE:
      return new LeaseLostError(message, {
        code: 'lease_lost',
        found: 'others took over its tasks',
        next: 'join again as a new worker',
        cause,
      });
    case 'HR002':
      return new ConfigError(message, {
        code: 'unknown_connection',
        expected: 'a connection that the scheduler knows',
        next: 'name it in headrace.yaml and start headrace serve once',
        cause,
      });
    case 'HR003':
      return new ConfigError(message, {
        code: 'connection_busy',
        expected: 'no running task while it moves to another partition or is deleted',
        next: 'pause the connection first',
        cause,
      });
    default:
      return error;
  }
}
