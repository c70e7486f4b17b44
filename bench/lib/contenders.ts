/**
 * Our gate, and what others do about rate limits: fixed workers, AIMD, the AWS SDK's adaptive retry, a bucket at the
 * documented rate.
 */
import { CredentialGate, type CredentialGateOptions } from '../../src/gate/credential-gate.js';
import { systemRandom } from '../../src/base/random.js';
import type { Ticket } from '../../src/gate/gate.js';
import type { Contender } from '../../test/simulation/virtual-api.js';

export function gate(options: CredentialGateOptions = {}): Contender & { gate: CredentialGate } {
  const own = new CredentialGate(options);
  return {
    gate: own,
    check(nowMs, cost, endpoint = '') {
      const verdict = own.check(nowMs, { endpoint, cost });
      return verdict.go ? 0 : verdict.waitMs;
    },
    sent: (nowMs, cost, endpoint = '') => own.sent(nowMs, { endpoint, cost }),
    answered: (nowMs, ticket, { kind, signs, serverTimeMs }) =>
      own.answered(nowMs, ticket as Ticket, { kind, signs, serverTimeMs }),
  };
}

/** So many requests at once; who is rejected waits as told, else for a second, two, four … */
export function workers(count: number): Contender {
  const random = systemRandom();
  const free: { untilMs: number; attempt: number }[] = Array.from({ length: count }, () => ({
    untilMs: 0,
    attempt: 0,
  }));
  return {
    check(nowMs) {
      if (free.length === 0) return Infinity;
      return Math.max(0, Math.min(...free.map((worker) => worker.untilMs)) - nowMs);
    },
    sent(nowMs) {
      return free.splice(
        free.findIndex((worker) => worker.untilMs <= nowMs),
        1,
      )[0];
    },
    answered(nowMs, ticket, { accepted, signs }) {
      const worker = ticket as (typeof free)[number];
      if (accepted) free.push({ untilMs: nowMs, attempt: 0 });
      else
        free.push({
          untilMs:
            nowMs +
            (signs.rejection?.retryAfterMs ?? Math.min(60_000, 1000 * 2 ** worker.attempt) * (0.5 + random.next() / 2)),
          attempt: worker.attempt + 1,
        });
    },
  };
}

/** One more request at once for each round of success, half after a rejection. */
export function aimd(): Contender {
  let window = 1;
  let inFlight = 0;
  let cutMs = -Infinity;
  let heldMs = 0;
  return {
    check: (nowMs) => (nowMs < heldMs ? heldMs - nowMs : inFlight < Math.floor(window) ? 0 : Infinity),
    sent(nowMs) {
      inFlight++;
      return nowMs;
    },
    answered(nowMs, sentMs, { accepted, signs }) {
      inFlight--;
      if (accepted) window += 1 / window;
      else if ((sentMs as number) > cutMs) {
        window = Math.max(1, window / 2);
        cutMs = nowMs;
        heldMs = nowMs + (signs.rejection?.retryAfterMs ?? 1000);
      }
    },
  };
}

/** The adaptive retry mode of the AWS SDKs, with 25 workers: a cubic rate that begins at the first rejection. */
export function awsAdaptive(): Contender {
  const inner = workers(25);
  const BETA = 0.7;
  const SCALE = 0.4;
  let enabled = false;
  let rate = Infinity;
  let tokens = 0;
  let atMs = 0;
  let lastMax = 0;
  let throttledMs = 0;
  let measured = 0;
  let bucketStart = 0;
  let inBucket = 0;
  const refill = (nowMs: number) => {
    tokens = Math.min(Math.max(rate, 1), tokens + (rate * (nowMs - atMs)) / 1000);
    atMs = nowMs;
  };
  return {
    check(nowMs, cost) {
      const waitMs = inner.check(nowMs, cost);
      if (waitMs > 0 || !enabled) return waitMs;
      refill(nowMs);
      return tokens >= 1 ? 0 : ((1 - tokens) * 1000) / rate;
    },
    sent(nowMs, cost) {
      if (enabled) tokens -= 1;
      return inner.sent(nowMs, cost);
    },
    answered(nowMs, ticket, outcome) {
      inner.answered(nowMs, ticket, outcome);
      inBucket++;
      if (nowMs - bucketStart >= 500) {
        measured = measured * 0.2 + ((inBucket * 1000) / (nowMs - bucketStart)) * 0.8;
        inBucket = 0;
        bucketStart = nowMs;
      }
      let target: number;
      if (!outcome.accepted) {
        const from = enabled ? Math.min(measured, rate) : measured;
        lastMax = from;
        throttledMs = nowMs;
        target = from * BETA;
        if (!enabled) {
          atMs = nowMs;
          rate = target;
        }
        enabled = true;
      } else {
        const window = Math.cbrt((lastMax * (1 - BETA)) / SCALE);
        target = SCALE * ((nowMs - throttledMs) / 1000 - window) ** 3 + lastMax;
      }
      if (!enabled) return;
      refill(nowMs);
      rate = Math.max(0.5, Math.min(target, 2 * Math.max(measured, 0.5)));
    },
  };
}

/** A token bucket of one second at the documented rate; who is rejected goes to the end of the line. */
export function bucketAt(perSecond: number): Contender {
  const burst = Math.max(1, perSecond);
  let tokens = burst;
  let atMs = 0;
  return {
    check(nowMs, cost) {
      tokens = Math.min(burst, tokens + (perSecond * (nowMs - atMs)) / 1000);
      atMs = nowMs;
      return tokens >= Math.min(cost, burst) ? 0 : ((Math.min(cost, burst) - tokens) * 1000) / perSecond;
    },
    sent(_nowMs, cost) {
      tokens -= cost;
      return undefined;
    },
    answered: () => {},
  };
}
