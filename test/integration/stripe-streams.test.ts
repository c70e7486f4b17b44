/**
 * Streams of Stripe beyond the first ones: children, lists without dates, the second API, and what tells of changes.
 */
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { PostgresDestination } from '../../src/destinations/postgres/destination.js';
import { openSource } from '../../src/wiring/compose.js';
import { stripeConfigSchema, type StripeConfig } from '../../src/sources/stripe/config.js';
import { STREAMS } from '../../src/sources/stripe/streams.js';
import type { Rows } from '../../src/testbed/stripe/rows.js';
import { startStripeTestbed, TESTBED_LIVE_KEY, type StripeTestbed } from '../../src/testbed/index.js';
import { query, syncStripe, testDatabase, uniqueName, type SyncInput } from '../support.js';

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

async function start(collections: Record<string, { rows: number }>): Promise<void> {
  testbed = await startStripeTestbed({ rows: 0, now: Math.floor(Date.now() / 1000) - 5, collections });
}
const sync = (source: NonNullable<SyncInput['source']>) =>
  syncStripe({ url: testbed.url, destination, connection: name, source });
const nextSecond = () => new Promise((resolve) => setTimeout(resolve, 1100));
const rowsOf = async (table: string, where = 'true') =>
  query(destination, `select * from ${name}.${table} where ${where}`);

test('every stream that there is can be read, whatever it is a list of', async () => {
  const roots = STREAMS.filter(({ shape }) => typeof shape !== 'object');
  await start(Object.fromEntries(roots.map(({ path }) => [path, { rows: 5 }])));
  const summary = await sync({ streams: ['all'] });
  expect(summary.problems).toEqual([]);
  expect(summary.proofs.filter(({ faults, quarantined }) => faults.length + quarantined > 0)).toEqual([]);
  expect(summary.outcome).toBe('complete');
  expect(summary.proofs).toHaveLength(STREAMS.length);
  for (const proof of summary.proofs) expect(proof).toMatchObject({ faults: [], open: 0, quarantined: 0 });
  for (const { name: stream } of roots.filter(({ name: each }) => each !== 'events'))
    expect([stream, (await rowsOf(stream)).length]).toEqual([stream, 5]);
  // Children name the parent that they were listed for.
  const empty = [];
  for (const { name: stream, shape } of STREAMS) {
    if (typeof shape !== 'object') continue;
    const rows = await rowsOf(stream);
    if (rows.length === 0) empty.push(stream);
    for (const row of rows) expect(row[shape.field], stream).toBeTruthy();
  }
  expect(empty.length).toBeLessThan(8);
});

test('lines of an invoice are listed again when it changes, and those of a deleted one are gone', async () => {
  await start({ invoices: { rows: 60 } });
  const source = { streams: ['invoices', 'invoice_lines'] } satisfies SyncInput['source'];
  expect((await sync(source)).outcome).toBe('complete');
  const invoices = testbed.api.rows.get('invoices')!;
  const of = (index: number) =>
    rowsOf('invoice_lines', `invoice = '${invoices.idOf(index)}' and _headrace_deleted_at is null`);
  expect((await of(4)).length).toBeGreaterThan(0);
  const others = (await rowsOf('invoice_lines')).length - (await of(4)).length;
  testbed.api.churn('deleted', 4, 'invoices');
  testbed.api.churn('changed', 5, 'invoices');
  await nextSecond();
  expect((await sync(source)).outcome).toBe('complete');
  expect(await of(4)).toEqual([]);
  expect((await of(5)).length).toBeGreaterThan(0);
  expect((await rowsOf('invoice_lines', '_headrace_deleted_at is null')).length).toBe(others);
});

test('lines of a checkout session are listed again when it changes, and of no other', async () => {
  await start({ 'checkout/sessions': { rows: 40 } });
  const source = { streams: ['checkout_sessions', 'checkout_session_line_items'] } satisfies SyncInput['source'];
  const first = await sync(source);
  expect([first.outcome, first.problems]).toEqual(['complete', []]);
  const sessions = testbed.api.rows.get('checkout/sessions')!;
  const asked = () => testbed.stats().perEndpoint['checkout/sessions/:id/line_items'] ?? 0;
  const stored = async () =>
    (await rowsOf('checkout_session_line_items', '_headrace_deleted_at is null')).map(
      (row) => `${row['checkout_session']} ${row['id']}`,
    );
  /** As the API lists them now. */
  const listed = async () => {
    const lines: string[] = [];
    for (let i = 0; i < sessions.size; i++) {
      const url = `${testbed.url}/v1/checkout/sessions/${sessions.idOf(i)}/line_items?limit=100`;
      const answer = await fetch(url, { headers: { authorization: `Bearer ${TESTBED_LIVE_KEY}` } });
      const { data } = (await answer.json()) as { data: { id: string }[] };
      lines.push(...data.map(({ id }) => `${sessions.idOf(i)} ${id}`));
    }
    return lines.toSorted();
  };
  expect((await stored()).toSorted()).toEqual(await listed());
  testbed.api.record('checkout.session.completed', sessions.render(7));
  sessions.change(7, false);
  for (let i = 0; i < 5; i++) sessions.add(Math.floor(Date.now() / 1000));
  await nextSecond();
  const before = asked();
  const second = await sync(source);
  expect([second.outcome, second.problems]).toEqual(['complete', []]);
  expect(second.proofs.flatMap(({ faults }) => faults)).toEqual([]);
  expect(asked() - before).toBeLessThanOrEqual(7);
  expect((await stored()).toSorted()).toEqual(await listed());
});

