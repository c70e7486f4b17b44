import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Demand } from './demand.js';

interface Given {
  endpoint: number;
  requests: number;
}

/** Readers of so many requests each, and what the limits let through. */
function demandOf(readers: Given[], whole: number, each: number) {
  const demand = new Demand({ wholeRate: () => whole, rateOf: () => each }, { monotonic: () => 0 });
  for (const { endpoint, requests } of readers)
    demand.add({ stream: { endpoint: `e${endpoint}` }, expectedRequests: () => requests });
  return demand;
}

const readers = fc.array(
  fc.record({ endpoint: fc.integer({ min: 0, max: 9 }), requests: fc.integer({ min: 1, max: 2_000 }) }),
  { minLength: 2, maxLength: 60 },
);
const rate = fc.integer({ min: 1, max: 200 });

test('what ends last is never held back, and the others end with it', () => {
  fc.assert(
    fc.property(readers, rate, rate, (all, whole, each) => {
      const demand = demandOf(all, whole, Math.min(each, whole));
      const byEndpoint = new Map<number, number>();
      for (const { endpoint, requests } of all) byEndpoint.set(endpoint, (byEndpoint.get(endpoint) ?? 0) + requests);
      const sum = all.reduce((total, { requests }) => total + requests, 0);
      const seconds = Math.max(sum / whole, Math.max(...byEndpoint.values()) / Math.min(each, whole));
      for (const { requests } of all) {
        const ends = requests / demand.paceOf(requests);
        expect(ends).toBeLessThan(seconds);
        expect(ends).toBeGreaterThan(seconds / 4);
      }
    }),
  );
});

test('one reader alone, or one that no limit holds, is read as fast as it can be', () => {
  expect(demandOf([{ endpoint: 1, requests: 50 }], 100, 25).paceOf(50)).toBe(Infinity);
  const two = [1, 2].map((endpoint) => ({ endpoint, requests: 50 }));
  expect(demandOf(two, Infinity, Infinity).paceOf(50)).toBe(Infinity);
  expect(demandOf(two, 100, 25).paceOf(50)).toBe(50);
});

test('a reader that has ended asks for nothing', () => {
  let nowMs = 0;
  const demand = new Demand({ wholeRate: () => 100, rateOf: () => 100 }, { monotonic: () => nowMs });
  const all = [10, 10, 980].map((requests) => ({ stream: { endpoint: 'e' }, expectedRequests: () => requests }));
  for (const each of all) demand.add(each);
  expect(demand.paceOf(10)).toBe(2);
  demand.remove(all[2]!);
  nowMs = 100;
  expect(demand.paceOf(10)).toBe(100);
});
