/** The vendors' own ways, each after its documentation. */
import { DEFAULT_LIMIT } from '../../gate/limits.js';
import type { LimitSigns } from '../../gate/gate.js';
import {
  at,
  BUDGET_WINDOW_MS,
  count,
  DAY_MS,
  header,
  nameOf,
  parseReset,
  readings,
  retryAfterOf,
  textAt,
  windowReading,
  type Dialect,
  type DialectResponse,
} from './dialect.js';
import { bounded } from './bounded.js';
import { generic } from './generic.js';

/** 429, and the label says which limit. https://docs.stripe.com/rate-limits */
const stripe: Dialect = (response) => {
  if (response.status !== 429 || textAt(response.body, 'error', 'code') === 'lock_timeout') return { readings: [] };
  const label = /^(global|endpoint)-(rate|concurrency)$/.exec(header(response, 'stripe-rate-limited-reason') ?? '');
  const endpoint = label?.[1] === 'endpoint';
  return {
    readings: [],
    rejection: {
      ...(label ? { limit: endpoint ? 'endpoint' : 'global', reason: label[2] as 'rate' | 'concurrency' } : {}),
      scope: endpoint ? 'endpoint' : 'credential',
      retryAfterMs: retryAfterOf(response),
    },
  };
};

/**
 * Windows of ten seconds; `X-RateLimit-Reset` in epoch seconds.
 * https://developers.intercom.com/docs/references/rest-api/errors/rate-limiting
 */
const intercom: Dialect = (response) => ({
  readings: readings(
    windowReading(response, {
      limit: DEFAULT_LIMIT,
      quota: header(response, 'x-ratelimit-limit'),
      remaining: header(response, 'x-ratelimit-remaining'),
      reset: header(response, 'x-ratelimit-reset'),
    }),
  ),
  rejection: rejectedWith(response, 429),
});

/**
 * A rolling window whose length is in the headers, and a day.
 * https://developers.hubspot.com/docs/developer-tooling/platform/usage-guidelines
 */
const hubspot: Dialect = (response) => {
  const quota = count(header(response, 'x-hubspot-ratelimit-max'));
  const remaining = count(header(response, 'x-hubspot-ratelimit-remaining'));
  const windowMs = count(header(response, 'x-hubspot-ratelimit-interval-milliseconds'));
  const daily = count(header(response, 'x-hubspot-ratelimit-daily'));
  const dailyLeft = count(header(response, 'x-hubspot-ratelimit-daily-remaining'));
  const policy = textAt(response.body, 'policyName');
  const ofDay = /DAILY/i.test(policy);
  return {
    readings: readings(
      quota && remaining !== undefined && windowMs
        ? { limit: DEFAULT_LIMIT, kind: 'rolling', quota, remaining: Math.min(quota, remaining), windowMs }
        : undefined,
      daily && dailyLeft !== undefined
        ? { limit: 'daily', kind: 'budget', quota: daily, remaining: Math.min(daily, dailyLeft), windowMs: DAY_MS }
        : undefined,
    ),
    rejection:
      response.status === 429
        ? {
            limit: ofDay ? 'daily' : DEFAULT_LIMIT,
            reason: ofDay ? 'budget' : policy === '' ? undefined : 'rate',
            retryAfterMs: retryAfterOf(response),
          }
        : undefined,
  };
};

/**
 * Points of a bucket, in the body of every answer; REST has `Retry-After`. https://shopify.dev/docs/api/usage/limits
 */
const shopify: Dialect = (response) => {
  const cost = at(response.body, 'extensions', 'cost');
  const max = number(at(cost, 'throttleStatus', 'maximumAvailable'));
  const available = number(at(cost, 'throttleStatus', 'currentlyAvailable'));
  const restorePerSecond = number(at(cost, 'throttleStatus', 'restoreRate'));
  const throttled = codesOf(response.body).includes('THROTTLED');
  return {
    readings:
      max && available !== undefined && restorePerSecond
        ? [{ limit: DEFAULT_LIMIT, kind: 'bucket', available: Math.min(max, available), max, restorePerSecond }]
        : [],
    rejection:
      throttled || response.status === 429 ? { reason: 'rate', retryAfterMs: retryAfterOf(response) } : undefined,
    actualCost: throttled ? undefined : number(at(cost, 'actualQueryCost')),
  };
};

/**
 * 5,000 an hour in headers; secondary limits in words alone.
 * https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api
 */
