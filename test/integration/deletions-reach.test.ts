/** A reading that asks for less than an earlier one tells nothing of the rows that only that one asked for. */
import { describe, expect, test } from 'vitest';
import { newRunId } from '../../src/wiring/compose.js';
import { targetsOf } from '../../src/engine/read/context.js';
import { resetStream } from '../../src/engine/run/reset.js';
import type { Division, PageRequest, Stream } from '../../src/sources/contract.js';
import {
  clock,
  destination,
  ids,
  inDestination,
  listed,
  live,
  name,
  PAGE,
  rows,
  sync,
  T0,
} from '../evidence-support.js';
import { liveIds, memoryStream, syncMemory, type MemoryRow } from '../memory-support.js';

inDestination();

const DAY = 86_400;
const DAYS = 100;
/** A row a day, the newest first. */
const history = () => rows(DAYS, (i) => T0 - DAY / 2 - i * DAY);
const startOf = (days: number) => T0 - days * DAY;
const since = (all: MemoryRow[], days: number) => all.filter(({ at }) => at >= startOf(days));

/** How a stream is read: a connector lists nothing before its start, however it is divided. */
interface Shape {
  make(all: () => MemoryRow[], days: number): Stream[];
  /** What becomes of the rows before a start is told by an engine that knows it, or by `asked`. */
  settings?: true;
}

const range = (order: 'descending' | 'ascending' | 'unordered', more: object = {}): Shape => ({
  make: (all, days) => [
    memoryStream(
      clock,
      {
        division: {
          kind: 'range',
          unit: 1,
          order,
          pageRows: PAGE,
          position: (row) => Number(row['at']),
          start: startOf(days),
          ...more,
        } as Division,
        follow: { kind: 'reread' },
      },
      (request) => page(since(all(), days), request, order),
    ),
  ],
});

function page(all: MemoryRow[], request: PageRequest, order: string) {
  if (order === 'descending') return listed(all, request);
  const { gte, lt, cursor } = request;
  const found = all
    .filter((row) => row.at >= (gte ?? -Infinity) && row.at < (lt ?? Infinity))
    .toSorted((a, b) => a.at - b.at);
  const from = Number(cursor ?? 0);
  return { records: found.slice(from, from + PAGE), next: String(from + PAGE), hasMore: from + PAGE < found.length };
}

const flat = (division: Division): Shape => ({
  make: (all, days) => [
    memoryStream(clock, { division, follow: { kind: 'reread' }, asked: `from ${days}` }, ({ cursor, number }) => {
      const found = since(all(), days);
      const from = number === undefined ? Number(cursor ?? 0) : number * PAGE;
      const hasMore = from + PAGE < found.length;
      return { records: found.slice(from, from + PAGE), next: String(from + PAGE), hasMore, total: found.length };
    }),
  ],
});

/** A slice for each ten days; those before the start are not listed. */
const slicesOf = (all: MemoryRow[], days: number) => [
  ...new Set(since(all, days).map(({ at }) => String(Math.floor((T0 - at) / (10 * DAY))))),
];
const inSlice = (all: MemoryRow[], slice: string | undefined) =>
  all.filter(({ at }) => String(Math.floor((T0 - at) / (10 * DAY))) === slice);

const listedSlices: Shape = {
  make: (all, days) => [
    memoryStream(
      clock,
      {
        division: { kind: 'slices', pageRows: PAGE, of: { list: async () => slicesOf(history(), days) } },
        follow: { kind: 'reread' },
      },
      ({ slice }) => ({ records: inSlice(all(), slice) }),
    ),
  ],
};

/** Children of parents that begin at the start; `depth` generations of them. */
const family = (depth: number, follow: Stream['follow']): Shape => ({
  make: (all, days) => {
    const [parent] = range('descending').make(() => history().filter((_, i) => i % 10 === 0), days);
    const top: Stream = { ...parent!, name: 'parents', endpoint: 'parents', stored: true, follow };
    const between = Array.from({ length: depth - 1 }, (_, i) =>
      memoryStream(
        clock,
        {
          name: `between${i}`,
          endpoint: `between${i}`,
          division: {
            kind: 'slices',
            pageRows: PAGE,
            of: { parent: i === 0 ? 'parents' : `between${i - 1}`, slice: (row) => String(row['at']) },
          },
          follow: { kind: 'reread' },
        },
        ({ slice }) => ({ records: [{ id: `b${i}-${slice}`, at: Number(slice) }] }),
      ),
    );
    const last = between.at(-1)?.name ?? 'parents';
    const child = memoryStream(
      clock,
      {
        division: { kind: 'slices', pageRows: PAGE, of: { parent: last, slice: (row) => String(row['at']) } },
        follow: { kind: 'reread' },
      },
      ({ slice }) => ({ records: inSlice(all(), String(Math.floor((T0 - Number(slice)) / (10 * DAY)))) }),
    );
    return [top, ...between, child];
  },
});

/** Each row of a listed slice has a child, which is the row that is looked at. */
const childrenOfListed: Shape = {
  make: (all, days) => [
    ...listedSlices.make(history, days).map((stream) => ({ ...stream, name: 'parents', endpoint: 'parents' })),
    memoryStream(
      clock,
      {
        division: { kind: 'slices', pageRows: PAGE, of: { parent: 'parents', slice: (row) => String(row['id']) } },
        follow: { kind: 'reread' },
      },
      ({ slice }) => ({ records: all().filter(({ id }) => id === slice) }),
    ),
  ],
};

