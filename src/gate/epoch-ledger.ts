/**
 * A quota per fixed window, as `limit`, `remaining` and `reset` tell it. Invariants: what is admitted in one window of
 * the server never exceeds its quota while nobody else uses it, whatever the order in which readings arrive, whatever
 * the offset of the clocks, and wherever the windows begin. A stale reading can only be lower than the highest one of
 * its window, so the highest is what counts.
 */

/** `limit`, `remaining` and `reset` of one response. */
export interface EpochReading {
  quota: number;
  remaining: number;
  /** When the window ends by the server's clock, milliseconds since the epoch. */
  resetMs: number;
  /**
   * Readings of one window may name ends that lie this far apart (a delta in whole seconds, added to a `Date` in whole
   * seconds).
   */
  grainMs: number;
  /** Length of the window, where the server tells. */
  windowMs?: number | undefined;
}

/** No faster than this many times the quota spread evenly: a late start does not spend the window as one burst. */
const MOST_PACE = 1.5;
const LEAST_AIM_MS = 100;
/** A reset in whole seconds of the epoch is rounded up: never too early. */
const WHOLE_SECOND_MS = 1000;
/** With nothing known of the window's length, look again this often after its end. */
const LOOK_AGAIN_MS = 500;
/** Then a window may be this long, or as long as any was seen to last; what lasts longer is a budget. */
const LEAST_KEPT_MS = 60_000;
const MOST_KEPT_MS = 600_000;

export class EpochLedger {
  readonly kind = 'epoch-ledger';
  quota = 0;
  /** Highest use seen or implied in the present window. */
  private used = 0;
  /** End of the present window, at the latest by our clock. */
  private resetAt = 0;
  private serverResetMs = -Infinity;
  windowMs: number | undefined;
  /** The reset that the last window's first reading named: predicted ones tell nothing of a window's length. */
  private observedResetMs = -Infinity;
  /** Bounds of the present window's beginning by our clock. */
  private beganLow = -Infinity;
  private beganHigh = Infinity;
  /** Last send that was still answered with an older window. */
  private oldSentMs = -Infinity;
  /** End of the present window, at the earliest by our clock. */
  private resetEarliest = -Infinity;
  /**
   * Answers of this window that brought no reading: a reading counts those alone that were answered before its request
   * was sent.
   */
  private blind: { receivedMs: number; cost: number }[] = [];
  /** The present window was not confirmed by a reading yet. */
  private predicted = false;
  /** Most that was ever left of a window. */
  private longestLeftMs = 0;

  /**
   * What may still be sent in this window, what is in flight counted. `cost`: of the request that asks; one dearer than
   * the whole quota goes out alone, with all of it free.
   */
  room(nowMs: number, inFlightCost: number, cost: number): number {
    if (nowMs >= this.endsAt()) this.roll(nowMs, inFlightCost, cost);
    return this.quota - this.used - inFlightCost;
  }

  /** The same, for people. */
  remaining(nowMs: number, inFlightCost: number): number {
    return Math.max(0, this.quota - (nowMs < this.endsAt() ? this.used : 0) - inFlightCost);
  }

  /** Latest end of the present window, by our clock. */
  endsAt(): number {
    return this.windowMs !== undefined && this.beganHigh < Infinity
      ? Math.min(this.resetAt, this.beganHigh + this.windowMs)
      : this.resetAt;
  }

  /** Requests per second that spread what is left over what remains of the window. */
  pace(nowMs: number, inFlightCost: number): number {
    const left = this.quota - this.used - inFlightCost;
    const end = this.windowMs !== undefined && this.beganLow > -Infinity ? this.beganLow + this.windowMs : this.resetAt;
    return Math.min((left * 1000) / Math.max(end - nowMs, LEAST_AIM_MS), this.mostPace());
  }

  mostPace(): number {
    return this.windowMs === undefined ? Infinity : (MOST_PACE * this.quota * 1000) / this.windowMs;
  }

