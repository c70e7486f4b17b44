/** Rows whose position moves while a bounded list is read, and once more before the last sweep is answered. */
import { expect, test } from 'vitest';
import type { Division, PageRequest } from '../../src/sources/contract.js';
import { clock, inDestination, PAGE, RANGE, rows, stream, sync, T0 } from '../evidence-support.js';

inDestination();

const ORDERS = ['descending', 'ascending', 'unordered'] as const;
const divisionOf = (order: (typeof ORDERS)[number]): Division =>
  ({ ...RANGE, order, bounded: true, moves: true }) as Division;

/** Reads 35 rows; the one that would come last is touched before these requests are answered, `step` seconds apart. */
let tables = 0;
async function read(order: (typeof ORDERS)[number], touched: number[], step: number) {
  clock.now = T0;
  const all = rows(35);
  const hot = order === 'ascending' ? all.at(-1)! : all[0]!;
  let asked = 0;
  const page = ({ gte, lt, cursor }: PageRequest) => {
    clock.now += step;
    if (touched.includes(++asked)) hot.at = clock.now;
    const sign = order === 'ascending' ? 1 : -1;
    const found = all
      .filter(({ at }) => at >= (gte ?? -Infinity) && at < (lt ?? Infinity))
      .toSorted((a, b) => sign * (a.at - b.at));
    const start = cursor === null ? 0 : found.findIndex(({ id }) => id === cursor) + 1;
    return {
      records: found.slice(start, start + PAGE),
      hasMore: start + PAGE < found.length,
      next: found[start + PAGE - 1]?.id ?? null,
    };
  };
  const name = `things${++tables}`;
  const { outcome, proofs } = await sync(stream(divisionOf(order), page, { kind: 'cursor', lookback: 1 }, { name }));
  return { outcome, doubt: proofs[0]?.doubt, missing: 35 - proofs[0]!.stored, asked };
}

test.each(ORDERS.flatMap((order) => [1, 13].map((step) => [order, step] as const)))(
  '%s, %i s a request: whenever a row is touched twice, it comes',
  async (order, step) => {
    const { asked } = await read(order, [], 0);
    for (let again = 2; again <= asked + 2; again++) {
      const { outcome, doubt, missing } = await read(order, [1, again], step);
      expect([again, outcome, doubt, missing]).toEqual([again, 'complete', undefined, 0]);
    }
  },
);

test.each(ORDERS)('%s: an API that answers within the second of the sweep is asked once', async (order) => {
  const still = await read(order, [], 0);
  const slow = await read(order, [], 1);
  expect([still.missing, slow.missing]).toEqual([0, 0]);
  expect(slow.asked - still.asked).toBeLessThanOrEqual(2);
});
