/** Rate limits as servers keep them, and how each vendor tells. Time is an argument, in milliseconds. */

export interface LimitVerdict {
  ok: boolean;
  /** Names the limit that was exceeded. */
  reason?: 'global-rate' | 'endpoint-rate' | 'global-concurrency';
  headers: Record<string, string>;
  /** Status of a rejection. */
  status?: number;
  body?: unknown;
}

export interface LimitModel {
  /** Called once for each request received. */
  decide(nowMs: number, endpoint: string, cost: number): LimitVerdict;
  /** Called when an admitted request ends. */
  done(nowMs: number): void;
  /** The server's own window, for the statistics; undefined where it has none. */
  windowMs: number | undefined;
}

const ok = (headers: Record<string, string> = {}): LimitVerdict => ({ ok: true, headers });
const epochSeconds = (ms: number) => String(Math.ceil(ms / 1000));

/** Counts in windows that start at fixed times. */
class FixedWindow {
  used = 0;
  private epoch = -1;
  constructor(readonly limit: number, readonly windowMs: number, private readonly phaseMs = 370) {}
  take(nowMs: number, cost: number): boolean {
    const epoch = Math.floor((nowMs + this.phaseMs) / this.windowMs);
    if (epoch !== this.epoch) {
      this.epoch = epoch;
      this.used = 0;
    }
    if (this.used + cost > this.limit) return false;
    this.used += cost;
    return true;
  }
  resetAt(): number {
    return (this.epoch + 1) * this.windowMs - this.phaseMs;
  }
}

/** Counts the admitted requests of the last window before each request. */
class SlidingLog {
  private log: number[] = [];
  private first = 0;
  constructor(readonly limit: number, readonly windowMs: number) {}
  used(nowMs: number): number {
    while (this.first < this.log.length && this.log[this.first]! <= nowMs - this.windowMs) this.first++;
    if (this.first > 10_000) {
      this.log = this.log.slice(this.first);
      this.first = 0;
    }
    return this.log.length - this.first;
  }
  take(nowMs: number): boolean {
    if (this.used(nowMs) >= this.limit) return false;
    this.log.push(nowMs);
    return true;
  }
}

/** Tokens that refill at a rate, up to a maximum. */
class TokenBucket {
  available: number;
  private at = Number.NaN;
  constructor(public perSecond: number, readonly max: number) {
    this.available = max;
  }
  take(nowMs: number, cost: number): boolean {
    if (!Number.isNaN(this.at)) this.available = Math.min(this.max, this.available + ((nowMs - this.at) / 1000) * this.perSecond);
    this.at = nowMs;
    if (this.available < cost) return false;
    this.available -= cost;
    return true;
  }
}

const stripeRejection = (reason: NonNullable<LimitVerdict['reason']>): LimitVerdict => ({
  ok: false, status: 429, reason, headers: { 'stripe-rate-limited-reason': reason, 'stripe-should-retry': 'true' },
  body: { error: { type: 'invalid_request_error', code: 'rate_limit', message: 'Request rate limit exceeded. Learn more about rate limits here https://docs.stripe.com/rate-limits.' } },
});

/** Stripe: so many a second over all, so many an endpoint, perhaps a concurrency; told by a label on the rejection alone. */
export function stripeLimits(globalPerSecond: number, endpointPerSecond = Infinity, concurrency = Infinity): LimitModel {
  const global = new SlidingLog(globalPerSecond, 1000);
  const endpoints = new Map<string, SlidingLog>();
  let running = 0;
  return {
    windowMs: 1000,
    decide(nowMs, endpoint) {
      if (running >= concurrency) return stripeRejection('global-concurrency');
      let own = endpoints.get(endpoint);
      if (!own) endpoints.set(endpoint, (own = new SlidingLog(endpointPerSecond, 1000)));
      if (own.used(nowMs) >= endpointPerSecond) return stripeRejection('endpoint-rate');
      if (!global.take(nowMs)) return stripeRejection('global-rate');
      own.take(nowMs);
      running++;
      return ok();
    },
    done: () => void running--,
  };
}