  /** `bounds`: the reading's reset by our clock. */
  merge(reading: EpochReading, bounds: { earliest: number; latest: number }, sentMs: number, nowMs: number): void {
    const used = reading.quota - reading.remaining + this.blindAfter(sentMs);
    const ahead = reading.resetMs - this.serverResetMs;
    // A reset that is rounded as a delta may lie on either side of the true one.
    const slackMs = reading.grainMs > WHOLE_SECOND_MS ? reading.grainMs / 2 : 0;
    const latest = bounds.latest + slackMs;
    // It had not ended when this request left, whatever is known of the clocks.
    const earliest = Math.max(bounds.earliest - (slackMs || reading.grainMs), sentMs);
    // The order of the readings tells the windows apart, where the length of one is not stated.
    const grain = Math.min(reading.grainMs, (this.windowMs ?? Infinity) / 2);
    if (reading.windowMs !== undefined) this.windowMs = reading.windowMs;
    this.longestLeftMs = Math.max(this.longestLeftMs, latest - nowMs);
    const isBeside =
      ahead < -grain && this.predicted && this.isBesidePrediction(reading, slackMs > 0 && latest > nowMs, grain);
    if (ahead > grain) {
      this.keepBlindAfter(this.earliestEnd());
      if (this.serverResetMs > -Infinity) {
        this.measureWindow(reading, slackMs);
        const windowMs = this.windowMs ?? ahead;
        const passed = Math.max(1, Math.round(ahead / windowMs));
        this.beganLow = Math.max(this.beganLow + passed * windowMs, this.oldSentMs);
        this.beganHigh = Math.min(this.beganHigh + passed * windowMs, nowMs);
        if (this.beganLow > this.beganHigh) {
          this.beganLow = this.oldSentMs;
          this.beganHigh = nowMs;
        }
      }
      this.serverResetMs = reading.resetMs;
      this.observedResetMs = reading.resetMs;
      this.used = reading.quota - reading.remaining + this.blindAfter(-Infinity);
      this.predicted = false;
    } else if (ahead >= -grain || isBeside) {
      this.used = Math.max(this.used, used);
      if (this.predicted) {
        this.measureWindow(reading, slackMs);
        this.serverResetMs = reading.resetMs;
        this.predicted = false;
        this.beganHigh = Math.min(this.beganHigh, nowMs);
        if (this.beganLow > this.beganHigh) this.beganLow = -Infinity;
        this.beganLow = Math.max(this.beganLow, Math.min(this.oldSentMs, this.beganHigh));
      }
    } else {
      this.oldSentMs = Math.max(this.oldSentMs, sentMs);
      return;
    }
    if (!this.predicted) this.oldSentMs = Math.max(this.oldSentMs, sentMs);
    this.quota = reading.quota;
    this.resetAt = ahead > grain ? latest : Math.min(this.resetAt, latest);
    this.resetEarliest = ahead > grain || isBeside ? earliest : Math.max(this.resetEarliest, earliest);
    if (this.resetEarliest > this.resetAt) {
      this.resetAt = latest;
      this.resetEarliest = earliest;
    }
  }

  /** A request was answered without a reading: it counts all the same. */
  answeredBlindly(nowMs: number, cost: number): void {
    this.used += cost;
    this.blind.push({ receivedMs: nowMs, cost });
  }

  /** The server rejected: whoever used it, nothing is left in this window. */
  exhausted(): void {
    this.used = Math.max(this.used, this.quota);
  }

  /** The window has ended by the clock, and no reading has told of the next. */
  private roll(nowMs: number, inFlightCost: number, cost: number): void {
    if (this.windowMs === undefined) {
      const keptMs = Math.min(MOST_KEPT_MS, Math.max(LEAST_KEPT_MS, this.longestLeftMs));
      this.keepBlindAfter(Math.max(this.earliestEnd(), nowMs - keptMs));
      const blind = this.blindAfter(-Infinity);
      const hasRoom = blind + Math.min(cost, this.quota) <= this.quota;
      // One request finds out, as long as those that found out nothing leave room for it.
      if (inFlightCost === 0) this.used = hasRoom ? Math.max(0, this.quota - cost) : this.quota;
      this.resetAt = hasRoom ? nowMs + LOOK_AGAIN_MS : this.blind[0]!.receivedMs + keptMs + 1;
      return;
    }
    const passed = Math.max(1, Math.ceil((nowMs - this.endsAt() + 1e-6) / this.windowMs));
    const by = passed * this.windowMs;
    // The window may have ended a little earlier: what was answered since may count in the next, which is no longer
    // than itself.
    this.keepBlindAfter(Math.max(this.earliestEnd() + by, nowMs) - this.windowMs);
    this.serverResetMs += by;
    this.resetAt += by;
    this.resetEarliest += by;
    this.beganLow += by;
    this.beganHigh += by;
    this.used = this.blindAfter(-Infinity);
    this.predicted = true;
  }

  /**
   * What is newer than all that was seen is the window of now, unless it is over: resets were rounded, or windows
   * counted as one.
   */
  private isBesidePrediction(reading: EpochReading, isRounded: boolean, grain: number): boolean {
    const apart = reading.resetMs - this.observedResetMs;
    return apart > grain && (isRounded || (this.windowMs !== undefined && apart < this.windowMs - grain));
  }

  /** Two resets that readings named are a window apart, or several. */
  private measureWindow(reading: EpochReading, slackMs: number): void {
    const apart = reading.resetMs - this.observedResetMs;
    if (reading.windowMs !== undefined) this.windowMs = reading.windowMs;
    else if (apart > reading.grainMs) this.windowMs = Math.min(this.windowMs ?? Infinity, apart + 2 * slackMs);
    this.observedResetMs = reading.resetMs;
  }

  private earliestEnd(): number {
    return Math.max(this.resetEarliest, this.windowMs === undefined ? -Infinity : this.beganLow + this.windowMs);
  }

  private keepBlindAfter(ms: number): void {
    this.blind = this.blind.filter(({ receivedMs }) => receivedMs > ms);
  }

  private blindAfter(ms: number): number {
    let sum = 0;
    for (const { receivedMs, cost } of this.blind) if (receivedMs > ms) sum += cost;
    return sum;
  }
}
