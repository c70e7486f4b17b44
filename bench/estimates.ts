/**
 * What people are told beforehand and on the way, against what came: rows planned from at most 60 probes, and the time
 * left at each tenth of a run in virtual time. A range counts as right where it holds the truth, "at least" where the
 * truth is no less than four fifths of it.
 */
import { LIMITS } from '../src/base/bounds.js';
import { SpanEstimate } from '../src/engine/report/span-estimate.js';
import { timeLeftMs } from '../src/engine/report/time-left.js';
import { HISTORY_SECONDS, SHAPES, sampleSeconds, type Shape } from '../src/testbed/shapes.js';
import { firstAtOrAbove, LATENCY_SECONDS, PAGE_ROWS, simulate } from './lib/virtual-planner.js';
import { finish, printTable, round, type Report } from './lib/report.js';

const ROWS = 200_000;
const PLANNED_ROWS = [3_000, 10_000, 30_000];
const SEEDS = [1, 2, 3];
const RATES = [25, 100];
/** A plan tells a number where its range is narrower than this, as a factor. */
const TOLD_AS_RANGE = 1.35;

/** How far the plan is off: 0 where its range holds the truth. */
function planned(shape: Shape, count: number, seed: number): { off: number; probes: number; ranged: boolean } {
  const rows = sampleSeconds(shape, count, seed);
  const estimate = new SpanEstimate({ gte: 0, lt: HISTORY_SECONDS }, 1, PAGE_ROWS);
  let probes = 0;
  for (let at = estimate.next(); at !== undefined && probes < LIMITS.planProbes; at = estimate.next()) {
    const top = firstAtOrAbove(rows, at);
    const low = Math.max(0, top - PAGE_ROWS);
    estimate.add(at, Array.from(rows.subarray(low, top)).toReversed(), low > 0);
    probes++;
  }
  const { rows: told, low, high } = estimate.estimate();
  const ranged = high > low * TOLD_AS_RANGE;
  const held = ranged && low <= rows.length && rows.length <= high;
  return { off: held ? 0 : Math.abs(told / rows.length - 1), probes, ranged };
}

/** The time left as told at each tenth of a run after the first, over what was left; and whether as "at least". */
function told(shape: Shape, rate: number, seed: number): { ratio: number; atLeast: boolean }[] {
  const rows = sampleSeconds(shape, ROWS, 3);
  const marks: { now: number; left: number; atLeast: boolean }[] = [];
  const { seconds } = simulate(rows, 'adaptive', rate, seed, (now, planner) => {
    if (now - (marks.at(-1)?.now ?? -1) < 0.25) return;
    const { pages, sure } = planner.outlook();
    const allowed = { total: rate, of: () => rate, observed: rate, latencySeconds: LATENCY_SECONDS };
    const left = timeLeftMs([{ endpoint: 'list', requests: pages, serial: false }], allowed)!;
    marks.push({ now, left: left / 1000, atLeast: !sure });
  });
  return [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8].flatMap((share) => {
    const mark = marks.find(({ now }) => now >= share * seconds);
    return mark ? [{ ratio: mark.left / (seconds - mark.now), atLeast: mark.atLeast }] : [];
  });
}

const report: Report = { bench: 'estimates', figures: {}, targets: {} };
const plans: (string | number)[][] = [];
for (const shape of SHAPES) {
  for (const count of PLANNED_ROWS) {
    const runs = SEEDS.map((seed) => planned(shape, count, seed));
    const worst = Math.max(...runs.map(({ off }) => off));
    const probes = Math.max(...runs.map((run) => run.probes));
    const ranges = runs.filter(({ ranged }) => ranged).length;
    plans.push([shape, count, probes, `${round(worst * 100, 1)}%`, `${ranges} of ${runs.length}`]);
    report.figures[`plan_${shape}_${count}_off`] = round(worst);
    report.targets[`plan_${shape}_${count}_off`] = { atMost: 0.1 };
  }
}
printTable(['rows planned', 'rows', 'probes', 'off at most', 'told as a range'], plans);
console.log();
const lefts: (string | number)[][] = [];
for (const shape of SHAPES.filter((name) => name !== 'tiny')) {
  for (const rate of RATES) {
    const marks = SEEDS.flatMap((seed) => told(shape, rate, seed));
    const wrong = marks.filter(({ ratio, atLeast }) => ratio > 1.25 || (!atLeast && ratio < 0.8));
    const atLeast = marks.filter((mark) => mark.atLeast).length;
    const most = Math.max(...marks.map(({ ratio }) => ratio));
    lefts.push([`${shape} at ${rate}/s`, marks.length, wrong.length, atLeast, round(most, 2)]);
    report.figures[`left_${shape}_${rate}_wrong_share`] = round(wrong.length / marks.length);
    report.targets[`left_${shape}_${rate}_wrong_share`] = { atMost: 0 };
    report.figures[`left_${shape}_${rate}_most`] = round(most);
    report.targets[`left_${shape}_${rate}_most`] = { atMost: 1.5 };
  }
}
printTable(['time left', 'looked', 'off by a fifth', '"at least"', 'told / true at most'], lefts);
finish(report);
