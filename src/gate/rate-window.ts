/**
 * The requests that one limit counts. Invariant: no window of `rule.windowMs` on the server's side receives more than
 * `rule.requests`, as long as requests need the same time up to within `jitterMs`: a server window holds only sends of
 * an interval of window + jitter. The log alone sees to that; tokens only spread evenly what it allows.
 */
import type { RateRule } from './gate.js';
import { SendLog } from './send-log.js';

/** How much the way to the server may vary, before a rejection teaches otherwise. */
const FIRST_JITTER = 0.05;
const MOST_JITTER = 0.5;
const MORE_JITTER = 1.5;
/** It is allowed for again no more after so long, and after twice as long each time that it shows again. */
const FIRST_CALM_MS = 60_000;
const MOST_CALM_MS = 3_600_000;
const TIGHT = 0.9;
/** Share of the window within which sends are kept as one. */
const GRAIN = 0.002;
/** Share of a window that may be sent as one burst at first; the rest is spread evenly. */
const BURST = 0.05;
/** So much that late timers left over is made up for. */
const SAVED = 0.1;

export class RateWindow {
  readonly kind = 'rate-window';
  private readonly log: SendLog;
  private jitterMs: number;
  /** When it was last found that the way varies more, and whether that explained a rejection. */
  private widenedMs = -Infinity;
  private explained = false;
  /** Since when the way varied no more than is allowed for, how long that has to be, and whether it was once. */
  private calmSinceMs = 0;
  private calmMs = FIRST_CALM_MS;
  private isCalmed = false;
  private tokens: number;
  private tokensAt = 0;
  private latestMs = 0;
  private readonly rule: RateRule;

  constructor(rule: RateRule) {
    this.rule = { ...rule };
    this.log = new SendLog(rule.windowMs * GRAIN);
    this.jitterMs = rule.windowMs * FIRST_JITTER;
    this.tokens = this.atOnce(BURST);
  }

  /** Milliseconds until the next request may be sent; 0: now. */
  waitMs(nowMs: number): number {
    this.calmDown(nowMs);
    const from = nowMs - this.rule.windowMs - this.jitterMs;
    const over = this.log.cost(from) + 1 - this.rule.requests;
    const untilFree = over > 0 ? (this.log.untilFree(over, from) ?? 0) : 0;
    this.refill(nowMs);
    const untilToken = this.tokens >= 1 - 1e-9 ? 0 : (1 - this.tokens) * this.spacingMs();
    return Math.max(untilFree, untilToken);
  }

  sent(nowMs: number): void {
    this.refill(nowMs);
    this.tokens -= 1;
    this.log.add(nowMs, 1);
    this.latestMs = nowMs;
  }

  /**
   * Rejected at `nowMs` although it kept the rule, and used it nearly up: the way varies more than assumed. Otherwise
   * another limit was met; returns whether this one was. What left before the way was known to vary so much tells it
   * once.
   */
  rejected(nowMs: number, sentMs: number): boolean {
    if (sentMs <= this.widenedMs) return this.explained;
    if (this.log.cost(this.latestMs - this.rule.windowMs - this.jitterMs) < TIGHT * this.rule.requests) return false;
    this.widen(nowMs, this.jitterMs * MORE_JITTER);
    this.explained = this.jitterMs < this.mostJitterMs;
    return this.explained;
  }

  /** Nothing leaves for so long, and nothing of that is made up for: others may have sent, unknown to us. */
  pause(nowMs: number, forMs: number): void {
    this.tokens = 0;
    this.tokensAt = Math.max(this.tokensAt, nowMs + forMs);
  }

  /** How much later than planned a request may leave without a window receiving too many. */
  get toleranceMs(): number {
    return this.jitterMs / 2;
  }

  /** Requests leave later than planned, by so much. */
  late(byMs: number): void {
    if (2 * byMs > this.jitterMs) this.widen(this.latestMs, 2 * byMs);
  }

  get requests(): number {
    return this.rule.requests;
  }

  /** The limit became known, or changed. */
  retune(requests: number): void {
    this.rule.requests = requests;
    this.tokens = Math.min(this.tokens, this.atOnce(SAVED));
  }

  /** Requests per second that it lets through. */
  rate(): number {
    return 1000 / this.spacingMs();
  }

  private spacingMs(): number {
    return (this.rule.windowMs + this.jitterMs) / this.rule.requests;
  }

  private get mostJitterMs(): number {
    return this.rule.windowMs * MOST_JITTER;
  }

  private widen(nowMs: number, toMs: number): void {
    if (this.isCalmed) this.calmMs = Math.min(2 * this.calmMs, MOST_CALM_MS);
    this.isCalmed = false;
    this.jitterMs = Math.min(toMs, this.mostJitterMs);
    this.widenedMs = this.calmSinceMs = nowMs;
  }

  /** One bad moment of the way, or of this process, is not allowed for until the end of a long run. */
  private calmDown(nowMs: number): void {
    const leastMs = this.rule.windowMs * FIRST_JITTER;
    if (this.jitterMs <= leastMs || nowMs - this.calmSinceMs < this.calmMs) return;
    this.isCalmed = true;
    this.jitterMs = Math.max(leastMs, this.jitterMs / MORE_JITTER);
    this.calmSinceMs = nowMs;
  }

  private atOnce(share: number): number {
    return Math.max(1, this.rule.requests * share);
  }

  private refill(nowMs: number): void {
    this.tokens = Math.min(this.atOnce(SAVED), this.tokens + Math.max(0, nowMs - this.tokensAt) / this.spacingMs());
    this.tokensAt = Math.max(this.tokensAt, nowMs);
  }
}

/** The window of one endpoint, opened with its first request; undefined where no rule counts endpoints. */
export function windowOf(
  windows: Map<string, RateWindow>,
  endpoint: string,
  rule: RateRule | undefined,
): RateWindow | undefined {
  if (!rule) return undefined;
  let window = windows.get(endpoint);
  if (!window) windows.set(endpoint, (window = new RateWindow(rule)));
  return window;
}
