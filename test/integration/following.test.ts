/**
 * Where the next run begins: from the ledger's own span and the newest row, whoever paused, whatever the clocks say.
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { PostgresDestination } from '../../src/destinations/postgres/destination.js';
import { seededRandom } from '../../src/base/random.js';
import type { Division, PageRequest, Stream } from '../../src/sources/contract.js';
import { liveIds, memoryStream, syncMemory, type MemoryRow, type ServerClock } from '../memory-support.js';
import { query, testDatabase, uniqueName } from '../support.js';

const T0 = 1_795_000_000;
const PAGE = 10;
const DAY = 86_400;

let destination: PostgresDestination;
let name: string;
beforeEach(async () => {
  name = uniqueName();
  destination = await testDatabase(name);
});
afterEach(() => destination.close());

type Order = 'descending' | 'ascending' | 'unordered';

interface ListedRow extends MemoryRow {
  /** The API lists the row from this moment on. */
  seen?: number;
}

/** An API with bounds and a cursor that names an offset in the list as it was when the walk began. */
class ListApi {
  rows: ListedRow[] = [];
  readonly asked: PageRequest[] = [];
  onPage: () => void = () => {};

  constructor(
    readonly clock: ServerClock,
    readonly order: Order,
  ) {}

  add(id: string, at: number, seen?: number): void {
    this.rows.push({ id, at, ...(seen === undefined ? {} : { seen }) });
  }

  stream(more: Partial<Stream> = {}, division: Partial<Extract<Division, { kind: 'range' }>> = {}): Stream {
    const of = {
      kind: 'range',
      unit: 1,
      order: this.order,
      pageRows: PAGE,
      position: (row: Record<string, unknown>) => Number(row['at']),
      ...division,
    } satisfies Division;
    return memoryStream(this.clock, { division: of, follow: { kind: 'cursor' }, ...more }, (request) => {
      this.asked.push(request);
      const { gte, lt, cursor } = request;
      const sign = this.order === 'descending' ? -1 : 1;
      const found = this.rows
        .filter((row) => (row.seen ?? 0) <= this.clock.now && row.at >= (gte ?? -Infinity) && row.at < (lt ?? Infinity))
        .toSorted((a, b) => sign * (a.at - b.at) || (a.id < b.id ? -1 : 1));
      const after = cursor === null ? undefined : (JSON.parse(cursor) as [number, string]);
      const start = after
        ? found.findIndex(({ at, id }) => sign * (at - after[0]) > 0 || (at === after[0] && id > after[1]))
        : 0;
      const records = start < 0 ? [] : found.slice(start, start + PAGE).map(({ id, at }) => ({ id, at }));
      this.onPage();
      const last = records.at(-1);
      return {
        records,
        hasMore: start >= 0 && start + PAGE < found.length,
        next: last ? JSON.stringify([last.at, last.id]) : null,
      };
    });
  }

  ids(): string[] {
    return this.rows.map((row) => row.id).toSorted();
  }
}

const sync = (api: ListApi, stream = api.stream(), more = {}) =>
  syncMemory(destination, name, api.clock, [stream], { createdMs: (T0 - 30 * DAY) * 1000, ...more });

/** A read that pauses after some pages. */
async function pausedSync(api: ListApi, stream: Stream, afterPages: number): Promise<void> {
  const stop = new AbortController();
  let pages = 0;
  const each = api.onPage;
  api.onPage = () => {
    each();
    if (++pages >= afterPages) stop.abort();
  };
  await sync(api, stream, { signal: stop.signal });
  api.onPage = each;
}

