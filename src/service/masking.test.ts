/** Which fields are masked until somebody asks for them. */
import { expect, test } from 'vitest';
import { looksPersonal, shownValue } from './masking.js';

test.each([
  'email',
  'customer_email',
  'name',
  'first_name',
  'lastName',
  'phone',
  'billing_details',
  'shipping_address',
  'ip',
  'client_secret',
  'apiKey',
  'tax_ids',
  'birth_date',
])('%s is masked', (field) => {
  expect(looksPersonal(field)).toBe(true);
});

test.each(['id', 'created', 'amount', 'currency', 'status', 'zipped', 'shipped', 'keyboard', 'metadata'])(
  '%s is shown',
  (field) => {
    expect(looksPersonal(field)).toBe(false);
  },
);

test('values are texts, cut where they are long; nothing is null', () => {
  expect([shownValue(null), shownValue(undefined)]).toEqual([null, null]);
  expect([shownValue(0), shownValue(false), shownValue({ a: [1] })]).toEqual(['0', 'false', '{"a":[1]}']);
  expect([shownValue(2n ** 60n), shownValue({ a: [2n ** 60n + 1n] })]).toEqual([
    '1152921504606846976',
    '{"a":[1152921504606846977]}',
  ]);
  expect(shownValue('x'.repeat(1000))).toHaveLength(201);
});
