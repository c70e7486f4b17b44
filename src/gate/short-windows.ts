/** Whether stated windows are shorter than two seconds, where their length is not stated: by the resets they name. */
import type { EpochReading } from './epoch-ledger.js';

const SHORT_MS = 2000;
/** Resets in whole seconds that are a second apart, so many times. */
const STEP_MS = 1000;
const STEPS = 2;
/** A reset that is never more than a second away, for so long and so many readings. */
const WATCHED_MS = 4000;
const READINGS = 8;

export class ShortWindows {
  readonly kind = 'short-windows';
  private lastResetMs = -Infinity;
  private steps = 0;
  private sinceMs: number | undefined;
  private readings = 0;
  private known = false;

  /** Takes in a reading; returns what is known by then. */
  isShort(reading: EpochReading, nowMs: number, serverTimeMs: number | undefined): boolean {
    if (reading.windowMs !== undefined) return reading.windowMs < SHORT_MS;
    if (!this.known)
      this.known = reading.grainMs > STEP_MS ? this.byDelta(reading, nowMs, serverTimeMs) : this.byEpoch(reading);
    return this.known;
  }

  /** One window names one reset: two that are a second apart belong to windows of a second. */
  private byEpoch({ resetMs, grainMs }: EpochReading): boolean {
    const apart = resetMs - this.lastResetMs;
    if (apart > 0) {
      this.steps = grainMs === STEP_MS && apart <= STEP_MS ? this.steps + 1 : 0;
      this.lastResetMs = resetMs;
    }
    return this.steps >= STEPS;
  }

  /** A longer window would have had more left at some time. */
  private byDelta({ resetMs }: EpochReading, nowMs: number, serverTimeMs: number | undefined): boolean {
    if (serverTimeMs === undefined || resetMs - serverTimeMs > STEP_MS) {
      this.sinceMs = undefined;
      this.readings = 0;
      return false;
    }
    this.sinceMs ??= nowMs;
    this.readings++;
    return this.readings >= READINGS && nowMs - this.sinceMs > WATCHED_MS;
  }
}