describe.each(['descending', 'ascending', 'unordered'] as const)('%s', (order) => {
  test.each([1, 2, 3, 4, 5, 6])(
    'a moving position, paused and resumed at any page and pace, leaves no gap (%i)',
    async (seed) => {
      const random = seededRandom(seed);
      const clock = { now: T0 };
      const api = new ListApi(clock, order);
      for (let i = 0; i < 200; i++) api.add(`r${i}`, T0 - 20_000 + i * 90);
      // Each page takes up to a minute, and a row is touched while it is read.
      let pace = 60;
      let touched = 0;
      api.onPage = () => {
        clock.now += random.integer(pace) + 1;
        const row = api.rows[random.integer(api.rows.length)]!;
        if (random.next() < 0.5 && ++touched < 60) row.at = clock.now;
      };
      const make = () =>
        api.stream({}, { moves: true, ...(order === 'unordered' ? { window: 3_000, bounded: true } : {}) });
      for (let i = 0; i < 3; i++) {
        await pausedSync(api, make(), 2 + random.integer(5));
        clock.now += random.integer(30);
        pace = Math.max(1, Math.floor(pace / 8)); // who resumes is faster than who began
      }
      const last = await sync(api, make());
      expect(last.problems).toEqual([]);
      expect(last.proofs).toMatchObject([{ gaps: 0, overlaps: 0, open: 0, faults: [] }]);
      expect(last.outcome).toBe('complete');
      api.onPage = () => {};
      expect((await sync(api, make())).outcome).toBe('complete');
      expect(await liveIds(destination, name)).toEqual(api.ids());
      const stored = await query(destination, `select id, at from ${name}.things`);
      expect(new Map(stored.map((row) => [row['id'], Number(row['at'])]))).toEqual(
        new Map(api.rows.map((row) => [row.id, row.at])),
      );
    },
  );

  test('a row that is listed after the run, dated before its end, is found by the next', async () => {
    const clock = { now: T0 };
    const api = new ListApi(clock, order);
    const make = () => api.stream({}, order === 'unordered' ? { window: DAY, bounded: true } : {});
    for (let i = 0; i < 30; i++) api.add(`r${i}`, T0 - 7200 - i * 60);
    api.add('late', T0 - 5000, T0 + 10);
    await sync(api, make());
    clock.now = T0 + 3600;
    api.add('new', T0 + 3000);
    await sync(api, make());
    expect(await liveIds(destination, name)).toEqual(api.ids());
  });

  test('what has no key is not read twice, and nothing after the newest row is left out', async () => {
    const clock = { now: T0 };
    const api = new ListApi(clock, order);
    const make = () => api.stream({ primaryKey: [] }, { bounded: true });
    for (let i = 0; i < 30; i++) api.add(`r${String(i).padStart(2, '0')}`, T0 - 7200 - i * 60);
    api.add('s-late', T0 - 5000, T0 + 10);
    await sync(api, make());
    for (let run = 0; run < 2; run++) {
      clock.now += 3600;
      await sync(api, make());
      expect(await liveIds(destination, name)).toEqual(api.ids());
    }
  });

  test('a start that moves back opens the part before; one that moves on is said', async () => {
    const clock = { now: T0 };
    const api = new ListApi(clock, order);
    for (let i = 0; i < 40; i++) api.add(`r${i}`, T0 - 1 - i * 10 * DAY);
    const from = (days: number) => {
      const stream = api.stream(
        {},
        { start: T0 - days * DAY, ...(order === 'unordered' ? { window: 30 * DAY, bounded: true } : {}) },
      );
      return {
        ...stream,
        // As a connector does it: nothing before its start is asked for.
        page: (request: PageRequest) => stream.page({ ...request, gte: Math.max(request.gte ?? 0, T0 - days * DAY) }),
      };
    };
    await sync(api, from(100));
    expect(await liveIds(destination, name)).toHaveLength(10);
    clock.now += 60;
    const older = await sync(api, from(300));
    expect(older.outcome).toBe('complete');
    expect(await liveIds(destination, name)).toHaveLength(30);
    expect(older.rows).toBeLessThanOrEqual(22); // not all of them again
    clock.now += 60;
    const later = await sync(api, from(50));
    expect(later.notes.join()).toContain('start moved');
    expect(await liveIds(destination, name)).toHaveLength(30);
    clock.now += 60;
    expect((await sync(api, from(50))).notes.join()).not.toContain('start moved');
  });

  test('a state without the newest position goes on', async () => {
    const clock = { now: T0 };
    const api = new ListApi(clock, order);
    for (let i = 0; i < 30; i++) api.add(`r${i}`, T0 - 7200 - i * 60);
    await sync(api);
    await query(
      destination,
      `update _headrace.state set value = value - 'newest' where connection = '${name}' and key = 'stream'`,
    );
    await query(
      destination,
      `update _headrace.state set value = jsonb_path_query_array(value, '$[0 to 4]') where connection = '${name}'
        and key like 'range/%'`,
    );
    clock.now = T0 + 60;
    api.add('late', T0 - 300);
    api.add('new', T0 + 30);
    expect((await sync(api)).outcome).toBe('complete');
    expect(await liveIds(destination, name)).toEqual(api.ids());
  });
});

test.each(['descending', 'ascending'] as const)(
  '%s: rows ahead of the clock come, and the next run begins at the clock',
  async (order) => {
    const clock = { now: T0 };
    const api = new ListApi(clock, order);
    for (let i = 0; i < 60; i++) api.add(`r${i}`, T0 - 7200 - i * 60);
    for (let i = 0; i < 25; i++) api.add(`ahead${i}`, T0 + 90 * DAY + i);
    const first = await sync(api);
    expect(first.outcome).toBe('complete');
    expect(await liveIds(destination, name)).toEqual(api.ids());
    clock.now = T0 + 3600;
    api.add('new', T0 + 600);
    api.add('ahead-new', T0 + 30 * DAY);
    const second = await sync(api);
    expect(second.outcome).toBe('complete');
    expect(second.proofs).toMatchObject([{ gaps: 0, overlaps: 0 }]);
    expect(await liveIds(destination, name)).toEqual(api.ids());
  },
);

test('rows ahead of the clock survive a lost cursor and a pause among them', async () => {
  const clock = { now: T0 };
  const api = new ListApi(clock, 'descending');
  for (let i = 0; i < 60; i++) api.add(`r${i}`, T0 - 7200 - i * 60);
  for (let i = 0; i < 45; i++) api.add(`ahead${i}`, T0 + 90 * DAY + i);
  await pausedSync(api, api.stream(), 2);
  expect((await sync(api)).outcome).toBe('complete');
  expect(await liveIds(destination, name)).toEqual(api.ids());
});

test('of slices, too, the newest row says where the next run begins', async () => {
  const clock = { now: T0 };
  const rows: ListedRow[] = [
    { id: 'a', at: T0 - 7200 },
    { id: 'late', at: T0 - 5000, seen: T0 + 10 },
  ];
  const make = () =>
    memoryStream(
      clock,
      {
        division: {
          kind: 'slices',
          pageRows: PAGE,
          of: { list: async () => ['one'] },
          position: (row) => Number(row['at']),
          start: T0 - 10 * DAY,
        },
        follow: { kind: 'cursor', parents: 'all' },
      },
      ({ gte }) => ({
        records: rows
          .filter((row) => (row.seen ?? 0) <= clock.now && row.at >= (gte ?? 0))
          .map(({ id, at }) => ({ id, at })),
      }),
    );
  await syncMemory(destination, name, clock, [make()]);
  clock.now = T0 + 3600;
  await syncMemory(destination, name, clock, [make()]);
  expect(await liveIds(destination, name)).toEqual(['a', 'late']);
});
