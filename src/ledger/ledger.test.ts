import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FatalError } from '../base/errors.js';
import {
  coverFaults,
  isClosed,
  mergesOf,
  openLedger,
  reduce,
  totals,
  type Ledger,
  type LedgerEvent,
} from './ledger.js';

/** Any event that fits the ledger, chosen by three numbers. */
function anyEvent(ledger: Ledger, kind: number, pick: number, share: number): LedgerEvent | undefined {
  const open = [...ledger.ranges.values()].filter((range) => range.open);
  if (open.length === 0) return mergesOf(ledger)[0];
  const range = open[pick % open.length]!;
  const top = range.gte + Math.floor((range.top - range.gte) * share);
  if (kind === 0 && range.top > range.gte)
    return { type: 'split', victim: range.id, at: Math.max(range.gte + 1, top), thief: ledger.nextId };
  if (kind === 3) return mergesOf(ledger)[0];
  return {
    type: 'page',
    range: range.id,
    top,
    cursor: `c${top}`,
    filter: range.filter,
    rows: pick % 100,
    pages: 1,
    closes: kind === 2,
  };
}

describe('ledger', () => {
  test('cover holds after every event (invariant 1)', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 100_000 }),
        fc.array(fc.tuple(fc.nat(3), fc.nat(1000), fc.double({ min: 0, max: 1, noNaN: true })), { maxLength: 200 }),
        (length, choices) => {
          let ledger = openLedger({ gte: 1000, lt: 1000 + length }, 1);
          let rows = 0;
          for (const [kind, pick, share] of choices) {
            const event = anyEvent(ledger, kind, pick, share);
            if (!event) continue;
            if (event.type === 'page') rows += event.rows;
            ledger = reduce(ledger, event);
            expect(coverFaults(ledger)).toEqual([]);
            expect(totals(ledger).rows).toBe(rows);
          }
        },
      ),
      { numRuns: 500 },
    );
  });

  test('a closed ledger merges into one range that keeps the counts', () => {
    let ledger = openLedger({ gte: 0, lt: 100 }, 1);
    ledger = reduce(ledger, { type: 'split', victim: 1, at: 40, thief: 2 });
    for (const id of [1, 2])
      ledger = reduce(ledger, {
        type: 'page',
        range: id,
        top: id === 1 ? 40 : 0,
        cursor: null,
        filter: { gte: null, lt: 100 },
        rows: 5,
        pages: 1,
        closes: true,
      });
    expect(isClosed(ledger)).toBe(true);
    for (const event of mergesOf(ledger)) ledger = reduce(ledger, event);
    expect([...ledger.ranges.values()]).toMatchObject([{ gte: 0, lt: 100, rows: 10, pages: 2, open: false }]);
  });

  test('opening a part again keeps the cover and extends the span', () => {
    let ledger = openLedger({ gte: 0, lt: 100 }, 1);
    ledger = reduce(ledger, {
      type: 'page',
      range: 1,
      top: 0,
      cursor: null,
      filter: { gte: null, lt: 100 },
      rows: 5,
      pages: 1,
      closes: true,
    });
    const later = reduce(ledger, { type: 'reopened', gte: 90, lt: 130, unit: 1 });
    expect(coverFaults(later)).toEqual([]);
    expect(later.span).toEqual({ gte: 0, lt: 130 });
    const middle = reduce(ledger, { type: 'reopened', gte: 20, lt: 30, unit: 1 });
    expect(coverFaults(middle)).toEqual([]);
    expect(totals(middle)).toMatchObject({ open: 1, closed: 2 });
  });

  test('gaps and overlaps are found', () => {
    const ledger = openLedger({ gte: 0, lt: 100 }, 1);
    const range = ledger.ranges.get(1)!;
    expect(coverFaults({ ...ledger, ranges: new Map([[1, { ...range, gte: 10 }]]) })).toEqual(['gap [0, 10)']);
    expect(
      coverFaults({
        ...ledger,
        ranges: new Map([
          [1, range],
          [2, { ...range, id: 2, gte: 50 }],
        ]),
      })[0],
    ).toMatch(/overlap/);
    expect(coverFaults({ ...ledger, ranges: new Map() })).toEqual(['gap [0, 100)']);
  });

  test('events that do not fit are refused', () => {
    const ledger = openLedger({ gte: 0, lt: 100 }, 1);
    expect(() => reduce(ledger, { type: 'split', victim: 1, at: 0, thief: 2 })).toThrow(FatalError);
    expect(() => reduce(ledger, { type: 'split', victim: 9, at: 5, thief: 2 })).toThrow(FatalError);
    expect(() =>
      reduce(ledger, {
        type: 'page',
        range: 1,
        top: 500,
        cursor: null,
        filter: { gte: null, lt: 100 },
        rows: 0,
        pages: 1,
        closes: false,
      }),
    ).toThrow(FatalError);
    expect(() => reduce(ledger, { type: 'merged', into: 1, gone: 2 })).toThrow(FatalError);
  });

  test('an empty span is asked once', () => {
    expect(openLedger({ gte: 5, lt: 5 }, 1).span).toEqual({ gte: 5, lt: 6 });
  });
});
