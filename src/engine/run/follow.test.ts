import fc from 'fast-check';
import { expect, test } from 'vitest';
import { encodeRange, META_KEY, rangeKey, type StreamMeta } from '../../ledger/checkpoint.js';
import { coverFaults, openLedger, reduce } from '../../ledger/ledger.js';
import type { Division, Stream } from '../../sources/contract.js';
import { spanOnAxis } from '../read/axes.js';
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
  const { span, ranges } = reduce(opened, { ...page, closes: true, newest }, unit);
  const meta: StreamMeta = { generation: 1, mode: 'load', span, complete: true };
  return [
    { stream: 'rows', key: META_KEY, version: 1, value: meta },
    { stream: 'rows', key: rangeKey(1), version: 1, value: encodeRange(ranges.get(1)!) },
  ];
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
