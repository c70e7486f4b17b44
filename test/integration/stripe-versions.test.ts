/** Stripe at two versions whose shapes differ, and what an account does not have. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { PostgresDestination } from '../../src/destinations/postgres/destination.js';
import { startStripeTestbed, type StripeTestbed } from '../../src/testbed/index.js';
import { summaryText } from '../../src/cli/terminal/summary.js';
import { query, syncStripe, testDatabase, uniqueName, type SyncInput } from '../support.js';

const OLD = '2024-06-20';
const NEW = '2026-10-28.endive';
const NOW = () => Math.floor(Date.now() / 1000) - 5;
let testbed: StripeTestbed;
let destination: PostgresDestination;
let name: string;

beforeEach(async () => {
  name = uniqueName();
  destination = await testDatabase(name);
});
afterEach(async () => {
  await testbed?.close();
  await destination.close();
});

const sync = (source: NonNullable<SyncInput['source']>) =>
  syncStripe({ url: testbed.url, destination, connection: name, source });
const nextSecond = () => new Promise((resolve) => setTimeout(resolve, 1100));

async function columnsOf(table: string): Promise<string[]> {
  const rows = await query(
    destination,
    `select column_name as name from information_schema.columns where table_schema = '${name}'
      and table_name = '${table}'`,
  );
  return rows.map((row) => row['name'] as string);
}

/** As a release left it that knew no versions. */
const forgetVersion = () =>
  query(destination, `delete from _headrace.state where connection = '${name}' and stream = '_source'`);

test('a state of before goes on at its version without a full read, and is told how to move on', async () => {
  testbed = await startStripeTestbed({
    rows: 0,
    now: NOW(),
    collections: { promotion_codes: { rows: 600 }, customers: { rows: 900 } },
  });
  const streams = ['promotion_codes', 'customers'];
  await sync({ streams, api_version: OLD });
  await forgetVersion();
  expect(await columnsOf('promotion_codes')).toContain('coupon');

  testbed.api.churn('changed', 3, 'promotion_codes');
  await nextSecond();
  const before = testbed.stats().requests;
  const second = await sync({ streams });
  expect(second.outcome).toBe('complete');
  expect(testbed.stats().requests - before).toBeLessThan(10);
  expect(second.notes.join('\n')).toMatch(
    new RegExp(`rows are read at version ${OLD}, as they were begun; to read at ${NEW}, set api_version: ${NEW}`),
  );
  expect(await columnsOf('promotion_codes')).not.toContain('promotion');
  // It is remembered from now on, and said as long as a newer one is known.
  expect((await sync({ streams })).notes.join('\n')).toContain(`at version ${OLD}`);
});

test('a state moves to another version when it is told to: columns are added, and nothing is read twice', async () => {
  testbed = await startStripeTestbed({
    rows: 0,
    now: NOW(),
    collections: { promotion_codes: { rows: 600 }, coupons: { rows: 5 } },
  });
  const streams = ['promotion_codes'];
  await sync({ streams, api_version: OLD });
  await forgetVersion();
  testbed.api.churn('changed', 3, 'promotion_codes');
  await nextSecond();
  const before = testbed.stats().requests;
  const moved = await sync({ streams, api_version: NEW });
  expect(moved.outcome).toBe('complete');
  expect(testbed.stats().requests - before).toBeLessThan(10);
  expect(moved.notes.join('\n')).toContain(`at version ${NEW} from now on, ${OLD} before`);
  const columns = await columnsOf('promotion_codes');
  expect(columns).toEqual(expect.arrayContaining(['coupon', 'promotion']));
  const id = testbed.api.rows.get('promotion_codes')!.idOf(3);
  const [row] = await query(destination, `select promotion, coupon from ${name}.promotion_codes where id = '${id}'`);
  expect(row!['promotion']).toMatchObject({ type: 'coupon' });
  // What did not change is as it was read, but for the newest, which each run reads again.
  const [kept] = await query(
    destination,
    `select count(*) filter (where promotion is null and coupon is not null)::int as old, count(*)::int as all
     from ${name}.promotion_codes`,
  );
  expect(kept!['all']).toBe(600);
  expect(kept!['old']).toBeGreaterThan(590);
  expect(kept!['old']).toBeLessThan(600);
  // From now on it is remembered: the setting may go.
  const after = await sync({ streams });
  expect(after.notes).toEqual([]);
});

