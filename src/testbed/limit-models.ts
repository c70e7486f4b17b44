/** Rate limits as servers keep them, and how each vendor tells. Time is an argument, in milliseconds. */

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

export const ONE: RequestCost = { requested: 1, actual: 1 };

const ok = (headers: Record<string, string> = {}): LimitVerdict => ({ ok: true, headers });
const epochSeconds = (ms: number) => String(Math.ceil(ms / 1000));

/** Counts in windows that start at fixed times. */
class FixedWindow {
  used = 0;
  private epoch = -1;
  constructor(
    readonly limit: number,
    readonly windowMs: number,
    private readonly phaseMs = 370,
  ) {}
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
  constructor(
    readonly limit: number,
    readonly windowMs: number,
  ) {}
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
  constructor(
    public perSecond: number,
    readonly max: number,
  ) {
    this.available = max;
  }
  take(nowMs: number, cost: number): boolean {
    if (!Number.isNaN(this.at))
      this.available = Math.min(this.max, this.available + ((nowMs - this.at) / 1000) * this.perSecond);
    this.at = nowMs;
    if (this.available < cost) return false;
    this.available -= cost;
    return true;
  }
}

const rejected = (status: number, body: unknown, headers: Record<string, string> = {}): LimitVerdict => ({
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

interface Told {
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
function fixedWindow(
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

const secondsLeft = ({ resetMs, nowMs }: Told) => String(Math.max(1, Math.ceil((resetMs - nowMs) / 1000)));

/** The window before each request. */
function slidingLog(
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

function concurrency(most: number, refuse: () => LimitVerdict, inner?: LimitModel): LimitModel {
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

function costBucket(max: number, restorePerSecond: number): LimitModel {
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

function bucketOverTime(rateAt: (elapsedMs: number) => number): LimitModel {
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

function penaltyBox(perSecond: number, banMs: number): LimitModel {
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
function both(first: LimitModel, second: LimitModel): LimitModel {
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

const noLimit = (): LimitModel => ({ windowMs: undefined, decide: () => ok() });
const HOUR = 3_600_000;
const xRateLimit = (prefix: string, reset: (told: Told) => string) => (told: Told) => ({
  [`${prefix}limit`]: String(told.limit),
  [`${prefix}remaining`]: String(told.remaining),
  [`${prefix}reset`]: reset(told),
});
const intercomHeaders = xRateLimit('x-ratelimit-', ({ resetMs }) => epochSeconds(resetMs));
const netsuiteRefusal = () =>
  rejected(400, {
    error: { code: 'SSS_REQUEST_LIMIT_EXCEEDED', message: 'Concurrent request limit exceeded. Request blocked.' },
  });

/** Windows with headers in epoch seconds, for simulations: any limit, length and phase. */
export function epochWindows(limit: number, windowMs: number, phaseMs: number): LimitModel {
  return fixedWindow(limit, windowMs, intercomHeaders, undefined, undefined, phaseMs);
}

/** The same with the IETF's fields: seconds from now, and the window's length where it is stated. */
export function deltaWindows(limit: number, windowMs: number, phaseMs: number, stated: boolean): LimitModel {
  const policy = stated ? { 'ratelimit-policy': `${limit};w=${windowMs / 1000}` } : {};
  return fixedWindow(
    limit,
    windowMs,
    (told) => ({
      ...policy,
      'ratelimit-limit': String(limit),
      'ratelimit-remaining': String(told.remaining),
      'ratelimit-reset': secondsLeft(told),
    }),
    undefined,
    undefined,
    phaseMs,
  );
}

/** The named server models. */
export const LIMIT_MODELS: Record<string, { about: string; make: () => LimitModel }> = {
  none: { about: 'no limit', make: noLimit },
  'stripe-live': {
    about: '100/s over all and 25/s an endpoint, labelled rejections',
    make: () => stripeLimits(100, 25),
  },
  'stripe-sandbox': { about: '25/s over all and an endpoint, labelled rejections', make: () => stripeLimits(25, 25) },
  'stripe-concurrency': {
    about: '100/s and 20 at once, labelled rejections',
    make: () => stripeLimits(100, Infinity, 20),
  },
  token: { about: 'a bucket of 100 tokens, 100/s, no headers', make: () => bucketOverTime(() => 100) },
  intercom: {
    about: '1,667 in windows of 10 s, headers with epoch seconds',
    make: () =>
      fixedWindow(1667, 10_000, intercomHeaders, () => ({
        body: { type: 'error.list', errors: [{ code: 'rate_limit_exceeded', message: 'Exceeded rate limit' }] },
      })),
  },
  'intercom-raised': {
    about: '8,335 in windows of 10 s, headers with epoch seconds',
    make: () => fixedWindow(8335, 10_000, intercomHeaders),
  },
  'retry-after': {
    about: '700 in windows of 60 s, no headers but Retry-After',
    make: () =>
      fixedWindow(
        700,
        60_000,
        () => ({}),
        (told) => ({ headers: { 'retry-after': secondsLeft(told) } }),
      ),
  },
  zendesk: {
    about: '700 in windows of 60 s, headers with seconds from now, Retry-After',
    make: () =>
      fixedWindow(
        700,
        60_000,
        (told) => ({
          'x-rate-limit': String(told.limit),
          'x-rate-limit-remaining': String(told.remaining),
          'ratelimit-reset': secondsLeft(told),
        }),
        (told) => ({
          headers: { 'retry-after': secondsLeft(told) },
          body: { error: 'APIRateLimitExceeded', description: 'Number of allowed API requests per minute exceeded' },
        }),
      ),
  },
  hubspot: {
    about: '190 in any 10 s, headers without a reset',
    make: () =>
      slidingLog(
        190,
        10_000,
        (remaining) => ({
          'x-hubspot-ratelimit-max': '190',
          'x-hubspot-ratelimit-remaining': String(remaining),
          'x-hubspot-ratelimit-interval-milliseconds': '10000',
        }),
        () =>
          rejected(429, {
            status: 'error',
            errorType: 'RATE_LIMIT',
            message: 'You have reached your ten_secondly_rolling limit.',
            policyName: 'TEN_SECONDLY_ROLLING',
          }),
      ),
  },
  sliding: { about: '100 in any second, no headers', make: () => slidingLog(100, 1000) },
  concurrency: {
    about: '15 at once, unlabelled rejections',
    make: () => concurrency(15, () => rejected(429, { message: 'Too Many Requests' })),
  },
  netsuite: { about: '15 at once, told as an error', make: () => concurrency(15, netsuiteRefusal) },
  shopify: { about: 'a cost bucket of 1,000 that restores 100/s, told in the body', make: () => costBucket(1000, 100) },
  github: {
    about: '5,000 an hour in headers, and 100 at once',
    make: () =>
      concurrency(
        100,
        () =>
          rejected(403, {
            message: 'You have exceeded a secondary rate limit. Please wait a few minutes before you try again.',
          }),
        fixedWindow(
          5000,
          HOUR,
          (told) => ({ ...intercomHeaders(told), 'x-ratelimit-resource': 'core' }),
          () => ({ status: 403, body: { message: 'API rate limit exceeded' } }),
        ),
      ),
  },
  jira: {
    about: '65,000 points an hour with a reset in ISO 8601, and 50/s',
    make: () =>
      both(
        slidingLog(50, 1000, undefined, () =>
          rejected(
            429,
            { errorMessages: ['Rate limit exceeded.'] },
            { 'ratelimit-reason': 'jira-burst-based', 'retry-after': '1' },
          ),
        ),
        fixedWindow(
          65_000,
          HOUR,
          xRateLimit('x-ratelimit-', ({ resetMs }) => new Date(resetMs).toISOString()),
          () => ({ headers: { 'ratelimit-reason': 'jira-quota-global-based' } }),
        ),
      ),
  },
  zoho: {
    about: '5,000 credits a day, told once half are gone, and 10 at once',
    make: () =>
      concurrency(
        10,
        () =>
          rejected(429, {
            code: 'TOO_MANY_REQUESTS',
            message: 'You have exceeded the limit of concurrent API calls.',
            status: 'error',
          }),
        fixedWindow(
          5000,
          24 * HOUR,
          (told): Record<string, string> =>
            told.remaining * 2 > told.limit
              ? {}
              : { 'x-api-credits-remaining': String(told.remaining), 'x-api-credits-limit': String(told.limit) },
          () => ({
            body: {
              code: 'TOO_MANY_REQUESTS',
              message: 'You have exceeded the API credits of the day.',
              status: 'error',
            },
          }),
        ),
      ),
  },
  attio: {
    about: '100 in windows of a second, Retry-After as a date',
    make: () =>
      fixedWindow(
        100,
        1000,
        () => ({}),
        ({ resetMs }) => ({
          headers: { 'retry-after': new Date(Math.ceil(resetMs / 1000) * 1000).toUTCString() },
          body: { status_code: 429, type: 'rate_limit_error', code: 'rate_limit_exceeded' },
        }),
      ),
  },
  linear: {
    about: '5,000 requests an hour, resets in epoch milliseconds, 400 when used up',
    make: () =>
      fixedWindow(
        5000,
        HOUR,
        xRateLimit('x-ratelimit-requests-', ({ resetMs }) => String(Math.round(resetMs))),
        () => ({
          status: 400,
          body: { errors: [{ message: 'Rate limit exceeded', extensions: { code: 'RATELIMITED' } }] },
        }),
      ),
  },
  klaviyo: {
    about: '10 in windows of a second that no header tells, 150 in windows of 60 s that they do',
    make: () =>
      both(
        fixedWindow(
          10,
          1000,
          () => ({}),
          () => ({ headers: { 'retry-after': '1' } }),
        ),
        fixedWindow(
          150,
          60_000,
          (told) => ({
            'ratelimit-limit': '150, 10;w=1, 150;w=60',
            'ratelimit-remaining': String(told.remaining),
            'ratelimit-reset': secondsLeft(told),
          }),
          (told) => ({ headers: { 'retry-after': secondsLeft(told) } }),
        ),
      ),
  },
  salesforce: {
    about: '15,000 calls a day, told as api-usage=used/limit',
    make: () =>
      fixedWindow(
        15_000,
        24 * HOUR,
        (told) => ({ 'sforce-limit-info': `api-usage=${told.limit - told.remaining}/${told.limit}` }),
        () => ({
          status: 403,
          body: [{ errorCode: 'REQUEST_LIMIT_EXCEEDED', message: 'TotalRequests Limit exceeded.' }],
        }),
      ),
  },
  ietf: {
    about: '100 in windows of 10 s, RateLimit and RateLimit-Policy as structured fields',
    make: () =>
      fixedWindow(
        100,
        10_000,
        (told) => ({
          'ratelimit-policy': '"default";q=100;w=10',
          ratelimit: `"default";r=${told.remaining};t=${secondsLeft(told)}`,
        }),
        (told) => ({ headers: { 'retry-after': secondsLeft(told) } }),
      ),
  },
  changing: {
    about: '100/s, after 200 s 40/s, after 400 s 150/s',
    make: () => bucketOverTime((ms) => (ms < 200_000 ? 100 : ms < 400_000 ? 40 : 150)),
  },
  shared: {
    about: '1,667 in windows of 10 s, headers with epoch seconds; another client takes 50/s from 180 s to 420 s',
    make: () =>
      fixedWindow(1667, 10_000, intercomHeaders, undefined, { perSecond: 50, fromMs: 180_000, toMs: 420_000 }),
  },
  airtable: { about: '5/s, then a ban of 30 s', make: () => penaltyBox(5, 30_000) },
};

/**
 * A model by name, or `RATE/s[,endpoint=RATE/s]` for Stripe's kind of limit with other numbers. Undefined where it is
 * neither.
 */
export function limitModel(text: string): LimitModel | undefined {
  const named = Object.hasOwn(LIMIT_MODELS, text) ? LIMIT_MODELS[text] : undefined;
  if (named) return named.make();
  const match = /^(\d+)\/s(?:,endpoint=(\d+)\/s)?$/.exec(text);
  if (!match || Number(match[1]) < 1) return undefined;
  return stripeLimits(Number(match[1]), match[2] ? Number(match[2]) : Infinity);
}
