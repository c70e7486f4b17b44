/** Lists by page numbers without a total: what a second walk over them tells. */
import { describe, expect, test } from 'vitest';
import type { Division } from '../../src/sources/contract.js';
import { liveIds, type MemoryRow } from '../memory-support.js';
import {
  destination,
  name,
  PAGE,
  rows,
  ids,
  sync,
  live,
  type Answer,
  stream,
  inDestination,
} from '../evidence-support.js';

inDestination();

describe('page numbers without a total', () => {
  const NUMBERED: Division = { kind: 'numbered', pageRows: PAGE };
  const keys = (all: MemoryRow[]) => new Set(ids(all));

  /** Reads a list that `change` may alter before its n-th page is answered. */
  async function readNumbered(count: number, change: (all: MemoryRow[], asked: number) => MemoryRow[], more = {}) {
    let all = rows(count);
    let asked = 0;
    const answer: Answer = ({ number }) => {
      all = change(all, ++asked);
      return { records: all.slice(number! * PAGE, (number! + 1) * PAGE), hasMore: (number! + 1) * PAGE < all.length };
    };
    const summary = await sync(stream(NUMBERED, answer), more);
    return {
      summary,
      proof: summary.proofs[0]!,
      all,
      stored: keys((await live()).map((id) => ({ id, at: 0 }))),
      asked,
    };
  }

  test.each([15, 50, 95])('a second walk of %i rows brings the same: nothing moved', async (count) => {
    const { summary, proof, stored } = await readNumbered(count, (all) => all);
    expect(summary.outcome).toBe('complete');
    expect(proof).toMatchObject({ evidence: 'confirmed', faults: [] });
    expect(stored.size).toBe(count);
  });

  test.each([2, 3, 5, 8])(
    'rows that leave the front before page %i are no loss, and it is walked once more',
    async (at) => {
      const { proof, all, stored } = await readNumbered(60, (list, asked) => (asked === at ? list.slice(7) : list));
      expect(all.filter(({ id }) => !stored.has(id))).toEqual([]);
      expect(proof).toMatchObject({ evidence: 'confirmed', faults: [] });
    },
  );

  test('as many rows come as go: no number tells, the second walk does', async () => {
    const { proof, all, stored } = await readNumbered(60, (list, asked) =>
      asked === 3 ? [...list.slice(5), ...rows(65).slice(60)] : list,
    );
    expect(all.filter(({ id }) => !stored.has(id))).toEqual([]);
    expect(proof.doubt).toBeUndefined();
  });

  test('what moves in every walk is unproven', async () => {
    const { summary, proof } = await readNumbered(60, (list) => list.slice(1));
    expect(summary.outcome).toBe('complete');
    expect(proof.doubt).toContain('rows moved');
  });

  test('a long list is not walked twice, and is unproven', async () => {
    const { proof, asked } = await readNumbered(300, (all) => all);
    expect(proof.doubt).toContain('page numbers');
    expect(asked).toBeLessThan(50);
  });

  test('an empty page amid pages with rows is a hole, however often it comes', async () => {
    const all = rows(60);
    const summary = await sync(
      stream(NUMBERED, ({ number }) => ({
        records: number === 2 ? [] : all.slice(number! * PAGE, (number! + 1) * PAGE),
      })),
    );
    expect(summary.proofs[0]!.doubt).toContain('empty');
  });

  test.each([1, 2, 3, 5])('page %i that comes back empty once is no end, whatever stands before it', async (at) => {
    const all = rows(60);
    let lies = 1;
    const answer: Answer = ({ number }) => ({
      records: number === at && lies-- > 0 ? [] : all.slice(number! * PAGE, (number! + 1) * PAGE),
    });
    const { proofs, outcome } = await sync(stream(NUMBERED, answer));
    expect(outcome).toBe('complete');
    expect(lies).toBeLessThan(0);
    expect({ missing: 60 - (await live()).length, doubt: proofs[0]!.doubt }).toEqual({ missing: 0, doubt: undefined });
  });

  test('one full page, and nothing after it: asked for twice, and proven', async () => {
    const { proof, asked, stored } = await readNumbered(PAGE, (all) => all);
    expect(proof).toMatchObject({ evidence: 'confirmed', faults: [] });
    expect([stored.size, asked]).toEqual([PAGE, 4]);
  });

  test.each([5, 10, 25])('the API gives %i rows at once, and the second page comes back empty once', async (cap) => {
    const all = rows(4 * cap);
    let lies = 1;
    const answer: Answer = ({ number }) => ({
      records: number === 1 && lies-- > 0 ? [] : all.slice(number! * cap, (number! + 1) * cap),
    });
    const { proofs, outcome } = await sync(stream({ kind: 'numbered', pageRows: 30 }, answer));
    expect(outcome).toBe('complete');
    expect({ missing: 4 * cap - (await live()).length, doubt: proofs[0]!.doubt }).toEqual({
      missing: 0,
      doubt: undefined,
    });
  });

  test('rows that are only added are read once', async () => {
    const { summary, stored } = await readNumbered(45, (all) => all, { mode: 'append' });
    expect([summary.proofs[0]!.counts.read, stored.size]).toEqual([45, 45]);
  });
});

describe('page numbers with a total', () => {
  const counted: Division = { kind: 'numbered', pageRows: PAGE };

  test.each(['front', 'back'])(
    'a row goes and another comes at the %s, between any two pages: nothing is lost',
    async (end) => {
      const told: unknown[] = [];
      for (const gone of [3, 12, 19, 31, 54])
        for (let at = 2; at <= 7; at++) {
          let all = rows(60);
          let asked = 0;
          const answer: Answer = ({ number }) => {
            if (++asked === at) {
              const left = all.filter((_, index) => index !== gone);
              const come = { id: 'new', at: 0 };
              all = end === 'front' ? [come, ...left] : [...left, come];
            }
            return { records: all.slice(number! * PAGE, (number! + 1) * PAGE), total: all.length };
          };
          const table = `t${gone}_${at}`;
          const { proofs, outcome } = await sync(stream(counted, answer, undefined, { name: table }));
          const stored = new Set(await liveIds(destination, name, table));
          const lost = all.filter(({ id }) => !stored.has(id) && id !== 'new').length;
          if (outcome !== 'complete' || (lost > 0 && proofs[0]!.doubt === undefined))
            told.push([gone, at, outcome, lost]);
        }
      expect(told).toEqual([]);
    },
  );

  test('a list that stands still costs three requests more', async () => {
    const all = rows(95);
    let asked = 0;
    const { proofs } = await sync(
      stream(counted, ({ number }) => {
        asked++;
        return { records: all.slice(number! * PAGE, (number! + 1) * PAGE), total: all.length };
      }),
    );
    expect([proofs[0]!.evidence, proofs[0]!.doubt]).toEqual(['counted', undefined]);
    // Ten pages, and what dividing them costs.
    expect(asked).toBeLessThanOrEqual(15);
  });
});
