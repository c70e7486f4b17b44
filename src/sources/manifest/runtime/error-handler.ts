/** What an answer means to a manifest: its error handlers, in order, then Airbyte's defaults. */
import { ConfigError, CursorGoneError, FatalError, SkippableError, type HeadraceError } from '../../../base/errors.js';
import type { ApiResponse, Verdict } from '../../../http/client.js';
import { parseRetryAfter } from '../../../http/dialects/retry-after.js';
import { isObject, type JsonObject } from '../document/read.js';
import { numberOf, type Dict, type Value } from '../templates/values.js';
import { condition, list, now, text, unsupported, type Kit } from './kit.js';
import { headerDict } from './answer-headers.js';
import { replaced } from './twins.js';
import { regexOf } from '../templates/filters.js';

export type Action =
  'SUCCESS' | 'FAIL' | 'RETRY' | 'IGNORE' | 'RESET_PAGINATION' | 'RATE_LIMITED' | 'REFRESH_TOKEN_THEN_RETRY';

export interface Resolution {
  action: Action;
  /** What the manifest says of it. */
  message: string | undefined;
  failure: 'system_error' | 'config_error' | 'transient_error';
  /** How long its backoff strategies ask to wait. */
  waitMs: number | undefined;
}

export type Handler = (response: ApiResponse, place: string) => Resolution;

const NO_ANSWER: [Action, Resolution['failure']] = ['FAIL', 'system_error'];
const DEFAULTS: Record<number, [Action, Resolution['failure']]> = {
  400: ['FAIL', 'system_error'],
  401: ['FAIL', 'config_error'],
  403: ['FAIL', 'config_error'],
  404: ['FAIL', 'system_error'],
  405: ['FAIL', 'system_error'],
  408: ['RETRY', 'transient_error'],
  429: ['RATE_LIMITED', 'transient_error'],
  500: ['RETRY', 'transient_error'],
  502: ['RETRY', 'transient_error'],
  503: ['RETRY', 'transient_error'],
  504: ['RETRY', 'transient_error'],
};

export function errorHandler(kit: Kit, component: JsonObject | undefined): Handler {
  const filters = component ? filtersOf(kit, component) : [];
  const waits = component ? backoffs(kit, component) : undefined;
  return (response, place) => {
    for (const filter of filters) {
      const found = filter(response, place);
      if (found) return found;
    }
    // A redirect that leads nowhere is no answer, and no empty one.
    if (response.status < 300)
      return { action: 'SUCCESS', message: undefined, failure: 'system_error', waitMs: undefined };
    // Nobody knows this status: Airbyte tries again, and so do we.
    const [action, failure] =
      response.status < 400 ? NO_ANSWER : (DEFAULTS[response.status] ?? ['RETRY', 'transient_error']);
    return {
      action,
      failure,
      message: undefined,
      waitMs: action === 'RETRY' || action === 'RATE_LIMITED' ? waits?.(response) : undefined,
    };
  };
}

type Match = (response: ApiResponse, place: string) => Resolution | undefined;

function filtersOf(kit: Kit, component: JsonObject): Match[] {
  const own = replaced(kit, component);
  switch (own['type']) {
    case 'CompositeErrorHandler':
      return list(own, 'error_handlers').flatMap((handler) => filtersOf(kit, handler));
    case 'DefaultErrorHandler': {
      const waits = backoffs(kit, own);
      return list(own, 'response_filters').map((filter) => responseFilter(kit, filter, waits));
    }
    default:
      throw unsupported(
        kit,
        own,
        `the error handler ${String(own['type'])}`,
        'use DefaultErrorHandler or CompositeErrorHandler',
      );
  }
}

function responseFilter(
  kit: Kit,
  filter: JsonObject,
  waits: ((response: ApiResponse) => number | undefined) | undefined,
): Match {
  const codes = new Set((Array.isArray(filter['http_codes']) ? filter['http_codes'] : []).map(Number));
  const contains = typeof filter['error_message_contains'] === 'string' ? filter['error_message_contains'] : undefined;
  const predicate = condition(kit, filter, filter['predicate']);
  const message = filter['error_message'] === undefined ? undefined : text(kit, filter, filter['error_message']);
  const action = filter['action'] as Action | undefined;
  return (response, place) => {
    const scope = () => ({
      response: (isObject(response.body) || Array.isArray(response.body) ? response.body : {}) as Value,
      headers: headerDict(response.headers) as Dict,
      request_url: place,
    });
    const matches =
      codes.has(response.status) ||
      (predicate?.(scope()) ?? false) ||
      (contains !== undefined && (messageIn(response.body) ?? '').includes(contains));
    if (!matches) return undefined;
    const [defaultAction, defaultFailure] = DEFAULTS[response.status] ?? ['RETRY', 'system_error'];
    const resolved = action ?? defaultAction;
    return {
      action: resolved,
      message: message?.(scope()) || undefined,
      waitMs: resolved === 'RETRY' || resolved === 'RATE_LIMITED' ? waits?.(response) : undefined,
      failure: (filter['failure_type'] as Resolution['failure'] | undefined) ?? defaultFailure,
    };
  };
}

/**
 * How long the first strategy that has an opinion asks to wait. Exponential ones have none: that is the engine's own
 * way.
 */
