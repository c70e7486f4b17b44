/**
 * Every shape of division through the whole engine into a real database. The source stands in for APIs that the testbed
 * does not simulate: it answers from memory, out of order in time.
 */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { systemClock } from '../../src/base/clock.js';
import { newRunId } from '../../src/wiring/compose.js';
import type { PostgresDestination } from '../../src/destinations/postgres/destination.js';
import { CursorGoneError, SkippableError, SliceGoneError } from '../../src/base/errors.js';
import type { RunSummary } from '../../src/engine/report/events.js';
import { runSync } from '../../src/engine/run/sync.js';
import { seededRandom } from '../../src/base/random.js';
import type { Division, Follow, Page, PageRequest, Source, Stream } from '../../src/sources/contract.js';
import { query, testDatabase, uniqueName } from '../support.js';

const T0 = 1_795_000_000;
const PAGE = 10;

interface Row extends Record<string, unknown> {
  id: string;
  at: number;
}

let destination: PostgresDestination;
let name: string;
beforeEach(async () => {
  name = uniqueName();
  destination = await testDatabase(name);
});
afterEach(() => destination.close());

function stream(
  streamName: string,
  division: Division,
  page: (request: PageRequest) => Partial<Page> & { records: Row[] },
  follow: Follow = { kind: 'cursor', lookback: 5 },
): Stream {
  const random = seededRandom(3);
  return {
    name: streamName,
    division,
    follow,
    stored: true,
    endpoint: streamName,
    primaryKey: ['id'],
    schema: { type: 'object', properties: { id: { type: 'string' }, at: { type: 'integer' } } },
    page: async (request) => {
      await new Promise((resolve) => setTimeout(resolve, random.next() * 3));
      return { next: null, hasMore: false, serverTimeMs: (T0 + 5) * 1000, bytes: 500, ...page(request) };
    },
  };
}

async function sync(streams: Stream[], connection = name): Promise<RunSummary> {
  const source: Source = {
    name: 'memory',
    streams,
    changes: undefined,
    check: async () => ({ id: 'memory', createdMs: (T0 - 100_000) * 1000, serverTimeMs: T0 * 1000 }),
    close: async () => {},
  };
  return runSync({
    source,
    destination,
    connection,
    runId: newRunId(),
    mode: 'upsert',
    clock: systemClock,
    signal: new AbortController().signal,
    permits: {
      admit: async () => ({ request: { endpoint: '', cost: 1 } }),
      rateOf: () => Infinity,
      latencyMs: () => 3,
      inFlightBound: () => 16,
    },
    gateStatus: () => ({
      sentPerSecond: 1,
      limitPerSecond: Infinity,
      rejections: 0,
      rejectedFor: {},
      requests: 0,
      waiting: undefined,
      limits: [],
    }),
  });
}

const rows = (count: number, at: (i: number) => number = (i) => T0 - 100_000 + i * 37): Row[] =>
  Array.from({ length: count }, (_, i) => ({ id: `r${i}`, at: at(i) }));
const storedIds = async (table: string) =>
  new Set((await query(destination, `select id from ${name}.${table}`)).map((row) => row['id'] as string));
const idsOf = (list: Row[]) => new Set(list.map((row) => row.id));

/** A list that takes both bounds and a cursor (the id of the last row), in the given order. */
function listed(all: Row[], order: (a: Row, b: Row) => number, { gte, lt, cursor }: PageRequest) {
  const found = all.filter((row) => row.at >= (gte ?? -Infinity) && row.at < (lt ?? Infinity)).toSorted(order);
  const start = cursor === null ? 0 : found.findIndex((row) => row.id === cursor) + 1;
  if (cursor !== null && start === 0) throw new CursorGoneError('gone', { code: 'cursor_gone' });
  const records = found.slice(start, start + PAGE);
  return { records, hasMore: start + PAGE < found.length, next: records.at(-1)?.id ?? null };
}

const range = (order: 'descending' | 'ascending' | 'verified', moves = false): Division => ({
  kind: 'range',
  unit: 1,
  order,
  pageRows: PAGE,
  position: (row) => Number(row['at']),
  moves,
});

