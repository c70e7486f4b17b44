/** One process of the product: its clocks, and how it dies, stands still and comes back. */
import type { Clock } from '../../../src/base/clock.js';
import type { Agenda, Owner } from './agenda.js';

/** Wall clock of the world's beginning: 2027-01-15. */
export const EPOCH_MS = 1_800_000_000_000;

export class Process implements Owner {
  dead = false;
  stillUntilMs = 0;
  readonly clock: Clock;
  /** Aborting asks it to stop, as SIGTERM does. */
  readonly stop = new AbortController();
  /** Its requests that were sent and not yet answered. */
  inFlight = 0;
  /** Called once when it ended, by itself or not. */
  onExit: () => void = () => {};

  constructor(
    readonly agenda: Agenda,
    readonly name: string,
  ) {
    const aheadMs = Math.round(agenda.between(0, 1e6));
    // A machine's wall clock is wrong by seconds, and nothing may hang on it.
    const wrongMs = Math.round(agenda.between(-5000, 5000));
    this.clock = {
      now: () => EPOCH_MS + agenda.nowMs + wrongMs,
      monotonic: () => agenda.nowMs + aheadMs,
      sleep: (ms, signal) => this.sleep(ms, signal),
      after: (ms, callback) => agenda.in(ms, callback, this),
    };
  }

  get isStill(): boolean {
    return this.stillUntilMs > this.agenda.nowMs;
  }

  exit(): void {
    const { onExit } = this;
    this.onExit = () => {};
    onExit();
  }

  private sleep(ms: number, signal: AbortSignal | undefined): Promise<void> {
    if (signal?.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const done = () => {
        cancel();
        signal?.removeEventListener('abort', done);
        resolve();
      };
      const cancel = this.agenda.in(ms, done, this);
      signal?.addEventListener('abort', done, { once: true });
    });
  }
}
