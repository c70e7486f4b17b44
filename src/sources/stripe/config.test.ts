import { expect, test } from 'vitest';
import { chooseStreams } from './chosen-streams.js';
import { stripeConfigSchema } from './config.js';
import { STREAMS } from './streams.js';

const parse = (more: object) =>
  stripeConfigSchema.safeParse({ connector: 'stripe', api_key: ['sk', 'test', 'x'].join('_'), ...more });
const namesOf = (more: object) => chooseStreams(parse(more).data!).map(({ name }) => name);

test('streams are chosen by group, by name, or all; core and billing where nothing is said', () => {
  const usual = namesOf({});
  expect(usual).toEqual(STREAMS.filter(({ byDefault }) => byDefault).map(({ name }) => name));
  expect(usual).not.toContain('invoice_lines');
  expect(namesOf({ streams: 'all' })).toHaveLength(STREAMS.length);
  expect(namesOf({ streams: ['all'], exclude: ['charges'] })).toHaveLength(STREAMS.length - 1);
  expect(namesOf({ streams: ['invoice_lines'] })).toEqual(['invoice_lines']);
  const treasury = namesOf({ groups: ['treasury'] });
  expect(treasury).toContain('treasury_transactions');
  expect(new Set(treasury.map((name) => name.split('_')[0]))).toEqual(new Set(['treasury']));
  expect(namesOf({ groups: ['climate'], streams: ['charges'] })).toEqual([
    'charges',
    'climate_orders',
    'climate_products',
    'climate_suppliers',
  ]);
});

test('what cannot be meant is refused where it stands', () => {
  const faultOf = (more: object) => parse(more).error?.issues[0]?.path.join('.');
  expect(faultOf({ account: 'acct_1', accounts: 'all' })).toBe('accounts');
  expect(faultOf({ accounts: ['1'] })).toMatch(/^accounts/);
  expect(faultOf({ api_version: 'latest' })).toBe('api_version');
  expect(faultOf({ api_version: '2024-13-40' })).toBe('api_version');
  expect(faultOf({ groups: ['payments'] })).toBe('groups.0');
  expect(faultOf({ streams: 'all', groups: ['core'] })).toBe('groups');
  expect(parse({ api_version: '2031-01-01.tulip', accounts: ['acct_1'] }).success).toBe(true);
});
