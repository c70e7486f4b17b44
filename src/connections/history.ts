/**
 * A run that no task asked for, such as `headrace sync` by hand: written down where its rows go, if that is a PostgreSQL, so that
 * `headrace report` and a service on that database show it beside those of tasks.
 */
import { hostname } from 'node:os';
import { LIMITS } from '../base/bounds.js';
import type { Clock } from '../base/clock.js';
import type { Destination } from '../destinations/contract.js';
import type { Progress, RunEvent } from '../engine/report/events.js';
import { Pool } from '../postgres/pool.js';
import { reasonOf, RunRecorder, type Reason } from '../runs/recorder.js';
import { RunStore } from '../runs/run-store.js';
import { databaseOf } from './open.js';

export interface RunHistory {
  take(event: RunEvent): void;
  watch(snapshot: () => Progress): void;
  /** Runs `work`, and writes down how it ended, within a deadline; that it could not be written is not said. */
  during<Summary>(work: () => Promise<Summary>): Promise<Summary>;
}

export function historyOf(destination: Destination, connection: string, clock: Clock): RunHistory {
  const target = databaseOf(destination);
  if (!target) return { take: () => {}, watch: () => {}, during: (work) => work() };
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
