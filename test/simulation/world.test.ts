/**
 * Whole runs of the product in virtual time, against an API and a database that a seed decides (test/simulation/world):
 * nothing lost, nothing invented, nothing stuck (invariants 2, 3, 6, 7 and 11).
 */
import { expect, test } from 'vitest';
import { scenarioOf, type Feature } from './world/scenario.js';
import { play, type Verdict } from './world/world.js';

/** What the product is known not to bear yet, with a seed that shows it (issue "Proof that holds"). */
const NOT_YET: Feature[] = ['numbered lists', 'poison'];
const SEEDS = 60;
/** Seeds that once failed, and why. */
const ONCE_FAILED: Record<number, string> = {
  15: 'the leader waited for ever when sessions were cut during a shared read',
  21: 'a sweep began at the end of the process that resumed, not at the span of the ledger',
  48: 'a gate that was closed and attached again never asked for grants',
};

const told = ({ seed, steps, findings }: Verdict) =>
  `seed ${seed}, step ${steps}: ${findings.map(({ kind, detail }) => `${kind}: ${detail}`).join('; ')}`;

test('a seed replays to the same step', async () => {
  for (const seed of [2, 6, 11]) {
    const first = await play(seed, true);
    const second = await play(seed, true);
    expect([second.steps, second.digest]).toEqual([first.steps, first.digest]);
    expect(second.history.join('\n')).toBe(first.history.join('\n'));
  }
});

test(`${SEEDS} seeds: nothing lost, nothing invented, nothing stuck`, async () => {
  const failed: string[] = [];
  const seeds = new Set([...Array.from({ length: SEEDS }, (_, i) => i + 1), ...Object.keys(ONCE_FAILED).map(Number)]);
  for (const seed of seeds) {
    const verdict = await play(seed, false, scenarioOf(seed, NOT_YET));
    if (verdict.findings.length > 0) failed.push(told(verdict));
  }
  expect(failed).toEqual([]);
}, 300_000);