interface WindowStyle {
  headers: (limit: number, remaining: number, resetMs: number, windowMs: number, nowMs: number) => Record<string, string>;
  rejection?: (resetMs: number, nowMs: number) => Partial<LimitVerdict>;
}

function fixedWindow(limit: number, windowMs: number, style: WindowStyle): LimitModel {
  const window = new FixedWindow(limit, windowMs);
  return {
    windowMs,
    decide(nowMs, _endpoint, cost) {
      const admitted = window.take(nowMs, cost);
      const headers = style.headers(limit, limit - window.used, window.resetAt(), windowMs, nowMs);
      if (admitted) return ok(headers);
      const rejection = style.rejection?.(window.resetAt(), nowMs) ?? {};
      return { ok: false, status: 429, body: { message: 'rate limit exceeded' }, ...rejection, headers: { ...headers, ...rejection.headers } };
    },
    done: () => {},
  };
}

function concurrency(most: number): LimitModel {
  let running = 0;
  return {
    windowMs: undefined,
    decide() {
      if (running >= most) {
        return { ok: false, status: 400, headers: {}, body: { error: { code: 'SSS_REQUEST_LIMIT_EXCEEDED', message: 'Concurrent request limit exceeded. Request blocked.' } } };
      }
      running++;
      return ok();
    },
    done: () => void running--,
  };
}

function costBucket(max: number, restorePerSecond: number): LimitModel {
  const bucket = new TokenBucket(restorePerSecond, max);
  return {
    windowMs: undefined,
    decide(nowMs, _endpoint, cost) {
      const admitted = bucket.take(nowMs, cost);
      const throttleStatus = { maximumAvailable: max, currentlyAvailable: Math.floor(bucket.available), restoreRate: restorePerSecond };
      if (admitted) return ok({ 'x-testbed-throttle-status': JSON.stringify(throttleStatus) });
      return { ok: false, status: 200, headers: {}, body: { errors: [{ message: 'Throttled', extensions: { code: 'THROTTLED' } }], extensions: { cost: { requestedQueryCost: cost, throttleStatus } } } };
    },
    done: () => {},
  };
}

function bucketOverTime(rateAt: (elapsedMs: number) => number, foreignPerSecond: (elapsedMs: number) => number = () => 0): LimitModel {
  const bucket = new TokenBucket(rateAt(0), rateAt(0));
  let startMs: number | undefined;
  let foreignMs = 0;
  return {
    windowMs: undefined,
    decide(nowMs, _endpoint, cost) {
      startMs ??= nowMs;
      const elapsed = nowMs - startMs;
      bucket.perSecond = rateAt(elapsed);
      const others = ((elapsed - foreignMs) / 1000) * foreignPerSecond(elapsed);
      foreignMs = elapsed;
      if (others > 0) bucket.take(nowMs, Math.min(others, bucket.available));
      return bucket.take(nowMs, cost) ? ok() : { ok: false, status: 429, headers: {}, body: { message: 'Too Many Requests' } };
    },
    done: () => {},
  };
}

function penaltyBox(perSecond: number, banMs: number): LimitModel {
  const log = new SlidingLog(perSecond, 1000);
  let until = -Infinity;
  return {
    windowMs: 1000,
    decide(nowMs) {
      if (nowMs >= until && log.take(nowMs)) return ok();
      if (nowMs >= until) until = nowMs + banMs;
      return { ok: false, status: 429, headers: {}, body: { errors: [{ error: 'RATE_LIMIT_REACHED', message: 'Rate limit exceeded. Please try again later' }] } };
    },
    done: () => {},
  };
}

const noLimit = (): LimitModel => ({ windowMs: undefined, decide: () => ok(), done: () => {} });

