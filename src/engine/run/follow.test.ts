import fc from 'fast-check';
import { expect, test } from 'vitest';
import { encodeRange, META_KEY, rangeKey, type StreamMeta } from '../../ledger/checkpoint.js';
import { coverFaults, openLedger, reduce, type Ledger, type Range } from '../../ledger/ledger.js';
import type { Division, Stream } from '../../sources/contract.js';
import { listedSpan, spanOnAxis } from '../read/axes.js';
import { openStream } from './follow.js';

/** A stream of rows that bear a time, whose history begins at `start`. */
function streamFrom(start: number, order: 'ascending' | 'descending' | 'unordered', unit: number): Stream {
  return {
    name: 'rows',
    schema: { type: 'object', properties: { id: { type: 'string' } } },
    primaryKey: ['id'],
    division: { kind: 'range', position: () => 0, unit, order, pageRows: 10, start, ...windowOf(order) },
    follow: { kind: 'cursor' },
    stored: true,
    endpoint: 'rows',
    page: () => Promise.reject(new Error('nothing is asked for')),
  };
}

const windowOf = (order: string) => (order === 'unordered' ? { window: 500 } : {});

/** What a run leaves that read all of it. */
function readWhole(division: Division, history: { gte: number; lt: number }, unit: number, newest: number | undefined) {
  const opened = openLedger(spanOnAxis(division, history, false), unit);
  const range = opened.ranges.get(1)!;
  const page = {
    type: 'page',
    range: 1,
    top: range.gte,
    cursor: null,
    filter: range.filter,
    rows: 1,
    pages: 1,
  } as const;
  return entriesOf(reduce(opened, { ...page, closes: true, newest }, unit), { complete: true });
}

test('what a next run reads covers the span once, wherever start, end and newest row lie', () => {
  const second = fc.integer({ min: 0, max: 5000 });
  fc.assert(
    fc.property(
      second,
      second,
      second,
      second,
      fc.option(second, { nil: undefined }),
      fc.constantFrom('ascending' as const, 'descending' as const, 'unordered' as const),
      fc.constantFrom(1, 60),
      (before, after, long, pause, age, order, unit) => {
        const [firstEnd, lastEnd] = [10_000 + long, 10_000 + long + pause];
        const newest = age === undefined ? undefined : firstEnd - age;
        const first = streamFrom(firstEnd - 1 - before, order, unit);
        const stream = streamFrom(firstEnd - 1 - after, order, unit);
        const entries = readWhole(first.division, { gte: 0, lt: firstEnd }, unit, newest);
        const history = { gte: 0, lt: lastEnd };
        const { ledger } = openStream({
          stream,
          mode: 'upsert',
          history,
          entries,
          changesLost: false,
          childrenMissing: false,
        });
        expect(coverFaults(ledger)).toEqual([]);
        const wanted = spanOnAxis(stream.division, history, false);
        expect(ledger.span.gte).toBeLessThanOrEqual(wanted.gte);
        expect(ledger.span.lt).toBeGreaterThanOrEqual(wanted.lt);
      },
    ),
  );
});

test('what was begun before its start moved on is not read below it, and is opened when it moves back', () => {
  const second = fc.integer({ min: 0, max: 5000 });
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(), fc.double({ min: 0, max: 1, noNaN: true }), fc.boolean()), { maxLength: 9 }),
      second,
      fc.constantFrom('ascending' as const, 'descending' as const, 'unordered' as const),
      fc.constantFrom(1, 60),
      (steps, later, order, unit) => {
        const history = { gte: 0, lt: 12_000 };
        const first = streamFrom(6000, order, unit);
        const ledger = begunLedger(openLedger(spanOnAxis(first.division, history, false), unit), steps, unit);
        const open = { changesLost: false, childrenMissing: false, mode: 'upsert', history } as const;
        const moved = streamFrom(6000 + later, order, unit);
        const resumed = openStream({ ...open, stream: moved, entries: entriesOf(ledger) });
        expect(coverFaults(resumed.ledger)).toEqual([]);
        const { gte, lt } = listedSpan(moved.division);
        for (const range of resumed.ledger.ranges.values())
          expect(!range.open || (range.gte >= gte && range.lt <= lt)).toBe(true);
        const ids = [...resumed.ledger.ranges.keys()];
        expect(Math.max(...ids)).toBeGreaterThanOrEqual(Math.max(...ledger.ranges.keys()));
        // All that is left comes to its end, and the start moves back.
        const ended = { ...resumed.ledger, ranges: new Map([...resumed.ledger.ranges].map(closed)) };
        const again = openStream({ ...open, stream: first, entries: entriesOf(ended, { complete: true }) }).ledger;
        for (const unread of ledger.ranges.values())
          if (unread.open && unread.gte < gte) expect(isOpenAt(again, unread.gte)).toBe(true);
          else if (unread.open && unread.lt > lt) expect(isOpenAt(again, unread.lt - unit)).toBe(true);
      },
    ),
  );
});

function begunLedger(ledger: Ledger, steps: [number, number, boolean][], unit: number): Ledger {
  for (const [pick, share, closes] of steps) {
    const ranges = [...ledger.ranges.values()].filter(({ open }) => open);
    const range = ranges[pick % ranges.length];
    if (!range) return ledger;
    const { id, gte, filter } = range;
    const at = gte + Math.floor(((range.top - gte) * share) / unit) * unit;
    const page = { type: 'page', range: id, top: at, cursor: 'c', filter, rows: 1, pages: 1, closes } as const;
    if (!closes && at > gte && at <= range.top && pick % 2 === 0)
      ledger = reduce(ledger, { type: 'split', victim: id, at, thief: ledger.nextId }, unit);
    else ledger = reduce(ledger, page, unit);
  }
  return ledger;
}

const closed = ([id, range]: [number, Range]) => [id, { ...range, open: false, cursor: null }] as const;

function isOpenAt(ledger: Ledger, position: number): boolean {
  return [...ledger.ranges.values()].some(({ open, gte, lt }) => open && gte <= position && position < lt);
}

function entriesOf({ span, ranges }: Ledger, more: Partial<StreamMeta> = {}) {
  const meta: StreamMeta = { generation: 1, mode: 'load', span, complete: false, ...more };
  const of = [...ranges.values()].map((range) => ({ key: rangeKey(range.id), value: encodeRange(range) as unknown }));
  return [{ key: META_KEY, value: meta as unknown }, ...of].map((entry) => ({ ...entry, stream: 'rows', version: 1 }));
}
