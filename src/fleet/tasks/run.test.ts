import { describe, expect, test } from 'vitest';
import { systemClock, type Clock } from '../../base/clock.js';
import type { Progress } from '../../engine/report/events.js';
import { spreadRun } from './run.js';

/** What spreadRun looks at of a run's progress, and no more. */
const progress = (more: Partial<Progress>) => () =>
  ({ requestsPerSecond: 20, limitPerSecond: 100, leftMs: 600_000, waits: [], ...more }) as unknown as Progress;

/** Its sleeps are over at once; after so many the run is. */
const clock = (turns: { left: number }, over: AbortController): Clock => ({
  ...systemClock,
  async sleep() {
    if (turns.left-- === 0) over.abort();
  },
});

async function asked(busy: boolean, more: Partial<Progress>, parts?: number, free = true): Promise<number[]> {
  const over = new AbortController();
  const numbers: number[] = [];
  await spreadRun(
    parts,
    progress(more),
    clock({ left: 4 }, over),
    over.signal,
    async () => free,
    async (number) => void numbers.push(number),
    () => (busy ? 0.9 : 0.8),
  );
  return numbers;
}

describe('sharing a run', () => {
  test('a process that is too busy to use the limit asks for one more worker after the other', async () => {
    expect(await asked(true, {})).toEqual([1, 2, 3, 4]);
    expect(await asked(true, { limitPerSecond: undefined })).toEqual([1, 2, 3, 4]);
  });

  test.each<[string, boolean, Partial<Progress>]>([
    ['the limit is used', true, { requestsPerSecond: 95 }],
    ['it idles', false, {}],
    ['little is left', true, { leftMs: 5_000 }],
    ['nothing is known of what is left', true, { leftMs: undefined }],
    ['the destination is what it waits for', true, { waits: [{ reason: 'destination', ms: 0 }] as Progress['waits'] }],
  ])('none where %s', async (_, busy, more) => {
    expect(await asked(busy, more)).toEqual([]);
  });

  test('none where no other worker has a free slot: to share with itself gains nothing', async () => {
    expect(await asked(true, {}, undefined, false)).toEqual([]);
  });

  test('as many as a user asks for, at once', async () => {
    expect(await asked(false, {}, 4)).toEqual([1, 2, 3]);
    expect(await asked(true, {}, 1)).toEqual([]);
  });
});
