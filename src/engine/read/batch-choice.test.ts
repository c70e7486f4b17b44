import fc from 'fast-check';
import { expect, test } from 'vitest';
import { openLedger, reduce, type Ledger } from '../../ledger/ledger.js';
import { chooseBatch, rangesOf, type Waiting } from './batch-choice.js';

const filter = { gte: null, lt: 1000 };
const page = (range: number, top: number, bytes = 100): Waiting => ({
  kind: 'page',
  event: { type: 'page', range, top, cursor: 'c', filter, rows: 1, pages: 1, closes: false },
  bytes,
});
const split = (victim: number, at: number, thief: number): Waiting => ({
  kind: 'split',
  event: { type: 'split', victim, at, thief },
  bytes: 0,
});
const limits = { unit: 1, maxBytes: 1000, mostRanges: 10, locked: new Set<number>() };
const LEDGER = openLedger({ gte: 0, lt: 1000 }, 1);

test('items are taken in order, and the ledger is as after their commit', () => {
  const queue = [page(1, 900), split(1, 500, 2), page(2, 400)];
  const choice = chooseBatch(queue, LEDGER, limits);
  expect(choice.taken).toEqual(queue);
  expect([...choice.touched].toSorted()).toEqual([1, 2]);
  expect(choice.ledger.ranges.get(2)).toMatchObject({ gte: 0, lt: 500, rows: 1 });
});

test('a range that a commit is writing waits, and with it all that follows on it', () => {
  const ledger = reduce(LEDGER, { type: 'split', victim: 1, at: 500, thief: 2 });
  const queue = [page(1, 900), split(1, 700, 3), page(3, 600), page(2, 400)];
  const choice = chooseBatch(queue, ledger, { ...limits, locked: new Set([1]) });
  expect(choice.taken).toEqual([queue[3]]);
  expect(choice.left).toEqual(queue.slice(0, 3));
});

test('a batch holds no more than its bytes and ranges, but always one item', () => {
  expect(chooseBatch([page(1, 900, 5000), page(1, 800)], LEDGER, limits).taken).toHaveLength(1);
  expect(chooseBatch([page(1, 900, 600), page(1, 800, 600)], LEDGER, limits).left).toHaveLength(1);
  const ledger = reduce(LEDGER, { type: 'split', victim: 1, at: 500, thief: 2 });
  expect(
    chooseBatch([page(1, 900), page(2, 400), page(1, 800)], ledger, { ...limits, mostRanges: 1 }).taken,
  ).toHaveLength(2);
});

test('whatever the batches, each range sees its items in order and none is lost', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(3), fc.nat(400)), { maxLength: 40 }),
      fc.nat(4),
      fc.nat(3),
      (steps, mostRanges, held) => {
        let ledger: Ledger = LEDGER;
        for (const thief of [2, 3, 4])
          ledger = reduce(ledger, { type: 'split', victim: thief - 1, at: (6 - thief) * 200, thief });
        const tops = new Map([...ledger.ranges].map(([id, range]) => [id, range.top]));
        let queue = steps.map(([pick, bytes]) => {
          const id = [...tops.keys()][pick]!;
          const top = Math.max(ledger.ranges.get(id)!.gte, tops.get(id)! - 1);
          tops.set(id, top);
          return page(id, top, bytes);
        });
        const order = (items: Waiting[], id: number) => items.filter((item) => rangesOf(item).includes(id));
        const before = queue;
        const done: Waiting[] = [];
        for (let round = 0; queue.length > 0; round++) {
          const locked = new Set(round % 2 === 0 ? [held + 1] : []);
          const choice = chooseBatch(queue, ledger, { ...limits, mostRanges: mostRanges + 1, locked });
          done.push(...choice.taken);
          ({ ledger, left: queue } = choice);
          expect(round).toBeLessThan(200);
        }
        for (const id of tops.keys()) expect(order(done, id)).toEqual(order(before, id));
      },
    ),
  );
});
