/** Samples of a run: how many are kept, the curves that they make, and what they say of why it was slow. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { LIMITS } from '../base/bounds.js';
import type { Progress } from '../engine/report/events.js';
import { lastHourOf, sampleOf, Sampler, seriesOf, slownessOf, type StoredSample } from './samples.js';

const progress = (seconds: number, more: Partial<Progress> = {}): Progress => ({
  runId: 'r',
  elapsedMs: seconds * 1000,
  rows: seconds * 100,
  rowsPerSecond: 100,
  requests: seconds * 10,
  rejections: 0,
  rejectedFor: {},
  requestsPerSecond: 10,
  limitPerSecond: 25,
  limits: [],
  waits: [],
  leftMs: undefined,
  bufferedBytes: 0,
  streams: [],
  ...more,
});
const limit = (name: string, usedPerSecond: number, perSecond: number | undefined, rejections = 0) => ({
  name,
  usedPerSecond,
  perSecond,
  rejections,
  percent: perSecond === undefined ? undefined : Math.round((100 * usedPerSecond) / perSecond),
  knownBy: 'headers',
});
const stored = (all: Progress[]): StoredSample[] =>
  all.map((each) => ({ at: new Date(each.elapsedMs).toISOString(), sample: sampleOf(each) }));

describe('which are kept', () => {
  test('never more than the bound, whatever a run takes, evenly, the last one among them', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 4, max: 40 }),
        fc.array(fc.integer({ min: 1, max: 30 }), { maxLength: 300 }),
        fc.integer({ min: 1, max: 9 }),
        (most, pauses, every) => {
          const sampler = new Sampler(most);
          let kept: number[] = [];
          const write = () => {
            const { samples, thinTo } = sampler.drain();
            kept.push(...samples.map(({ tick }) => tick));
            if (thinTo !== undefined) kept = kept.filter((tick) => tick % thinTo === 0);
          };
          let seconds = 0;
          for (const [i, pause] of pauses.entries()) {
            seconds += pause;
            sampler.take(progress(seconds), 'now');
            if (i % every === 0) write();
          }
          sampler.take(progress(seconds + 0.4), 'now', true);
          write();
          expect(kept.length).toBeLessThanOrEqual(most + 1);
          expect(new Set(kept).size).toBe(kept.length);
          expect(kept).toEqual(kept.toSorted((a, b) => a - b));
          expect(kept.at(-1)! + sampler.stepSeconds).toBeGreaterThan(seconds);
        },
      ),
      { numRuns: 2000, examples: [[5, [9], 1]] },
    );
  });

  test('what could not be written is written later', () => {
    const sampler = new Sampler(10);
    sampler.take(progress(0), 'a');
    sampler.take(progress(1), 'b');
    const lost = sampler.drain();
    sampler.take(progress(2), 'c');
    sampler.putBack(lost);
    expect(sampler.drain().samples.map(({ at }) => at)).toEqual(['a', 'b', 'c']);
  });

  test('of many limits those that are used most', () => {
    const limits = [
      limit('idle', 0, 50),
      ...Array.from({ length: 40 }, (_, i) => limit(`l${i}`, i + 1, 50)),
      limit('sought', 3, undefined),
    ];
    const names = Object.keys(sampleOf(progress(1, { limits })).limits);
    expect(names[0]).toBe('l39');
    expect(names.length).toBeLessThan(20);
    expect(names).not.toContain('idle');
  });
});

describe('curves', () => {
  test('are of what was done between two samples, however far apart', () => {
    const series = seriesOf(stored([progress(1), progress(2), progress(12, { rows: 5200, rejections: 7 })]));
    expect(series.rowsPerSecond).toEqual([100, 100, 500]);
    expect(series.requestsPerSecond).toEqual([10, 10, 10]);
    expect(series.rejections).toEqual([0, 0, 7]);
  });

  test('of limits: the fullest first, with gaps where one was not used, and rejections since', () => {
    const series = seriesOf(
      stored([
        progress(1, { limits: [limit('global', 10, 100, 1)] }),
        progress(2, { limits: [limit('global', 20, 100, 4), limit('charges', 24, 25)] }),
        progress(3, { limits: [limit('charges', 25, 25)] }),
      ]),
    );
    expect(series.limits.map(({ name }) => name)).toEqual(['charges', 'global']);
    expect(series.limits[0]!.used).toEqual([null, 24, 25]);
    expect(series.limits[1]!.rejections).toEqual([1, 3, 0]);
  });

  test('of nothing are empty', () => {
    expect(seriesOf([]).rows).toEqual([]);
    expect(slownessOf(seriesOf([]))).toEqual([]);
  });
});

test('what was slow, and why: the full limit, what was waited for, the destination, or the answers', () => {
  const at = (seconds: number, more: Partial<Progress>) => progress(seconds, more);
  const slow = slownessOf(
    seriesOf(
      stored([
        at(10, { limits: [limit('charges', 25, 25)] }),
        at(14, { limits: [limit('charges', 2, 25)], bufferedBytes: LIMITS.bufferedBytes }),
        at(17, { waits: [{ reason: 'destination', ms: 100 }] }),
        at(18, { limits: [limit('charges', 3, 25)] }),
      ]),
    ),
  );
  expect(slow.map(({ what, ms }) => [what.slice(0, 30), ms])).toEqual([
    ['the limit charges was full', 10_000],
    ['the destination was behind: pa', 4_000],
    ['no limit was full: the answers', 4_000],
    ['it waited: destination', 3_000],
  ]);
  expect(slow[0]!.share).toBeCloseTo(10 / 18);
});

test('the last hour has a value for each minute, those with rejections first, and nothing older', () => {
  const now = Date.parse('2026-03-01T12:30:20.000Z');
  const row = (name: string, minute: string, used: number, rejections = 0) => ({
    name,
    minute: `2026-03-01T${minute}:00.000Z`,
    used,
    perSecond: 25,
    rejections,
  });
  const hour = lastHourOf(
    [row('a', '12:30', 20), row('a', '11:31', 5), row('a', '11:30', 9), row('b', '12:00', 1, 3)],
    now,
  );
  expect([hour.minutes.length, hour.minutes[0], hour.minutes.at(-1)]).toEqual([
    60,
    '2026-03-01T11:31:00.000Z',
    '2026-03-01T12:30:00.000Z',
  ]);
  expect(hour.limits.map(({ name }) => name)).toEqual(['b', 'a']);
  expect(hour.limits[1]!.used.filter((value) => value > 0)).toEqual([5, 20]);
  expect(hour.limits[1]!.perSecond.filter((value) => value !== null)).toEqual([25, 25]);
  expect(hour.limits[0]!.rejections.indexOf(3)).toBe(29);
});
