/** What somebody in the fleet has to do all the time, and soon: repeated tasks that are due, tasks of the dead. */
import type { Clock } from '../../base/clock.js';
import type { Random } from '../../base/random.js';
import { TICK, type Scheduler } from './scheduler.js';

const REAP_MS = 1_000;

export interface ChoreParts {
  scheduler: Scheduler;
  clock: Clock;
  random: Random;
  pollMs: number;
  leaseMs: number;
  /** Aborts when this process leaves. */
  over: AbortSignal;
  isStopping: () => boolean;
}

export async function choreLoop(parts: ChoreParts): Promise<void> {
  const { scheduler, clock, random, pollMs, leaseMs, over, isStopping } = parts;
  const now = clock.monotonic();
  const chores = [
    {
      name: 'tick',
      everyMs: pollMs,
      nextMs: now,
      work: async () => {
        // A full tick was not all of it.
        while ((await scheduler.tick()) >= TICK && !over.aborted);
      },
    },
    {
      name: 'reap',
      everyMs: Math.min(REAP_MS, leaseMs / 3),
      // Not all at once: the fleet shares these.
      nextMs: now + REAP_MS * random.next(),
      work: async () => void (await scheduler.reap()),
    },
  ] as const;
  const nextMs = new Map<string, number>(chores.map((chore) => [chore.name, chore.nextMs]));
  while (!over.aborted) {
    for (const { name, everyMs, work } of chores) {
      if (clock.monotonic() < nextMs.get(name)! || isStopping()) continue;
      nextMs.set(name, clock.monotonic() + everyMs);
      // Another worker does it, or the next turn.
      await scheduler.upkeep.inTurn(name, everyMs, work).catch(() => {});
    }
    await clock.sleep(Math.min(pollMs, leaseMs / 4), over);
  }
}
