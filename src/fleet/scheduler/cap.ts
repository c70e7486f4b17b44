/**
 * How many tasks of one concurrency partition may run at once follows from the rate limit of what they share. This is
 * the only place that computes it; the database keeps the result and enforces it when tasks are claimed.
 */
import { ConfigError } from '../../base/errors.js';

/** What an app declares of its rate limit: `rateLimit` requests in `frequencySeconds` seconds. */
export interface AppSchema {
  rateLimit: { requests: number; frequencySeconds: number };
}

/** Larger than any API's limit, and small enough that no product leaves the safe integers. */
const MOST = 1_000_000_000_000;
/** PostgreSQL's integer, in which caps are kept. */
const MOST_PROCESSES = 2_147_483_647;

/**
 * `max(1, floor(rateLimit / (2 * frequencySeconds)))`: half as many tasks as the limit has requests a second, since
 * each holds about two in flight, and never none. Throws ConfigError for what is no whole number above zero.
 */
export function maxConcurrentProcessesPerConcurrencyPartition(rateLimit: number, frequencySeconds: number): number {
  assertCount('rateLimit', rateLimit, 'requests');
  assertCount('frequencySeconds', frequencySeconds, 'seconds');
  return Math.min(MOST_PROCESSES, Math.max(1, Math.floor(rateLimit / (2 * frequencySeconds))));
}

/** The same, of what an app declares. */
export function maxConcurrentProcessesPerConcurrencyPartitionFromAppSchema(appSchema: AppSchema): number {
  const limit: unknown = (appSchema as AppSchema | null | undefined)?.rateLimit;
  if (typeof limit !== 'object' || limit === null) {
    throw new ConfigError('the app declares no rate limit', {
      code: 'bad_rate_limit',
      place: 'rateLimit',
      expected: '{ requests, frequencySeconds }',
      found: limit === undefined ? 'nothing' : String(limit),
      next: 'declare the limit of the API, such as 100 requests in 1 second',
    });
  }
  const { requests, frequencySeconds } = limit as AppSchema['rateLimit'];
  return maxConcurrentProcessesPerConcurrencyPartition(requests, frequencySeconds);
}

/**
 * What is stored: a floor lets a short task run beside a long one where the limit alone would allow one. A setting of
 * persistence.
 */
export function persistedCap(cap: number, floor = 1): number {
  assertCount('floor', floor, 'processes');
  return Math.max(cap, floor);
}

function assertCount(name: string, value: unknown, unit: string): void {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= MOST) return;
  throw new ConfigError(`${name} is no whole number above zero`, {
    code: 'bad_rate_limit',
    place: name,
    expected: `whole ${unit}, 1 to ${MOST}`,
    found: value === undefined ? 'nothing' : typeof value === 'string' ? JSON.stringify(value) : String(value),
    next: 'correct the rate limit of the app',
  });
}
