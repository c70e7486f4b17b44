/**
 * A quota over the window before each request, as `limit`, `remaining` and the window's length tell it. Invariant: no
 * window of the server receives more than the quota less what others use, as long as requests need the same time up to
 * within `jitterMs`.
 */
import { SendLog } from './send-log.js';

export interface RollingReading {
  quota: number;
  remaining: number;
  windowMs: number;
}

const FIRST_JITTER_MS = 50;
/** The same for a window so short that this is a good part of it. */
const SHORT_JITTER_MS = 22;
const SHORT_MS = 2000;
const WIDENED = 2;
const SHORT_WIDENED = 1.1;
const MOST_JITTER = 0.5;
/** Share of the window within which sends are kept as one. */
const GRAIN = 0.002;

export class RollingLedger {
  readonly kind = 'rolling-ledger';
  quota = 0;
  windowMs = 0;
  private jitterMs = FIRST_JITTER_MS;
  private readonly log = new SendLog(0);
  /** What others used of the quota, by the readings of late. */
  private foreign = 0;
  private foreignAtMs = 0;

  merge(reading: RollingReading, nowMs: number): void {
    this.quota = reading.quota;
    this.windowMs = reading.windowMs;
    if (reading.windowMs < SHORT_MS && this.jitterMs === FIRST_JITTER_MS) this.jitterMs = SHORT_JITTER_MS;
    this.log.grainMs = reading.windowMs * GRAIN;
    const foreign = reading.quota - reading.remaining - this.log.cost(nowMs - this.spanMs());
    if (foreign > this.foreign || nowMs - this.foreignAtMs > this.windowMs / 2) {
      this.foreign = Math.max(0, foreign);
      this.foreignAtMs = nowMs;
    }
  }

  sent(nowMs: number, cost: number): void {
    this.log.add(nowMs, cost);
  }

  waitMs(nowMs: number, cost: number): number {
    const from = nowMs - this.spanMs();
    // Dearer than all that a window holds: it goes out alone.
    const needed = Math.min(cost, this.quota);
    // What others used in a window that is over keeps nothing back but all requests save one, which finds out.
    const foreign =
      nowMs - this.foreignAtMs > this.spanMs() ? Math.min(this.foreign, this.quota - needed) : this.foreign;
    const over = this.log.cost(from) + foreign + needed - this.quota;
    if (over <= 0) return 0;
    return this.log.untilFree(over, from) ?? this.windowMs / 10;
  }

  /** Requests per second that fill it evenly. */
  pace(): number {
    return Math.max(0.01, ((this.quota - this.foreign) * 1000) / this.spanMs());
  }

  /** Rejected although it kept the rule: the way varies more than assumed. */
  widen(): void {
    const more = this.windowMs < SHORT_MS ? SHORT_WIDENED : WIDENED;
    this.jitterMs = Math.min(this.jitterMs * more, this.windowMs * MOST_JITTER);
  }

  private spanMs(): number {
    return this.windowMs + this.jitterMs;
  }
}
