/** Offset lists whose rows come, go and change places while they are walked: what ends proven has every row. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Json } from '../document/read.js';
import { MovingList, type ListWalk } from './moving-list.js';
import type { Paginator } from './paginator.js';
import type { PageOutput } from './retriever.js';

const SIZE = 4;
const offsets: Paginator = {
  first: null,
  pageSize: SIZE,
  tokenOf: undefined,
  moves: 'offset',
  past: (token, rows) => Number(token ?? 0) + rows,
  next: ({ size, token }) => (size < SIZE ? null : Number(token ?? 0) + size),
  apply: () => undefined,
};

type Change = { kind: 'touch' | 'drop'; at: number } | { kind: 'insert' };

interface Walked {
  came: Set<number>;
  isProven: boolean;
  requests: number;
}

/**
 * Walks `rows` to the end. Before request n come `changes[n]`; a walk that is `resumed` goes on in a new process; some
 * requests are answered with an `empty` page.
 */
function walk(rows: number[], changes: Change[][], resumed?: number, empty: number[] = [], most = 500): Walked {
  let list = [...rows];
  let made = 1_000;
  let lists = new MovingList(offsets, ['id']);
  let at: ListWalk = { t: null };
  const came = new Set<number>();
  for (let requests = 1; requests <= most; requests++) {
    for (const change of changes[requests - 1] ?? []) {
      if (change.kind === 'insert') list = [made++, ...list];
      else if (list.length > 0) {
        const row = list[change.at % list.length]!;
        const others = list.filter((each) => each !== row);
        list = change.kind === 'touch' ? [row, ...others] : others;
      }
    }
    if (requests === resumed) lists = new MovingList(offsets, ['id']);
    const asked = lists.askedFor(at);
    const from = Number(asked ?? 0);
    const records = empty.includes(requests) ? [] : list.slice(from, from + SIZE).map((id) => ({ id }));
    const next: Json = offsets.next({ size: records.length, token: asked } as never);
    const output = { records, received: records, next, isFirstKept: true } as unknown as PageOutput;
    const seen = lists.seen('', at, output);
    for (const { id } of output.records) came.add(Number(id));
    const { t: _, ...rest } = at;
    const doubt = seen.walk.d ?? at.d;
    if (output.next === null) return { came, isProven: doubt === undefined && seen.end?.doubt === undefined, requests };
    at = JSON.parse(JSON.stringify({ ...rest, ...seen.walk, t: output.next })) as ListWalk;
  }
  return { came, isProven: false, requests: Infinity };
}

const change: fc.Arbitrary<Change> = fc.oneof(
  fc.record({ kind: fc.constantFrom('touch' as const, 'drop' as const), at: fc.nat({ max: 40 }) }),
  fc.constant({ kind: 'insert' as const }),
);
/** Few changes, of which some fall between the same two requests. */
const changed = fc
  .array(fc.tuple(fc.nat({ max: 8 }), fc.array(change, { minLength: 1, maxLength: 3 })), { maxLength: 2 })
  .map((all) => all.reduce<Change[][]>((out, [n, some]) => ((out[n] = some), out), []));

/** Nothing but the first answer tells of a list that there is nothing in it. */
const empties = fc.array(fc.integer({ min: 2, max: 12 }), { maxLength: 2 });

const missing = (rows: number[], changes: Change[][], { came }: Walked) => {
  // What is dropped at any time is nothing that must come.
  let list = [...rows];
  let made = 1_000;
  for (const each of changes.flatMap((some) => some ?? []))
    if (each.kind === 'insert') list = [made++, ...list];
    else if (list.length > 0) {
      const row = list[each.at % list.length]!;
      const others = list.filter((other) => other !== row);
      list = each.kind === 'touch' ? [row, ...others] : others;
    }
  return list.filter((row) => row < 1_000 && !came.has(row));
};

test.each([
  ['in one process', undefined],
  ['resumed by another', 3],
])('whatever is put to the front, dropped and inserted: proven means all, %s', (_, resumed) => {
  fc.assert(
    fc.property(fc.nat({ max: 30 }), changed, empties, (count, changes, empty) => {
      const rows = Array.from({ length: count }, (_row, id) => id);
      const walked = walk(rows, changes, resumed, empty);
      if (walked.isProven) expect(missing(rows, changes, walked)).toEqual([]);
    }),
    { numRuns: 5_000 },
  );
});

test('a list that stands still costs one request more, and is proven', () => {
  for (const [count, requests] of [
    [0, 1],
    [3, 2],
    [30, 12],
  ] as const) {
    const rows = Array.from({ length: count }, (_row, id) => id);
    const walked = walk(rows, []);
    expect([walked.isProven, walked.came.size, walked.requests]).toEqual([true, count, requests]);
  }
});

test('a row that is listed twice, each time, is no move', () => {
  const rows = Array.from({ length: 20 }, (_row, id) => id % 17);
  expect(walk(rows, []).isProven).toBe(true);
});
