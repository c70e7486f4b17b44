/**
 * A bucket of points that refills, as a GraphQL API tells it. Invariant: our idea of what is available is never above
 * what the server last said plus what it restored since, and never below what it said less everything that this reading
 * could not know of yet.
 */

export interface BucketReading {
  available: number;
  max: number;
  restorePerSecond: number;
}

/** Points a second. A server that says that nothing is restored is asked again all the same. */
const LEAST_RESTORE = 1e-3;

export class BucketLedger {
  readonly kind = 'bucket-ledger';
  private available: number;
  private atMs: number;
  max: number;
  restorePerSecond: number;

  constructor(reading: BucketReading, unseenCost: number, nowMs: number) {
    this.available = reading.available - unseenCost;
    this.atMs = nowMs;
    this.max = reading.max;
    this.restorePerSecond = Math.max(LEAST_RESTORE, reading.restorePerSecond);
  }

  /** Milliseconds until so many points are there. */
  waitMs(nowMs: number, cost: number): number {
    this.refill(nowMs);
    // A request dearer than the whole bucket goes out alone, with the bucket full: the server will say what is wrong
    // with it.
    const needed = Math.min(cost, this.max);
    return this.available >= needed ? 0 : ((needed - this.available) * 1000) / this.restorePerSecond;
  }

  spend(nowMs: number, cost: number): void {
    this.refill(nowMs);
    this.available -= cost;
  }

  /** Requested and then not charged: rejected, or cheaper than asked for. */
  refund(nowMs: number, cost: number): void {
    this.refill(nowMs);
    this.available = Math.min(this.max, this.available + cost);
  }

  /** `unseenCost`: everything sent that this reading may not contain. */
  merge(reading: BucketReading, unseenCost: number, rttMs: number, nowMs: number): void {
    this.refill(nowMs);
    const least = reading.available - unseenCost;
    const most = reading.available + (reading.restorePerSecond * rttMs) / 1000;
    this.available = Math.max(Math.min(this.available, most), least);
    this.max = reading.max;
    this.restorePerSecond = Math.max(LEAST_RESTORE, reading.restorePerSecond);
  }

  private refill(nowMs: number): void {
    this.available = Math.min(
      this.max,
      this.available + (this.restorePerSecond * Math.max(0, nowMs - this.atMs)) / 1000,
    );
    this.atMs = Math.max(this.atMs, nowMs);
  }
}