test('objects of test clocks, dated months ahead of the server, come and are followed like others', async () => {
  await start({ customers: { rows: 3000 }, invoices: { rows: 120 } });
  const now = Math.floor(Date.now() / 1000);
  const DAY = 86_400;
  const source = { streams: ['customers', 'invoices'] } satisfies SyncInput['source'];
  const [customers, invoices] = ['customers', 'invoices'].map((path) => testbed.api.rows.get(path)!) as [Rows, Rows];
  // More than a page at one moment, and some behind it.
  for (let i = 0; i < 130; i++) invoices.add(now + 60 * DAY);
  for (let i = 0; i < 30; i++) invoices.add(now + 61 * DAY + i);
  for (let i = 0; i < 3; i++) customers.add(now + 60 * DAY + i);
  const first = await sync(source);
  expect([first.outcome, first.problems]).toEqual(['complete', []]);
  expect(first.proofs.flatMap(({ faults }) => faults)).toEqual([]);
  expect([(await rowsOf('customers')).length, (await rowsOf('invoices')).length]).toEqual([3003, 280]);

  // The clock is moved on: an invoice is paid, another deleted, and what is new is dated a month later still.
  testbed.api.churn('changed', 125, 'invoices');
  testbed.api.churn('deleted', 279, 'invoices');
  testbed.api.churn('deleted', 3002, 'customers');
  for (let i = 0; i < 5; i++) invoices.add(now + 91 * DAY + i);
  await nextSecond();
  const second = await sync(source);
  expect([second.outcome, second.problems]).toEqual(['complete', []]);
  const revisions = await rowsOf('invoices', `id = '${invoices.idOf(125)}'`);
  expect(revisions.map((row) => row['metadata']?.['revision'])).toEqual(['1']);
  const gone = async (table: string) =>
    (await rowsOf(table, '_headrace_deleted_at is not null')).map((row) => row['id'] as string);
  expect(await gone('invoices')).toEqual([invoices.idOf(279)]);
  expect(await gone('customers')).toEqual([customers.idOf(3002)]);
  expect((await rowsOf('invoices')).length).toBe(285);

  // The history before the server's clock is not read again for it.
  await nextSecond();
  const before = testbed.stats().requests;
  expect((await sync(source)).outcome).toBe('complete');
  expect(testbed.stats().requests - before).toBeLessThan(25);
});

test.each([
  ['an object whose list keeps no trace', 'coupons', 'coupons'],
  ['an object that says that it is deleted', 'customers', 'customers'],
  ['an object without events, in a list that is read again', 'webhook_endpoints', 'webhook_endpoints'],
  ['an object in a list without dates', 'quotes', 'quotes'],
])('%s is marked when it is gone', async (_, stream, path) => {
  await start({ [path]: { rows: 150 } });
  const source = { streams: [stream] } as SyncInput['source'] & object;
  await sync(source);
  const gone = testbed.api.churn('deleted', 17, path);
  await nextSecond();
  expect((await sync(source)).outcome).toBe('complete');
  const marked = await rowsOf(stream, '_headrace_deleted_at is not null');
  expect(marked.map((row) => row['id'])).toEqual([gone]);
});

test('lists of the second API come page by page, with their times', async () => {
  await start({ 'v2/core/accounts': { rows: 47 }, 'v2/core/events': { rows: 45 } });
  const summary = await sync({ streams: ['v2_core_accounts', 'v2_core_events'] });
  expect(summary.problems).toEqual([]);
  expect((await rowsOf('v2_core_accounts')).length).toBe(47);
  const events = await rowsOf('v2_core_events');
  expect(events.length).toBe(45);
  for (const row of events) expect(Number.isNaN(new Date(row['created']).getTime())).toBe(false);
  // What is new comes by its date; what is there is not read again.
  testbed.api.rows.get('v2/core/events')!.add(Math.floor(Date.now() / 1000));
  await nextSecond();
  const before = testbed.stats().requests;
  await sync({ streams: ['v2_core_events'] });
  expect(testbed.stats().requests - before).toBeLessThan(6);
  expect((await rowsOf('v2_core_events')).length).toBe(46);
});

