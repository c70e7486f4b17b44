/** What a user allows, above all that is known of a server. Invariant: no window receives more than its ceiling. */
import type { Ceilings, LimitView, WaitReason } from './gate.js';
import { RateWindow, windowOf } from './rate-window.js';

/** The window of a share. */
const SHARE_MS = 10_000;

/** What is known of the limit that a share is a part of. */
export interface Whole {
  perSecond: number;
  windowMs: number | undefined;
  quota: number | undefined;
  endsInMs: number | undefined;
  knownBy: LimitView['knownBy'];
}

export interface Held {
  waitMs: number;
  reason: WaitReason;
  limit: string;
}

export class UserCeilings {
  readonly kind = 'user-ceilings';
  private all: RateWindow | undefined;
  private readonly byEndpoint = new Map<string, RateWindow>();
  /** Undefined until the limit that it is a part of is known. */
  private share: RateWindow | undefined;

  constructor(private ceilings: Ceilings) {
    this.all = ceilings.maxRate && new RateWindow(ceilings.maxRate);
  }

  get mostInFlight(): number {
    return this.ceilings.maxConcurrency ?? Infinity;
  }

  /** Windows whose rule stays keep what they counted. */
  set(ceilings: Ceilings): void {
    const same = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b);
    if (!same(ceilings.maxRate, this.ceilings.maxRate)) this.all = ceilings.maxRate && new RateWindow(ceilings.maxRate);
    if (!same(ceilings.maxEndpointRate, this.ceilings.maxEndpointRate)) this.byEndpoint.clear();
    if (ceilings.share !== this.ceilings.share) this.share = undefined;
    this.ceilings = ceilings;
  }

  /** Why a request has to wait longest, and for how long; undefined: it need not. */
  hold(nowMs: number, endpoint: string, inFlight: number, whole: () => Whole): Held | undefined {
    const { share } = this.ceilings;
    if (share !== undefined) this.retune(share, whole());
    let worst = inFlight >= this.mostInFlight ? held(Infinity, 'max_concurrency') : undefined;
    if (this.all) worst = longer(worst, this.all.waitMs(nowMs), 'max_rate');
    const own = this.of(endpoint);
    if (own) worst = longer(worst, own.waitMs(nowMs), 'max_endpoint_rate');
    return this.share ? longer(worst, this.share.waitMs(nowMs), 'share') : worst;
  }

  sent(nowMs: number, endpoint: string): void {
    for (const window of [this.all, this.of(endpoint), this.share]) window?.sent(nowMs);
  }

  /** Per second; of all endpoints together where none is named. */
  rate(endpoint?: string): number {
    const own = endpoint === undefined ? undefined : this.of(endpoint);
    return Math.min(...[this.all, own, this.share].map((window) => window?.rate() ?? Infinity));
  }

  /** Nothing leaves for so long, and nothing of that is made up for. */
  pause(nowMs: number, forMs: number): void {
    for (const window of this.windows()) window.pause(nowMs, forMs);
  }

  /** How much later than granted a request may leave; Infinity where no ceiling is set. */
  toleranceMs(): number {
    return Math.min(...this.windows().map((window) => window.toleranceMs));
  }

  /** Requests leave later than granted, by so much: the ceilings allow for it. */
  late(byMs: number): void {
    for (const window of this.windows()) window.late(byMs);
  }

  /**
   * A rejection although the ceiling was kept, and used nearly up: the way varies more than assumed. Returns whether
   * that explains it. `endpoint`: where the rejection is about one endpoint.
   */
  rejected(nowMs: number, sentMs: number, endpoint: string | undefined): boolean {
    return (endpoint === undefined ? this.all : this.of(endpoint))?.rejected(nowMs, sentMs) ?? false;
  }

  views(usedPerSecond: number): LimitView[] {
    const { maxRate, maxEndpointRate } = this.ceilings;
    return (
      [
        ['max_rate', maxRate, 'credential'],
        ['max_endpoint_rate', maxEndpointRate, 'endpoint'],
      ] as const
    ).flatMap(([name, rule, scope]): LimitView[] => {
      if (!rule) return [];
      const { requests: quota, windowMs } = rule;
      const perSecond = (quota * 1000) / windowMs;
      return [{ name, scope, perSecond, quota, windowMs, knownBy: 'configuration', usedPerSecond, rejections: 0 }];
    });
  }

  private windows(): RateWindow[] {
    return [...(this.all ? [this.all] : []), ...this.byEndpoint.values()];
  }

  private of(endpoint: string): RateWindow | undefined {
    return windowOf(this.byEndpoint, endpoint, this.ceilings.maxEndpointRate);
  }

  private retune(share: number, whole: Whole): void {
    if (whole.knownBy === 'searching') return;
    const isHeaders = whole.knownBy === 'headers';
    // In the first window its length is unknown: it is at least what remains of it. Headers have said the quota.
    const perSecond =
      isHeaders && whole.windowMs === undefined
        ? (whole.quota! * 1000) / Math.max(1000, whole.endsInMs ?? 0)
        : whole.perSecond;
    const requests = Math.max(1, Math.floor((perSecond * share * SHARE_MS) / 1000));
    if (!this.share) this.share = new RateWindow({ requests, windowMs: SHARE_MS });
    else if (requests < this.share.requests || whole.windowMs !== undefined || !isHeaders) this.share.retune(requests);
  }
}

function held(waitMs: number, limit: string): Held {
  return { waitMs, reason: 'ceiling of the configuration', limit };
}

function longer(worst: Held | undefined, waitMs: number, limit: string): Held | undefined {
  return waitMs > (worst?.waitMs ?? 0) ? held(waitMs, limit) : worst;
}
