/**
 * The planners against a paced API in virtual time: makespan over the lower bound, and requests over pages.
 * Lower bound: max(pages / rate, longest undividable chain * latency) + latency.
 */
import { seededRandom } from '../src/base/random.js';
import { openLedger } from '../src/ledger/ledger.js';
import { Planner } from '../src/ledger/planner.js';
import { HISTORY_SECONDS, SHAPES, sampleSeconds, type Shape } from '../src/testbed/shapes.js';
import { finish, printTable, round, type Report } from './lib/report.js';

const ROWS = 200_000;
const PAGE_ROWS = 100;
const LATENCY_SECONDS = 0.35;
const SEEDS = [1, 2, 3, 4, 5, 6, 7, 8];
/** Makespan over the bound, and requests over pages, per shape. */
const TARGETS: Record<Shape, [number, number] | undefined> = {
  uniform: [1.06, 1.03],
  growth: [1.07, 1.04],
  doubling: [1.07, 1.04],
  bulk: [1.25, 1.06],
  'empty-years': [1.1, 1.05],
  campaigns: [1.16, 1.1],
  tiny: undefined,
};

interface Outcome {
  seconds: number;
  requests: number;
}

function firstAtOrAbove(sorted: Float64Array, value: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle]! < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

function simulate(rows: Float64Array, strategy: 'adaptive' | 'uniform', rate: number, seed: number): Outcome {
  const random = seededRandom(seed);
  const latency = () =>
    LATENCY_SECONDS *
    Math.exp(0.3 * Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next()));
  const planner = new Planner(openLedger({ gte: 0, lt: HISTORY_SECONDS }, 1), {
    unit: 1,
    pageRows: PAGE_ROWS,
    strategy,
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
  }
  if (seen.some((count) => count !== 1)) throw new Error(`${strategy}: rows missing or double`);
  return { seconds: now, requests };
}

function longestSecond(rows: Float64Array): number {
  let longest = 1;
  let run = 1;
  for (let i = 1; i < rows.length; i++) {
    run = rows[i] === rows[i - 1] ? run + 1 : 1;
    longest = Math.max(longest, run);
  }
  return longest;
}

const report: Report = { bench: 'segments', figures: {}, targets: {} };
const table: (string | number)[][] = [];
for (const rate of [25, 100]) {
  for (const shape of SHAPES) {
    const rows = sampleSeconds(shape, ROWS, 3);
    const pages = Math.ceil(rows.length / PAGE_ROWS);
    const bound =
      Math.max((pages - 1) / rate, (Math.ceil(longestSecond(rows) / PAGE_ROWS) - 1) * LATENCY_SECONDS) +
      LATENCY_SECONDS;
    for (const strategy of ['uniform', 'adaptive'] as const) {
      const runs = SEEDS.map((seed) => simulate(rows, strategy, rate, seed));
      const mean = (pick: (run: Outcome) => number) => runs.reduce((sum, run) => sum + pick(run), 0) / runs.length;
      const time = mean((run) => run.seconds) / bound;
      const requests = mean((run) => run.requests) / pages;
      table.push([`${shape} at ${rate}/s`, strategy, pages, round(time, 2), `${round((requests - 1) * 100, 1)}%`]);
      const name = `${shape}_${rate}_${strategy}`;
      report.figures[`${name}_makespan`] = round(time);
      report.figures[`${name}_requests`] = round(requests);
      const target = TARGETS[shape];
      if (strategy === 'adaptive' && target) {
        report.targets[`${name}_makespan`] = { atMost: target[0] };
        report.targets[`${name}_requests`] = { atMost: target[1] };
      }
      if (shape === 'tiny') report.targets[`${name}_requests`] = { atMost: 1 };
    }
  }
}
printTable(['shape', 'planner', 'pages', 'makespan / bound', 'extra requests'], table);
finish(report);
