/**
 * Responses written after the vendors' documentation, and what each says of limits. Long because it is a table of
 * responses, one a way in which a vendor tells.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { LimitSigns } from '../../gate/gate.js';
import type { DialectResponse } from './dialect.js';
import { DIALECTS } from './vendors.js';

const NOW = Date.parse('2026-03-01T12:00:00Z');
const SECOND = NOW / 1000;
const HOUR = 3_600_000;

interface Fixture {
  dialect: string;
  what: string;
  response: Partial<DialectResponse>;
  signs: Partial<LimitSigns>;
}

const epoch = (quota: number, remaining: number, resetMs: number, grainMs: number, windowMs?: number) => ({
  kind: 'epoch',
  limit: 'requests',
  quota,
  remaining,
  resetMs,
  grainMs,
  windowMs,
});

const FIXTURES: Fixture[] = [
  {
    dialect: 'stripe',
    what: "an endpoint's rate",
    response: { status: 429, headers: { 'stripe-rate-limited-reason': 'endpoint-rate' } },
    signs: { rejection: { limit: 'endpoint', scope: 'endpoint', reason: 'rate', retryAfterMs: undefined } },
  },
  {
    dialect: 'stripe',
    what: 'concurrency over all',
    response: { status: 429, headers: { 'stripe-rate-limited-reason': 'global-concurrency', 'retry-after': '0.5' } },
    signs: { rejection: { limit: 'global', scope: 'credential', reason: 'concurrency', retryAfterMs: 500 } },
  },
  {
    dialect: 'stripe',
    what: 'a lock, which is no limit',
    response: { status: 429, body: { error: { code: 'lock_timeout' } } },
    signs: { readings: [], rejection: undefined },
  },
  {
    dialect: 'intercom',
    what: 'a window',
    response: {
      headers: {
        'x-ratelimit-limit': '1667',
        'x-ratelimit-remaining': '1660',
        'x-ratelimit-reset': String(SECOND + 7),
      },
    },
    signs: { readings: [epoch(1667, 1660, NOW + 7000, 1000)] as never },
  },
  {
    dialect: 'intercom',
    what: 'a rejection',
    response: {
      status: 429,
      headers: { 'x-ratelimit-limit': '1667', 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': String(SECOND + 7) },
    },
    signs: { rejection: { reason: undefined, retryAfterMs: undefined } },
  },
  {
    dialect: 'hubspot',
    what: 'a rolling window and a day',
    response: {
      headers: {
        'x-hubspot-ratelimit-max': '190',
        'x-hubspot-ratelimit-remaining': '188',
        'x-hubspot-ratelimit-interval-milliseconds': '10000',
        'x-hubspot-ratelimit-daily': '650000',
        'x-hubspot-ratelimit-daily-remaining': '649000',
      },
    },
    signs: {
      readings: [
        { kind: 'rolling', limit: 'requests', quota: 190, remaining: 188, windowMs: 10_000 },
        { kind: 'budget', limit: 'daily', quota: 650_000, remaining: 649_000, windowMs: 24 * HOUR },
      ],
    },
  },
  {
    dialect: 'hubspot',
    what: 'the day used up',
    response: { status: 429, body: { policyName: 'DAILY' } },
    signs: { rejection: { limit: 'daily', reason: 'budget', retryAfterMs: undefined } },
  },
  {
    dialect: 'shopify',
    what: 'a bucket',
    response: {
      body: {
        data: {},
        extensions: {
          cost: {
            requestedQueryCost: 101,
            actualQueryCost: 46,
            throttleStatus: { maximumAvailable: 1000, currentlyAvailable: 954, restoreRate: 50 },
          },
        },
      },
    },
    signs: {
      readings: [{ kind: 'bucket', limit: 'requests', available: 954, max: 1000, restorePerSecond: 50 }],
      actualCost: 46,
    },
  },
  {
    dialect: 'shopify',
    what: 'a rejection inside a 200',
    response: {
      status: 200,
      body: {
        errors: [{ extensions: { code: 'THROTTLED' } }],
        extensions: {
          cost: {
            requestedQueryCost: 101,
            actualQueryCost: null,
            throttleStatus: { maximumAvailable: 1000, currentlyAvailable: 12, restoreRate: 50 },
          },
        },
      },
    },
    signs: { rejection: { reason: 'rate', retryAfterMs: undefined } },
  },
  {
    dialect: 'github',
    what: 'an hour',
    response: {
      headers: {
        'x-ratelimit-limit': '5000',
        'x-ratelimit-remaining': '4987',
        'x-ratelimit-reset': String(SECOND + 1800),
        'x-ratelimit-resource': 'core',
      },
    },
    signs: {
      readings: [
        { kind: 'budget', limit: 'core', quota: 5000, remaining: 4987, windowMs: HOUR, resetMs: NOW + 1_800_000 },
      ],
    },
  },
  {
    dialect: 'github',
    what: 'a secondary limit',
    response: {
      status: 403,
      headers: { 'retry-after': '60' },
      body: { message: 'You have exceeded a secondary rate limit.' },
    },
    signs: { rejection: { limit: 'requests', reason: 'rate', retryAfterMs: 60_000 } },
  },
  {
    dialect: 'github',
    what: 'a missing permission, which is no limit',
    response: {
      status: 403,
      headers: {
        'x-ratelimit-limit': '5000',
        'x-ratelimit-remaining': '4987',
        'x-ratelimit-reset': String(SECOND + 1800),
      },
      body: { message: 'Resource not accessible' },
    },
    signs: { rejection: undefined },
  },
  {
    dialect: 'zendesk',
    what: 'a minute, as seconds from now',
    response: { headers: { 'x-rate-limit': '700', 'x-rate-limit-remaining': '699', 'ratelimit-reset': '41' } },
    signs: { readings: [epoch(700, 699, NOW + 41_000, 2000, 60_000)] as never },
  },
  {
    dialect: 'zendesk',
    what: 'an endpoint of its own',
    response: { headers: { 'zendesk-ratelimit-incremental-exports': 'total=10; remaining=7; resets=40' } },
    signs: {
      readings: [
        {
          kind: 'epoch',
          limit: 'incremental-exports',
          scope: 'endpoint',
          quota: 10,
          remaining: 7,
          resetMs: NOW + 40_000,
          grainMs: 2000,
          windowMs: undefined,
        },
      ],
    },
  },
  {
    dialect: 'airtable',
    what: 'a rejection',
    response: { status: 429 },
    signs: { rejection: { reason: 'rate', retryAfterMs: undefined } },
  },
  {
    dialect: 'jira',
    what: 'a burst',
    response: { status: 429, headers: { 'ratelimit-reason': 'jira-burst-based', 'retry-after': '5' } },
    signs: { rejection: { limit: 'requests', reason: 'rate', retryAfterMs: 5000 } },
  },
  {
    dialect: 'jira',
    what: 'the points of the hour, with a reset in ISO 8601',
    response: {
      status: 429,
      headers: {
        'x-ratelimit-limit': '65000',
        'x-ratelimit-remaining': '0',
        'x-ratelimit-reset': '2026-03-01T12:30Z'.replace('Z', ':00Z'),
        'ratelimit-reason': 'jira-quota-global-based',
      },
    },
    signs: {
      readings: [
        { kind: 'budget', limit: 'points', quota: 65_000, remaining: 0, windowMs: HOUR, resetMs: NOW + 1_800_000 },
      ],
      rejection: { limit: 'points', reason: 'budget', retryAfterMs: 1_800_000 },
    },
  },
  {
    dialect: 'netsuite',
    what: 'concurrency as an error',
    response: { status: 400, body: { error: { code: 'SSS_REQUEST_LIMIT_EXCEEDED' } } },
    signs: { rejection: { reason: 'concurrency', retryAfterMs: undefined } },
  },
  {
    dialect: 'netsuite',
    what: 'another error',
    response: { status: 400, body: { error: { code: 'INVALID_KEY_OR_REF' } } },
    signs: { rejection: undefined },
  },
  {
    dialect: 'zoho',
    what: 'credits',
    response: { headers: { 'x-api-credits-limit': '5000', 'x-api-credits-remaining': '2400' } },
    signs: { readings: [{ kind: 'budget', limit: 'credits', quota: 5000, remaining: 2400, windowMs: 24 * HOUR }] },
  },
  {
    dialect: 'zoho',
    what: 'concurrency in the message',
    response: { status: 429, body: { code: 'TOO_MANY_REQUESTS', message: 'concurrent API calls exceeded' } },
    signs: { rejection: { limit: 'requests', reason: 'concurrency', retryAfterMs: undefined } },
  },
  {
    dialect: 'attio',
    what: 'Retry-After as a date',
    response: { status: 429, headers: { 'retry-after': new Date(NOW + 3000).toUTCString() } },
    signs: { rejection: { reason: 'rate', retryAfterMs: 3000 } },
  },
  {
    dialect: 'linear',
    what: 'epoch milliseconds',
    response: {
      headers: {
        'x-ratelimit-requests-limit': '5000',
        'x-ratelimit-requests-remaining': '4990',
        'x-ratelimit-requests-reset': String(NOW + 60_000),
        'x-ratelimit-complexity-limit': '3000000',
        'x-ratelimit-complexity-remaining': '2999000',
        'x-ratelimit-complexity-reset': String(NOW + 60_000),
      },
    },
    signs: {
      readings: [
        {
          kind: 'budget',
          limit: 'hourly requests',
          quota: 5000,
          remaining: 4990,
          windowMs: HOUR,
          resetMs: NOW + 60_000,
        },
        {
          kind: 'budget',
          limit: 'complexity',
          quota: 3_000_000,
          remaining: 2_999_000,
          windowMs: HOUR,
          resetMs: NOW + 60_000,
        },
      ],
    },
  },
  {
    dialect: 'linear',
    what: 'a rejection inside a 400',
    response: { status: 400, body: { errors: [{ extensions: { code: 'RATELIMITED' } }] } },
    signs: { rejection: { limit: undefined, reason: 'rate', retryAfterMs: undefined } },
  },
  {
    dialect: 'klaviyo',
    what: 'the steady minute',
    response: {
      headers: { 'ratelimit-limit': '150, 10;w=1, 150;w=60', 'ratelimit-remaining': '149', 'ratelimit-reset': '12' },
    },
    signs: {
      readings: [
        {
          kind: 'epoch',
          limit: 'steady',
          quota: 150,
          remaining: 149,
          resetMs: NOW + 12_000,
          grainMs: 2000,
          windowMs: 60_000,
        },
      ],
    },
  },
  {
    dialect: 'salesforce',
    what: 'a day',
    response: { headers: { 'sforce-limit-info': 'api-usage=18/15000' } },
    signs: { readings: [{ kind: 'budget', limit: 'daily', quota: 15_000, remaining: 14_982, windowMs: 24 * HOUR }] },
  },
  {
    dialect: 'salesforce',
    what: 'the day used up',
    response: {
      status: 403,
      body: [{ errorCode: 'REQUEST_LIMIT_EXCEEDED', message: 'TotalRequests Limit exceeded.' }],
    },
    signs: { rejection: { limit: 'daily', reason: 'budget', retryAfterMs: undefined } },
  },
  {
    dialect: 'salesforce',
    what: 'too many long requests at once',
    response: {
      status: 403,
      body: [
        {
          errorCode: 'REQUEST_LIMIT_EXCEEDED',
          message: 'ConcurrentRequests (Concurrent API Requests) Limit exceeded.',
        },
      ],
    },
    signs: { rejection: { limit: 'requests', reason: 'concurrency', retryAfterMs: undefined } },
  },
  {
    dialect: 'generic',
    what: "the IETF's structured fields",
    response: { headers: { 'ratelimit-policy': '"default";q=100;w=10', ratelimit: '"default";r=50;t=4' } },
    signs: { readings: [epoch(100, 50, NOW + 4000, 2000, 10_000)] as never },
  },
  {
    dialect: 'generic',
    what: 'two policies at once',
    response: {
      headers: {
        'ratelimit-policy': '"burst";q=100;w=60, "daily";q=5000;w=86400',
        ratelimit: '"burst";r=50;t=30, "daily";r=4000;t=3600',
      },
    },
    signs: {
      readings: [
        {
          kind: 'epoch',
          limit: 'burst',
          quota: 100,
          remaining: 50,
          resetMs: NOW + 30_000,
          grainMs: 2000,
          windowMs: 60_000,
        },
        { kind: 'budget', limit: 'daily', quota: 5000, remaining: 4000, windowMs: 24 * HOUR, resetMs: NOW + HOUR },
      ],
    },
  },
  {
    dialect: 'generic',
    what: "the IETF's earlier dictionary",
    response: { headers: { ratelimit: 'limit=100, remaining=50, reset=30', 'ratelimit-policy': '100;w=60' } },
    signs: { readings: [epoch(100, 50, NOW + 30_000, 2000, 60_000)] as never },
  },
  {
    dialect: 'generic',
    what: "the IETF's earlier headers",
    response: { headers: { 'ratelimit-limit': '100, 100;w=60', 'ratelimit-remaining': '99', 'ratelimit-reset': '59' } },
    signs: { readings: [epoch(100, 99, NOW + 59_000, 2000, 60_000)] as never },
  },
  {
    dialect: 'generic',
    what: 'headers that look like limits',
    response: {
      headers: {
        'x-acme-rate-limit-limit': '60',
        'x-acme-rate-limit-remaining': '59',
        'x-acme-rate-limit-reset': String(SECOND + 20),
      },
    },
    signs: { readings: [epoch(60, 59, NOW + 20_000, 1000)] as never },
  },
  {
    dialect: 'generic',
    what: 'a minute and a day side by side',
    response: {
      headers: {
        'x-ratelimit-limit-minute': '60',
        'x-ratelimit-remaining-minute': '59',
        'x-ratelimit-limit-day': '5000',
        'x-ratelimit-remaining-day': '4000',
      },
    },
    signs: {
      readings: [
        { kind: 'rolling', limit: 'minute', quota: 60, remaining: 59, windowMs: 60_000 },
        { kind: 'budget', limit: 'day', quota: 5000, remaining: 4000, windowMs: 24 * HOUR, resetMs: undefined },
      ],
    },
  },
  {
    dialect: 'generic',
    what: 'slow down, in an answer that is fine',
    response: { status: 200, headers: { 'retry-after': '2' } },
    signs: { holdMs: 2000, rejection: undefined },
  },
  {
    dialect: 'generic',
    what: 'a rejection that says there is room',
    response: {
      status: 429,
      headers: { 'x-ratelimit-limit': '60', 'x-ratelimit-remaining': '59', 'x-ratelimit-reset': String(SECOND + 20) },
    },
    signs: { rejection: { retryAfterMs: undefined } },
  },
  {
    dialect: 'generic',
    what: 'headers that make no sense',
    response: {
      headers: {
        'x-ratelimit-limit': 'many',
        'x-ratelimit-remaining': '-4',
        'x-ratelimit-reset': 'soon',
        ratelimit: '"',
        'ratelimit-policy': ';;',
      },
    },
    signs: { readings: [], rejection: undefined },
  },
];

describe('dialects', () => {
  test.each(FIXTURES.map((fixture) => [fixture.dialect, fixture.what, fixture] as const))(
    '%s: %s',
    (_dialect, _what, { dialect, response, signs }) => {
      const read = DIALECTS[dialect]!({ status: 200, headers: {}, body: undefined, serverTimeMs: NOW, ...response });
      for (const [key, value] of Object.entries(signs)) expect(read[key as keyof LimitSigns]).toEqual(value);
    },
  );

  test('no response, however odd, makes a dialect fail or read what is no number', () => {
    const names = [
      'x-ratelimit-limit',
      'x-ratelimit-remaining',
      'x-ratelimit-reset',
      'retry-after',
      'ratelimit',
      'ratelimit-policy',
      'ratelimit-limit',
      'sforce-limit-info',
      'x-hubspot-ratelimit-max',
      'x-api-credits-limit',
      'zendesk-ratelimit-x',
    ];
    const value = fc.oneof(
      fc.string(),
      fc.integer().map(String),
      fc.double().map(String),
      fc.array(fc.string(), { maxLength: 3 }),
      fc.constantFrom(
        '"a";r=1;t=2',
        '"a";q=3;w=4',
        '1e400',
        '99999999999999999999',
        '9'.repeat(400),
        `api-usage=1/${'9'.repeat(400)}`,
      ),
    );
    const amount = fc.oneof(fc.double(), fc.constantFrom(0, -1, 1e308, Infinity));
    const points = fc.record({
      extensions: fc.record({
        cost: fc.record({
          actualQueryCost: amount,
          throttleStatus: fc.record({ maximumAvailable: amount, currentlyAvailable: amount, restoreRate: amount }),
        }),
      }),
    });
    fc.assert(
      fc.property(
        fc.constantFrom(...Object.keys(DIALECTS)),
        fc.dictionary(fc.constantFrom(...names), value),
        fc.constantFrom(200, 400, 403, 429, 500),
        fc.oneof(fc.jsonValue(), points),
        fc.option(fc.constant(NOW), { nil: undefined }),
        (dialect, headers, status, body, serverTimeMs) => {
          const { readings, rejection, holdMs, actualCost } = DIALECTS[dialect]!({
            status,
            headers,
            body,
            serverTimeMs,
          });
          for (const number of [rejection?.retryAfterMs, holdMs, actualCost])
            if (number !== undefined) expect(number).toBeLessThanOrEqual(Number.MAX_VALUE);
          for (const reading of readings) {
            for (const [key, number] of Object.entries(reading))
              if (typeof number === 'number') expect(Number.isFinite(number) && number >= 0, key).toBe(true);
            expect(reading.limit.length).toBeLessThanOrEqual(100);
            if ('remaining' in reading) expect(reading.remaining).toBeLessThanOrEqual(reading.quota);
          }
        },
      ),
      { numRuns: 2000 },
    );
  });
});
