/** How servers count requests: windows, logs, buckets. Time is an argument, in milliseconds. */

/** Counts in windows that start at fixed times. */
export class FixedWindow {
  used = 0;
  private epoch = -1;
  constructor(
    readonly limit: number,
    readonly windowMs: number,
    private readonly phaseMs = 370,
  ) {}
  take(nowMs: number, cost: number): boolean {
    const epoch = Math.floor((nowMs + this.phaseMs) / this.windowMs);
    if (epoch !== this.epoch) {
      this.epoch = epoch;
      this.used = 0;
    }
    if (this.used + cost > this.limit) return false;
    this.used += cost;
    return true;
  }
  resetAt(): number {
    return (this.epoch + 1) * this.windowMs - this.phaseMs;
  }
}

/** Counts the admitted requests of the last window before each request. */
export class SlidingLog {
  private log: number[] = [];
  private first = 0;
  constructor(
    readonly limit: number,
    readonly windowMs: number,
  ) {}
  used(nowMs: number): number {
    while (this.first < this.log.length && this.log[this.first]! <= nowMs - this.windowMs) this.first++;
    if (this.first > 10_000) {
      this.log = this.log.slice(this.first);
      this.first = 0;
    }
    return this.log.length - this.first;
  }
  take(nowMs: number): boolean {
    if (this.used(nowMs) >= this.limit) return false;
    this.log.push(nowMs);
    return true;
  }
}

/** Tokens that refill at a rate, up to a maximum. */
export class TokenBucket {
  available: number;
  private at = Number.NaN;
  constructor(
    public perSecond: number,
    readonly max: number,
  ) {
    this.available = max;
  }
  take(nowMs: number, cost: number): boolean {
    if (!Number.isNaN(this.at))
      this.available = Math.min(this.max, this.available + ((nowMs - this.at) / 1000) * this.perSecond);
    this.at = nowMs;
    if (this.available < cost) return false;
    this.available -= cost;
    return true;
  }
}
