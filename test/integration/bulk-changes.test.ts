/** Many changes: where events name more objects than listing them takes requests, they are listed. */
import { describe, expect, test } from 'vitest';
import { seededRandom } from '../../src/base/random.js';
import { query, syncStripe } from '../support.js';
import { destination, expectSame, inDestination, name, start, testbed } from '../sync-support.js';

inDestination();

const ROWS = 600;
const only = { streams: ['customers', 'refunds'] };
const nextSecond = () => new Promise((resolve) => setTimeout(resolve, 1100));
const sync = (more: Partial<Parameters<typeof syncStripe>[0]> = {}) =>
  syncStripe({ url: testbed.url, destination, connection: name, source: only, ...more });
const begin = async (rows = ROWS) => {
  await start({
    collections: { customers: { rows }, refunds: { rows: 50 } },
    now: Math.floor(Date.now() / 1000) - 5,
  });
  expect((await sync()).outcome).toBe('complete');
};

/** Changes some customers, a tenth of them by deleting, and adds some. Returns how many were deleted. */
async function churn(share: number, seed: number, within: [number, number] = [0, ROWS]): Promise<Set<number>> {
  const random = seededRandom(seed);
  const gone = new Set<number>();
  for (let i = 0; i < share * ROWS; i++) {
    const at = within[0] + random.integer(within[1] - within[0]);
    if (gone.has(at)) continue;
    if (random.integer(10) === 0) gone.add(at);
    testbed.api.churn(gone.has(at) ? 'deleted' : 'changed', at);
  }
  for (let i = 0; i < 3; i++) testbed.api.churn('added');
  await nextSecond();
  return gone;
}

async function expectTold(gone: Set<number>): Promise<void> {
  await expectSame('customers');
  const customers = testbed.api.rows.get('customers')!;
  const revisions = await query(
    destination,
    `select id, coalesce(metadata->>'revision', '') as revision from ${name}.customers where _headrace_deleted_at is null`,
  );
  const stands = new Map(revisions.map(({ id, revision }) => [id as string, revision as string]));
  for (let at = 0; at < customers.size; at++) {
    if (customers.isDeleted(at)) continue;
    const { metadata } = JSON.parse(customers.render(at)) as { metadata: { revision?: unknown } };
    expect([at, stands.get(customers.idOf(at))]).toEqual([at, String(metadata.revision ?? '')]);
  }
  const ids = [...gone].map((at) => customers.idOf(at)).toSorted();
  const stored = await query(
    destination,
    `select id from ${name}.customers where _headrace_deleted_at is not null order by id collate "C"`,
  );
  expect(stored.map(({ id }) => id as string)).toEqual(ids);
}

function asked(): { listed: number; retrieved: number } {
  const { perEndpoint } = testbed.stats();
  return { listed: perEndpoint['customers'] ?? 0, retrieved: perEndpoint['customers/:id'] ?? 0 };
}

const again = expect.stringContaining('is listed again');

describe.each([
  [0.003, false],
  [0.05, true],
  [0.6, true],
])('%d of all rows changed', (share, isListed) => {
  test.each([1, 2])('both ways end with what the API has (%i)', async (seed) => {
    await begin();
    const gone = await churn(share, seed);
    const before = asked();
    const summary = await sync();
    const after = asked();
    expect(summary.outcome).toBe('complete');
    if (isListed) expect(summary.notes).toContainEqual(again);
    else expect(summary.notes).not.toContainEqual(again);
    await expectTold(gone);
    const retrieved = after.retrieved - before.retrieved;
    if (!isListed) return expect(retrieved).toBeLessThanOrEqual(share * ROWS + 5);
    // Those that are gone are in no list: they are asked for, once for each page of events that names them.
    expect(retrieved).toBeGreaterThanOrEqual(gone.size);
    expect(retrieved).toBeLessThanOrEqual(2 * gone.size);
    expect(after.listed - before.listed).toBeLessThanOrEqual(3 * (ROWS / 100));
  });
});

test('a part is listed where all that changed lies in it', async () => {
  await begin(3000);
  const gone = await churn(0.1, 3, [2900, 3000]);
  const before = asked();
  const summary = await sync();
  expect(summary.notes).toContainEqual(again);
  expect(asked().listed - before.listed).toBeLessThan(15);
  await expectTold(gone);
});

test('what changes while the list is read is asked for all the same', async () => {
  await begin();
  const gone = await churn(0.3, 4);
  let changed = false;
  const summary = await sync({
    emit: (event) => {
      if (changed || event.type !== 'committed') return;
      changed = true;
      for (let at = 0; at < ROWS; at += 50) if (!gone.has(at)) testbed.api.churn('changed', at);
    },
  });
  expect(changed).toBe(true);
  expect(summary.notes).toContainEqual(again);
  await nextSecond();
  await sync();
  await expectTold(gone);
});

test('a run that is stopped at any page is gone on with', async () => {
  await begin();
  const gone = await churn(0.5, 5);
  for (let commits = 1; commits < 6; commits++) {
    const stop = new AbortController();
    let left = commits;
    await sync({
      signal: stop.signal,
      emit: (event) => {
        if (event.type === 'committed' && --left === 0) stop.abort();
      },
    });
  }
  await nextSecond();
  expect((await sync()).outcome).toBe('complete');
  await expectTold(gone);
});
