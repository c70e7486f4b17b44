/**
 * Servers drawn at random from each kind that the gate has to cope with: used and refused as `bench -- gate --draws`
 * wants it. `npm run bench -- gate --draws 1 --only KIND --seed N` shows one of them, and has the kinds that are open.
 */
import { expect, test } from 'vitest';
import { draw } from '../../bench/lib/odd-draws.js';
import { MIXED } from '../../bench/lib/mixed-draws.js';
import { bothWays } from '../../bench/lib/odd-measure.js';

const HELD = ['token', 'sliding', 'outage', 'throttle', 'queue', 'late', 'told', 'misstated', 'varying'];
const MORE = [
  'nothing_left',
  'labelled',
  'long_retry',
  'at_once_many',
  'rolling',
  'at_once',
  'noise_told',
  'outage_endpoint',
];
const SEEDS = [1];

test.for([...HELD, ...MORE].flatMap((kind) => SEEDS.map((seed) => [kind, seed] as const)))(
  'a server of the kind %s, seed %i, is used, and rarely refuses',
  ([kind, seed]) => {
    const row = draw(kind, seed);
    for (const [how, cell] of Object.entries(bothWays(row, [seed]))) {
      expect(cell.utilisation, `${row.name}, ${how}: used`).toBeGreaterThanOrEqual(row.least);
      expect(cell.rejections, `${row.name}, ${how}: refused`).toBeLessThanOrEqual(row.most);
    }
  },
);

/** Far less than any of them is wanted to reach: a wrong explanation that held for the whole run. */
const NEVER_BELOW = 45;

test.for(Object.keys(MIXED).flatMap((kind) => [1, 2].map((seed) => [kind, seed] as const)))(
  'no explanation that does not fit lasts on a server that is odd in two ways: %s, seed %i',
  ([kind, seed]) => {
    const row = draw(kind, seed);
    for (const [how, cell] of Object.entries(bothWays(row, [seed])))
      expect(cell.utilisation, `${row.name}, ${how}: used`).toBeGreaterThanOrEqual(NEVER_BELOW);
  },
);
