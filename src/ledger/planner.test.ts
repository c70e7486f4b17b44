import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { STATED } from '../base/evidence.js';
import { seededRandom, type Random } from '../base/random.js';
import { decodeRange, encodeRange, rangeKey } from './checkpoint.js';
import { segmentCountFromDensity } from './density.js';
import { coverFaults, isClosed, openLedger, reduce, type Ledger, type LedgerEvent } from './ledger.js';
import { Planner } from './planner.js';
import type { RangeRequest } from './page.js';

const SPAN = { gte: 0, lt: 1_000_000 };
const PAGE = 10;
/** A walk whose cursors alone tell where it stands. */
const OPAQUE = { unit: 1, pageRows: PAGE, strategy: 'none', seekable: false, confirms: false } as const;

interface Server {
  /** Positions, ascending; the index is the key. */
  rows: number[];
  random: Random;
  lostCursors: number;
  emptyPages: number;
  /** Requests that were answered with an empty page: each is answered truly when it is made again. */
  told?: Set<string>;
}

function answer(
  server: Server,
  request: RangeRequest,
): { positions: number[]; keys: string[]; hasMore: boolean; nextCursor: string | null } | 'gone' {
  const { rows, random } = server;
  if (request.cursor !== null && random.next() < server.lostCursors) return 'gone';
  const low = rows.findIndex((row) => row >= (request.filter.gte ?? -Infinity));
  const from = low < 0 ? rows.length : low;
  let to = request.cursor === null ? rows.length : Number(request.cursor);
  while (to > 0 && rows[to - 1]! >= request.filter.lt) to--;
  const start = Math.max(from, to - PAGE);
  const keys = Array.from({ length: Math.max(0, to - start) }, (_, i) => to - 1 - i);
  const place = JSON.stringify([request.cursor, request.filter]);
  if (start > from && random.next() < server.emptyPages && !server.told?.has(place)) {
    server.told?.add(place);
    // It names what follows the rows that it left out, or nothing.
    return { positions: [], keys: [], hasMore: true, nextCursor: random.next() < 0.5 ? null : String(start) };
  }
  return {
    positions: keys.map((key) => rows[key]!),
    keys: keys.map(String),
    hasMore: start > from,
    nextCursor: keys.length > 0 ? String(keys.at(-1)) : null,
  };
}

/** What one process does: fetch side by side, commit in each range's order, and stop after `commits` of them. */
function runUntil(
  ledger: Ledger,
  server: Server,
  delivered: Map<number, number>,
  commits: number,
  strategy: 'adaptive' | 'uniform',
): Ledger {
  const planner = new Planner(ledger, { unit: 1, pageRows: PAGE, strategy });
  const inFlight: RangeRequest[] = [];
  const queue: { events: LedgerEvent[]; keys: number[] }[] = [];
  let committed = ledger;
  let left = commits;
  for (let step = 0; step < 100_000; step++) {
    for (let request = planner.next(8); request; request = planner.next(8)) inFlight.push(request);
    for (const event of planner.takeEvents()) queue.push({ events: [event], keys: [] });
    if (inFlight.length > 0) {
      const [request] = inFlight.splice(server.random.integer(inFlight.length), 1);
      const page = answer(server, request!);
      if (page === 'gone') planner.cursorGone(request!.range);
      else {
        const verdict = planner.arrived(request!.range, page);
        queue.push({
          events: [verdict.event],
          keys: (verdict.keep ?? page.keys.map((_, i) => i)).map((i) => Number(page.keys[i])),
        });
        for (const event of planner.takeEvents()) queue.push({ events: [event], keys: [] });
      }
    }
    while (queue.length > 0 && (inFlight.length === 0 || server.random.next() < 0.5)) {
      if (left-- <= 0) return committed;
      const item = queue.shift()!;
      for (const event of item.events) committed = reduce(committed, event);
      for (const key of item.keys) delivered.set(key, (delivered.get(key) ?? 0) + 1);
      expect(coverFaults(committed)).toEqual([]);
    }
    if (planner.done && queue.length === 0) return committed;
  }
  throw new Error('the run does not end');
}

/** What a new process finds: the entries of the committed ledger. */
function restored(ledger: Ledger): Ledger {
  const entries = JSON.parse(
    JSON.stringify([...ledger.ranges].map(([id, range]) => [rangeKey(id), encodeRange(range)])),
  ) as [string, unknown][];
  const ranges = new Map(
    entries.map(([key, value]) => {
      const range = decodeRange(key, value);
      return [range.id, range];
    }),
  );
  return { span: ledger.span, nextId: Math.max(...ranges.keys()) + 1, ranges };
}

const shapes = fc.oneof(
  fc.array(fc.nat(SPAN.lt - 1), { maxLength: 300, size: 'max' }),
  fc.array(
    fc.nat(50).map((n) => 500_000 + n),
    { maxLength: 300, size: 'max' },
  ),
  fc.array(fc.constantFrom(7, 123_456, 123_457, 999_999), { maxLength: 200, size: 'max' }),
  fc.array(
    fc.double({ min: 0, max: 1, noNaN: true }).map((u) => Math.floor((SPAN.lt - 1) * u ** 0.1)),
    { maxLength: 300, size: 'max' },
  ),
);

