import { afterEach, expect, test, vi } from 'vitest';
import { LIMITS } from '../base/bounds.js';
import type { Clock } from '../base/clock.js';
import { Deadline } from './deadline.js';

const clock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  sleep: async () => {},
  after: (ms, callback) => {
    const timer = setTimeout(callback, ms);
    return () => clearTimeout(timer);
  },
};
const request = () => ({ endpoint: 'things', signal: new AbortController().signal });

afterEach(() => void vi.useRealTimers());

test('work that never ends is ended by the time limit', async () => {
  vi.useFakeTimers();
  const deadline = new Deadline(clock, request());
  const kept = deadline.keep(new Promise(() => {}));
  const caught = kept.catch((error: unknown) => error);
  await vi.advanceTimersByTimeAsync(LIMITS.requestMs + 1);
  expect(await caught).toMatchObject({ code: 'request_too_long', place: 'things' });
  deadline.done();
  expect(vi.getTimerCount()).toBe(0);
});

test('a byte every three seconds is too slow, and a steady body is not', async () => {
  vi.useFakeTimers();
  for (const [bytes, slow] of [
    [1, true],
    [LIMITS.bodyBytesPerSecond * 6, false],
  ] as const) {
    const deadline = new Deadline(clock, request());
    const work = deadline.keep(new Promise((resolve) => void setTimeout(resolve, 90_000, 'done')));
    const end = work.catch((error: unknown) => error);
    deadline.bodyBegins();
    const timer = setInterval(() => deadline.received(bytes), 3000);
    await vi.advanceTimersByTimeAsync(91_000);
    clearInterval(timer);
    if (slow) expect(await end).toMatchObject({ code: 'body_slow' });
    else expect(await end).toBe('done');
    deadline.done();
  }
});