function backoffs(kit: Kit, component: JsonObject): ((response: ApiResponse) => number | undefined) | undefined {
  const own = replaced(kit, component);
  const strategies = list(own, 'backoff_strategies').map((raw): ((response: ApiResponse) => number | undefined) => {
    const strategy = replaced(kit, raw);
    switch (strategy['type']) {
      case 'ConstantBackoffStrategy': {
        const seconds =
          numberOf(now(kit, strategy, strategy['backoff_time_in_seconds']) as Value) ??
          Number(now(kit, strategy, strategy['backoff_time_in_seconds']));
        // What a limit asks for is in its answer; a constant is the wait for whatever else failed.
        return (response) => (response.status === 429 || !Number.isFinite(seconds) ? undefined : seconds * 1000);
      }
      case 'ExponentialBackoffStrategy':
        return () => undefined;
      case 'WaitTimeFromHeader': {
        const name = text(kit, strategy, strategy['header']);
        const pattern = typeof strategy['regex'] === 'string' ? regexOf(strategy['regex']) : undefined;
        return (response) => {
          const header = response.headers[name({}).toLowerCase()];
          const value = Array.isArray(header) ? header[0] : header;
          const found =
            value === undefined ? undefined : pattern ? (pattern.exec(value)?.[1] ?? pattern.exec(value)?.[0]) : value;
          const seconds = Number(found);
          return found === undefined || found === ''
            ? undefined
            : Number.isFinite(seconds)
              ? Math.max(0, seconds * 1000)
              : parseRetryAfter(found, response.serverTimeMs);
        };
      }
      case 'WaitUntilTimeFromHeader': {
        const name = text(kit, strategy, strategy['header']);
        const pattern = typeof strategy['regex'] === 'string' ? regexOf(strategy['regex']) : undefined;
        const least = numberOf(now(kit, strategy, strategy['min_wait'] ?? 0) as Value) ?? 0;
        return (response) => {
          const header = response.headers[name({}).toLowerCase()];
          const value = Array.isArray(header) ? header[0] : header;
          const found = value === undefined ? undefined : pattern ? pattern.exec(value)?.[0] : value;
          const until =
            found === undefined || found === ''
              ? Number.NaN
              : Number.isFinite(Number(found))
                ? Number(found) * 1000
                : Date.parse(found);
          return Number.isFinite(until)
            ? Math.max(until - (response.serverTimeMs ?? kit.clock.now()), least * 1000)
            : least > 0
              ? least * 1000
              : undefined;
        };
      }
      default:
        throw unsupported(
          kit,
          strategy,
          `the backoff strategy ${String(strategy['type'])}`,
          'remove it: Headrace backs off by itself',
        );
    }
  });
  if (strategies.length === 0) return undefined;
  return (response) => {
    for (const strategy of strategies) {
      const waitMs = strategy(response);
      if (waitMs !== undefined) return waitMs;
    }
    return undefined;
  };
}

/** The engine's verdict on an answer that no limit refused. */
export function verdictOf(resolution: Resolution, response: ApiResponse, stream: string, place: string): Verdict {
  const found = `status ${response.status}${messageIn(response.body) ? `: ${messageIn(response.body)!.slice(0, 300)}` : ''}`;
  switch (resolution.action) {
    case 'SUCCESS':
    case 'IGNORE':
      return { kind: 'ok' };
    case 'RETRY':
    case 'RATE_LIMITED':
    case 'REFRESH_TOKEN_THEN_RETRY':
      return { kind: 'retry', reason: resolution.message ?? found, retryAfterMs: resolution.waitMs };
    case 'RESET_PAGINATION':
      return {
        kind: 'error',
        error: new CursorGoneError('the API asks to begin the pages anew', { code: 'pagination_reset', place, found }),
      };
    case 'FAIL':
      return { kind: 'error', error: failure(resolution, response, stream, place, found) };
  }
}

function failure(
  resolution: Resolution,
  response: ApiResponse,
  stream: string,
  place: string,
  found: string,
): HeadraceError {
  const message = resolution.message ?? `the API refused a request of stream ${stream}`;
  const detail = { code: 'api_refused', place, expected: 'an answer', found };
  if (response.status === 401)
    return new ConfigError(message, {
      ...detail,
      code: 'credential_rejected',
      next: 'check the credential in the configuration',
    });
  // The others of the source may well be readable.
  if (resolution.failure === 'config_error')
    return new SkippableError(message, {
      ...detail,
      next: 'check the permissions of the credential, and what the stream needs',
    });
  return response.status === 404 ||
    response.status === 403 ||
    response.status === 400 ||
    response.status === 402 ||
    response.status === 405
    ? new SkippableError(message, { ...detail, next: 'check the configuration of this stream' })
    : new FatalError(message, { ...detail, next: 'run again later; report it if it stays' });
}

const MESSAGE_FIELDS = [
  'message',
  'messages',
  'error',
  'errors',
  'failures',
  'failure',
  'detail',
  'err',
  'error_message',
  'msg',
  'reason',
  'status_message',
];

/** The text in an error's body, wherever APIs put it. */
function messageIn(value: unknown, depth = 0): string | undefined {
  if (typeof value === 'string') return value;
  if (depth > 8) return undefined;
  if (Array.isArray(value)) {
    const found = value.map((item) => messageIn(item, depth + 1)).filter((item) => item !== undefined);
    return found.length > 0 ? found.join(', ') : undefined;
  }
  if (!isObject(value)) return undefined;
  const name = MESSAGE_FIELDS.find((field) => value[field]);
  return name === undefined ? undefined : messageIn(value[name], depth + 1);
}
