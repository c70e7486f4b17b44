/** What an answer means to a manifest: its error handlers, in order, then Airbyte's defaults. */
import {
  ConfigError,
  CursorGoneError,
  FatalError,
  PartRefusedError,
  type HeadraceError,
} from '../../../base/errors.js';
import type { ApiResponse, Verdict } from '../../../http/request.js';
import { placeOf } from '../document/manifest.js';
import { isObject, type JsonObject } from '../document/read.js';
import { numberOf, type Dict, type Value } from '../templates/values.js';
import { backoffs } from './backoff.js';
import { condition, list, now, text, unsupported, type Kit } from './kit.js';
import { headerDict } from './answer-headers.js';
import { TooMuchError } from './narrowing.js';
import { replaced } from './twins.js';

export type Action =
  | 'SUCCESS'
  | 'FAIL'
  | 'RETRY'
  | 'IGNORE'
  | 'RESET_PAGINATION'
  | 'RATE_LIMITED'
  | 'REFRESH_TOKEN_THEN_RETRY'
  | 'REDUCE_PAGE_SIZE'
  | 'SPLIT_REQUEST_WINDOW';

export interface Resolution {
  action: Action;
  /** What the manifest says of it. */
  message: string | undefined;
  failure: 'system_error' | 'config_error' | 'transient_error';
  /** How long its backoff strategies ask to wait. */
  waitMs: number | undefined;
  /** The manifest says nothing of it. */
  isDefault?: boolean;
}

export interface Handler {
  (response: ApiResponse, place: string): Resolution;
  /** Attempts of one request, the first included, and how long they may take together, as far as the manifest says. */
  attempts: number | undefined;
  withinMs: number | undefined;
}

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
  const own = component && replaced(kit, component);
  const handlers = own === undefined ? [] : handlersOf(kit, own);
  const first = handlers[0];
  const waits =
    own === undefined
      ? undefined
      : backoffs(
          kit,
          handlers.map(({ component: each }) => each),
        );
  const interpret = (response: ApiResponse, place: string): Resolution => {
    // Each with its own defaults: a handler that only fails, or waits for a limit, leaves the next one a say.
    let resolution: Resolution | undefined;
    for (const { filters } of handlers) {
      resolution = byFilters(filters, response, place) ?? byDefault(response);
      if (DECIDES.has(resolution.action)) break;
    }
    const found = resolution ?? byDefault(response);
    return WAITS.has(found.action) ? { ...found, waitMs: waits?.(response) } : found;
  };
  const seconds = handlers.flatMap((handler) => handler.maxTime ?? []);
  return Object.assign(interpret, {
    attempts: first?.maxRetries === undefined ? undefined : Math.max(0, first.maxRetries) + 1,
    withinMs: seconds.length === 0 ? undefined : Math.max(...seconds) * 1000,
  });
}

const DECIDES: ReadonlySet<Action> = new Set([
  'SUCCESS',
  'RETRY',
  'IGNORE',
  'RESET_PAGINATION',
  'REDUCE_PAGE_SIZE',
  'SPLIT_REQUEST_WINDOW',
]);
const WAITS: ReadonlySet<Action> = new Set(['RETRY', 'RATE_LIMITED', 'REFRESH_TOKEN_THEN_RETRY']);

function byFilters(filters: Match[], response: ApiResponse, place: string): Resolution | undefined {
  for (const filter of filters) {
    const found = filter(response, place);
    if (found) return found;
  }
  return undefined;
}

function byDefault(response: ApiResponse): Resolution {
  const { status } = response;
  if (status < 300) return { action: 'SUCCESS', message: undefined, failure: 'system_error', waitMs: undefined };
  // A redirect that leads nowhere is no answer, and no empty one. Of another status nobody knows: it is tried again.
  const [action, failure] = status < 400 ? NO_ANSWER : (DEFAULTS[status] ?? ['RETRY', 'transient_error']);
  return { action, failure, message: undefined, waitMs: undefined, isDefault: true };
}

type Match = (response: ApiResponse, place: string) => Resolution | undefined;

/** One handler of a chain. */
interface Link {
  component: JsonObject;
  filters: Match[];
  maxRetries: number | undefined;
  maxTime: number | undefined;
}

function handlersOf(kit: Kit, component: JsonObject): Link[] {
  const own = replaced(kit, component);
  switch (own['type']) {
    case 'CompositeErrorHandler':
      return list(own, 'error_handlers').flatMap((handler) => handlersOf(kit, handler));
    case 'DefaultErrorHandler':
      return [
        {
          component: own,
          filters: list(own, 'response_filters').map((filter) => responseFilter(kit, filter)),
          maxRetries: count(kit, own, 'max_retries'),
          maxTime: count(kit, own, 'max_time'),
        },
      ];
    default:
      throw unsupported(
        kit,
        own,
        `the error handler ${String(own['type'])}`,
        'use DefaultErrorHandler or CompositeErrorHandler',
      );
  }
}

function count(kit: Kit, own: JsonObject, name: string): number | undefined {
  if (own[name] === undefined || own[name] === null || own[name] === '') return undefined;
  const found = numberOf(now(kit, own, own[name]) as Value);
  if (found !== undefined && Number.isFinite(found)) return found;
  throw new ConfigError(`${name} is no number`, {
    code: 'bad_number',
    place: placeOf(kit.manifest, own),
    expected: 'a number',
    found: String(own[name]).slice(0, 80),
    next: 'check the value in the configuration',
  });
}

function responseFilter(kit: Kit, filter: JsonObject): Match {
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
    // Without an action it decides nothing, as in Airbyte.
    if (!matches || action === undefined) return undefined;
    const declared = action === 'FAIL' ? (filter['failure_type'] as Resolution['failure'] | undefined) : undefined;
    return {
      action,
      message: message?.(scope()) || undefined,
      waitMs: undefined,
      failure: declared ?? DEFAULTS[response.status]?.[1] ?? 'system_error',
    };
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
    case 'REDUCE_PAGE_SIZE':
    case 'SPLIT_REQUEST_WINDOW':
      return { kind: 'error', error: tooMuch(resolution, place, found) };
    case 'FAIL':
      return { kind: 'error', error: failure(resolution, response, stream, place, found) };
  }
}

function tooMuch({ action, message }: Resolution, place: string, found: string): TooMuchError {
  const isPage = action === 'REDUCE_PAGE_SIZE';
  return new TooMuchError(
    isPage ? 'page' : 'window',
    message ?? `the API asks for ${isPage ? 'smaller pages' : 'a shorter window'}`,
    {
      code: 'too_much_asked',
      place,
      expected: 'an answer',
      found,
      next: `declare ${isPage ? 'page_size_reduction' : 'request_window_splitting and cursor_granularity'} in the manifest`,
    },
  );
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
    return new PartRefusedError(message, {
      ...detail,
      next: 'check the permissions of the credential, and what the stream needs',
    });
  return response.status === 404 ||
    response.status === 403 ||
    response.status === 400 ||
    response.status === 402 ||
    response.status === 405
    ? new PartRefusedError(message, { ...detail, next: 'check the configuration of this stream' })
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
