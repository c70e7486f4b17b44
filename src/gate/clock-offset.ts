/**
 * How far the server's clock is ahead of ours. `Date` has whole seconds, so each response bounds the offset by an
 * interval, and the intervals of many responses narrow each other. Invariant: while both clocks run evenly, the true
 * offset lies in [lowMs, highMs].
 */
const DATE_GRAIN_MS = 1000;

export class ClockOffset {
  readonly kind = 'clock-offset';
  lowMs = -Infinity;
  highMs = Infinity;

  get known(): boolean {
    return this.lowMs > -Infinity;
  }

  /** `serverMs`: the response's `Date`, written between `sentMs` and `receivedMs` of ours. */
  observe(serverMs: number, sentMs: number, receivedMs: number): void {
    const low = serverMs - receivedMs;
    const high = serverMs + DATE_GRAIN_MS - sentMs;
    this.lowMs = Math.max(this.lowMs, low);
    this.highMs = Math.min(this.highMs, high);
    // A clock was set: what was known of it is worth nothing.
    if (this.lowMs > this.highMs) {
      this.lowMs = low;
      this.highMs = high;
    }
  }

  /** When `serverMs` is by our clock. */
  bounds(serverMs: number): { earliest: number; latest: number } {
    return { earliest: serverMs - this.highMs, latest: serverMs - this.lowMs };
  }
}