test.each(['descending', 'ascending'] as const)(
  'range, %s: divided, whole, and extended by the next run',
  async (order) => {
    const all = rows(500);
    const compare = order === 'descending' ? (a: Row, b: Row) => b.at - a.at : (a: Row, b: Row) => a.at - b.at;
    const make = (): Stream => stream('things', range(order), (request) => listed(all, compare, request));
    const first = await sync([make()]);
    expect(first.outcome).toBe('complete');
    expect(await storedIds('things')).toEqual(idsOf(all));
    all.push({ id: 'late', at: T0 - 2 });
    const second = await sync([make()]);
    expect(second.outcome).toBe('complete');
    expect(second.pages).toBeLessThan(5);
    expect(await storedIds('things')).toEqual(idsOf(all));
  },
);

test('range whose order nobody promised, and which has none: read as one chain, whole', async () => {
  const all = rows(300);
  const summary = await sync([
    stream('things', range('verified'), (request) => listed(all, (a, b) => (a.id < b.id ? -1 : 1), request)),
  ]);
  expect(summary.outcome).toBe('complete');
  expect(summary.notes.join()).toContain('out of order');
  expect(await storedIds('things')).toEqual(idsOf(all));
});

test('a page that was read before is refused, not read as empty', async () => {
  const once: Page = { records: rows(5), next: 'again', hasMore: true, serverTimeMs: T0 * 1000, bytes: 500 };
  const broken = {
    ...stream('things', { kind: 'chain', pageRows: PAGE }, () => ({ records: [] }), { kind: 'reread' }),
    page: async () => once,
  };
  const summary = await sync([broken]);
  expect(summary.outcome).not.toBe('complete');
  expect(summary.problems).toMatchObject([{ code: 'page_reused' }]);
});

test('positions that move while they are read: a last sweep brings what moved', async () => {
  const all = rows(400);
  let asked = 0;
  const summary = await sync([
    stream('things', range('descending', true), (request) => {
      // What was sent does not change any more.
      const page = structuredClone(listed(all, (a, b) => b.at - a.at || (a.id < b.id ? -1 : 1), request));
      // Rows at the far end are touched while the read goes on: they jump past its end.
      if (++asked % 4 === 0) all[asked]!.at = T0 + 1;
      return page;
    }),
  ]);
  expect(summary.outcome).toBe('complete');
  expect(await storedIds('things')).toEqual(idsOf(all));
});

test.each([true, false])('numbered pages, total known: %s', async (total) => {
  const all = rows(237);
  const asked: number[] = [];
  const summary = await sync([
    stream('things', { kind: 'numbered', pageRows: PAGE }, ({ number }) => {
      asked.push(number!);
      return {
        records: all.slice(number! * PAGE, (number! + 1) * PAGE),
        hasMore: (number! + 1) * PAGE < all.length,
        ...(total ? { total: all.length } : {}),
      };
    }),
  ]);
  expect(summary.outcome).toBe('complete');
  expect(await storedIds('things')).toEqual(idsOf(all));
  // 24 pages, of which three are looked at again.
  if (total) expect(asked.length).toBeLessThanOrEqual(33);
});

test('numbered pages that shift while they are read are read once more, and that is said', async () => {
  const all = rows(200);
  let asked = 0;
  const summary = await sync([
    stream('things', { kind: 'numbered', pageRows: PAGE }, ({ number }) => {
      if (++asked === 8) all.unshift({ id: 'new', at: T0 });
      return { records: all.slice(number! * PAGE, (number! + 1) * PAGE), total: all.length };
    }),
  ]);
  expect(summary.notes.join()).toContain('shifted');
  expect(await storedIds('things')).toEqual(idsOf(all));
});

