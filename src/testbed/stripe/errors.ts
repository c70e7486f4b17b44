/** Errors as Stripe's API words them. */

/** An answer that is an error. */
export class StripeError extends Error {
  constructor(
    readonly status: number,
    readonly type: string,
    message: string,
    readonly more: Record<string, unknown> = {},
  ) {
    super(message);
  }
}

/** What was asked for does not exist. */
export const missing = (what: string, id: string, param: string) =>
  new StripeError(param === 'id' ? 404 : 400, 'invalid_request_error', `No such ${what}: '${id}'`, {
    code: 'resource_missing',
    param,
  });

/** Rows of a page, as the query asks. */
export function limitOf(query: URLSearchParams): number {
  const text = query.get('limit') ?? '10';
  const limit = Number(text);
  if (!Number.isInteger(limit))
    throw new StripeError(400, 'invalid_request_error', `Invalid integer: ${text}`, { param: 'limit' });
  if (limit < 1 || limit > 100)
    throw new StripeError(400, 'invalid_request_error', `Invalid limit: must be between 1 and 100`, { param: 'limit' });
  return limit;
}

/** The key may not read this. */
export const denied = (key: string, path: string) =>
  new StripeError(
    403,
    'invalid_request_error',
    `The provided key '${key.slice(0, 8)}****' does not have the required permissions for this endpoint. Having the 'rak_${path.replaceAll('/', '_')}_read' permission would allow this request to continue.`,
    { code: 'more_permissions_required' },
  );

/** The account does not use the product that this belongs to. */
export const notSetUp = (product: string) =>
  new StripeError(
    400,
    'invalid_request_error',
    `Your account is not set up to use ${product}. Please visit https://dashboard.stripe.com/${product} to get started.`,
  );

/** There is no such address. */
export const unknownUrl = (url: URL) =>
  new StripeError(404, 'invalid_request_error', `Unrecognized request URL (GET: ${url.pathname}).`);

/** An account that is not connected, or not any more. */
export const noAccount = (key: string, account: string) =>
  new StripeError(
    403,
    'invalid_request_error',
    `The provided key '${key.slice(0, 8)}****' does not have access to account '${account}' (or that account does not exist). Application access may have been revoked.`,
    { code: 'account_invalid' },
  );

/** The list takes no such parameter. */
export const unknownParameter = (name: string) =>
  new StripeError(400, 'invalid_request_error', `Received unknown parameter: ${name}`, {
    code: 'parameter_unknown',
    param: name,
  });

/** A parameter is missing without which the list does not answer. */
export const wanted = (name: string) =>
  new StripeError(400, 'invalid_request_error', `Missing required param: ${name}.`, {
    code: 'parameter_missing',
    param: name,
  });
