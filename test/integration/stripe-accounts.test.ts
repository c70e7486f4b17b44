/** Connected accounts of a platform: each a ledger of its own, all rows in the same tables. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { LIMITS } from '../../src/base/bounds.js';
import type { PostgresDestination } from '../../src/destinations/postgres/destination.js';
import { startStripeTestbed, type StripeTestbed } from '../../src/testbed/index.js';
import { ndjsonDestination } from '../../src/destinations/ndjson/destination.js';
import { query, scratch, syncStripe, testDatabase, uniqueName, type SyncInput } from '../support.js';

let testbed: StripeTestbed;
let destination: PostgresDestination;
let name: string;
const ACCOUNTS = { acct_big: 2300, acct_mid: 250, acct_none: 0 };

beforeEach(async () => {
  name = uniqueName();
  destination = await testDatabase(name);
  testbed = await startStripeTestbed({
    rows: 0,
    now: Math.floor(Date.now() / 1000) - 5,
    collections: { customers: { rows: 77 } },
    accounts: Object.fromEntries(
      Object.entries(ACCOUNTS).map(([id, rows]) => [
        id,
        { collections: { customers: { rows }, coupons: { rows: Math.min(rows, 10) } } },
      ]),
    ),
  });
});
afterEach(async () => {
  await testbed.close();
  await destination.close();
});

const SOURCE = { streams: ['customers', 'coupons'], accounts: 'all' } satisfies SyncInput['source'];
const sync = (source: NonNullable<SyncInput['source']> = SOURCE) =>
  syncStripe({ url: testbed.url, destination, connection: name, source });
const nextSecond = () => new Promise((resolve) => setTimeout(resolve, 1100));

async function counts(table: string): Promise<Record<string, number>> {
  const rows = await query(
    destination,
    `select _headrace_account as account, count(*)::int as rows from ${name}.${table}
     where _headrace_deleted_at is null group by 1`,
  );
  return Object.fromEntries(rows.map((row) => [row['account'], row['rows']]));
}

test('rows of all accounts are in one table, marked, and each account has a proof of its own', async () => {
  const summary = await sync();
  expect(summary.problems).toEqual([]);
  expect(summary.outcome).toBe('complete');
  expect(await counts('customers')).toEqual({ acct_big: 2300, acct_mid: 250 });
  expect(await counts('coupons')).toEqual({ acct_big: 10, acct_mid: 10 });
  expect(summary.proofs.map(({ stream, stored, faults }) => [stream, stored, faults])).toEqual(
    expect.arrayContaining([
      ['customers@acct_big', 2300, []],
      ['customers@acct_mid', 250, []],
      ['customers@acct_none', 0, []],
    ]),
  );
  const again = await sync();
  expect(again.outcome).toBe('complete');
  expect(again.notes).toEqual([]);
});

test('the same id in two accounts is two rows', async () => {
  const twin = testbed.api.connected.get('acct_mid')!;
  testbed.api.connect('acct_twin', { seed: twin.seed, collections: { coupons: { rows: 10 } }, rows: 0 });
  expect((await sync()).outcome).toBe('complete');
  expect(await counts('coupons')).toEqual({ acct_big: 10, acct_mid: 10, acct_twin: 10 });
  const [ids] = await query(destination, `select count(distinct id)::int as ids from ${name}.coupons`);
  expect(ids!['ids']).toBe(20);
});

test('changes and deletions of one account are followed, and touch no other', async () => {
  await sync();
  const big = testbed.api.connected.get('acct_big')!;
  big.churn('changed', 7);
  const gone = big.churn('deleted', 8);
  testbed.api.connected.get('acct_none')!.churn('added');
  await nextSecond();
  const before = testbed.stats().requests;
  expect((await sync()).outcome).toBe('complete');
  expect(testbed.stats().requests - before).toBeLessThan(25);
  expect(await counts('customers')).toEqual({ acct_big: 2299, acct_mid: 250, acct_none: 1 });
  const marked = await query(
    destination,
    `select id, _headrace_account as account from ${name}.customers where _headrace_deleted_at is not null`,
  );
  expect(marked).toEqual([{ id: gone, account: 'acct_big' }]);
});

test('a new account is found by itself; one that was disconnected is said, and keeps its rows', async () => {
  await sync();
  testbed.api.connect('acct_new', { collections: { customers: { rows: 40 } }, rows: 0 });
  const found = await sync();
  expect(found.notes.join('\n')).toContain('connected since the last run: acct_new');
  expect(await counts('customers')).toEqual({ acct_big: 2300, acct_mid: 250, acct_new: 40 });

  testbed.api.connected.delete('acct_mid');
  const left = await sync();
  expect(left.outcome).toBe('complete');
  expect(left.notes.join('\n')).toContain('no longer connected, their rows are kept: acct_mid');
  expect(await counts('customers')).toEqual({ acct_big: 2300, acct_mid: 250, acct_new: 40 });
  // It is said once.
  expect((await sync()).notes).toEqual([]);
});

test('an account that is disconnected while it is read keeps its rows', async () => {
  await sync();
  const account = testbed.api.connected.get('acct_mid')!;
  account.churn('changed', 3);
  await nextSecond();
  // It is gone between its events and the objects that they name.
  const answer = testbed.api.answer.bind(testbed.api);
  testbed.api.answer = (request, dice) => {
    const isRetrieved = /^\/v1\/customers\/./.test(request.url.pathname);
    if (isRetrieved && request.headers['stripe-account'] === 'acct_mid') testbed.api.connected.delete('acct_mid');
    return answer(request, dice);
  };
  await sync();
  expect(await counts('customers')).toEqual({ acct_big: 2300, acct_mid: 250 });
  expect((await sync()).notes.join()).toContain('no longer connected, their rows are kept: acct_mid');
  expect(await counts('customers')).toEqual({ acct_big: 2300, acct_mid: 250 });
});

test('of a list, the accounts that are named are read', async () => {
  await sync({ ...SOURCE, accounts: ['acct_mid'] });
  expect(await counts('customers')).toEqual({ acct_mid: 250 });
  await expect(sync({ ...SOURCE, accounts: ['acct_other'] })).rejects.toMatchObject({ code: 'no_accounts' });
});

test('of a list, an account that is not connected is said, and one that is dropped is not called disconnected', async () => {
  const listed = async (...accounts: string[]) => (await sync({ ...SOURCE, accounts })).notes;
  // A misspelt account must not look as if it had been read.
  expect(await listed('acct_big', 'acct_mdi')).toEqual(['named under accounts, but not connected: acct_mdi']);
  expect(await listed('acct_big', 'acct_mid')).toEqual(['read from this run on: acct_mid']);
  expect(await listed('acct_big')).toEqual(['no longer named under accounts, their rows are kept: acct_mid']);
  expect(await listed('acct_big')).toEqual([]);
  await listed('acct_big', 'acct_mid');
  testbed.api.connected.delete('acct_mid');
  expect(await listed('acct_big', 'acct_mid')).toEqual(['no longer connected, their rows are kept: acct_mid']);
  expect(await listed('acct_big', 'acct_mid')).toEqual(['named under accounts, but not connected: acct_mid']);
  expect(await counts('customers')).toEqual({ acct_big: 2300, acct_mid: 250 });
});

test('more accounts than one connection reads are refused, and of a list those beyond are found', async () => {
  for (let i = 0; i < LIMITS.connectedAccounts; i++) testbed.api.connected.set(`acct_z${i}`, testbed.api);
  await expect(sync()).rejects.toMatchObject({ code: 'too_many_accounts' });
  // The newest are listed first, so that these are on the last page.
  expect((await sync({ ...SOURCE, accounts: ['acct_mid'] })).notes).toEqual([]);
  expect(await counts('customers')).toEqual({ acct_mid: 250 });
});

test('a table of one account is not mixed with rows of several', async () => {
  await sync({ streams: ['customers'] });
  await expect(sync()).rejects.toMatchObject({ code: 'other_key' });
});

test('a read again of one account marks what is gone in it, and touches no other', async () => {
  await sync();
  for (const id of ['acct_mid', 'acct_big']) testbed.api.connected.get(id)!.rows.get('customers')!.change(3, true);
  // As if a run had followed other streams of this account alone: what it missed is read again.
  await query(
    destination,
    `update _headrace.state set value = value || '{"follows": []}'
     where connection = '${name}' and key = 'stream' and stream = '_changes@acct_mid'`,
  );
  const summary = await sync();
  expect(summary.problems).toEqual([]);
  expect(summary.notes.join('\n')).toMatch(/changes of coupons@acct_mid, customers@acct_mid were not followed/);
  expect(await counts('customers')).toEqual({ acct_big: 2300, acct_mid: 249 });
});

test('a destination without shared tables keeps each account in a place of its own', async () => {
  const { folder, drop } = scratch();
  try {
    const to = ndjsonDestination(folder);
    const summary = await syncStripe({ url: testbed.url, destination: to, connection: name, source: SOURCE });
    expect(summary.problems).toEqual([]);
    const lines = readFileSync(path.join(folder, 'customers_acct_mid.ndjson'), 'utf8').trim().split('\n');
    expect(lines).toHaveLength(250);
    expect(JSON.parse(lines[0]!)).toMatchObject({ _headrace_account: 'acct_mid' });
  } finally {
    drop();
  }
});
