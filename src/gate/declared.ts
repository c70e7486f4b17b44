/**
 * A gate with given rates. Invariants: never more than the declared requests in any window (RateWindow); after a rejection, every
 * request that the rejected limit covers waits, not only the one that was rejected; one probe goes first when the wait is over.
 */
import { LIMITS } from '../limits.js';
import type { Random } from '../random.js';
import type { Admission, Answer, DeclaredLimits, Gate, GateStatus, WaitReason } from './gate.js';
import { RateWindow } from './window.js';

interface Block {
  untilMs: number;
  reason: WaitReason;
  /** Rejections in a row. */
  count: number;
  /** A request was let through to see whether the limit has recovered. */
  probing: boolean;
}

/** How far back `sentPerSecond` looks. */
const MEASURED_MS = 10_000;

export class DeclaredGate implements Gate {
  private readonly global: RateWindow | undefined;
  private readonly endpoints = new Map<string, RateWindow>();
  private readonly blocks = new Map<string, Block>();
  private readonly recent: number[] = [];
  private requests = 0;
  private rejections = 0;

  constructor(
    private readonly limits: DeclaredLimits,
    private readonly random: Random,
  ) {
    this.global = limits.global && new RateWindow(limits.global);
  }

  check(nowMs: number, endpoint: string): Admission {
    for (const key of ['', endpoint]) {
      const block = this.blocks.get(key);
      if (!block) continue;
      if (nowMs < block.untilMs) return { go: false, waitMs: block.untilMs - nowMs, reason: block.reason };
      if (block.probing) return { go: false, waitMs: LIMITS.backoffFirstMs, reason: block.reason };
    }
    const globalMs = this.global?.waitMs(nowMs) ?? 0;
    const endpointMs = this.window(endpoint)?.waitMs(nowMs) ?? 0;
    if (globalMs <= 0 && endpointMs <= 0) return { go: true };
    return endpointMs > globalMs
      ? { go: false, waitMs: endpointMs, reason: 'endpoint rate limit' }
      : { go: false, waitMs: globalMs, reason: 'rate limit' };
  }

  sent(nowMs: number, endpoint: string): void {
    this.requests++;
    this.recent.push(nowMs);
    while (this.recent.length > 0 && this.recent[0]! < nowMs - MEASURED_MS) this.recent.shift();
    this.global?.sent(nowMs);
    this.window(endpoint)?.sent(nowMs);
    for (const key of ['', endpoint]) {
      const block = this.blocks.get(key);
      if (block) block.probing = true;
    }
  }

  answered(nowMs: number, endpoint: string, answer: Answer): void {
    if (!answer.rejected) {
      for (const key of ['', endpoint]) {
        const block = this.blocks.get(key);
        if (block?.probing && nowMs >= block.untilMs) this.blocks.delete(key);
      }
      return;
    }
    this.rejections++;
    const key = answer.scope === 'endpoint' ? endpoint : '';
    const block = this.blocks.get(key);
    if (block && nowMs < block.untilMs && answer.retryAfterMs === undefined) return;
    const count = (block?.count ?? 0) + 1;
    const backoff = Math.min(LIMITS.backoffLastMs, LIMITS.backoffFirstMs * 2 ** count) * (0.5 + this.random.next());
    const untilMs = Math.max(block?.untilMs ?? 0, nowMs + Math.max(answer.retryAfterMs ?? 0, backoff));
    const reason: WaitReason = answer.retryAfterMs !== undefined ? 'Retry-After' : 'backoff after a rejection';
    this.blocks.set(key, { untilMs, reason, count, probing: false });
    if (!block) (key === '' ? this.global : this.window(endpoint))?.widen();
  }

  rateOf(endpoint: string): number {
    return Math.min(this.global?.rate() ?? Infinity, this.window(endpoint)?.rate() ?? Infinity);
  }

  status(nowMs: number): GateStatus {
    let waiting: GateStatus['waiting'];
    for (const block of this.blocks.values()) {
      if (block.untilMs > nowMs && block.untilMs > (waiting?.untilMs ?? 0)) waiting = { reason: block.reason, untilMs: block.untilMs };
    }
    while (this.recent.length > 0 && this.recent[0]! < nowMs - MEASURED_MS) this.recent.shift();
    const since = Math.max(1000, nowMs - (this.recent[0] ?? nowMs));
    return {
      sentPerSecond: (this.recent.length * 1000) / since,
      limitPerSecond: this.global?.rate() ?? Infinity,
      requests: this.requests,
      rejections: this.rejections,
      waiting,
    };
  }

  private window(endpoint: string): RateWindow | undefined {
    if (!this.limits.endpoint) return undefined;
    let window = this.endpoints.get(endpoint);
    if (!window) this.endpoints.set(endpoint, (window = new RateWindow(this.limits.endpoint)));
    return window;
  }
}
