/** What somebody in the fleet has to do all the time, and soon: repeated tasks that are due, tasks of the dead. */
import type { Clock } from '../../base/clock.js';
import type { Random } from '../../base/random.js';
import { TICK, type Scheduler } from './scheduler.js';

const REAP_MS = 1_000;
/** Who looks for what is due looks again once the next is due, at most so often between two polls. */
const TICKS_A_POLL = 4;

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
  const chores: Chore[] = [
    {
      name: 'tick',
      everyMs: pollMs,
      nextMs: now,
      work: async () => {
        // A full tick was not all of it.
        while ((await scheduler.tick()) >= TICK && !over.aborted);
        const dueMs = (await scheduler.upkeep.dueInMs()) ?? pollMs;
        return Math.min(pollMs, Math.max(pollMs / TICKS_A_POLL, Math.ceil(dueMs)));
      },
    },
    {
      name: 'reap',
      everyMs: Math.min(REAP_MS, leaseMs / 3),
      // Not all at once: the fleet shares these.
      nextMs: now + REAP_MS * random.next(),
      work: async () => void (await scheduler.reap()),
    },
  ];
  while (!over.aborted) {
    for (const chore of chores) if (clock.monotonic() >= chore.nextMs && !isStopping()) await turn(parts, chore);
    const nextMs = isStopping() ? Infinity : Math.min(...chores.map((chore) => chore.nextMs));
    await clock.sleep(Math.max(1, Math.min(pollMs, nextMs - clock.monotonic())), over);
  }
}

interface Chore {
  name: 'tick' | 'reap';
  everyMs: number;
  /** When it is this process's turn to ask. */
  nextMs: number;
  /** How long ago the last turn must be, where this process had it and knows better than `everyMs`. */
  waitMs?: number | undefined;
  /** Tells after how long it is worth while again, where that is known. */
  work: () => Promise<number | void>;
}

/** Does it where nobody else has, and comes back in time: who knows when the next is due need not wait for a poll. */
async function turn({ scheduler, clock }: ChoreParts, chore: Chore): Promise<void> {
  const startedMs = clock.monotonic();
  const waitMs = chore.waitMs ?? chore.everyMs;
  chore.nextMs = startedMs + chore.everyMs;
  chore.waitMs = undefined;
  const work = async () => {
    const againMs = await chore.work();
    if (againMs === undefined) return;
    chore.waitMs = againMs;
    chore.nextMs = clock.monotonic() + againMs;
  };
  // Another worker does it, or the next turn.
  await scheduler.upkeep.inTurn(chore.name, waitMs, work).catch(() => {});
}
