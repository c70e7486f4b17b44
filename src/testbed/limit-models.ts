/** The named server models: which kind of limit each vendor keeps, and how it tells. */
import {
  both,
  bucketOverTime,
  concurrency,
  costBucket,
  fixedWindow,
  type LimitModel,
  ok,
  penaltyBox,
  rejected,
  secondsLeft,
  slidingLog,
  stripeLimits,
  type Told,
} from './limit-kinds.js';

export { type LimitModel, type LimitVerdict, ONE, type RequestCost, stripeLimits } from './limit-kinds.js';

const epochSeconds = (ms: number) => String(Math.ceil(ms / 1000));
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