test('webhooks lead to the same objects, thin events of the second API too', async () => {
  await start({ coupons: { rows: 3 }, invoices: { rows: 3 } });
  const config = stripeConfigSchema.parse({
    connector: 'stripe',
    api_key: TESTBED_LIVE_KEY,
    base_url: testbed.url,
    streams: ['coupons', 'invoices', 'invoice_lines'],
  }) as StripeConfig;
  const { source } = await openSource({
    name,
    source: config,
    destination: { type: 'embedded', mode: 'upsert' },
    dataDir: '',
  });
  const coupon = testbed.api.rows.get('coupons')!.idOf(1);
  const invoice = testbed.api.rows.get('invoices')!.idOf(2);
  const groups = await source.changes!.changed(
    [
      { id: 'evt_1', object: 'event', type: 'coupon.updated', data: { object: { id: coupon, object: 'coupon' } } },
      {
        id: 'evt_2',
        object: 'v2.core.event',
        type: 'v1.invoice.paid',
        related_object: { id: invoice, type: 'invoice' },
      },
      { id: 'evt_3', object: 'event', type: 'coupon.deleted', data: { object: { id: 'nope', object: 'coupon' } } },
      { id: 'evt_4', object: 'event', type: 'something.new', data: { object: { id: 'x', object: 'novelty' } } },
    ],
    new AbortController().signal,
  );
  await source.close();
  const shown = groups.map(({ stream, records, deleted = [], scope }) => [
    stream,
    records.map(({ id }) => id),
    deleted.map(({ id }) => id),
    scope?.value,
  ]);
  expect(shown).toEqual(
    expect.arrayContaining([
      ['coupons', [coupon], ['nope'], undefined],
      ['invoices', [invoice], [], undefined],
    ]),
  );
  expect(shown.find(([stream]) => stream === 'invoice_lines')!.at(3)).toBe(invoice);
  expect(groups).toHaveLength(3);
});

test('a thin event of an object below a parent finds it by its address, and never takes it for deleted', async () => {
  await start({ customers: { rows: 3 } });
  const config = stripeConfigSchema.parse({
    connector: 'stripe',
    api_key: TESTBED_LIVE_KEY,
    base_url: testbed.url,
    streams: ['tax_ids', 'customer_sources', 'customer_cash_balance_transactions', 'account_persons'],
  }) as StripeConfig;
  const destination = { type: 'embedded', mode: 'upsert' } as const;
  const { source } = await openSource({ name, source: config, destination, dataDir: '' });
  const customer = testbed.api.rows.get('customers')!.idOf(1);
  const signal = new AbortController().signal;
  const listed = await source.streams
    .find((stream) => stream.name === 'tax_ids')!
    .page({ gte: null, lt: null, cursor: null, slice: customer, signal, weight: () => 1 });
  const id = String(listed.records[0]!['id']);
  const event = (type: string, url?: string, named = id) => ({
    id: `evt_${type}`,
    object: 'v2.core.event',
    type: `v1.${type}.updated`,
    related_object: { id: named, type, ...(url === undefined ? {} : { url }) },
  });
  const told = (...events: ReturnType<typeof event>[]) => source.changes!.changed(events, signal);
  const [found] = await told(event('tax_id', `/v1/customers/${customer}/tax_ids/${id}`));
  expect(found).toMatchObject({ stream: 'tax_ids', records: [{ id, customer }], deleted: [] });
  // Without an address nobody knows where it is: it is not deleted by that.
  for (const type of ['tax_id', 'card', 'customer_cash_balance_transaction', 'person'])
    expect(await told(event(type))).toEqual([]);
  const [gone] = await told(event('tax_id', `/v1/customers/${customer}/tax_ids/txi_gone`, 'txi_gone'));
  expect(gone).toMatchObject({ stream: 'tax_ids', records: [], deleted: [{ id: 'txi_gone' }] });
  await source.close();
});

test('discover tells groups, and with --rows how many rows there are', async () => {
  await start({ customers: { rows: 40 }, invoices: { rows: 12 } });
  const { headrace } = await import('../support.js');
  const ran = await headrace(
    ['discover', 'stripe', '--base-url', testbed.url, '--streams', 'customers,invoices', '--rows'],
    { env: { STRIPE_API_KEY: TESTBED_LIVE_KEY } },
  );
  expect(ran.stdout).toMatch(/stream\s+group\s+rows/);
  expect(ran.stdout).toMatch(/customers\s+core\s+40\s/);
  expect(ran.stdout).toMatch(/invoices\s+billing\s+12\s/);
});
