/**
 * The requests that one limit counts. Invariant: no window of `rule.windowMs` on the server's side receives more than
 * `rule.requests`, as long as requests need the same time up to within `jitterMs`: a server window holds only sends of
 * an interval of window + jitter.
 */
import type { RateRule } from './gate.js';
import { SendLog } from './send-log.js';

/** How much the way to the server may vary, before a rejection teaches otherwise. */
const FIRST_JITTER = 0.05;
const MOST_JITTER = 0.5;
const MORE_JITTER = 1.5;
const TIGHT = 0.9;
/** Share of the window within which sends are kept as one. */
const GRAIN = 0.002;
/** Share of a window that may be sent as one burst; the rest is spread evenly. */
const BURST = 0.05;

export class RateWindow {
  readonly kind = 'rate-window';
  private readonly log: SendLog;
  private jitterMs: number;
  private tokens: number;
  private tokensAt = 0;
  private latestMs = 0;
  private readonly rule: RateRule;

  constructor(rule: RateRule) {
    this.rule = { ...rule };
    this.log = new SendLog(rule.windowMs * GRAIN);
    this.jitterMs = rule.windowMs * FIRST_JITTER;
    this.tokens = this.burst();
  }

  /** Milliseconds until the next request may be sent; 0: now. */
  waitMs(nowMs: number): number {
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
   * Rejected although it kept the rule, and used it nearly up: the way varies more than assumed. Otherwise another
   * limit was met; returns whether this one was.
   */
  rejected(): boolean {
    if (this.log.cost(this.latestMs - this.rule.windowMs - this.jitterMs) < TIGHT * this.rule.requests) return false;
    this.jitterMs = Math.min(this.jitterMs * MORE_JITTER, this.rule.windowMs * MOST_JITTER);
    return this.jitterMs < this.rule.windowMs * MOST_JITTER;
  }

  /** How much later than planned a request may leave without a window receiving too many. */
  get toleranceMs(): number {
    return this.jitterMs / 2;
  }

  /** Requests leave later than planned, by so much. */
  late(byMs: number): void {
    this.jitterMs = Math.min(Math.max(this.jitterMs, 2 * byMs), this.rule.windowMs * MOST_JITTER);
  }

  get requests(): number {
    return this.rule.requests;
  }

  /** The limit became known, or changed. */
  retune(requests: number): void {
    this.rule.requests = requests;
    this.tokens = Math.min(this.tokens, this.burst());
  }

  /** Requests per second that it lets through. */
  rate(): number {
    return 1000 / this.spacingMs();
  }

  private spacingMs(): number {
    return (this.rule.windowMs + this.jitterMs) / this.rule.requests;
  }

  private burst(): number {
    return Math.max(1, this.rule.requests * BURST);
  }

  private refill(nowMs: number): void {
    this.tokens = Math.min(this.burst(), this.tokens + Math.max(0, nowMs - this.tokensAt) / this.spacingMs());
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
