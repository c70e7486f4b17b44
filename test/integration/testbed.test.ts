import { afterEach, expect, test } from 'vitest';
import {
  LIMIT_MODELS,
  parseFaults,
  SHAPES,
  startStripeTestbed,
  TESTBED_KEY,
  type StripeTestbed,
} from '../../src/testbed/index.js';
import { systemClock, type Clock } from '../../src/base/clock.js';
import { Timeline } from '../../src/testbed/shapes.js';

let testbed: StripeTestbed | undefined;
afterEach(async () => {
  await testbed?.close();
  testbed = undefined;
});

const get = (path: string, key = TESTBED_KEY) =>
  fetch(`${testbed!.url}${path}`, { headers: { authorization: `Bearer ${key}` } });
const ids = async (path: string) =>
  (await (await get(path)).json()) as { data: { id: string; created: number }[]; has_more: boolean };

test.each(SHAPES.map((shape) => [shape]))(
  'rows of shape %s are in order of time, and counted by the same order',
  (shape) => {
    const timeline = new Timeline(shape, 20_000, 5, 1_000_000);
    let previous = 0;
    for (let i = 0; i < timeline.rows; i += 7) {
      const second = timeline.secondOf(i);
      expect(second).toBeGreaterThanOrEqual(previous);
      previous = second;
      const before = timeline.countBefore(second);
      expect(before).toBeLessThanOrEqual(i);
      if (before > 0) expect(timeline.secondOf(before - 1)).toBeLessThan(second);
    }
    expect(timeline.rows).toBe(shape === 'tiny' ? 40 : timeline.rows);
  },
);

test("lists follow Stripe's rules: order, filters, both cursors, limits, has_more", async () => {
  testbed = await startStripeTestbed({ rows: 250 });
  const first = await ids('/v1/customers?limit=100');
  const second = await ids(`/v1/customers?limit=100&starting_after=${first.data.at(-1)!.id}`);
  const third = await ids(`/v1/customers?limit=100&starting_after=${second.data.at(-1)!.id}`);
  expect([first.has_more, second.has_more, third.has_more]).toEqual([true, true, false]);
  const all = [...first.data, ...second.data, ...third.data];
  expect(new Set(all.map((row) => row.id)).size).toBe(250);
  for (let i = 1; i < all.length; i++) expect(all[i]!.created).toBeLessThanOrEqual(all[i - 1]!.created);
  const back = await ids(`/v1/customers?limit=100&ending_before=${second.data[0]!.id}`);
  expect(back.data.map((row) => row.id)).toEqual(first.data.map((row) => row.id));
  const [low, high] = [all[200]!.created, all[50]!.created];
  const part = await ids(`/v1/customers?limit=100&created[gt]=${low}&created[lte]=${high}`);
  expect(part.data.map((row) => row.id)).toEqual(
    all
      .filter((row) => row.created > low && row.created <= high)
      .slice(0, 100)
      .map((row) => row.id),
  );
  expect((await ids('/v1/customers')).data).toHaveLength(10);
});

test("errors have Stripe's bodies and a Request-Id", async () => {
  testbed = await startStripeTestbed({ rows: 20 });
  const cases: [string, number, string][] = [
    ['/v1/customers?limit=101', 400, 'limit'],
    ['/v1/customers?starting_after=cus_nope', 400, 'resource_missing'],
    ['/v1/customers/cus_nope', 404, 'resource_missing'],
    ['/v1/quotes?created[gte]=1', 400, 'parameter_unknown'],
    ['/v1/subscription_items', 400, 'parameter_missing'],
    ['/v1/nonsense', 404, 'Unrecognized'],
  ];
  for (const [path, status, text] of cases) {
    const response = await get(path);
    expect(response.status).toBe(status);
    expect(response.headers.get('request-id')).toMatch(/^req_/);
    expect(await response.text()).toContain(text);
  }
  expect((await get('/v1/customers', 'sk_test_other')).status).toBe(401);
  expect((await fetch(`${testbed.url}/v1/customers`)).status).toBe(401);
});

test.each(
  Object.keys(LIMIT_MODELS)
    .filter((name) => name !== 'none')
    .map((name) => [name]),
)('limit %s rejects what is too much, and counts it', async (limit) => {
  // All arrive at the same instant of the testbed's clock, and none is answered before all were judged.
  let judged = () => {};
  const all = new Promise<void>((resolve) => (judged = resolve));
  const atMs = systemClock.now();
  const clock: Clock = { ...systemClock, now: () => atMs, monotonic: () => atMs, sleep: () => all };
  testbed = await startStripeTestbed({ rows: 10, limit, latency: { medianMs: 20 } }, clock);
  const watch = setInterval(() => testbed!.stats().requests === 60 && judged(), 1);
  const statuses = await Promise.all(
    Array.from({ length: 60 }, async () => {
      const response = await fetch(`${testbed!.url}/v1/customers?limit=1`, {
        headers: { authorization: `Bearer ${TESTBED_KEY}`, 'x-testbed-cost': '50' },
      });
      return { status: response.status, text: await response.text() };
    }),
  );
  clearInterval(watch);
  const stats = testbed.stats();
  for (const { text } of statuses) expect(() => JSON.parse(text)).not.toThrow();
  expect(stats.requests).toBe(60);
  expect(stats.mostInWindow.global).toBe(60);
  const rejected = statuses.filter(
    ({ status, text }) => status === 429 || text.includes('THROTTLED') || text.includes('SSS_REQUEST'),
  );
  expect(stats.rejections).toBe(rejected.length);
  const expectsMany = ![
    'github',
    'linear',
    'salesforce',
    'token',
    'changing',
    'shared',
    'sliding',
    'stripe-live',
    'hubspot',
    'intercom-raised',
  ].includes(limit);
  if (expectsMany) expect(rejected.length).toBeGreaterThan(0);
});

test('faults are read with their rates, and unknown ones named', () => {
  expect(parseFaults('500:0.02,reset')).toEqual({ '500': 0.02, reset: 0.01 });
  expect(parseFaults('all:0.1')).toMatchObject({ cut: 0.1, cursor: 0.1 });
  expect(parseFaults('nope')).toBeInstanceOf(Error);
  expect(parseFaults('500:7')).toBeInstanceOf(Error);
});

test('what changes while it runs shows in the object, in the list and in the events', async () => {
  testbed = await startStripeTestbed({ rows: 30 });
  const id = testbed.api.churn('changed', 4);
  const gone = testbed.api.churn('deleted', 5);
  expect(
    ((await (await get(`/v1/customers/${id}`)).json()) as { metadata: { revision: string } }).metadata.revision,
  ).toBe('1');
  expect(await (await get(`/v1/customers/${gone}`)).json()).toMatchObject({ deleted: true });
  expect((await ids('/v1/customers?limit=100')).data).toHaveLength(29);
  expect((await ids('/v1/events?limit=2')).data.map((event) => (event as unknown as { type: string }).type)).toEqual([
    'customer.deleted',
    'customer.updated',
  ]);
});
