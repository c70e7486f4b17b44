/**
 * A testbed's clock that can hold its answers back, so that a client is surely in the middle of its work when a test
 * kills it, pauses it or looks at it, however fast or slow the machine is. The testbed needs a latency.
 */
import { systemClock, type Clock } from '../src/base/clock.js';

export class HoldingClock implements Clock {
  private left = Infinity;
  private held: (() => void)[] = [];
  readonly now = systemClock.now;
  readonly monotonic = systemClock.monotonic;
  readonly after = systemClock.after;

  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    await systemClock.sleep(ms, signal);
    if (this.left > 0) this.left--;
    else await new Promise<void>((resolve) => this.held.push(resolve));
  }

  /** So many more answers, those that are held first; then none. */
  holdAfter(answers: number): void {
    const freed = this.held.splice(0, answers);
    this.left = answers - freed.length;
    for (const go of freed) go();
  }

  /** Whether a request waits for its answer. */
  get isHolding(): boolean {
    return this.held.length > 0;
  }

  release(): void {
    this.left = Infinity;
    for (const go of this.held.splice(0)) go();
  }
}
