/** The history of a run in a PostgreSQL. */
import { hostname } from 'node:os';
import { LIMITS } from '../base/bounds.js';
import type { Clock } from '../base/clock.js';
import type { Progress, RunEvent } from '../engine/report/events.js';
import type { PostgresTarget } from '../postgres/connect.js';
import { Pool } from '../postgres/pool.js';
import { reasonOf, RunRecorder, type Reason } from '../runs/recorder.js';
import { RunStore } from '../runs/run-store.js';

export interface RunHistory {
  take(event: RunEvent): void;
  watch(snapshot: () => Progress): void;
  /** Runs `work`, and writes down how it ended, within a deadline; that it could not be written is not said. */
  during<Summary>(work: () => Promise<Summary>): Promise<Summary>;
}

export function writtenHistory(target: PostgresTarget, connection: string, clock: Clock): RunHistory {
  const pool = new Pool(target, 'headrace history', 1);
  const recorder = new RunRecorder(
    pool,
    { connection, kind: 'sync', task: undefined, attempt: undefined, worker: `${hostname()}/${process.pid}` },
    clock,
  );
  const close = async (reason?: Reason) => {
    const written = recorder
      .close(reason)
      // No worker may be there to forget what is old.
      .then(() => new RunStore(pool).prune())
      .catch(() => {})
      .then(() => pool.close());
    const enough = new AbortController();
    await Promise.race([written, clock.sleep(LIMITS.lastWordMs, enough.signal)]).catch(() => {});
    enough.abort();
  };
  return {
    take: (event) => recorder.take(event),
    watch: (snapshot) => recorder.watch(snapshot),
    during: async (work) => {
      let failure: Reason | undefined;
      try {
        return await work();
      } catch (error) {
        failure = reasonOf(error);
        throw error;
      } finally {
        await close(failure);
      }
    },
  };
}
