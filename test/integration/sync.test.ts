/** The first sync of a connection, what goes wrong in it, and its pauses. */
import { readFileSync, symlinkSync, unlinkSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { SentClock, stampRequests } from '../../bench/lib/sent-times.js';
import { ndjsonDestination } from '../../src/destinations/ndjson/destination.js';
import { postgresDestination } from '../../src/destinations/postgres/destination.js';
import type { RunEvent } from '../../src/engine/report/events.js';
import { startStripeTestbed, SHAPES } from '../../src/testbed/index.js';
import { HoldingClock } from '../holding-clock.js';
import { until } from '../patience.js';
import { query, scratch, syncStripe } from '../support.js';
import { testbed, destination, name, start, expectSame, inDestination } from '../sync-support.js';
import { STREAMS } from '../../src/sources/stripe/streams.js';

const DEFAULT_STREAMS = STREAMS.filter(({ byDefault }) => byDefault).length;

inDestination();

describe('a first sync', () => {
  test('every stream arrives whole, with a proof', async () => {
    await start({ rows: 130 });
    const summary = await syncStripe({ url: testbed.url, destination, connection: name });
    expect(summary.problems).toEqual([]);
    expect(summary.outcome).toBe('complete');
    expect(summary.proofs).toHaveLength(DEFAULT_STREAMS);
    for (const proof of summary.proofs) expect(proof).toMatchObject({ gaps: 0, overlaps: 0, open: 0, faults: [] });
    for (const [stream, path] of [
      ['customers'],
      ['charges'],
      ['checkout_sessions', 'checkout/sessions'],
      ['invoice_items', 'invoiceitems'],
      ['quotes'],
      ['subscriptions'],
    ])
      await expectSame(stream!, path);
    const [orphans] = await query(
      destination,
      `select count(*) from ${name}.payment_methods p left join ${name}.customers c on c.id = p.customer::text
        or to_jsonb(c.id) = p.customer where c.id is null`,
    );
    expect(orphans!['count']).toBe(0);
    const [lines] = await query(
      destination,
      `select count(*) filter (where jsonb_array_length(lines->'data') = 25) as long,
        count(*) filter (where (lines->>'has_more')::boolean) as cut from ${name}.invoices`,
    );
    expect(lines!['long']).toBeGreaterThan(0);
    expect(lines!['cut']).toBe(0);
  });

  test.each(SHAPES.map((shape) => [shape]))('shape %s, with every harmless fault, arrives whole', async (shape) => {
    await start({
      collections: { customers: { rows: 3000, shape } },
      seed: 7,
      faults: {
        '429': 0.01,
        '500': 0.02,
        '503': 0.01,
        reset: 0.02,
        cut: 0.02,
        json: 0.02,
        type: 0.01,
        cursor: 0.04,
        empty: 0.04,
      },
    });
    const summary = await syncStripe({
      url: testbed.url,
      destination,
      connection: name,
      source: { streams: ['customers'] },
    });
    expect(summary.problems).toEqual([]);
    expect(summary.outcome).toBe('complete');
    await expectSame('customers');
  });

  test('an account with no data is complete after one request a stream', async () => {
    await start({});
    const summary = await syncStripe({ url: testbed.url, destination, connection: name });
    expect(summary.outcome).toBe('complete');
    expect(summary.rows).toBe(0);
    expect(summary.requests).toBeLessThanOrEqual(DEFAULT_STREAMS + 2);
  });

  test('forty rows take one request', async () => {
    await start({ collections: { customers: { rows: 40, shape: 'tiny' } } });
    await syncStripe({ url: testbed.url, destination, connection: name, source: { streams: ['customers'] } });
    expect(testbed.stats().perEndpoint['customers']).toBe(1);
  });

  test('the uniform planner reads the same rows', async () => {
    await start({ collections: { customers: { rows: 2000, shape: 'doubling' } } });
    const summary = await syncStripe({
      url: testbed.url,
      destination,
      connection: name,
      planner: 'uniform',
      source: { streams: ['customers'] },
    });
    expect(summary.outcome).toBe('complete');
    await expectSame('customers');
  });

  test('the stated limit is never exceeded, and never rejected (invariant 4)', async () => {
    const sent = new SentClock();
    const noMore = stampRequests();
    await start(
      { collections: { customers: { rows: 4000 }, charges: { rows: 4000 } }, limit: '60/s,endpoint=40/s' },
      sent,
    );
    const summary = await syncStripe({
      url: testbed.url,
      destination,
      connection: name,
      source: { streams: ['customers', 'charges'], max_rate: 60, max_endpoint_rate: 40 },
    });
    noMore();
    sent.close();
    expect(summary.outcome).toBe('complete');
    expect(testbed.stats().rejections).toBe(0);
    expect(sent.requests).toBeGreaterThanOrEqual(80);
    expect(sent.mostIn(1000)).toBeLessThanOrEqual(60);
    for (const path of ['/v1/customers', '/v1/charges']) expect(sent.mostIn(1000, { path })).toBeLessThanOrEqual(40);
  });
});

describe('what goes wrong', () => {
  test('a malformed row goes to quarantine, the page goes on, and the run is partial', async () => {
    await start({ collections: { customers: { rows: 500 } }, faults: { malformed: 1 } });
    const summary = await syncStripe({
      url: testbed.url,
      destination,
      connection: name,
      source: { streams: ['customers'] },
    });
    expect(summary.outcome).toBe('partial');
    expect(summary.proofs[0]!.counts).toMatchObject({ read: 500, inserted: 499, quarantined: 1 });
    const [row] = await query(destination, `select * from ${name}._headrace_quarantine`);
    expect(row).toMatchObject({
      stream: 'customers',
      reason: expect.stringContaining('created'),
      raw: expect.stringContaining('yesterday'),
    });
  });

  test('a stream that the key may not read is said and skipped; the others are whole', async () => {
    const restricted = ['rk', 'live', 'nodisputes1'].join('_');
    await start({ rows: 150, keys: { [restricted]: ['disputes', 'customers'] } });
    const summary = await syncStripe({
      url: testbed.url,
      destination,
      connection: name,
      key: restricted,
      source: { streams: ['disputes', 'charges', 'payment_methods'] },
    });
    expect(summary.outcome).toBe('partial');
    expect(summary.problems.map((problem) => [problem.stream, problem.status, problem.code])).toEqual(
      expect.arrayContaining([
        ['disputes', 'skipped', 'stripe_permission'],
        ['payment_methods', 'skipped', 'parent_incomplete'],
      ]),
    );
    await expectSame('charges');
    const excluded = await syncStripe({
      url: testbed.url,
      destination,
      connection: `${name}b`,
      key: restricted,
      source: { streams: ['charges'] },
    });
    expect(excluded.outcome).toBe('complete');
  });

  test('children that may not be read do not hold up their parents', async () => {
    const restricted = ['rk', 'live', 'nochildren1'].join('_');
    await start({
      rows: 0,
      collections: { subscriptions: { rows: 2500, shape: 'uniform' } },
      keys: { [restricted]: ['subscription_items'] },
    });
    const summary = await syncStripe({
      url: testbed.url,
      destination,
      connection: name,
      key: restricted,
      source: { streams: ['subscriptions', 'subscription_items'] },
    });
    expect(summary.outcome).toBe('partial');
    expect(summary.problems).toMatchObject([
      { stream: 'subscription_items', status: 'skipped', code: 'stripe_permission' },
    ]);
    await expectSame('subscriptions');
    // With a key that may, the next run reads the children of all parents, those that were read without them too.
    await start({ rows: 0, collections: { subscriptions: { rows: 2500, shape: 'uniform' } } });
    const again = await syncStripe({
      url: testbed.url,
      destination,
      connection: name,
      source: { streams: ['subscriptions', 'subscription_items'] },
    });
    expect(again.outcome).toBe('complete');
    expect(
      await query(
        destination,
        `select count(distinct subscription) as n,
          count(*) - count(distinct id) as double from ${name}.subscription_items`,
      ),
    ).toEqual([{ n: 2500, double: 0 }]);
  });

  test('a wrong key is a configuration error that does not show the key', async () => {
    await start({});
    const key = ['sk', 'live', 'wrongwrongwrong'].join('_');
    await expect(syncStripe({ url: testbed.url, destination, connection: name, key })).rejects.toMatchObject({
      code: 'stripe_key_rejected',
      exitCode: 2,
      message: expect.not.stringContaining('wrongwrong'),
    });
  });

  test('rows added, changed and deleted during the read do not hurt; the next run brings them', async () => {
    await start({
      collections: { customers: { rows: 3000 } },
      faults: { churn: 0.3 },
      now: Math.floor(Date.now() / 1000) - 5,
    });
    const first = await syncStripe({
      url: testbed.url,
      destination,
      connection: name,
      source: { streams: ['customers'] },
    });
    expect(first.outcome).toBe('complete');
    const second = await syncStripe({
      url: testbed.url,
      destination,
      connection: name,
      source: { streams: ['customers'] },
    });
    expect(second.outcome).toBe('complete');
    const third = await syncStripe({
      url: testbed.url,
      destination,
      connection: name,
      source: { streams: ['customers'] },
    });
    expect(third.outcome).toBe('complete');
    const rows = testbed.api.rows.get('customers')!;
    const stored = new Map(
      (
        await query(
          destination,
          `select id, _headrace_deleted_at is not null as gone, metadata->>'revision' as revision
            from ${name}.customers`,
        )
      ).map((row) => [row['id'], row]),
    );
    let missing = 0;
    for (let i = 0; i < 3000; i++) if (!rows.isDeleted(i) && !stored.has(rows.idOf(i))) missing++;
    expect(missing).toBe(0);
  });

  test('a second run at the same time is told who holds the connection', async () => {
    const hold = new HoldingClock();
    await start({ collections: { customers: { rows: 2000 } } }, hold);
    hold.holdAfter(4);
    const running = syncStripe({ url: testbed.url, destination, connection: name, source: { streams: ['customers'] } });
    await until(() => hold.isHolding);
    const other = await startStripeTestbed({ rows: 10 });
    await expect(
      syncStripe({ url: other.url, destination, connection: name, source: { streams: ['customers'] } }),
    ).rejects.toMatchObject({ code: 'connection_locked', found: expect.stringContaining(String(process.pid)) });
    await other.close();
    hold.release();
    expect((await running).outcome).toBe('complete');
  });
});

/** Changes are read up to the last full second of the server's clock. */
describe('pausing', () => {
  test('what was fetched is committed, and the next run ends with every row and few pages again', async () => {
    await start({ collections: { customers: { rows: 6000, shape: 'bulk' } }, latency: { medianMs: 40 } });
    const events: RunEvent[] = [];
    for (let round = 0; round < 3; round++) {
      const controller = new AbortController();
      const summary = await syncStripe({
        url: testbed.url,
        destination,
        connection: name,
        source: { streams: ['customers'], rate_limit: { global: 100, endpoint: 100 } },
        signal: controller.signal,
        emit: (event) => {
          events.push(event);
          if (event.type === 'committed') controller.abort();
        },
      });
      expect(summary.outcome).toBe('paused');
    }
    const summary = await syncStripe({
      url: testbed.url,
      destination,
      connection: name,
      source: { streams: ['customers'] },
    });
    expect(summary.outcome).toBe('complete');
    await expectSame('customers');
    const [state] = await query(
      destination,
      `select sum(octet_length(value::text) + octet_length(key)) as bytes from _headrace.state
        where connection = '${name}' and stream = 'customers'`,
    );
    expect(Number(state!['bytes'])).toBeLessThan(20_000);
  });
});

describe('a destination that cannot take rows', () => {
  test('a read-only database is said, with what to do', async () => {
    await start({ collections: { customers: { rows: 50 } } });
    const { host, user, password, database } = destination.target.options;
    if (host === undefined) return; // a server named by HEADRACE_TEST_DATABASE_URL: its URL is its own business
    const readOnly = postgresDestination(
      `postgres://${user}:${String(password)}@localhost/${database}?host=${encodeURIComponent(host)}&options=-c%20default_transaction_read_only%3Don`,
      name,
    );
    await expect(syncStripe({ url: testbed.url, destination: readOnly, connection: name })).rejects.toMatchObject({
      code: 'database_read_only',
      exitCode: 2,
      next: expect.stringContaining('primary'),
    });
    await expect(readOnly.check()).rejects.toMatchObject({ code: 'database_read_only' });
  });

  test('a full disk stops the stream resumably, and nothing is half-written', async () => {
    await start({ collections: { customers: { rows: 150 } } });
    const { folder, drop } = scratch();
    symlinkSync('/dev/full', path.join(folder, '_headrace_state.json.next'));
    await expect(
      syncStripe({
        url: testbed.url,
        destination: ndjsonDestination(folder),
        connection: name,
        source: { streams: ['customers'] },
      }),
    ).rejects.toMatchObject({ code: 'disk_full', next: expect.stringContaining('same command') });
    unlinkSync(path.join(folder, '_headrace_state.json.next'));
    const summary = await syncStripe({
      url: testbed.url,
      destination: ndjsonDestination(folder),
      connection: name,
      source: { streams: ['customers'] },
    });
    expect(summary.outcome).toBe('complete');
    expect(readFileSync(path.join(folder, 'customers.ndjson'), 'utf8').trim().split('\n')).toHaveLength(150);
    drop();
  });

  test('a severed database connection is made again, and the run ends with every row', async () => {
    await start({ collections: { customers: { rows: 2500, shape: 'campaigns' } }, latency: { medianMs: 40 } });
    let severed = 0;
    const summary = await syncStripe({
      url: testbed.url,
      destination,
      connection: name,
      source: { streams: ['customers'] },
      emit: (event) => {
        if (event.type !== 'committed' || severed++ > 2) return;
        void query(
          destination,
          `select pg_terminate_backend(pid) from pg_stat_activity
            where application_name like 'headrace ${name} writer%'`,
        );
      },
    });
    expect(severed).toBeGreaterThan(2);
    expect(summary.outcome).toBe('complete');
    await expectSame('customers');
  });
});