const github: Dialect = (response) => {
  const reading = windowReading(response, {
    limit: nameOf(header(response, 'x-ratelimit-resource') ?? 'core'),
    quota: header(response, 'x-ratelimit-limit'),
    remaining: header(response, 'x-ratelimit-remaining'),
    reset: header(response, 'x-ratelimit-reset'),
    windowMs: header(response, 'x-ratelimit-resource') === 'search' ? 60_000 : BUDGET_WINDOW_MS,
  });
  const secondary = /secondary rate limit/i.test(textAt(response.body, 'message'));
  const usedUp = reading !== undefined && 'remaining' in reading && reading.remaining === 0;
  const retryAfterMs = retryAfterOf(response);
  const rejected =
    response.status === 429 || (response.status === 403 && (secondary || usedUp || retryAfterMs !== undefined));
  return {
    readings: readings(reading),
    rejection: rejected
      ? {
          limit: usedUp && !secondary ? reading.limit : DEFAULT_LIMIT,
          reason: usedUp && !secondary ? 'budget' : 'rate',
          retryAfterMs: retryAfterMs ?? (secondary ? 60_000 : undefined),
        }
      : undefined,
  };
};

/**
 * A minute over all and limits of single endpoints; resets are seconds from now.
 * https://developer.zendesk.com/api-reference/introduction/rate-limits/
 */
const zendesk: Dialect = (response) => {
  const over = windowReading(response, {
    limit: DEFAULT_LIMIT,
    windowMs: 60_000,
    quota: header(response, 'x-rate-limit') ?? header(response, 'ratelimit-limit'),
    remaining: header(response, 'x-rate-limit-remaining') ?? header(response, 'ratelimit-remaining'),
    reset: header(response, 'ratelimit-reset'),
  });
  // `zendesk-ratelimit-incremental-exports: total=10; remaining=7; resets=40`
  const own = Object.keys(response.headers)
    .filter((name) => name.startsWith('zendesk-ratelimit-'))
    .map((name) => {
      const part = (key: string) => new RegExp(`(?:^|[;\\s])${key}=(\\d+)`).exec(header(response, name) ?? '')?.[1];
      const reading = windowReading(response, {
        limit: nameOf(name.slice('zendesk-ratelimit-'.length)),
        quota: part('total'),
        remaining: part('remaining'),
        reset: part('resets'),
      });
      return reading && { ...reading, scope: 'endpoint' as const };
    });
  return { readings: readings(over, ...own), rejection: rejectedWith(response, 429) };
};

/**
 * 5 a second and base, then 30 s of silence; nothing in headers. https://airtable.com/developers/web/api/rate-limits
 */
const airtable: Dialect = (response) => ({ readings: [], rejection: rejectedWith(response, 429, 'rate') });

/**
 * Points an hour, bursts, and writes; the reset in ISO 8601, the cause in `RateLimit-Reason`.
 * https://developer.atlassian.com/cloud/jira/platform/rate-limiting/
 */
const jira: Dialect = (response) => {
  const reason = header(response, 'ratelimit-reason') ?? '';
  const ofHour = /quota|tenant|global/i.test(reason);
  const reset = parseReset(header(response, 'x-ratelimit-reset'), response.serverTimeMs);
  const untilReset =
    reset && response.serverTimeMs !== undefined ? Math.max(0, reset.resetMs - response.serverTimeMs) : undefined;
  return {
    readings: readings(
      windowReading(response, {
        limit: 'points',
        quota: header(response, 'x-ratelimit-limit'),
        remaining: header(response, 'x-ratelimit-remaining'),
        reset: header(response, 'x-ratelimit-reset'),
        windowMs: ofHour ? BUDGET_WINDOW_MS : undefined,
      }),
    ),
    rejection:
      response.status === 429
        ? {
            limit: ofHour ? 'points' : DEFAULT_LIMIT,
            reason: ofHour ? 'budget' : 'rate',
            retryAfterMs: retryAfterOf(response) ?? untilReset,
          }
        : undefined,
  };
};

/** Concurrency alone, told as an error. https://docs.oracle.com/en/cloud/saas/netsuite/ns-online-help/ */
const netsuite: Dialect = (response) => {
  const codes = [textAt(response.body, 'error', 'code'), textAt(response.body, 'o:errorDetails', 0, 'o:errorCode')];
  const concurrency = codes.some((code) => /REQUEST_LIMIT_EXCEEDED|CONCURRENCY_LIMIT_EXCEEDED/.test(code));
  return {
    readings: [],
    rejection:
      response.status === 429 || concurrency
        ? { reason: 'concurrency', retryAfterMs: retryAfterOf(response) }
        : undefined,
  };
};

/**
 * Credits a day, told once half of them are gone; the cause of a 429 is in its message.
 * https://www.zoho.com/crm/developer/docs/api/v8/api-limits.html
 */
