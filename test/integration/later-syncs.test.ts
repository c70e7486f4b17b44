/** Syncs of a connection that was read before: what changed, what is new, what is gone. */
import { describe, expect, test } from 'vitest';
import { query, syncStripe } from '../support.js';
import { testbed, destination, name, start, expectSame, inDestination } from '../sync-support.js';

inDestination();

const nextSecond = () => new Promise((resolve) => setTimeout(resolve, 1100));

describe('later syncs', () => {
  const only = { streams: ['customers', 'subscriptions', 'subscription_items', 'balance_transactions'] };

  test('events tell what changed; objects are retrieved, deletions become tombstones, nothing else is read again', async () => {
    await start({
      collections: { customers: { rows: 800 }, subscriptions: { rows: 120 }, balance_transactions: { rows: 50 } },
      now: Math.floor(Date.now() / 1000) - 5,
    });
    await syncStripe({ url: testbed.url, destination, connection: name, source: only });
    const customers = testbed.api.rows.get('customers')!;
    testbed.api.churn('changed', 10);
    testbed.api.churn('changed', 10);
    testbed.api.churn('deleted', 20);
    const fresh = testbed.api.churn('added');
    await nextSecond();
    const before = testbed.stats().requests;
    const summary = await syncStripe({ url: testbed.url, destination, connection: name, source: only });
    expect(summary.outcome).toBe('complete');
    expect(testbed.stats().requests - before).toBeLessThan(12);
    const [changed] = await query(
      destination,
      `select metadata->>'revision' as revision from ${name}.customers where id = '${customers.idOf(10)}'`,
    );
    expect(changed!['revision']).toBe('2');
    const [deleted] = await query(
      destination,
      `select _headrace_deleted_at is not null as gone from ${name}.customers where id = '${customers.idOf(20)}'`,
    );
    expect(deleted!['gone']).toBe(true);
    expect(await query(destination, `select id from ${name}.customers where id = '${fresh}'`)).toHaveLength(1);
    await expectSame('customers');
  });

  test('the list of events may be a stream beside those that it tells of', async () => {
    await start({ collections: { customers: { rows: 150 } }, now: Math.floor(Date.now() / 1000) - 5 });
    const both = { streams: ['customers', 'events'] };
    await syncStripe({ url: testbed.url, destination, connection: name, source: both });
    testbed.api.churn('changed', 7);
    await nextSecond();
    for (let run = 0; run < 2; run++) {
      const summary = await syncStripe({ url: testbed.url, destination, connection: name, source: both });
      expect(summary).toMatchObject({ outcome: 'complete', problems: [] });
      expect(summary.proofs.map(({ stream }) => stream).toSorted()).toEqual(['customers', 'events']);
    }
    await expectSame('customers');
  });

  test('what is new is listed too, also where no event tells of it', async () => {
    await start({ collections: { refunds: { rows: 250 } }, now: Math.floor(Date.now() / 1000) - 5 });
    const refunds = { streams: ['refunds'] };
    await syncStripe({ url: testbed.url, destination, connection: name, source: refunds });
    testbed.api.rows.get('refunds')!.add(Math.floor(Date.now() / 1000));
    await nextSecond();
    const summary = await syncStripe({ url: testbed.url, destination, connection: name, source: refunds });
    expect(summary.outcome).toBe('complete');
    expect(summary.pages).toBeLessThanOrEqual(2);
    await expectSame('refunds');
  });

  test('items of a changed subscription are listed again, and the missing ones are gone', async () => {
    await start({
      collections: { customers: { rows: 10 }, subscriptions: { rows: 30 } },
      now: Math.floor(Date.now() / 1000) - 5,
    });
    await syncStripe({ url: testbed.url, destination, connection: name, source: only });
    const subscriptions = testbed.api.rows.get('subscriptions')!;
    const id = subscriptions.idOf(3);
    const [before] = await query(
      destination,
      `select count(*) from ${name}.subscription_items where subscription = '${id}'`,
    );
    expect(before!['count']).toBeGreaterThan(0);
    subscriptions.change(3, true);
    testbed.api.record('customer.subscription.deleted', subscriptions.render(3));
    await nextSecond();
    const summary = await syncStripe({ url: testbed.url, destination, connection: name, source: only });
    expect(summary.outcome).toBe('complete');
    const [after] = await query(
      destination,
      `select count(*) from ${name}.subscription_items where subscription = '${id}' and _headrace_deleted_at is null`,
    );
    expect(after!['count']).toBe(0);
  });

  test('when events no longer reach back, everything is read again and missing keys become tombstones', async () => {
    await start({ collections: { customers: { rows: 600 } }, now: Math.floor(Date.now() / 1000) - 5 });
    await syncStripe({ url: testbed.url, destination, connection: name, source: { streams: ['customers'] } });
    await query(
      destination,
      `update _headrace.state
        set value = jsonb_set(value, '{span,lt}', to_jsonb((value->'span'->>'lt')::bigint - 40 * 86400))
        where connection = '${name}' and stream = '_changes' and key = 'stream'`,
    );
    testbed.api.rows.get('customers')!.change(5, true);
    testbed.api.rows.get('customers')!.change(6, false);
    const summary = await syncStripe({
      url: testbed.url,
      destination,
      connection: name,
      source: { streams: ['customers'] },
    });
    expect(summary.outcome).toBe('complete');
    expect(summary.notes.join()).toMatch(/40 days ago/);
    expect(summary.notes.join()).toMatch(/1 row is gone/);
    await expectSame('customers');
  });

  test('a stream that is added later is read whole, children too', async () => {
    await start({ collections: { customers: { rows: 300 } } });
    await syncStripe({ url: testbed.url, destination, connection: name, source: { streams: ['customers'] } });
    const summary = await syncStripe({
      url: testbed.url,
      destination,
      connection: name,
      source: { streams: ['customers', 'tax_ids', 'payment_methods'] },
    });
    expect(summary.outcome).toBe('complete');
    expect(testbed.stats().perEndpoint['customers/:id/payment_methods']).toBe(300);
    const [count] = await query(destination, `select count(*) from ${name}.payment_methods`);
    expect(count!['count']).toBeGreaterThan(100);
  });

  test('a rotated key keeps its state', async () => {
    const [first, second] = [['sk', 'live', 'first00001'].join('_'), ['sk', 'live', 'second0002'].join('_')];
    await start({ collections: { customers: { rows: 300 } }, keys: { [first]: [], [second]: [] } });
    await syncStripe({
      url: testbed.url,
      destination,
      connection: name,
      key: first,
      source: { streams: ['customers'] },
    });
    const before = testbed.stats().perEndpoint['customers'];
    expect(
      (
        await syncStripe({
          url: testbed.url,
          destination,
          connection: name,
          key: second,
          source: { streams: ['customers'] },
        })
      ).outcome,
    ).toBe('complete');
    expect(testbed.stats().perEndpoint['customers']).toBe(before! + 1);
  });

  test('mode replace swaps a fresh table in', async () => {
    await start({ collections: { customers: { rows: 250 } } });
    await syncStripe({
      url: testbed.url,
      destination,
      connection: name,
      mode: 'replace',
      source: { streams: ['customers'] },
    });
    await expectSame('customers');
    testbed.api.rows.get('customers')!.change(7, true);
    const summary = await syncStripe({
      url: testbed.url,
      destination,
      connection: name,
      mode: 'replace',
      source: { streams: ['customers'] },
    });
    expect(summary.outcome).toBe('complete');
    await expectSame('customers');
  });

  test('chosen fields and a start date bound what is stored', async () => {
    await start({ collections: { customers: { rows: 4000, shape: 'uniform' } } });
    const summary = await syncStripe({
      url: testbed.url,
      destination,
      connection: name,
      source: { streams: ['customers'], fields: { customers: ['email'] }, start_date: '2024-01-01' },
    });
    expect(summary.outcome).toBe('complete');
    const columns = (
      await query(
        destination,
        `select column_name as c from information_schema.columns where table_schema = '${name}'
          and table_name = 'customers' order by 1`,
      )
    ).map((row) => row['c']);
    expect(columns.filter((column) => !column.startsWith('_'))).toEqual(['created', 'email', 'id']);
    const [oldest] = await query(destination, `select min(created) as oldest, count(*) from ${name}.customers`);
    expect(oldest!['oldest']).toBeGreaterThanOrEqual(Date.parse('2024-01-01') / 1000);
    expect(oldest!['count']).toBeGreaterThan(500);
    // What lies before is not asked for.
    expect(summary.requests).toBeLessThan(Number(oldest!['count']) / 100 + 20);
  });
});
