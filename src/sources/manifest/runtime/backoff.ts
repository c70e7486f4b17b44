/** How long a manifest's strategies ask to wait before a request is tried again. */
import { ConfigError, SkippableError } from '../../../base/errors.js';
import type { ApiResponse } from '../../../http/request.js';
import { parseRetryAfter } from '../../../http/dialects/retry-after.js';
import { isObject, type JsonObject } from '../document/read.js';
import { regexOf } from '../templates/patterns.js';
import { numberOf, textOf, type Dict, type Value } from '../templates/values.js';
import { headerDict } from './answer-headers.js';
import { list, now, template, text, unsupported, type Kit } from './kit.js';
import { replaced } from './twins.js';

type Wait = (response: ApiResponse) => number | undefined;

/**
 * How long the first strategy that has an opinion asks to wait. Exponential ones have none: that is the engine's own
 * way. Those of all handlers are asked, whichever of them decided, as in Airbyte.
 */
export function backoffs(kit: Kit, handlers: JsonObject[]): Wait | undefined {
  const strategies = handlers.flatMap((handler) => list(handler, 'backoff_strategies')).map((raw) => waitOf(kit, raw));
  if (strategies.length === 0) return undefined;
  return (response) => {
    for (const strategy of strategies) {
      const waitMs = strategy(response);
      if (waitMs !== undefined && waitMs !== 0) return waitMs;
    }
    return undefined;
  };
}

function waitOf(kit: Kit, raw: JsonObject): Wait {
  const strategy = replaced(kit, raw);
  switch (strategy['type']) {
    case 'ConstantBackoffStrategy': {
      const seconds = secondsIn(kit, strategy, 'backoff_time_in_seconds') ?? Number.NaN;
      // What a limit asks for is in its answer; a constant is the wait for whatever else failed.
      return (response) => (response.status === 429 || !Number.isFinite(seconds) ? undefined : seconds * 1000);
    }
    case 'ExponentialBackoffStrategy':
      return () => undefined;
    case 'WaitTimeFromHeader':
      return waitTime(kit, strategy);
    case 'WaitUntilTimeFromHeader':
      return waitUntil(kit, strategy);
    case 'WaitTimeFromResponse':
      return waitInAnswer(kit, strategy);
    default:
      throw unsupported(
        kit,
        strategy,
        `the backoff strategy ${String(strategy['type'])}`,
        'remove it: Headrace backs off by itself',
      );
  }
}

function secondsIn(kit: Kit, strategy: JsonObject, name: string): number | undefined {
  const value = strategy[name];
  if (value === undefined || value === null || value === '') return undefined;
  const found = now(kit, strategy, value);
  return numberOf(found as Value) ?? Number(found);
}

/** The header's text, or the part of it that the strategy's pattern finds. */
function headerOf(kit: Kit, strategy: JsonObject): (response: ApiResponse) => string | undefined {
  const name = text(kit, strategy, strategy['header']);
  const pattern =
    typeof strategy['regex'] === 'string' ? regexOf(text(kit, strategy, strategy['regex'])({})) : undefined;
  return (response) => {
    const value = [response.headers[name({}).toLowerCase()]].flat()[0];
    const match = value === undefined || !pattern ? undefined : pattern.exec(value);
    return (pattern ? (match?.[1] ?? match?.[0]) : value) || undefined;
  };
}

function waitTime(kit: Kit, strategy: JsonObject): Wait {
  const header = headerOf(kit, strategy);
  const mostSeconds = secondsIn(kit, strategy, 'max_waiting_time_in_seconds');
  return (response) => {
    const found = header(response);
    if (found === undefined) return undefined;
    const seconds = Number(found);
    const waitMs = Number.isFinite(seconds)
      ? Math.max(0, seconds * 1000)
      : parseRetryAfter(found, response.serverTimeMs);
    assertBearable(waitMs, mostSeconds);
    return waitMs;
  };
}

function waitUntil(kit: Kit, strategy: JsonObject): Wait {
  const header = headerOf(kit, strategy);
  const least = secondsIn(kit, strategy, 'min_wait') ?? 0;
  const mostSeconds = secondsIn(kit, strategy, 'max_waiting_time_in_seconds');
  return (response) => {
    const found = header(response);
    const until =
      found === undefined ? Number.NaN : Number.isFinite(Number(found)) ? Number(found) * 1000 : Date.parse(found);
    if (!Number.isFinite(until)) return least > 0 ? least * 1000 : undefined;
    const waitMs = Math.max(until - (response.serverTimeMs ?? kit.clock.now()), least * 1000);
    assertBearable(waitMs, mostSeconds);
    return waitMs;
  };
}

/** Seconds that a template makes of the answer. Where it makes no number of it, the next strategy is asked. */
function waitInAnswer(kit: Kit, strategy: JsonObject): Wait {
  const wait = template(kit, strategy, strategy['wait_time_in_seconds']);
  const mostSeconds = secondsIn(kit, strategy, 'max_waiting_time_in_seconds');
  return (response) => {
    const body = isObject(response.body) || Array.isArray(response.body) ? response.body : {};
    let found: Value;
    try {
      found = wait({ response: body as Value, headers: headerDict(response.headers) as Dict });
    } catch (error) {
      if (error instanceof ConfigError) return undefined;
      throw error;
    }
    const seconds = found === null || found === '' ? undefined : (numberOf(found) ?? Number(textOf(found)));
    if (seconds === undefined || !Number.isFinite(seconds) || seconds <= 0) return undefined;
    assertBearable(seconds * 1000, mostSeconds);
    return seconds * 1000;
  };
}

/** A longer wait ends the stream: its manifest would rather have it later. */
function assertBearable(waitMs: number | undefined, mostSeconds: number | undefined): void {
  if (mostSeconds === undefined || waitMs === undefined || waitMs === 0 || waitMs < mostSeconds * 1000) return;
  throw new SkippableError('the API asks for a longer wait than the manifest allows', {
    code: 'wait_too_long',
    expected: `less than ${mostSeconds} s (max_waiting_time_in_seconds)`,
    found: `${Math.round(waitMs / 1000)} s`,
    next: 'run again after that time; the sync continues where it stopped',
  });
}