const SHAPES: [string, Shape][] = [
  ['descending range', range('descending')],
  ['ascending range', range('ascending')],
  ['unordered range', range('unordered', { bounded: true })],
  ['windows', range('unordered', { bounded: true, window: 20 * DAY })],
  ['chain', flat({ kind: 'chain', pageRows: PAGE })],
  ['numbered', flat({ kind: 'numbered', pageRows: PAGE })],
  ['listed slices', listedSlices],
  ['children of a parent that is followed', family(1, { kind: 'cursor' })],
  ['children of a parent that is read again', family(1, { kind: 'reread' })],
  ['grandchildren', family(2, { kind: 'cursor' })],
  ['children of listed slices', childrenOfListed],
];

const run = (shape: Shape, all: () => MemoryRow[], days: number, more = {}) =>
  syncMemory(destination, name, clock, shape.make(all, days), { createdMs: (T0 - 400 * DAY) * 1000, ...more });

async function reset(streams: Stream[]): Promise<void> {
  const session = await destination.open({
    connection: name,
    runId: newRunId(),
    streams: targetsOf(streams, 'upsert'),
    readOnly: false,
    startedMs: Date.now(),
  });
  try {
    await resetStream(session, streams, 'things', undefined, undefined);
  } finally {
    await session.close();
  }
}

/** Gone within what each reading asks for: few enough to be believed. */
const withoutFew = () => history().filter((_, i) => i !== 13 && i !== 14);

describe.each(SHAPES)('%s', (_, shape) => {
  test.each([
    ['later by a little', 100, 90],
    ['later by much', 100, 40],
  ])('a start that moves %s marks nothing, in this run and the next', async (_how, before, after) => {
    await run(shape, history, before);
    expect(await live()).toEqual(ids(history()));
    for (let again = 0; again < 2; again++) {
      const summary = await run(shape, withoutFew, after);
      const proof = summary.proofs.find(({ stream }) => stream === 'things')!;
      expect(await live()).toEqual(ids(history()));
      expect(summary.problems).toEqual([]);
      expect([proof.faults, proof.doubt]).toEqual([[], expect.stringMatching(/less is asked for|its parents/)]);
      expect(summary.notes.join()).toMatch(/--accept-deletions (things|parents|between0)/);
    }
    // What lies there may be marked again once it is asked for.
    const back = await run(shape, withoutFew, before);
    expect(back.proofs.find(({ stream }) => stream === 'things')!.faults).toEqual([]);
    expect(await live()).toEqual(ids(shape === SHAPES[4]![1] || shape === SHAPES[5]![1] ? history() : withoutFew()));
  });

  test('a start that moves back marks what is gone, and no more', async () => {
    await run(shape, history, 60);
    const wider = await run(shape, withoutFew, 100);
    expect([wider.problems, wider.outcome]).toEqual([[], 'complete']);
    const all = await live();
    expect(all).toEqual(expect.arrayContaining(ids(withoutFew())));
    // The next is asked as this one was.
    await run(shape, history, 100);
    expect(await live()).toEqual(ids(history()));
  });

  test('a reset forgets no row that an earlier reading asked for, however often', async () => {
    await run(shape, history, 100);
    for (let resets = 1; resets <= 2; resets++) {
      await reset(shape.make(history, 100));
      for (let again = 0; again < 2; again++) {
        await run(shape, history, 92);
        expect(await live()).toEqual(ids(history()));
      }
    }
  });

  test('what is accepted is marked, and said no more', async () => {
    await run(shape, history, 100);
    await run(shape, history, 90);
    expect(await live()).toEqual(ids(history()));
    const acceptDeletions = shape.make(history, 90).map((stream) => stream.name);
    const accepted = await run(shape, history, 90, { acceptDeletions });
    expect(accepted.proofs.find(({ stream }) => stream === 'things')!.doubt).toBeUndefined();
    expect(await live()).toEqual(ids(since(history(), 90)));
    const next = await run(shape, () => history().filter((_row, i) => i !== 13), 90);
    expect(next.proofs.find(({ stream }) => stream === 'things')!.doubt).toBeUndefined();
    expect(await live()).toEqual(ids(since(history(), 90)).filter((id) => id !== 'r0013'));
  });

  test('a start that moves while the stream is read, whichever way', async () => {
    await run(shape, history, 100);
    for (const [first, second] of [
      [100, 80],
      [80, 100],
    ] as const) {
      let asked = 0;
      const stop = new AbortController();
      const all = () => {
        if (++asked === 3) stop.abort();
        return history();
      };
      await run(shape, all, first, { signal: stop.signal });
      await run(shape, history, second);
      expect(await live()).toEqual(ids(history()));
    }
  });
});

test('a part of the parents that is read again opens the children of that part, and marks no others', async () => {
  const shape = family(1, { kind: 'cursor' });
  await run(shape, history, 100);
  const part = { request: 'a', stream: 'parents', gte: startOf(85), lt: T0 };
  await run(shape, history, 100, { again: part });
  expect(await live()).toEqual(ids(history()));
});

test('without a key, rows that are not asked for any more stay', async () => {
  const make = (days: number) =>
    flat({ kind: 'chain', pageRows: PAGE })
      .make(history, days)
      .map((stream) => ({ ...stream, primaryKey: [] }));
  await sync(make(100)[0]!);
  const less = await sync(make(95)[0]!);
  expect(less.proofs[0]!.doubt).toContain('less is asked for');
  expect(await liveIds(destination, name)).toEqual(ids(history()));
});
