/**
 * A token bucket: requests leave evenly at a rate, and what a pause left over may be made up for a little. Invariants:
 * tokens never exceed one burst; at its own rate no second has more than the rate.
 */
import { LastSecond } from './last-second.js';

/** Share of a second's tokens that may be saved up; more where it is seen to that no second has more than the rate. */
const BURST = 0.05;
const EVEN_BURST = 0.06;
/** From this rate on, since below it a second has too few to be even. */
const LEAST_EVEN_RATE = 20;
/** Slots are counted whole or in part: a request may seem to lie on either side. */
const EVEN_TOLERANCE = 1;

export class Pacer {
  readonly kind = 'pacer';
  private tokens = 1;
  private tokensAtMs = 0;
  private readonly lastSecond = new LastSecond();

  start(nowMs: number): void {
    this.tokensAtMs = nowMs;
  }

  /**
   * Milliseconds until there are tokens at `rate`. `even`: it is the rate itself; the pace of a stated window may be
   * made up for.
   */
  waitMs(nowMs: number, cost: number, rate: number, even: boolean): number {
    const isEven = even && rate >= LEAST_EVEN_RATE;
    const burst = burstOf(rate, isEven);
    this.tokens = Math.min(burst, this.tokens + (rate * Math.max(0, nowMs - this.tokensAtMs)) / 1000);
    this.tokensAtMs = Math.max(this.tokensAtMs, nowMs);
    const needed = Math.min(cost, burst);
    const forTokens = this.tokens >= needed - 1e-9 ? 0 : ((needed - this.tokens) * 1000) / rate;
    if (!isEven) return forTokens;
    const over = this.lastSecond.total(nowMs) + needed - rate - EVEN_TOLERANCE;
    return over > 0 ? Math.max(forTokens, (over * 1000) / rate) : forTokens;
  }

  /** At the time that `waitMs` was last asked for. */
  sent(cost: number): void {
    this.tokens -= cost;
    this.lastSecond.add(this.tokensAtMs, cost);
  }

  /** Counted as sent, and never was. */
  unsent(cost: number, rate: number): void {
    this.tokens = Math.min(burstOf(rate, rate >= LEAST_EVEN_RATE), this.tokens + cost);
    this.lastSecond.takeBack(cost);
  }

  /** The next one waits its full turn. */
  empty(): void {
    this.tokens = 0;
  }
}

function burstOf(rate: number, isEven: boolean): number {
  return Math.max(1, (isEven ? EVEN_BURST : BURST) * rate);
}
