/** What Stripe's answers mean: which are limits, which may be tried again, which are the end of a stream or a run. */
import { ConfigError, CursorGoneError, FatalError, SkippableError, type ErrorDetail } from '../../base/errors.js';
import { retryAfterOf } from '../../http/client.js';
import type { ApiRequest, ApiResponse, Verdict } from '../../http/request.js';

interface StripeErrorBody {
  error?: { type?: string; code?: string; message?: string; param?: string };
}

/** How Stripe words it that an account does not use a product. */
const LACKS =
  /not (?:been )?(?:set up|enabled|onboarded|activated|signed up)|sign(?:ed)? up for|does not have access|isn't enabled|must (?:first )?(?:enable|activate|onboard)/i;

/** https://docs.stripe.com/error-handling and https://docs.stripe.com/rate-limits */
export function judge(response: ApiResponse, request: ApiRequest): Verdict {
  const { status } = response;
  if (status < 300) return { kind: 'ok' };
  const { error = {} } = (response.body ?? {}) as StripeErrorBody;
  const place = request.endpoint.startsWith('v2/') ? `/${request.endpoint}` : `/v1/${request.endpoint}`;
  const found = `status ${status}${error.code ? `, ${error.code}` : ''}: ${error.message ?? 'no message'}${requestId(response)}`;
  const retryAfterMs = retryAfterOf(response);
  if (error.code === 'lock_timeout' || status === 429)
    return { kind: 'retry', reason: error.code ?? 'status 429', retryAfterMs };
  if (status === 409 || status === 408 || status >= 500)
    return { kind: 'retry', reason: `status ${status}`, retryAfterMs };
  // Stripe explains every refusal; a spoiled explanation is asked for again, since it may name a lost cursor.
  if (response.body === undefined || response.body === null)
    return { kind: 'retry', reason: `status ${status} with an unreadable body`, retryAfterMs };
  if (status === 401) {
    return {
      kind: 'error',
      error: new ConfigError('Stripe rejected the key', {
        code: 'stripe_key_rejected',
        place,
        expected: 'a secret or restricted key that is active',
        found,
        next: 'check STRIPE_API_KEY (Dashboard, Developers, API keys)',
      }),
    };
  }
  if (status === 403 && error.code === 'account_invalid') return accountRefused(place, found);
  if (status === 403) {
    return {
      kind: 'error',
      error: new SkippableError('the key may not read this', {
        code: 'stripe_permission',
        place,
        expected: 'read permission for this resource',
        found,
        next: 'grant it to the restricted key, or list the stream under exclude',
      }),
    };
  }
  if (error.code === 'resource_missing' && (error.param === 'starting_after' || error.param === 'ending_before')) {
    return {
      kind: 'error',
      error: new CursorGoneError("the cursor's object was deleted", { code: 'cursor_gone', place, found }),
    };
  }
  if (error.code === 'resource_missing' || (status === 404 && error.code !== undefined)) return gone(place, found);
  // An address that nobody knows, or another's answer: it tells nothing of the object.
  if (status === 404) return skipped('Stripe does not know this address', 'stripe_address', place, found);
  if (status === 400 && LACKS.test(error.message ?? ''))
    return {
      kind: 'error',
      error: new SkippableError('the account does not have this product', {
        code: 'stripe_product',
        place,
        expected: 'a product that the account uses',
        found,
        next: 'turn it on in the Dashboard, or list the stream under exclude',
      }),
    };
  return {
    kind: 'error',
    error: new FatalError('Stripe refused a request', {
      code: 'stripe_refused',
      place,
      expected: 'an answer',
      found,
      next: 'report this with the request id',
    }),
  };
}

/** Not an object that is gone: nothing of the account may be taken for deleted. */
const accountRefused = (place: string, found: string): Verdict =>
  skipped('the key may not read this account', 'stripe_account', place, found, {
    expected: 'an account that is connected',
    next: 'check the account, and that it is still connected',
  });

/** The object itself is gone. */
const gone = (place: string, found: string): Verdict =>
  skipped('Stripe does not know this object', 'stripe_missing', place, found);

function skipped(
  message: string,
  code: string,
  place: string,
  found: string,
  more: Pick<ErrorDetail, 'expected' | 'next'> = { next: 'check base_url' },
): Verdict {
  return { kind: 'error', error: new SkippableError(message, { code, place, found, ...more }) };
}

function requestId(response: ApiResponse): string {
  const id = response.headers['request-id'];
  return id ? ` (${String(id)})` : '';
}
