/** A hundred thousand answers of servers that write anything: no crash, and no wait that the server did not ask for. */
import { expect, test } from 'vitest';
import { LIMITS } from '../../base/bounds.js';
import { seededRandom, type Random } from '../../base/random.js';
import { CredentialGate } from '../../gate/credential-gate.js';
import type { LimitSigns } from '../../gate/gate.js';
import { DIALECTS } from './vendors.js';

const NOW = 1_800_000_000_000;
const ANSWERS = 100_000;
const NAMES = [
  'retry-after',
  'x-ratelimit-limit',
  'x-ratelimit-remaining',
  'x-ratelimit-reset',
  'x-ratelimit-limit-second',
  'x-ratelimit-remaining-second',
  'x-ratelimit-limit-day',
  'x-ratelimit-remaining-day',
  'x-acme-rate-limit-quota',
  'x-acme-rate-limit-left',
  'x-acme-rate-limit-interval-milliseconds',
  'ratelimit',
  'ratelimit-policy',
  'ratelimit-limit',
  'ratelimit-remaining',
  'ratelimit-reset',
  'x-rate-limit',
  'x-rate-limit-remaining',
  'x-hubspot-ratelimit-max',
  'x-hubspot-ratelimit-remaining',
  'x-hubspot-ratelimit-interval-milliseconds',
  'x-hubspot-ratelimit-daily',
  'x-hubspot-ratelimit-daily-remaining',
  'x-api-credits-limit',
  'x-api-credits-remaining',
  'sforce-limit-info',
  'zendesk-ratelimit-exports',
  'ratelimit-reason',
  'x-ratelimit-requests-limit',
  'x-ratelimit-requests-remaining',
  'x-ratelimit-requests-reset',
  'stripe-rate-limited-reason',
];
const NUMBERS = [
  '0',
  '1',
  '2.5',
  '30',
  '100',
  '3601',
  '1000000',
  '99999999999999',
  '1e400',
  '1e9',
  '0x10',
  '-5',
  '-0',
  'NaN',
  'Infinity',
  '9'.repeat(400),
  '',
  ' ',
  'many',
  '0.0000001',
  '1_000',
  '١٢',
  String(NOW / 1000),
  String(NOW / 1000 + 1),
  String(NOW / 1000 + 86_400 * 400),
  String(NOW),
  String(NOW - 5_000_000),
  new Date(NOW + 5000).toUTCString(),
  new Date(NOW - 5000).toUTCString(),
  new Date(NOW + 1e12).toISOString(),
];

const pick = <T>(random: Random, list: readonly T[]): T => list[random.integer(list.length)]!;

function value(random: Random): string | string[] {
  const one = () => pick(random, NUMBERS);
  return pick(random, [
    one,
    one,
    one,
    () => [one(), one()],
    () => `"a";q=${one()};w=${one()};r=${one()};t=${one()}`,
    () => `limit=${one()}, remaining=${one()}, reset=${one()}`,
    () => `${one()};w=${one()}`,
    () => `total=${one()}; remaining=${one()}; resets=${one()}`,
    () => `api-usage=${one()}/${one()}`,
    () => `${one()}, ${one()};w=60`,
    () => pick(random, ['global-rate', 'endpoint-concurrency', 'jira-quota-tenant-based', '\u0000', '"']),
  ])();
}

function body(random: Random): unknown {
  const amount = () => pick<unknown>(random, [0, -1, 1e308, Infinity, Number.NaN, 50, 1000, '7', null, 1e-300, 10n]);
  return pick<() => unknown>(random, [
    () => undefined,
    () => null,
    () => [[]],
    () => ({ errors: [{ extensions: { code: 'THROTTLED' } }], message: 'secondary rate limit' }),
    () => ({ policyName: 'DAILY', code: 'TOO_MANY_REQUESTS' }),
    () => [{ errorCode: 'REQUEST_LIMIT_EXCEEDED', message: 'concurrent' }],
    () => ({
      extensions: {
        cost: {
          actualQueryCost: amount(),
          throttleStatus: { maximumAvailable: amount(), currentlyAvailable: amount(), restoreRate: amount() },
        },
      },
    }),
  ])();
}

/** The longest wait that any of these signs may ask for. */
function asked(signs: LimitSigns): number {
  let most = Math.max(signs.rejection?.retryAfterMs ?? 0, signs.holdMs ?? 0);
  for (const reading of signs.readings) {
    if (reading.kind === 'bucket')
      most = Math.max(most, (1000 * (1 + reading.max)) / Math.max(1e-3, reading.restorePerSecond));
    else if (reading.remaining < 2 || reading.quota < 2)
      most = Math.max(most, reading.windowMs ?? 0, 'resetMs' in reading && reading.resetMs ? reading.resetMs - NOW : 0);
  }
  return most;
}

/** Without a word of the server, one looks again at the latest after a minute. */
const UNASKED_MS = 60_000;
/** Clocks are told in whole seconds, on both sides. */
const GRAIN_MS = 4000;

test('100,000 odd answers: nothing fails, nothing is out of bounds, and nobody waits for longer than was asked', () => {
  const random = seededRandom(19);
  const dialects = Object.entries(DIALECTS);
  for (let i = 0; i < ANSWERS; i++) {
    const [name, dialect] = dialects[i % dialects.length]!;
    const headers: Record<string, string | string[]> = {};
    for (let k = random.integer(5); k >= 0; k--) headers[pick(random, NAMES)] = value(random);
    const status = pick(random, [200, 200, 202, 400, 403, 429, 429, 500, 503]);
    const serverTimeMs = random.next() < 0.8 ? NOW : undefined;
    const response = { status, headers, body: body(random), serverTimeMs };
    const told = () => `${name} ${status} ${JSON.stringify(headers)}`;
    const signs = dialect(response);
    for (const ms of [signs.rejection?.retryAfterMs, signs.holdMs])
      if (ms !== undefined && !(ms >= 0 && ms <= LIMITS.statedMs)) expect.fail(`${told()}: a wait of ${ms} ms`);
    for (const reading of signs.readings)
      for (const [key, number] of Object.entries(reading))
        if (
          typeof number === 'number' &&
          !(number >= 0 && number <= Math.max(LIMITS.statedQuota, NOW + LIMITS.statedMs))
        )
          expect.fail(`${told()}: ${key} is ${number}`);
    if (status < 400 && signs.holdMs !== undefined && headers['retry-after'] === undefined)
      expect.fail(`${told()}: held for nothing`);
    const gate = new CredentialGate();
    const request = { endpoint: 'a', cost: 1 };
    gate.answered(200, gate.sent(0, request), {
      kind: signs.rejection ? 'rejected' : 'accepted',
      signs,
      serverTimeMs,
    });
    const verdict = gate.check(201, request);
    if (!verdict.go && Number.isFinite(verdict.waitMs) && verdict.waitMs > asked(signs) + UNASKED_MS + GRAIN_MS)
      expect.fail(`${told()}: waits ${verdict.waitMs} ms for ${verdict.reason}, asked for ${asked(signs)}`);
    if (verdict.go === false && Number.isNaN(verdict.waitMs)) expect.fail(`${told()}: a wait of NaN`);
    const { perSecond } = gate.status(201).limits[0]!;
    if (Number.isNaN(perSecond)) expect.fail(`${told()}: a rate of NaN`);
  }
});
