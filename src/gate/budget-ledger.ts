/**
 * A quota of an hour or more: spent as fast as the short limits allow, down to a reserve for what others use of it.
 * Invariant: nothing is admitted while what is known to be left, less what is in flight, would fall below the reserve.
 */
const RESERVE = 0.02;
/** What others are expected to use until the reset, and some. */
const FOREIGN_MARGIN = 1.2;
/** Readings that far apart belong to two windows, where no reset tells them apart. */
const NEW_WINDOW = 0.01;
const RESET_GRAIN_MS = 120_000;
const FIRST_RECHECK_MS = 60_000;
const LAST_RECHECK_MS = 900_000;
/** Weight of the newest sample of what others use. */
const SMOOTHING = 0.2;
const SAMPLE_MS = 10_000;
const ROUNDING = 1e-6;

export interface BudgetReading {
  quota: number;
  remaining: number;
  windowMs: number;
}

export class BudgetLedger {
  readonly kind = 'budget-ledger';
  private quota = Infinity;
  private used = 0;
  windowMs = 0;
  /** By our clock, at the latest; undefined: the server does not tell. */
  resetAtMs: number | undefined;
  private foreignPerMs = 0;
  private sampledAtMs: number | undefined;
  private sampledUsed = 0;
  private ownSinceSample = 0;
  private inFlightCost = 0;
  /** The server refused: nothing before this. */
  private heldUntilMs = -Infinity;
  private recheckMs = FIRST_RECHECK_MS;
  rejections = 0;

  merge(reading: BudgetReading, resetAtMs: number | undefined, nowMs: number): void {
    const used = reading.quota - reading.remaining;
    const later =
      resetAtMs !== undefined && this.resetAtMs !== undefined && resetAtMs > this.resetAtMs + RESET_GRAIN_MS;
    const refilled =
      resetAtMs === undefined && used + this.inFlightCost < this.used - Math.max(1, NEW_WINDOW * reading.quota);
    const earlier =
      resetAtMs !== undefined && this.resetAtMs !== undefined && resetAtMs < this.resetAtMs - RESET_GRAIN_MS;
    if (earlier && nowMs < (this.resetAtMs ?? 0)) return;
    if (later || refilled || this.quota === Infinity) {
      this.used = used;
      this.sampledAtMs = undefined;
      this.heldUntilMs = -Infinity;
    } else this.used = Math.max(this.used, used);
    this.quota = reading.quota;
    this.windowMs = reading.windowMs;
    if (resetAtMs !== undefined)
      this.resetAtMs = later || this.resetAtMs === undefined ? resetAtMs : Math.max(this.resetAtMs, resetAtMs);
    this.sample(nowMs);
  }

  sent(cost: number): void {
    this.inFlightCost += cost;
  }

  answered(cost: number): void {
    this.inFlightCost -= cost;
    this.ownSinceSample += cost;
    this.recheckMs = FIRST_RECHECK_MS;
  }

  cancelled(cost: number): void {
    this.inFlightCost -= cost;
  }

  /** The server says that it is used up. */
  refused(nowMs: number, cost: number, retryAfterMs: number | undefined): void {
    this.inFlightCost -= cost;
    this.rejections++;
    const reset = this.resetAtMs !== undefined && this.resetAtMs > nowMs ? this.resetAtMs : undefined;
    if (nowMs < this.heldUntilMs) return;
    this.heldUntilMs = retryAfterMs === undefined ? (reset ?? nowMs + this.recheckMs) : nowMs + retryAfterMs;
    this.recheckMs = Math.min(LAST_RECHECK_MS, this.recheckMs * 2);
  }

  waitMs(nowMs: number, cost: number): number {
    if (nowMs < this.heldUntilMs) return this.heldUntilMs - nowMs;
    if (this.resetAtMs !== undefined && nowMs >= this.resetAtMs) {
      if (this.windowMs > 0) {
        this.resetAtMs += Math.ceil((nowMs - this.resetAtMs + 1) / this.windowMs) * this.windowMs;
        this.used = 0;
      }
      return 0;
    }
    const most = this.quota - this.reserve(nowMs);
    // A request dearer than all that may be spent goes out alone.
    const needed = most > 0 ? Math.min(cost, most) : cost;
    if (most - this.used - this.inFlightCost >= needed - ROUNDING) return 0;
    if (this.resetAtMs !== undefined) return this.resetAtMs - nowMs;
    // Without a reset, one request now and then finds out.
    this.heldUntilMs = nowMs + this.recheckMs;
    this.recheckMs = Math.min(LAST_RECHECK_MS, this.recheckMs * 2);
    this.used = most - needed;
    return this.heldUntilMs - nowMs;
  }

  remaining(): number {
    return Math.min(this.quota, Math.max(0, this.quota - this.used));
  }

  get total(): number | undefined {
    return Number.isFinite(this.quota) ? this.quota : undefined;
  }

  /** Whole requests: of a few there is no fiftieth. */
  private reserve(nowMs: number): number {
    if (!Number.isFinite(this.quota)) return 0;
    const left = this.resetAtMs === undefined ? this.windowMs : Math.max(0, this.resetAtMs - nowMs);
    return Math.floor(Math.min(this.quota, Math.max(RESERVE * this.quota, FOREIGN_MARGIN * this.foreignPerMs * left)));
  }

  private sample(nowMs: number): void {
    if (this.sampledAtMs === undefined) {
      this.sampledAtMs = nowMs;
      this.sampledUsed = this.used;
      this.ownSinceSample = 0;
      return;
    }
    const elapsed = nowMs - this.sampledAtMs;
    if (elapsed < SAMPLE_MS) return;
    const foreign = Math.max(0, this.used - this.sampledUsed - this.ownSinceSample - this.inFlightCost) / elapsed;
    this.foreignPerMs = this.foreignPerMs * (1 - SMOOTHING) + foreign * SMOOTHING;
    this.sampledAtMs = nowMs;
    this.sampledUsed = this.used;
    this.ownSinceSample = 0;
  }
}