/**
 * At most six pages of rows at one position: a walk over them cannot be divided, and one that is lost twenty times is given up as
 * unreadable, which happens to a long one where each page may be lost.
 */
function walkable(positions: number[]): number[] {
  const held = new Map<number, number>();
  return positions.filter((position) => {
    held.set(position, (held.get(position) ?? 0) + 1);
    return held.get(position)! <= 6 * PAGE;
  });
}

function property(faults: { lostCursors: number; emptyPages: number }, strategy: 'adaptive' | 'uniform') {
  return fc.property(shapes, fc.integer(), fc.array(fc.nat(40), { maxLength: 6 }), (positions, seed, cuts) => {
    const server: Server = {
      rows: (faults.lostCursors > 0 ? walkable(positions) : positions).toSorted((a, b) => a - b),
      random: seededRandom(seed),
      told: new Set(),
      ...faults,
    };
    const delivered = new Map<number, number>();
    let ledger = openLedger(SPAN, 1);
    for (const cut of cuts)
      if (!isClosed(ledger)) ledger = restored(runUntil(ledger, server, delivered, cut, strategy));
    if (!isClosed(ledger)) ledger = runUntil(ledger, server, delivered, Infinity, strategy);
    expect(isClosed(ledger)).toBe(true);
    expect(delivered.size).toBe(server.rows.length);
  });
}

describe('planner', () => {
  test('any prefix of commits, cut, serialised, restored and continued, ends with every row', () => {
    fc.assert(property({ lostCursors: 0, emptyPages: 0 }, 'adaptive'), { numRuns: 400 });
  });

  test('the same with lost cursors and empty pages that claim more', () => {
    fc.assert(property({ lostCursors: 0.05, emptyPages: 0.05 }, 'adaptive'), { numRuns: 400 });
    fc.assert(property({ lostCursors: 0.05, emptyPages: 0.5 }, 'adaptive'), { numRuns: 100 });
  });

  test('the uniform planner reads every row as well', () => {
    fc.assert(property({ lostCursors: 0, emptyPages: 0 }, 'uniform'), { numRuns: 200 });
  });

  test('without faults no row is delivered twice by an undisturbed run', () => {
    fc.assert(
      fc.property(shapes, fc.integer(), (positions, seed) => {
        const server: Server = {
          rows: positions.toSorted((a, b) => a - b),
          random: seededRandom(seed),
          lostCursors: 0,
          emptyPages: 0,
        };
        const delivered = new Map<number, number>();
        runUntil(openLedger(SPAN, 1), server, delivered, Infinity, 'adaptive');
        expect([...delivered.values()].every((count) => count === 1)).toBe(true);
      }),
      { numRuns: 300 },
    );
  });

  test('one page of rows is one request', () => {
    const planner = new Planner(openLedger(SPAN, 1), { unit: 1, pageRows: PAGE, strategy: 'adaptive' });
    const request = planner.next(50)!;
    expect(request.filter).toEqual({ gte: null, lt: SPAN.lt });
    expect(planner.next(50)).toBeUndefined();
    planner.arrived(request.range, { positions: [9, 5], keys: ['b', 'a'], hasMore: false, nextCursor: 'a' });
    expect(planner.done).toBe(true);
  });

  test('the lowest range sends no lower bound, also after it was stolen from', () => {
    const planner = new Planner(openLedger({ gte: 100, lt: 1_000_000 }, 1), {
      unit: 1,
      pageRows: PAGE,
      strategy: 'adaptive',
    });
    const first = planner.next(50)!;
    planner.arrived(first.range, {
      positions: Array.from({ length: PAGE }, (_, i) => 999_999 - i * 100),
      keys: Array.from({ length: PAGE }, (_, i) => `k${i}`),
      hasMore: true,
      nextCursor: 'k9',
    });
    const requests = [];
    for (let request = planner.next(8); request; request = planner.next(8)) requests.push(request);
    expect(requests.length).toBeGreaterThan(2);
    expect(
      requests.filter((request) => request.cursor === null && request.filter.gte === null).length,
    ).toBeGreaterThanOrEqual(1);
  });

  test('a unit of granularity is never split', () => {
    const planner = new Planner(openLedger({ gte: 5, lt: 6 }, 1), { unit: 1, pageRows: PAGE, strategy: 'adaptive' });
    let pages = 0;
    for (let request = planner.next(50); request; request = planner.next(50)) {
      expect(planner.next(50)).toBeUndefined();
      pages++;
      planner.arrived(request.range, {
        positions: new Array(PAGE).fill(5),
        keys: Array.from({ length: PAGE }, (_, i) => `${pages}.${i}`),
        hasMore: pages < 7,
        nextCursor: String(pages),
      });
    }
    expect(pages).toBe(7);
    expect(planner.takeEvents()).toEqual([]);
  });

  test('each empty page of an opaque walk is asked for again, whatever came since the last one', () => {
    const pages = [3, 10, 10, 10, 10, 7];
    const never = fc.record({ empty: fc.uniqueArray(fc.integer({ min: 0, max: pages.length - 1 })) });
    fc.assert(
      fc.property(never, ({ empty }) => {
        const planner = new Planner(openLedger({ gte: 0, lt: 1 }, 1), { ...OPAQUE });
        const lies = new Set(empty);
        const read: number[] = [];
        let evidence: unknown;
        for (let asked = 0; !planner.done; asked++) {
          expect(asked).toBeLessThan(100);
          const { range, cursor } = planner.next(8)!;
          const at = Number(cursor ?? 0);
          const isEmpty = lies.delete(at);
          if (!isEmpty) read.push(at);
          const { event } = planner.arrived(range, {
            positions: Array.from({ length: isEmpty ? 0 : pages[at]! }, () => Number.NaN),
            keys: Array.from({ length: isEmpty ? 0 : pages[at]! }, () => null),
            hasMore: isEmpty || at < pages.length - 1,
            nextCursor: isEmpty || at < pages.length - 1 ? String(at + 1) : null,
          });
          evidence = event.evidence;
        }
        expect(read).toEqual(pages.map((_, at) => at));
        expect(evidence).toEqual(STATED);
      }),
    );
  });

  test('rows below the span, in full pages: the end is confirmed below the last of them', () => {
    const server: Server = {
      rows: Array.from({ length: 40 }, (_, i) => (i < 30 ? -100 + (i >> 3) : 500 + i)),
      random: seededRandom(1),
      lostCursors: 0,
      emptyPages: 0,
    };
    const planner = new Planner(openLedger(SPAN, 1), { unit: 1, pageRows: PAGE, strategy: 'none', confirms: true });
    const came = new Set<string>();
    let asked = 0;
    for (let request = planner.next(1); request && asked < 20; request = planner.next(1), asked++) {
      const page = answer(server, request);
      if (page === 'gone') continue;
      for (const key of page.keys) came.add(key);
      planner.arrived(request.range, page);
    }
    expect(planner.done).toBe(true);
    expect(came.size).toBe(40);
    expect(asked).toBe(5);
  });

  test('a page out of order is noticed', () => {
    const planner = new Planner(openLedger(SPAN, 1), { unit: 1, pageRows: PAGE, strategy: 'adaptive' });
    planner.arrived(planner.next(1)!.range, { positions: [10, 20], keys: ['a', 'b'], hasMore: true, nextCursor: 'b' });
    expect(planner.orderBroken).toBe(true);
  });

  test('a server that never ends a unit is given up with an error', () => {
    const planner = new Planner(openLedger(SPAN, 1), { unit: 1, pageRows: PAGE, strategy: 'adaptive' });
    expect(() => {
      for (let i = 0; i < 1000; i++) {
        const request = planner.next(1)!;
        if (request.cursor === null)
          planner.arrived(request.range, { positions: [500], keys: [`k${i}`], hasMore: true, nextCursor: 'c' });
        else planner.cursorGone(request.range);
      }
    }).toThrow(/does not let position/);
  });
});

