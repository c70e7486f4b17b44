/** Code of a connector of one's own that hangs, in virtual time. */
import { expect, test } from 'vitest';
import { LIMITS } from '../base/bounds.js';
import type { Clock } from '../base/clock.js';
import { guardedCheck, guardedOpen, guardedPage, type Watch } from './own-code.js';

/** Time that moves on as soon as somebody sleeps; counts the sleeps. */
function impatient(requests = 0): Watch & { slept: number } {
  const watch = {
    slept: 0,
    activity: { requests },
    clock: {
      now: () => 0,
      monotonic: () => 0,
      after: () => () => {},
      sleep: async (ms: number, signal?: AbortSignal) => {
        expect(ms).toBe(LIMITS.ownCodeMs);
        watch.slept++;
        if (watch.slept === 3) watch.activity.requests = 0;
        await new Promise((resolve) => setImmediate(resolve));
        if (signal?.aborted) await new Promise(() => {});
      },
    } satisfies Clock,
  };
  return watch;
}
const never = () => new Promise<never>(() => {});
const stream = { name: 'tickets', page: never, division: { kind: 'chain' as const, pageRows: 1 } };
const request = { gte: null, lt: null, cursor: null, signal: new AbortController().signal, weight: () => 0 };

test('what hangs is given up, and named', async () => {
  await expect(guardedOpen('desk', never, impatient())).rejects.toMatchObject({ place: 'open of desk' });
  await expect(guardedCheck('desk', never, impatient())).rejects.toMatchObject({
    place: 'check of desk',
    found: 'nothing for 30 s, without a request',
  });
  await expect(guardedPage(stream, request, impatient())).rejects.toMatchObject({
    code: 'connector_broken',
    place: 'stream tickets',
  });
});

test('as long as a request has not ended, nothing hangs', async () => {
  const watch = impatient(1);
  await expect(guardedCheck('desk', never, watch)).rejects.toThrow('failed');
  expect(watch.slept).toBe(3);
});