test('without a state the newest version is read, whose removed fields have no column', async () => {
  testbed = await startStripeTestbed({ rows: 0, now: NOW(), collections: { promotion_codes: { rows: 20 } } });
  const summary = await sync({ streams: ['promotion_codes'] });
  expect(summary.notes).toEqual([]);
  const columns = await columnsOf('promotion_codes');
  expect(columns).toContain('promotion');
  expect(columns).not.toContain('coupon');
});

test('a version that the schemas do not know is read, and widens columns instead of refusing rows', async () => {
  testbed = await startStripeTestbed({ rows: 0, now: NOW(), collections: { promotion_codes: { rows: 20 } } });
  const version = '2031-01-01.tulip';
  const rows = testbed.api.rows.get('promotion_codes')!;
  // A field that is a boolean everywhere else.
  (rows.collection.newest as Record<string, unknown>)['active'] = true;
  const summary = await sync({ streams: ['promotion_codes'], api_version: version });
  expect(summary.outcome).toBe('complete');
  expect(summary.proofs[0]).toMatchObject({ stored: 20, quarantined: 0 });
});

test('a product that the account lacks is asked for once, and said', async () => {
  testbed = await startStripeTestbed({
    rows: 0,
    now: NOW(),
    collections: { 'issuing/cards': { rows: 30 }, 'climate/orders': { rows: 30 } },
    lacks: ['issuing'],
  });
  const source = { groups: ['issuing', 'climate'] } satisfies SyncInput['source'];
  const first = await sync(source);
  expect(first.outcome).toBe('partial');
  expect(first.problems.length).toBeGreaterThan(5);
  for (const problem of first.problems) {
    expect(problem).toMatchObject({ code: 'stripe_product', status: 'skipped' });
    // The reason is Stripe's own, also in what the terminal shows.
    expect(problem.found).toContain('Your account is not set up to use issuing');
    expect(summaryText(first, '')).toContain(`  found: ${problem.found}`);
  }
  expect(first.proofs.find(({ stream }) => stream === 'climate_orders')).toMatchObject({ stored: 30, faults: [] });

  const asked = issuingRequests();
  const second = await sync(source);
  expect(second.outcome).toBe('complete');
  expect(issuingRequests()).toBe(asked);
  const [note] = second.notes.filter((each) => each.startsWith('left out as before'));
  expect(note).toMatch(/issuing_cards\b[^:]*: the account does not have this product/);
  // Each reason once, whole, with all its streams.
  expect(note!.match(/the account does not have this product/g)).toHaveLength(1);
  expect(note).not.toContain('req_');
  // Who names a stream wants to know.
  const named = await sync({ streams: ['issuing_cards'] });
  expect(named.problems).toMatchObject([{ stream: 'issuing_cards', code: 'stripe_product' }]);
});

test('what a key may not read is asked for once; another key is asked again', async () => {
  const [poor, rich] = ['rk_test_poor', 'rk_test_rich'];
  testbed = await startStripeTestbed({
    rows: 0,
    now: NOW(),
    collections: { 'climate/orders': { rows: 30 }, 'climate/products': { rows: 3 } },
    keys: { [poor]: ['climate/orders'], [rich]: [] },
  });
  const source = { groups: ['climate'] } satisfies SyncInput['source'];
  const with_ = (key: string) => syncStripe({ url: testbed.url, destination, connection: name, source, key });
  expect((await with_(poor)).problems).toMatchObject([{ stream: 'climate_orders', code: 'stripe_permission' }]);
  expect((await with_(poor)).outcome).toBe('complete');
  const other = await with_(rich);
  expect(other.outcome).toBe('complete');
  expect(other.proofs.find(({ stream }) => stream === 'climate_orders')).toMatchObject({ stored: 30 });
});

const issuingRequests = () =>
  Object.entries(testbed.stats().perEndpoint)
    .filter(([endpoint]) => endpoint.startsWith('issuing'))
    .reduce((sum, [, requests]) => sum + requests, 0);