describe('segmentCountFromDensity', () => {
  test.each([
    [100, 10, 10],
    [100, 30, 4],
    [100, 100, 1],
    [100, 0.5, 50],
    [0, 0, 1],
    [100, 0, 50],
    [100, 200, 1],
  ])('span %d, first page %d -> %d', (span, covered, count) => {
    expect(segmentCountFromDensity(span, covered)).toBe(count);
  });
});

/** Drives a planner for so many steps; `asking`: what is expected is asked for before and after each of them. */
function expectedAfter(steps: number, rows: number[], seed: number, asking: boolean): number {
  const planner = new Planner(openLedger(SPAN, 1), { unit: 1, pageRows: PAGE, strategy: 'adaptive' });
  const server = { rows, random: seededRandom(seed), lostCursors: 0.1, emptyPages: 0.1 };
  const inFlight: RangeRequest[] = [];
  const ask = () => void (asking && planner.expectedPages());
  for (let step = 0; step < steps && !planner.done; step++) {
    for (let request = planner.next(8); request; request = planner.next(8)) {
      inFlight.push(request);
      ask();
    }
    if (server.random.next() < 0.05) planner.lend(2);
    ask();
    const [request] = inFlight.splice(server.random.integer(Math.max(1, inFlight.length)), 1);
    if (!request) break;
    const page = answer(server, request);
    if (page === 'gone') planner.cursorGone(request.range);
    else planner.arrived(request.range, page);
    ask();
  }
  return planner.expectedPages();
}

test('what is expected is the same, however often it was asked for', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 0, max: SPAN.lt - 1 }), { minLength: 50, maxLength: 600 }),
      fc.integer({ min: 1, max: 60 }),
      fc.integer({ min: 1, max: 2 ** 30 }),
      (positions, steps, seed) => {
        const rows = positions.toSorted((a, b) => a - b);
        expect(expectedAfter(steps, rows, seed, true)).toBe(expectedAfter(steps, rows, seed, false));
      },
    ),
    { numRuns: 200 },
  );
});