/** The named server models. */
export const LIMIT_MODELS: Record<string, { about: string; make: () => LimitModel }> = {
  none: { about: 'no limit', make: noLimit },
  'stripe-live': { about: '100/s over all and 25/s an endpoint, labelled rejections', make: () => stripeLimits(100, 25) },
  'stripe-sandbox': { about: '25/s over all and an endpoint, labelled rejections', make: () => stripeLimits(25, 25) },
  'stripe-concurrency': { about: '100/s and 20 at once, labelled rejections', make: () => stripeLimits(100, Infinity, 20) },
  token: { about: 'a bucket of 100 tokens, 100/s, no headers', make: () => bucketOverTime(() => 100) },
  intercom: {
    about: '1,667 in windows of 10 s, headers with epoch seconds',
    make: () => fixedWindow(1667, 10_000, { headers: (limit, remaining, reset) => ({ 'x-ratelimit-limit': String(limit), 'x-ratelimit-remaining': String(remaining), 'x-ratelimit-reset': epochSeconds(reset) }),
      rejection: () => ({ body: { type: 'error.list', errors: [{ code: 'rate_limit_exceeded', message: 'Exceeded rate limit' }] } }) }),
  },
  'intercom-raised': {
    about: '8,335 in windows of 10 s, headers with epoch seconds',
    make: () => fixedWindow(8335, 10_000, { headers: (limit, remaining, reset) => ({ 'x-ratelimit-limit': String(limit), 'x-ratelimit-remaining': String(remaining), 'x-ratelimit-reset': epochSeconds(reset) }) }),
  },
  zendesk: {
    about: '700 in windows of 60 s, Retry-After',
    make: () => fixedWindow(700, 60_000, { headers: (limit, remaining, reset, _w, now) => ({ 'x-rate-limit': String(limit), 'x-rate-limit-remaining': String(remaining), 'ratelimit-reset': String(Math.max(0, Math.ceil((reset - now) / 1000))) }),
      rejection: (reset, now) => ({ headers: { 'retry-after': String(Math.max(1, Math.ceil((reset - now) / 1000))) }, body: { error: 'APIRateLimitExceeded', description: 'Number of allowed API requests per minute exceeded' } }) }),
  },
  hubspot: {
    about: '190 in any 10 s, headers without a reset',
    make: () => {
      const log = new SlidingLog(190, 10_000);
      return { windowMs: 10_000, done: () => {}, decide(nowMs) {
        const admitted = log.take(nowMs);
        const headers = { 'x-hubspot-ratelimit-max': '190', 'x-hubspot-ratelimit-remaining': String(190 - log.used(nowMs)), 'x-hubspot-ratelimit-interval-milliseconds': '10000' };
        return admitted ? ok(headers) : { ok: false, status: 429, headers, body: { status: 'error', errorType: 'RATE_LIMIT', message: 'You have reached your ten_secondly_rolling limit.', policyName: 'TEN_SECONDLY_ROLLING' } };
      } };
    },
  },
  sliding: {
    about: '100 in any second, no headers',
    make: () => {
      const log = new SlidingLog(100, 1000);
      return { windowMs: 1000, done: () => {}, decide: (nowMs) => (log.take(nowMs) ? ok() : { ok: false, status: 429, headers: {}, body: { message: 'Too Many Requests' } }) };
    },
  },
  netsuite: { about: '15 at once, unlabelled rejections', make: () => concurrency(15) },
  shopify: { about: 'a cost bucket of 1,000 that restores 100/s, told in the body', make: () => costBucket(1000, 100) },
  changing: { about: '100/s, after 200 s 40/s, after 400 s 150/s', make: () => bucketOverTime((ms) => (ms < 200_000 ? 100 : ms < 400_000 ? 40 : 150)) },
  shared: { about: '100/s, of which another client takes 50/s from 200 s to 400 s', make: () => bucketOverTime(() => 100, (ms) => (ms > 200_000 && ms < 400_000 ? 50 : 0)) },
  airtable: { about: '5/s, then a ban of 30 s', make: () => penaltyBox(5, 30_000) },
};

/** A model by name, or `RATE/s[,endpoint=RATE/s]` for Stripe's kind of limit with other numbers. Undefined where it is neither. */
export function limitModel(text: string): LimitModel | undefined {
  const named = Object.hasOwn(LIMIT_MODELS, text) ? LIMIT_MODELS[text] : undefined;
  if (named) return named.make();
  const match = /^(\d+)\/s(?:,endpoint=(\d+)\/s)?$/.exec(text);
  if (!match || Number(match[1]) < 1) return undefined;
  return stripeLimits(Number(match[1]), match[2] ? Number(match[2]) : Infinity);
}
