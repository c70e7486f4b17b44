/** The kinds of rate limits that servers keep. Time is an argument, in milliseconds. */
import { FixedWindow, SlidingLog, TokenBucket } from './limit-counters.js';

/** What a server answers to a request, as far as its limit goes. */
export interface LimitVerdict {
  ok: boolean;
  headers: Record<string, string>;
  /** Status of a rejection. */
  status?: number;
  /** Body of a rejection. */
  body?: unknown;
  /** The answer comes so much later than usual. */
  delayMs?: number;
  /** What the server needs for this request, where the model knows. */
  serviceMs?: number;
  /** Called when an admitted request ends; returns what its body says beside the data. */
  finish?: (nowMs: number) => Record<string, unknown> | undefined;
}

/** What a request takes of a limit. */
export interface RequestCost {
  /** What the request asks for, in the unit of the limit. */
  requested: number;
  /** What it costs in the end. */
  actual: number;
}

/** A limit as a server keeps it. */
export interface LimitModel {
  /** Called once for each request received; the time is the server's wall clock. */
  decide(nowMs: number, endpoint: string, cost: RequestCost): LimitVerdict;
  /** The server's own window, for the statistics; undefined where it has none. */
  windowMs: number | undefined;
  /** What other clients were let have until now. */
  othersTook?: () => number;
}

/** A request that costs what it asks for. */
export const ONE: RequestCost = { requested: 1, actual: 1 };

/** Admitted. */
export const ok = (headers: Record<string, string> = {}): LimitVerdict => ({ ok: true, headers });

/** Rejected, in the vendor's words. */
export const rejected = (status: number, body: unknown, headers: Record<string, string> = {}): LimitVerdict => ({
  ok: false,
  status,
  body,
  headers,
});

type StripeReason = 'global-rate' | 'endpoint-rate' | 'global-concurrency';
const stripeRejection = (reason: StripeReason): LimitVerdict =>
  rejected(
    429,
    {
      error: {
        type: 'invalid_request_error',
        code: 'rate_limit',
        message: 'Request rate limit exceeded. Learn more about rate limits here https://docs.stripe.com/rate-limits.',
      },
    },
    { 'stripe-rate-limited-reason': reason, 'stripe-should-retry': 'true' },
  );

/**
 * Stripe: so many a second over all, so many an endpoint, perhaps a concurrency; told by a label on the rejection
 * alone.
 */
export function stripeLimits(
  globalPerSecond: number,
  endpointPerSecond = Infinity,
  concurrency = Infinity,
): LimitModel {
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
      return { ...ok(), finish: () => void running-- };
    },
  };
}

/** What a server with a window may tell of it. */
export interface Told {
  limit: number;
  remaining: number;
  resetMs: number;
  nowMs: number;
}

/** Another client sends evenly as well, for a while, and is rejected like any other. */
interface Others {
  perSecond: number;
  fromMs: number;
  toMs: number;
}

/** Windows at fixed times; `tell` gives the headers of every answer, `refuse` what a rejection has besides. */
export function fixedWindow(
  limit: number,
  windowMs: number,
  tell: (told: Told) => Record<string, string>,
  refuse: (told: Told) => Partial<LimitVerdict> = () => ({}),
  others?: Others,
  phaseMs?: number,
): LimitModel {
  const window = new FixedWindow(limit, windowMs, phaseMs);
  let startMs: number | undefined;
  let othersMs = others?.fromMs ?? Infinity;
  let othersTook = 0;
  return {
    windowMs,
    othersTook: () => othersTook,
    decide(nowMs, _endpoint, { requested }) {
      startMs ??= nowMs;
      for (; othersMs < Math.min(others?.toMs ?? 0, nowMs - startMs); othersMs += 1000 / others!.perSecond)
        if (window.take(startMs + othersMs, 1)) othersTook++;
      const admitted = window.take(nowMs, requested);
      const told = { limit, remaining: limit - window.used, resetMs: window.resetAt(), nowMs };
      if (admitted) return ok(tell(told));
      const rejection = refuse(told);
      return {
        ...rejected(429, { message: 'rate limit exceeded' }),
        ...rejection,
        headers: { ...tell(told), ...rejection.headers },
      };
    },
  };
}