const zoho: Dialect = (response) => {
  const quota = count(header(response, 'x-api-credits-limit'));
  const remaining = count(header(response, 'x-api-credits-remaining'));
  const message = `${textAt(response.body, 'code')} ${textAt(response.body, 'message')}`;
  const rejected = response.status === 429 || /TOO_MANY_REQUESTS|LIMIT_EXCEEDED/.test(message);
  const concurrency = /concurren/i.test(message);
  const credits = /credit/i.test(message);
  return {
    readings: readings(
      quota && remaining !== undefined
        ? { limit: 'credits', kind: 'budget', quota, remaining: Math.min(quota, remaining), windowMs: DAY_MS }
        : undefined,
    ),
    rejection: rejected
      ? {
          limit: credits ? 'credits' : DEFAULT_LIMIT,
          reason: concurrency ? 'concurrency' : credits ? 'budget' : undefined,
          retryAfterMs: retryAfterOf(response),
        }
      : undefined,
  };
};

/** 100 reads a second; `Retry-After` is a date. https://docs.attio.com/rest-api/guides/rate-limiting */
const attio: Dialect = (response) => ({ readings: [], rejection: rejectedWith(response, 429, 'rate') });

/**
 * Requests and complexity an hour; resets in epoch milliseconds; 400 when used up.
 * https://linear.app/developers/rate-limiting
 */
const linear: Dialect = (response) => {
  const hour = (limit: string, prefix: string) =>
    windowReading(response, {
      limit,
      windowMs: BUDGET_WINDOW_MS,
      quota: header(response, `${prefix}-limit`),
      remaining: header(response, `${prefix}-remaining`),
      reset: header(response, `${prefix}-reset`),
    });
  const requests = hour('hourly requests', 'x-ratelimit-requests');
  const complexity = hour('complexity', 'x-ratelimit-complexity');
  const usedUp = [requests, complexity].find(
    (reading) => reading !== undefined && 'remaining' in reading && reading.remaining <= 0,
  );
  return {
    readings: readings(requests, complexity),
    rejection:
      response.status === 429 || codesOf(response.body).includes('RATELIMITED')
        ? { limit: usedUp?.limit, reason: usedUp ? 'budget' : 'rate', retryAfterMs: retryAfterOf(response) }
        : undefined,
  };
};

/**
 * A burst of a second that no header tells, and a steady minute that they do.
 * https://developers.klaviyo.com/en/docs/rate_limits_and_error_handling
 */
const klaviyo: Dialect = (response) => {
  const windowed = /(\d+);w=60/.exec(header(response, 'ratelimit-limit') ?? '');
  return {
    readings: readings(
      windowReading(response, {
        limit: 'steady',
        windowMs: 60_000,
        quota: windowed?.[1] ?? header(response, 'ratelimit-limit'),
        remaining: header(response, 'ratelimit-remaining'),
        reset: header(response, 'ratelimit-reset'),
      }),
    ),
    rejection: rejectedWith(response, 429, 'rate'),
  };
};

/**
 * Calls a day, `api-usage=18/15000`.
 * https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/headers_api_usage.htm
 */
const salesforce: Dialect = (response) => {
  const usage = /api-usage=(\d{1,15})\/(\d{1,15})/.exec(header(response, 'sforce-limit-info') ?? '');
  const code = textAt(response.body, 0, 'errorCode') || textAt(response.body, 'errorCode');
  const message = textAt(response.body, 0, 'message');
  const concurrency = /concurrent/i.test(message);
  return {
    readings: readings(
      usage && Number(usage[2]) > 0
        ? {
            limit: 'daily',
            kind: 'budget',
            quota: Number(usage[2]),
            remaining: Math.max(0, Number(usage[2]) - Number(usage[1])),
            windowMs: DAY_MS,
          }
        : undefined,
    ),
    rejection:
      code === 'REQUEST_LIMIT_EXCEEDED' || response.status === 429
        ? {
            limit: concurrency ? DEFAULT_LIMIT : 'daily',
            reason: concurrency ? 'concurrency' : 'budget',
            retryAfterMs: retryAfterOf(response),
          }
        : undefined,
  };
};

/** By name, as a connector states it. */
export const DIALECTS: Record<string, Dialect> = Object.fromEntries(
  Object.entries({
    generic,
    stripe,
    intercom,
    hubspot,
    shopify,
    github,
    zendesk,
    airtable,
    jira,
    netsuite,
    zoho,
    attio,
    linear,
    klaviyo,
    salesforce,
  }).map(([name, dialect]) => [name, bounded(dialect)]),
);

function rejectedWith(response: DialectResponse, status: number, reason?: 'rate'): LimitSigns['rejection'] {
  return response.status === status ? { reason, retryAfterMs: retryAfterOf(response) } : undefined;
}

/** `extensions.code` of each GraphQL error. */
function codesOf(body: unknown): string[] {
  const errors = at(body, 'errors');
  return Array.isArray(errors) ? errors.map((error) => textAt(error, 'extensions', 'code')) : [];
}

function number(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : undefined;
}
