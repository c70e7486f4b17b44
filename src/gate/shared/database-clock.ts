/**
 * The database's clock as one process knows it: each answer bounds how far it is ahead of our monotonic one, and the
 * intervals of many answers narrow each other. Invariant: while neither clock is set, and they part by no more than
 * DRIFT, the truth lies within.
 */
/** A clock that is being corrected runs up to 500 ppm fast or slow. */
const DRIFT = 1e-3;

export class DatabaseClock {
  private lowMs = -Infinity;
  private highMs = Infinity;
  private atMs = 0;

  /**
   * `databaseMs` was read after `sentMs` and before `receivedMs` of ours. Returns by how much it was set, 0 where it
   * was not.
   */
  observe(databaseMs: number, sentMs: number, receivedMs: number): number {
    const driftMs = DRIFT * Math.max(0, receivedMs - this.atMs);
    const low = databaseMs - receivedMs;
    const high = databaseMs - sentMs;
    this.lowMs = Math.max(this.lowMs - driftMs, low);
    this.highMs = Math.min(this.highMs + driftMs, high);
    this.atMs = receivedMs;
    if (this.lowMs <= this.highMs) return 0;
    // What was known of it is worth nothing.
    const setMs = high < this.lowMs ? high - this.lowMs : low - this.highMs;
    this.lowMs = low;
    this.highMs = high;
    return setMs;
  }

  /**
   * How far it is ahead of ours, at least; 0 where nothing is known: a time of the database's comes late rather than
   * early.
   */
  get aheadMs(): number {
    return Number.isFinite(this.lowMs) ? this.lowMs : 0;
  }

  /** When it was this time of the database's, by our clock, at the earliest. */
  earliest(databaseMs: number): number {
    return databaseMs - this.highMs;
  }
}
