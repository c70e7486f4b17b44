/**
 * How far "none left" is believed. A server that says it with each accepted answer says nothing; but others may use
 * what it allows, so that is tried out. Invariants: one request at a time is sent in spite of it, and after one was
 * refused none is for many windows.
 */

/** So long after "none left" another request finds out; the second one at once. */
const FIRST_TRY_MS = 2000;
/** Requests accepted in spite of it, after which it is believed no more. */
const ENOUGH = 2;
const SHORT_WINDOWS = 3;
/** After one that was refused, so many windows are believed. */
const BELIEVED_WINDOWS = 20;

export class Trust {
  readonly kind = 'trust';
  /** Accepted although none was left, refused because none was. */
  contradicted = 0;
  private confirmed = 0;
  private windowEndMs = -Infinity;
  /** What we had accepted in this window, and since the last reading. */
  private own = 0;
  private blind = 0;
  private quota = 0;
  private emptySinceMs: number | undefined;
  /** Windows in a row of which nothing was left after one request: too short to wait within them. */
  private emptyWindows = 0;
  private believeFor = 0;
  private tried = false;

  /** It is of no account any more. */
  get isLost(): boolean {
    return this.contradicted - ENOUGH * this.confirmed >= ENOUGH;
  }

  /** `endMs`: the end of the window that the reading names, give or take `grainMs`. */
  read(
    { quota, remaining, endMs, grainMs }: { quota: number; remaining: number; endMs: number; grainMs: number },
    { accepted, cost, sentMs, nowMs }: { accepted: boolean; cost: number; sentMs: number; nowMs: number },
  ): void {
    this.quota = quota;
    if (Math.abs(endMs - this.windowEndMs) > grainMs) this.turn(endMs);
    const wasEmpty = this.emptySinceMs !== undefined && sentMs > this.emptySinceMs;
    if (wasEmpty && accepted) this.contradicted++;
    if (wasEmpty && !accepted && remaining <= 0) this.confirm();
    this.own += this.blind + (accepted ? cost : 0);
    this.blind = 0;
    if (remaining > 0) this.contradicted = 0;
    else this.emptySinceMs ??= nowMs;
  }

  /** Accepted, and nothing was said. */
  readNothing(cost: number): void {
    this.blind += cost;
  }

  /**
   * Milliseconds until a request may find out whether there is none; undefined: that is believed. `endsMs`: when the
   * window ends, at the latest.
   */
  tryMs(nowMs: number, inFlight: number, endsMs: number): number | undefined {
    if (this.emptySinceMs === undefined || this.believeFor > 0 || this.tried || inFlight > 0) return undefined;
    // We used it up ourselves, or as good as that.
    if (this.own + this.blind > this.quota / 2) return undefined;
    const firstMs = this.emptySinceMs + Math.min(FIRST_TRY_MS, Math.max(0, endsMs - this.emptySinceMs) / 2);
    return this.contradicted > 0 || this.emptyWindows >= SHORT_WINDOWS ? 0 : Math.max(0, firstMs - nowMs);
  }

  private confirm(): void {
    this.confirmed++;
    this.tried = true;
    this.believeFor = BELIEVED_WINDOWS;
  }

  private turn(endMs: number): void {
    this.windowEndMs = endMs;
    this.emptyWindows = this.emptySinceMs === undefined ? 0 : this.emptyWindows + 1;
    this.own = 0;
    this.emptySinceMs = undefined;
    this.tried = false;
    this.believeFor = Math.max(0, this.believeFor - 1);
  }
}
