/** The real planner against an API with a rate and a latency, in virtual time. */
import { seededRandom } from '../../src/base/random.js';
import { openLedger } from '../../src/ledger/ledger.js';
import { Planner } from '../../src/ledger/planner.js';
import { HISTORY_SECONDS } from '../../src/testbed/shapes.js';

export const PAGE_ROWS = 100;
export const LATENCY_SECONDS = 0.35;

export interface Outcome {
  seconds: number;
  requests: number;
}

export function firstAtOrAbove(sorted: Float64Array, value: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle]! < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Reads `rows`, seconds in ascending order, at `rate` pages a second; `observe` is told after each page. */
export function simulate(
  rows: Float64Array,
  strategy: 'adaptive' | 'uniform',
  rate: number,
  seed: number,
  observe: (nowSeconds: number, planner: Planner) => void = () => {},
): Outcome {
  const random = seededRandom(seed);
  const latency = () =>
    LATENCY_SECONDS *
    Math.exp(0.3 * Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next()));
  const planner = new Planner(openLedger({ gte: 0, lt: HISTORY_SECONDS }, 1), {
    unit: 1,
    pageRows: PAGE_ROWS,
    strategy,
    confirms: true,
  });
  const chains = Math.ceil(rate * LATENCY_SECONDS * 1.25) + 1;
  const seen = new Uint8Array(rows.length);
  const arrivals: { at: number; range: number; low: number; high: number; gte: number }[] = [];
  const waiting: { range: number; low: number; high: number; gte: number }[] = [];
  let now = 0;
  let nextSlot = 0;
  let requests = 0;
  for (;;) {
    for (let request = planner.next(chains); request; request = planner.next(chains)) {
      const low = request.filter.gte === null ? 0 : firstAtOrAbove(rows, request.filter.gte);
      const top = request.cursor === null ? firstAtOrAbove(rows, request.filter.lt) : Number(request.cursor);
      waiting.push({ range: request.range, low: Math.max(low, top - PAGE_ROWS), high: top, gte: low });
    }
    planner.takeEvents();
    if (
      waiting.length > 0 &&
      (arrivals.length === 0 || Math.max(now, nextSlot) <= Math.min(...arrivals.map((a) => a.at)))
    ) {
      now = Math.max(now, nextSlot);
      nextSlot = now + 1 / rate;
      waiting.sort((a, b) => planner.rank(b.range) - planner.rank(a.range));
      requests++;
      arrivals.push({ ...waiting.shift()!, at: now + latency() });
      continue;
    }
    if (arrivals.length === 0) break;
    arrivals.sort((a, b) => a.at - b.at);
    const page = arrivals.shift()!;
    now = page.at;
    const indexes = Array.from({ length: Math.max(0, page.high - page.low) }, (_, i) => page.high - 1 - i);
    const verdict = planner.arrived(page.range, {
      positions: indexes.map((i) => rows[i]!),
      keys: indexes.map(String),
      hasMore: page.low > page.gte,
      nextCursor: indexes.length > 0 ? String(page.low) : null,
    });
    for (const k of verdict.keep ?? indexes.keys()) seen[indexes[k]!]!++;
    observe(now, planner);
  }
  // A doubtful end is asked for once more, and the rows of its last second come again.
  if (seen.some((count) => count === 0)) throw new Error(`${strategy}: rows missing`);
  return { seconds: now, requests };
}
