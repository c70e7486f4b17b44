/**
 * The planners against a paced API in virtual time: makespan over the lower bound, and requests over pages.
 * Lower bound: max(pages / rate, longest undividable chain * latency) + latency.
 */
import { SHAPES, sampleSeconds, type Shape } from '../src/testbed/shapes.js';
import { finish, printTable, round, type Report } from './lib/report.js';
import { LATENCY_SECONDS, PAGE_ROWS, simulate, type Outcome } from './lib/virtual-planner.js';

const ROWS = 200_000;
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
