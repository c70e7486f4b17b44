import { expect, test } from 'vitest';
import { judge } from './answers.js';

const answered = (status: number, error: unknown) => {
  const response = { status, body: error === undefined ? {} : { error }, headers: {} };
  return judge(response as never, { endpoint: 'customers' } as never);
};

test.each([
  [404, { type: 'invalid_request_error', code: 'resource_missing', param: 'id' }],
  [400, { type: 'invalid_request_error', code: 'resource_missing', param: 'customer' }],
  [404, { code: 'not_found' }],
])('%i %j: the object is gone', (status, error) => {
  expect(answered(status, error)).toMatchObject({ kind: 'error', error: { code: 'stripe_missing' } });
});

test.each([
  ['an address that Stripe does not know', 404, { type: 'invalid_request_error', message: 'Unrecognized request URL' }],
  ["a proxy's own answer", 404, undefined],
  ["a proxy's own answer in words", 404, 'not found'],
  ['an account that was disconnected', 403, { code: 'account_invalid' }],
  ['what the key may not read', 403, { type: 'invalid_request_error' }],
  ['a key that was rolled', 401, { type: 'invalid_request_error' }],
  ['a product that is not there', 400, { message: 'Your account is not set up to use Issuing.' }],
  ['any other refusal', 400, { type: 'invalid_request_error', code: 'parameter_unknown' }],
])('%s tells nothing of the object', (_, status, error) => {
  const verdict = answered(status, error);
  expect(verdict.kind).toBe('error');
  expect(verdict).not.toMatchObject({ error: { code: 'stripe_missing' } });
});