test('a chain with an opaque cursor, an empty page that claims more, and a cursor that is lost once', async () => {
  const all = rows(120);
  let empty = 2;
  let lost = 1;
  const summary = await sync([
    stream(
      'things',
      { kind: 'chain', pageRows: PAGE },
      ({ cursor }) => {
        const start = Number(cursor ?? 0);
        if (start === 50 && empty-- > 1) return { records: [], hasMore: true, next: null };
        if (start === 80 && lost-- > 0) throw new CursorGoneError('gone', { code: 'cursor_gone' });
        return {
          records: all.slice(start, start + PAGE),
          next: String(start + PAGE),
          hasMore: start + PAGE < all.length,
        };
      },
      { kind: 'reread' },
    ),
  ]);
  expect(summary.outcome).toBe('complete');
  expect(await storedIds('things')).toEqual(idsOf(all));
});

test('listed slices, children and grandchildren, one of them gone', async () => {
  const regions = ['eu', 'us', 'asia'];
  const part = (prefix: string, count: number, { cursor }: PageRequest) => {
    const all = rows(count).map((row) => ({ ...row, id: `${prefix}-${row.id}` }));
    const start = Number(cursor ?? 0);
    return { records: all.slice(start, start + PAGE), next: String(start + PAGE), hasMore: start + PAGE < all.length };
  };
  const parents = stream(
    'parents',
    { kind: 'slices', pageRows: PAGE, of: { list: async () => regions } },
    (request) => part(request.slice!, 25, request),
    { kind: 'reread' },
  );
  const children = stream(
    'children',
    { kind: 'slices', pageRows: PAGE, of: { parent: 'parents', slice: (row) => String(row['id']) } },
    (request) => {
      if (request.slice === 'eu-r7') throw new SliceGoneError('gone', { code: 'slice_gone' });
      return part(request.slice!, 12, request);
    },
    { kind: 'reread' },
  );
  const grandchildren = stream(
    'grandchildren',
    {
      kind: 'slices',
      pageRows: PAGE,
      of: { parent: 'children', slice: (row) => (String(row['id']).endsWith('r3') ? String(row['id']) : undefined) },
    },
    (request) => part(request.slice!, 1, request),
    { kind: 'reread' },
  );
  const summary = await sync([parents, children, grandchildren]);
  expect(summary.problems).toEqual([]);
  expect(summary.outcome).toBe('complete');
  expect((await storedIds('parents')).size).toBe(75);
  expect((await storedIds('children')).size).toBe(74 * 12);
  expect((await storedIds('grandchildren')).size).toBe(74);
});

test('what is read again and no longer there becomes a tombstone', async () => {
  const all = rows(60);
  const make = () =>
    stream(
      'things',
      { kind: 'chain', pageRows: PAGE },
      ({ cursor }) => ({
        records: all.slice(Number(cursor ?? 0), Number(cursor ?? 0) + PAGE),
        next: String(Number(cursor ?? 0) + PAGE),
        hasMore: Number(cursor ?? 0) + PAGE < all.length,
      }),
      { kind: 'reread' },
    );
  await sync([make()]);
  all.splice(10, 5);
  const summary = await sync([make()]);
  expect(summary.outcome).toBe('complete');
  expect(summary.notes.join()).toContain('5 rows are gone');
  const [gone] = await query(destination, `select count(*) from ${name}.things where _headrace_deleted_at is not null`);
  expect(gone!['count']).toBe(5);
});

test('one stream that cannot be read does not stop the others', async () => {
  const all = rows(30);
  const summary = await sync([
    stream('closed', { kind: 'chain', pageRows: PAGE }, () => {
      throw new SkippableError('no permission', { code: 'no_permission' });
    }),
    stream('broken', { kind: 'chain', pageRows: PAGE }, () => {
      throw new TypeError('a bug in a connector');
    }),
    stream('things', range('descending'), (request) => listed(all, (a, b) => b.at - a.at, request)),
  ]);
  expect(summary.outcome).toBe('partial');
  expect(summary.problems.map((problem) => [problem.stream, problem.status])).toEqual([
    ['closed', 'skipped'],
    ['broken', 'failed'],
  ]);
  expect(await storedIds('things')).toEqual(idsOf(all));
});
