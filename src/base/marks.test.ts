import fc from 'fast-check';
import { expect, test } from 'vitest';
import { markOf, MarkSet } from './marks.js';

test('holds what was added and nothing else', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 400 })),
      fc.array(fc.integer({ min: 1, max: 400 })),
      (some, others) => {
        const marks = new MarkSet();
        for (const each of some) marks.add(each);
        const known = new Set(some);
        expect(marks.size).toBe(known.size);
        for (const each of [...some, ...others]) expect(marks.has(each)).toBe(known.has(each));
      },
    ),
  );
});

test('200,000 keys have marks of their own, all exact integers', () => {
  const marks = new MarkSet();
  for (let i = 0; i < 200_000; i++) {
    const mark = markOf(`cus_${i}`);
    if (Number.isSafeInteger(mark) && mark > 0) marks.add(mark);
  }
  expect(marks.size).toBe(200_000);
});
