/**
 * Retry-After in milliseconds: delta seconds (fractions too), an HTTP date, or a point in time in epoch seconds or
 * milliseconds, which some servers send all the same. Points in time are read against the server's own clock. Undefined
 * where it is absent or makes no sense (RFC 9110, section 10.2.3); never more than a day.
 */
import { LIMITS } from '../../base/bounds.js';

/** From here on a number is a point in time: as a delay it would be thirty years. */
const LEAST_EPOCH_SECONDS = 1e9;
const LEAST_EPOCH_MS = 1e11;
/** Years past 5000 are no point in time. */
const MOST_EPOCH_MS = 1e14;

/** Also where the value is absurd: what is doubtful about it, for people. */
export interface RetryAfter {
  waitMs: number;
  doubt: 'Retry-After in the past' | 'Retry-After beyond an hour' | undefined;
}

export function parseRetryAfter(value: string | undefined, serverTimeMs: number | undefined): number | undefined {
  return readRetryAfter(value, serverTimeMs)?.waitMs;
}

/** The same, with what is doubtful about it. */
export function readRetryAfter(value: string | undefined, serverTimeMs: number | undefined): RetryAfter | undefined {
  const waitMs = value === undefined ? undefined : stated(value.trim(), serverTimeMs);
  if (waitMs === undefined) return undefined;
  const doubt =
    waitMs < 0 ? 'Retry-After in the past' : waitMs > LIMITS.retryAfterMs ? 'Retry-After beyond an hour' : undefined;
  return { waitMs: Math.min(LIMITS.statedMs, Math.max(0, waitMs)), doubt };
}

/** As it is stated: it may lie in the past, and be of any length. */
function stated(text: string, serverTimeMs: number | undefined): number | undefined {
  if (/^\d{1,400}(\.\d{1,20})?$/.test(text)) {
    const number = Number(text);
    if (number < LEAST_EPOCH_SECONDS) return Math.ceil(number * 1000);
    const atMs = number < LEAST_EPOCH_MS ? number * 1000 : number;
    if (atMs >= MOST_EPOCH_MS) return Math.min(number, Number.MAX_VALUE) * 1000;
    return serverTimeMs === undefined ? undefined : atMs - serverTimeMs;
  }
  if (serverTimeMs === undefined || !/[a-z]/i.test(text)) return undefined;
  const at = Date.parse(text);
  // The clock of the answer is told in whole seconds: what it was a moment ago is not past.
  return Number.isNaN(at) ? undefined : at < serverTimeMs - 1000 ? at - serverTimeMs : Math.max(0, at - serverTimeMs);
}
