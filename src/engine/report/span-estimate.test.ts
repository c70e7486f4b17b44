import { describe, expect, test } from 'vitest';
import { HISTORY_SECONDS, sampleSeconds, type Shape } from '../../testbed/shapes.js';
import { SpanEstimate, type RowEstimate } from './span-estimate.js';

const PAGE = 100;
const PROBES = 60;

function probed(rows: Float64Array, probes: number): RowEstimate & { asked: number } {
  const estimate = new SpanEstimate({ gte: 0, lt: HISTORY_SECONDS }, 1, PAGE);
  let asked = 0;
  for (let at = estimate.next(); at !== undefined && asked < probes; at = estimate.next()) {
    const bound = at;
    const below = rows.filter((second) => second < bound);
    const positions = Array.from(below.slice(-PAGE)).toReversed();
    estimate.add(at, positions, below.length > PAGE);
    asked++;
  }
  return { ...estimate.estimate(), asked };
}

const told = (rows: Float64Array, { rows: number, low, high }: RowEstimate) =>
  Math.abs(number / rows.length - 1) <= 0.1 || (high > low * 1.35 && low <= rows.length && rows.length <= high);

describe('rows of a stream from a few pages', () => {
  const shapes: Shape[] = ['uniform', 'growth', 'doubling', 'empty-years', 'campaigns', 'bulk', 'tiny'];

  test.each(shapes)('%s: small streams are told to a tenth, or as a range that holds them', (shape) => {
    for (const seed of [1, 2, 3, 4]) {
      const rows = sampleSeconds(shape, 3_000, seed);
      expect(told(rows, probed(rows, PROBES)), `seed ${seed}`).toBe(true);
    }
  });

  test.each(['uniform', 'growth', 'doubling', 'campaigns'] as const)('%s: larger ones too', (shape) => {
    for (const seed of [1, 2, 3]) {
      const rows = sampleSeconds(shape, 30_000, seed);
      expect(told(rows, probed(rows, PROBES)), `seed ${seed}`).toBe(true);
    }
  });

  test('what was read whole is exact, and nothing more is asked', () => {
    const rows = sampleSeconds('uniform', 500, 1);
    const result = probed(rows, PROBES);
    expect(result).toMatchObject({ rows: 500, low: 500, high: 500, exact: true });
    expect(result.asked).toBeLessThan(12);
  });

  test('an empty stream takes one page', () => {
    expect(probed(new Float64Array(0), PROBES)).toMatchObject({ rows: 0, exact: true, asked: 1 });
  });
});
