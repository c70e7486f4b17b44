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
