/**
 * How one vendor tells of its limits. A dialect is a pure function of a response: it keeps nothing and decides nothing.
 */
import type { LimitSigns, Reading } from '../../gate/gate.js';
import { parseRetryAfter } from './retry-after.js';

/** What a dialect sees of an answer. */
export interface DialectResponse {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  /** Parsed JSON, undefined where there is none. */
  body: unknown;
  /** The response's `Date`, milliseconds; undefined where it has none. */
  serverTimeMs: number | undefined;
  /** Our own wall clock at its arrival: what points in time are read against where it has no `Date`. */
  receivedMs?: number | undefined;
}

/** Reads what an answer tells of limits. */
export type Dialect = (response: DialectResponse) => LimitSigns;

/** From here on a window is a budget, spent at the speed of the short limits. */
export const BUDGET_WINDOW_MS = 3_600_000;
export const DAY_MS = 86_400_000;
/** A reset in whole seconds, and one that is added to a `Date` in whole seconds. */
export const EPOCH_GRAIN_MS = 1000;
export const DELTA_GRAIN_MS = 2000;
const MOST_NAME = 80;

export function header(response: DialectResponse, name: string): string | undefined {
  const value = response.headers[name];
  return Array.isArray(value) ? value.join(', ') : value;
}

/**
 * A count in a header: digits, perhaps with a fraction; of a list (`100, 100;w=60`), the first. Undefined for anything
 * else.
 */
export function count(text: string | undefined): number | undefined {
  const match = /^\s*(\d{1,15}(?:\.\d+)?)\s*(?:[,;]|$)/.exec(text ?? '');
  return match ? Number(match[1]) : undefined;
}

/** What a server calls a limit, at a length that people can read. */
export function nameOf(text: string): string {
  return text.slice(0, MOST_NAME);
}

export function retryAfterOf(response: DialectResponse): number | undefined {
  return parseRetryAfter(header(response, 'retry-after'), response.serverTimeMs ?? response.receivedMs);
}

/**
 * A reset in any of its forms: epoch seconds, epoch milliseconds, ISO 8601, an HTTP date, or seconds from now.
 * `resetMs` is by the server's clock; undefined where the text makes no sense, or counts from a `Date` that is missing.
 */
export function parseReset(
  text: string | undefined,
  serverTimeMs: number | undefined,
): { resetMs: number; grainMs: number } | undefined {
  if (text === undefined) return undefined;
  const trimmed = text.trim();
  if (/^\d+(\.\d+)?$/.test(trimmed)) {
    const number = Number(trimmed);
    if (number > 1e14) return undefined;
    if (number >= 1e11) return { resetMs: number, grainMs: 1 };
    if (number >= 1e9) return { resetMs: number * 1000, grainMs: EPOCH_GRAIN_MS };
    return serverTimeMs === undefined ? undefined : { resetMs: serverTimeMs + number * 1000, grainMs: DELTA_GRAIN_MS };
  }
  if (!/^\d{4}-\d\d-\d\dT|^[A-Z][a-z]{2}, /.test(trimmed)) return undefined;
  const at = Date.parse(trimmed);
  return Number.isNaN(at) ? undefined : { resetMs: at, grainMs: EPOCH_GRAIN_MS };
}

interface WindowText {
  limit: string;
  quota: string | undefined;
  remaining: string | undefined;
  reset: string | undefined;
  windowMs?: number | undefined;
}

/** A reading from `limit`, `remaining` and `reset`; undefined where one is missing. Long windows become budgets. */
export function windowReading(response: DialectResponse, text: WindowText): Reading | undefined {
  const quota = count(text.quota);
  const remaining = count(text.remaining);
  if (quota === undefined || remaining === undefined || quota <= 0) return undefined;
  const reset = parseReset(text.reset, response.serverTimeMs);
  const left = reset && response.serverTimeMs !== undefined ? reset.resetMs - response.serverTimeMs : undefined;
  const windowMs = text.windowMs;
  if ((windowMs ?? left ?? 0) >= BUDGET_WINDOW_MS * 0.95 || (windowMs === undefined && (left ?? 0) > 600_000)) {
    return {
      limit: text.limit,
      kind: 'budget',
      quota,
      remaining: Math.min(remaining, quota),
      windowMs: windowMs ?? Math.max(BUDGET_WINDOW_MS, left ?? 0),
      resetMs: reset?.resetMs,
    };
  }
  if (!reset) return undefined;
  return {
    limit: text.limit,
    kind: 'epoch',
    quota,
    remaining: Math.min(remaining, quota),
    resetMs: reset.resetMs,
    grainMs: reset.grainMs,
    windowMs,
  };
}

/** The path into a parsed body; undefined where it leads nowhere. */
export function at(body: unknown, ...path: (string | number)[]): unknown {
  let value = body;
  for (const key of path) {
    if (value === null || typeof value !== 'object' || !Object.hasOwn(value, key)) return undefined;
    value = (value as Record<string | number, unknown>)[key];
  }
  return value;
}

export function textAt(body: unknown, ...path: (string | number)[]): string {
  const value = at(body, ...path);
  return typeof value === 'string' ? value : '';
}

export function readings(...found: (Reading | undefined)[]): Reading[] {
  return found.filter((reading) => reading !== undefined);
}
