import { expect, test } from 'vitest';
import { LIMITS } from '../../base/bounds.js';
import type { Clock } from '../../base/clock.js';
import { Watchdog } from './watchdog.js';

/** A clock that moves by what is slept. */
function movingClock(): Clock & { nowMs: number } {
  const clock = {
    nowMs: 0,
    now: () => clock.nowMs,
    monotonic: () => clock.nowMs,
    sleep: async (ms: number) => {
      clock.nowMs += ms;
      await new Promise(setImmediate);
    },
    after: () => () => {},
  };
  return clock;
}

const watched = (clock: Clock, told: string[], more: Partial<ConstructorParameters<typeof Watchdog>[0]> = {}) => ({
  clock,
  pulse: () => 'still',
  isWaiting: () => false,
  standing: () => ['customers: 3 pages asked for', 'writer: 0 commits'],
  tell: (message: string) => void told.push(message),
  stop: () => void told.push('stop'),
  ...more,
});

test('what stands still without a reason is told of, and ended as resumable', async () => {
  const clock = movingClock();
  const told: string[] = [];
  const dog = new Watchdog(watched(clock, told));
  await expect(dog.stalled).rejects.toMatchObject({ code: 'stalled', exitCode: 75 });
  expect(told).toEqual(['nothing has moved for 10 s: customers: 3 pages asked for; writer: 0 commits', 'stop']);
  expect(clock.nowMs).toBeLessThan(LIMITS.stalledMs + 15_000);
});

test.each([
  ['moves', (clock: Clock) => ({ pulse: () => String(Math.floor(clock.monotonic() / 8000)) })],
  ['says what it waits for', () => ({ isWaiting: () => true })],
])('what %s is left alone', async (_, more) => {
  const clock = movingClock();
  const told: string[] = [];
  const dog = new Watchdog(watched(clock, told, more(clock)));
  while (clock.nowMs < 10 * LIMITS.stalledMs) await new Promise(setImmediate);
  dog.close();
  expect(told).toEqual([]);
});

test('a process that was stopped for minutes is not taken for one that hangs', async () => {
  const clock = movingClock();
  const told: string[] = [];
  const dog = new Watchdog(watched(clock, told, { pulse: () => String(Math.floor(clock.monotonic() / 300_000)) }));
  for (let stops = 0; stops < 5; stops++) {
    for (let looks = 0; looks < 4; looks++) await new Promise(setImmediate);
    clock.nowMs += 5 * LIMITS.stalledMs;
  }
  dog.close();
  expect(told).toEqual([]);
});
