/** Histories of the world over a real PostgreSQL (invariants 2, 3 and 6). */
import { expect, test } from 'vitest';
import { patience } from '../patience.js';
import { testDatabase, uniqueName } from '../support.js';
import { RealDatabase } from './world/real.js';
import { scenarioOf, type Feature } from './world/scenario.js';
import { play } from './world/world.js';

/** One process at a time; its sessions are ended with it, and by nothing else. */
const WITHOUT: Feature[] = ['poison', 'cut sessions'];
const SEEDS = 30;

test(
  `${SEEDS} seeds over PostgreSQL: nothing lost, nothing invented`,
  async () => {
    const failed: string[] = [];
    for (let seed = 1; seed <= SEEDS; seed++) {
      const scenario = { ...scenarioOf(seed, WITHOUT), processes: 1, orphanedMs: undefined };
      const name = uniqueName();
      const postgres = await testDatabase(name);
      const { findings } = await play(
        seed,
        false,
        { ...scenario, rows: Math.min(60, scenario.rows) },
        (agenda) => new RealDatabase(agenda, postgres, name),
      );
      await postgres.close();
      for (const { kind, detail } of findings) failed.push(`seed ${seed}: ${kind}: ${detail}`);
    }
    expect(failed).toEqual([]);
  },
  patience(300_000),
);
