/** A schedule of one second, kept by any number of workers, in virtual time: how long it ever stands still. */
import { setMaxListeners } from 'node:events';
import { describe, expect, test } from 'vitest';
import type { Clock } from '../../src/base/clock.js';
import { nextDue } from '../../src/fleet/scheduler/cadence.js';
import { choreLoop } from '../../src/fleet/scheduler/chores.js';
import { TICK, type Scheduler } from '../../src/fleet/scheduler/scheduler.js';
import { Upkeep, type Call } from '../../src/fleet/scheduler/upkeep.js';
import { World, type Mortal } from './budget-world.js';

const POLL_MS = 1000;
const LEASE_MS = 15_000;
/** As docs/scale.md promises. */
const MOST_GAP_MS = 1500;
const MINUTES = 20;
/** What a statement takes: a database that has much to do. */
const [LEAST_MS, MOST_MS] = [1, 60];

/** The rows that the chores go by: who had the last turn when, and when each schedule is due. */
class Rows {
  readonly fired: number[][];
  private readonly turns = new Map<string, number>();
  private readonly due: number[];
  ticks = 0;

  constructor(
    private readonly world: World,
    private readonly everySeconds: number[],
  ) {
    this.due = everySeconds.map((seconds) => world.between(0, seconds * 1000));
    this.fired = everySeconds.map(() => []);
  }

  /** As `_headrace.turn` of postgres/layouts/turns.ts. */
  turn(chore: string, everyMs: number): boolean {
    const since = this.world.nowMs - everyMs;
    if ((this.turns.get(chore) ?? -Infinity) >= since) return false;
    this.turns.set(chore, this.world.nowMs);
    return true;
  }

  /** As `Scheduler.tick`. */
  tick(): number {
    this.ticks++;
    const { nowMs } = this.world;
    const found = this.due
      .map((dueMs, at) => ({ dueMs, at }))
      .filter(({ dueMs }) => dueMs <= nowMs)
      .toSorted((a, b) => a.dueMs - b.dueMs)
      .slice(0, TICK);
    for (const { dueMs, at } of found) {
      this.fired[at]!.push(nowMs);
      this.due[at] = nextDue({ everySeconds: this.everySeconds[at]! }, dueMs, nowMs);
    }
    return found.length;
  }

  dueInMs(): number {
    return Math.max(0, Math.min(...this.due) - this.world.nowMs);
  }
}

function startWorker(world: World, rows: Rows): Mortal {
  const self: Mortal = { dead: false, stillUntilMs: 0 };
  const after = (ms: number, act: () => void) => world.in(ms, act, self);
  const sleep = (ms: number) => new Promise<void>((resolve) => void after(ms, resolve));
  const clock: Clock = { now: () => world.nowMs, monotonic: () => world.nowMs, sleep, after };
  /** A statement is done half-way through the time that it takes. */
  const statement = async <T>(work: () => T): Promise<T> => {
    const half = world.between(LEAST_MS, MOST_MS) / 2;
    await sleep(half);
    const done = work();
    await sleep(half);
    return done;
  };
  const call = ((sql: string, given: [string, number]) =>
    statement(() => [
      sql.includes('_headrace.turn') ? { mine: rows.turn(...given) } : { ms: rows.dueInMs() },
    ])) as unknown as Call;
  const scheduler = {
    upkeep: new Upkeep(call),
    tick: () => statement(() => rows.tick()),
    reap: () => statement(() => 0),
  } as unknown as Scheduler;
  const over = new AbortController().signal;
  setMaxListeners(0, over);
  const parts = { scheduler, clock, random: world.random, pollMs: POLL_MS, leaseMs: LEASE_MS, over };
  // Each began when it did.
  after(world.between(0, POLL_MS), () => void choreLoop({ ...parts, isStopping: () => false }));
  return self;
}

/** The longest time that each schedule stood still, once the fleet runs. */
const gapsOf = (rows: Rows, untilMs: number) =>
  rows.fired.map((fired) => {
    const times = [...fired.filter((ms) => ms > 5 * POLL_MS), untilMs];
    return Math.max(...times.slice(1).map((ms, at) => ms - times[at]!));
  });

describe('a schedule of one second', () => {
  test.each([1, 2, 3, 8])(
    'kept by %i workers never stands still for more than a second and a half',
    async (workers) => {
      for (let seed = 1; seed <= 5; seed++) {
        const world = new World(seed * 100 + workers);
        const rows = new Rows(world, [1, 1, 7, 60]);
        for (let n = 0; n < workers; n++) startWorker(world, rows);
        await world.run(MINUTES * 60_000);
        const gaps = gapsOf(rows, world.nowMs);
        expect(Math.max(gaps[0]!, gaps[1]!), `seed ${seed}`).toBeLessThanOrEqual(MOST_GAP_MS);
        expect(rows.fired[0]!.length, `seed ${seed}`).toBeGreaterThan(0.97 * MINUTES * 60);
        // Nor is the database asked all the time.
        expect(rows.ticks, `seed ${seed}`).toBeLessThan(5 * MINUTES * 60);
      }
    },
  );

  test('goes on within two turns where the worker that kept it is killed or stands still', async () => {
    for (let seed = 1; seed <= 5; seed++) {
      const world = new World(seed);
      const rows = new Rows(world, [1]);
      const started = Array.from({ length: 6 }, () => startWorker(world, rows));
      for (const [at, worker] of started.slice(1).entries())
        world.in((at + 1) * 60_000 + world.between(0, POLL_MS), () => {
          if (at % 2 === 0) worker.dead = true;
          else worker.stillUntilMs = world.nowMs + world.between(1000, 30_000);
        });
      await world.run(MINUTES * 60_000);
      expect(gapsOf(rows, world.nowMs)[0], `seed ${seed}`).toBeLessThanOrEqual(MOST_GAP_MS + 2 * POLL_MS);
    }
  });
});
