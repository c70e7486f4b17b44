/**
 * Finds how many requests a server takes at once. Invariants: the cap never falls below 1; a rejection of a request
 * sent before the last cut cuts nothing; after a raise was refused, the next is tried after twice the time.
 */
const FIRST_INTERVAL_MS = 5000;
const LAST_INTERVAL_MS = 120_000;
const QUICK_STEP_MS = 2000;
const STEP_GROWTH = 1.7;
const STEP = 0.02;
/** Rejections shortly after the first one cut deeper. */
const SEARCH_MS = 5000;
const SEARCH_CUT = 0.9;

export class ConcurrencyLearner {
  readonly kind = 'concurrency-learner';
  cap: number;
  /** In flight at the first rejection of this trial; 0: no trial. */
  firstSuspect = 0;
  trialStartMs = -Infinity;
  private changedMs = -Infinity;
  /** Time of the last raise that has not been refused yet. */
  private raisedMs: number | undefined;
  private intervalMs = FIRST_INTERVAL_MS;
  private step = 1;

  constructor(cap: number) {
    this.cap = cap;
    if (cap < Infinity) this.firstSuspect = cap + 1;
  }

  /** `inFlight`: with the rejected request. */
  rejected(nowMs: number, inFlight: number): void {
    const raised = this.raisedMs !== undefined;
    if (this.firstSuspect === 0) {
      this.firstSuspect = inFlight;
      this.trialStartMs = nowMs;
    }
    const searching = nowMs - this.trialStartMs < SEARCH_MS ? Math.floor(this.cap * SEARCH_CUT) : Infinity;
    if (this.cap === Infinity) this.cap = inFlight - 1;
    else this.cap = raised ? this.cap - 1 : Math.min(inFlight - 1, this.cap - 1, searching);
    this.cap = Math.max(1, this.cap);
    this.changedMs = nowMs;
    this.raisedMs = undefined;
    this.step = 1;
    if (raised) this.intervalMs = Math.min(LAST_INTERVAL_MS, this.intervalMs * 2);
  }

  /** Every half second. `bound`: the cap is what held requests back. */
  tick(nowMs: number, bound: boolean): void {
    if (this.cap === Infinity) return;
    if (bound && nowMs - this.changedMs >= (this.step > 1 ? QUICK_STEP_MS : this.intervalMs)) {
      this.cap += Math.max(1, Math.floor(this.cap * STEP * this.step));
      this.step *= STEP_GROWTH;
      this.raisedMs = nowMs;
      this.changedMs = nowMs;
    } else if (this.raisedMs !== undefined && nowMs - this.raisedMs > this.intervalMs && this.step === 1)
      this.raisedMs = undefined;
  }
}