/** Until the window ends, for Retry-After. */
export const secondsLeft = ({ resetMs, nowMs }: Told) => String(Math.max(1, Math.ceil((resetMs - nowMs) / 1000)));

/** The window before each request. */
export function slidingLog(
  limit: number,
  windowMs: number,
  tell: (remaining: number) => Record<string, string> = () => ({}),
  refuse: () => LimitVerdict = () => rejected(429, { message: 'Too Many Requests' }),
): LimitModel {
  const log = new SlidingLog(limit, windowMs);
  return {
    windowMs,
    decide(nowMs) {
      if (log.take(nowMs)) return ok(tell(limit - log.used(nowMs)));
      const verdict = refuse();
      return { ...verdict, headers: { ...tell(limit - log.used(nowMs)), ...verdict.headers } };
    },
  };
}

/** So many at once, and perhaps another limit beside. */
export function concurrency(most: number, refuse: () => LimitVerdict, inner?: LimitModel): LimitModel {
  let running = 0;
  return {
    windowMs: inner?.windowMs,
    decide(nowMs, endpoint, cost) {
      if (running >= most) return refuse();
      const verdict = inner?.decide(nowMs, endpoint, cost) ?? ok();
      if (!verdict.ok) return verdict;
      running++;
      return {
        ...verdict,
        finish: (at) => {
          running--;
          return verdict.finish?.(at);
        },
      };
    },
  };
}

/** A bucket of points, as Shopify keeps and tells it. */
export function costBucket(max: number, restorePerSecond: number): LimitModel {
  const bucket = new TokenBucket(restorePerSecond, max);
  const status = () => ({
    maximumAvailable: max,
    currentlyAvailable: Math.floor(bucket.available),
    restoreRate: restorePerSecond,
  });
  return {
    windowMs: undefined,
    decide(nowMs, _endpoint, { requested, actual }) {
      if (!bucket.take(nowMs, requested)) {
        return rejected(200, {
          errors: [{ message: 'Throttled', extensions: { code: 'THROTTLED' } }],
          extensions: { cost: { requestedQueryCost: requested, actualQueryCost: null, throttleStatus: status() } },
        });
      }
      return {
        ...ok(),
        finish: (at) => {
          bucket.take(at, 0);
          bucket.available = Math.min(max, bucket.available + requested - actual);
          return {
            extensions: { cost: { requestedQueryCost: requested, actualQueryCost: actual, throttleStatus: status() } },
          };
        },
      };
    },
  };
}

/** A bucket whose rate changes. */
export function bucketOverTime(rateAt: (elapsedMs: number) => number): LimitModel {
  const bucket = new TokenBucket(rateAt(0), rateAt(0));
  let startMs: number | undefined;
  return {
    windowMs: undefined,
    decide(nowMs, _endpoint, { requested }) {
      startMs ??= nowMs;
      bucket.perSecond = rateAt(nowMs - startMs);
      return bucket.take(nowMs, requested) ? ok() : rejected(429, { message: 'Too Many Requests' });
    },
  };
}

/** So many a second; who asks for more is shut out for a while. */
export function penaltyBox(perSecond: number, banMs: number): LimitModel {
  const log = new SlidingLog(perSecond, 1000);
  let until = -Infinity;
  return {
    windowMs: 1000,
    decide(nowMs) {
      if (nowMs >= until && log.take(nowMs)) return ok();
      if (nowMs >= until) until = nowMs + banMs;
      return rejected(429, {
        errors: [{ error: 'RATE_LIMIT_REACHED', message: 'Rate limit exceeded. Please try again later' }],
      });
    },
  };
}

/** Both must have room; the headers of both are told. */
export function both(first: LimitModel, second: LimitModel): LimitModel {
  return {
    windowMs: first.windowMs,
    decide(nowMs, endpoint, cost) {
      const a = first.decide(nowMs, endpoint, cost);
      if (!a.ok) return a;
      const b = second.decide(nowMs, endpoint, cost);
      if (!b.ok) a.finish?.(nowMs);
      return {
        ...b,
        headers: { ...a.headers, ...b.headers },
        finish: (at) => ({ ...a.finish?.(at), ...b.finish?.(at) }),
      };
    },
  };
}
