/**
 * Looks whether a run moves. Nothing may stand still without a stated wait: where it does, what each part waits for is
 * told after LIMITS.quietMs, and after LIMITS.stalledMs the run ends as one that can be resumed, rather than hang.
 */
import type { Clock } from '../../base/clock.js';
import { PausedError } from '../../base/errors.js';
import { LIMITS } from '../../base/bounds.js';

const LOOK_MS = 1000;
/** Parts that were asked to stop have this long, before the run ends without them. */
const GRACE_MS = 10_000;

export interface Watched {
  clock: Clock;
  /** Anything that changes whenever something moves. */
  pulse: () => string;
  /** Something is waited for, and says so. */
  isWaiting: () => boolean;
  /** What each part waits for. */
  standing: () => string[];
  tell: (message: string) => void;
  /** Asks all parts to stop. */
  stop: () => void;
}

export class Watchdog {
  private readonly over = new AbortController();
  /** Rejects where the run stands still and does not stop either. Never resolves. */
  readonly stalled: Promise<never>;

  constructor(private readonly watched: Watched) {
    this.stalled = new Promise((_, reject) => {
      this.watch().catch(reject);
    });
    this.stalled.catch(() => {});
  }

  close(): void {
    this.over.abort();
  }

  private async watch(): Promise<void> {
    const { clock, pulse, isWaiting, standing, tell, stop } = this.watched;
    const { signal } = this.over;
    let before = '';
    let movedMs = clock.monotonic();
    let lookedMs = movedMs;
    let isTold = false;
    while (!signal.aborted) {
      const now = clock.monotonic();
      const current = pulse();
      // While the process itself stood still, nothing could move.
      const asleepMs = now - lookedMs - LOOK_MS;
      if (asleepMs > LOOK_MS) movedMs += asleepMs;
      lookedMs = now;
      if (current !== before || isWaiting()) {
        before = current;
        movedMs = now;
        isTold = false;
      }
      const quietMs = now - movedMs;
      if (quietMs >= LIMITS.quietMs && !isTold) {
        isTold = true;
        tell(`nothing has moved for ${Math.round(quietMs / 1000)} s: ${standing().join('; ')}`);
      }
      if (quietMs >= LIMITS.stalledMs) {
        const found = standing().join('; ');
        stop();
        await clock.sleep(GRACE_MS, signal);
        if (signal.aborted) return;
        throw new PausedError('the run stood still, and was ended', {
          code: 'stalled',
          expected: 'progress, or a stated wait',
          found,
          next: 'run the same command again; it continues where it stopped. Report what was found',
        });
      }
      await clock.sleep(LOOK_MS, signal);
    }
  }
}
