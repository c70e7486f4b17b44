/**
 * Servers that are odd in two ways at once, or behind a network that is: what one explanation alone does not fit.
 * A draw is known by its kind and seed.
 */
import { seededRandom, type Random } from '../../src/base/random.js';
import { concurrency, ok, rejected, slidingLog, stripeLimits } from '../../src/testbed/limit-kinds.js';
import type { LimitModel } from '../../src/testbed/limit-models.js';
import {
  anyWindow,
  atOnce,
  bucket,
  byEndpoint,
  noise,
  outage,
  TELLS,
  toldWindows,
} from '../../src/testbed/odd-limits.js';
import { between, drawn, type Drawn, one, untold, whole } from './drawn.js';
import { HELD } from './odd-servers.js';

/** This share of all answers fails in one of the ways in which servers fail: soon, or after a long time. */
export function failing(share: number, inner: LimitModel, status: number, afterMs: number, seed: number): LimitModel {
  const random = seededRandom(seed);
  const decide: LimitModel['decide'] = (...args) => {
    if (random.next() >= share) return inner.decide(...args);
    return { ...rejected(status, {}), delayMs: afterMs };
  };
  return { ...inner, decide };
}

/** This share of the answers comes so many times later, and is good all the same. */
export function straggling(share: number, byMs: number, inner: LimitModel, seed: number): LimitModel {
  const random = seededRandom(seed);
  const decide: LimitModel['decide'] = (...args) => {
    const verdict = inner.decide(...args);
    return verdict.ok && random.next() < share ? { ...verdict, delayMs: byMs } : verdict;
  };
  return { ...inner, decide };
}

/** Both must have room; what either holds is given back where the other refuses. */
const beside = (one_: LimitModel, other: LimitModel): LimitModel => ({
  ...one_,
  decide(...args) {
    const first = one_.decide(...args);
    if (!first.ok) return first;
    const second = other.decide(...args);
    if (!second.ok) {
      first.finish?.(args[0]);
      return second;
    }
    return {
      ...ok(),
      finish: (at) => {
        first.finish?.(at);
        second.finish?.(at);
        return undefined;
      },
    };
  },
});

/** A network as APIs have it: near or far, with answers that vary little or a lot. */
const network = (random: Random) => ({
  wayMs: whole(random, 2, 80),
  waySigma: between(random, 0.1, 0.7),
  serviceMs: whole(random, 30, 600),
  serviceSigma: between(random, 0.15, 0.8),
});

export const MIXED: Record<string, (random: Random) => Drawn> = {
  /** Errors at random, of endpoints that have a known limit each: what many a long run meets. */
  errors(random) {
    const share = between(random, 0.002, 0.04);
    const status = one(random, [500, 502, 503]);
    const afterMs = one(random, [0, 0, 2000, 30_000]);
    const rate = whole(random, 15, 120);
    const name = `${rate}/s, ${(100 * share).toFixed(2)}% are ${status} after ${afterMs} ms`;
    const make = () => failing(share, bucket(rate), status, afterMs, random.integer(1e6));
    return { ...drawn(name, make, rate * (1 - share), 82, 100 * share + 0.6), network: network(random) };
  },
  errors_endpoints(random) {
    const count = whole(random, 3, 15);
    const share = between(random, 0.005, 0.03);
    const status = one(random, [500, 503]);
    const afterMs = one(random, [0, 0, 3000]);
    const of = whole(random, 10, 40);
    const total = 4 * of;
    const names = Array.from({ length: count }, (_, i) => `e${i}`);
    const each = Math.min(of, total / count) * (1 - share);
    return {
      ...drawn(
        `${count} endpoints of ${of}/s, ${total}/s in all, ${(100 * share).toFixed(2)}% are ${status} after ${afterMs} ms`,
        () => failing(share, stripeLimits(total, of), status, afterMs, random.integer(1e6)),
        0,
        75,
        100 * share + 1,
      ),
      perSecond: Object.fromEntries(names.map((name) => [name, each])),
      facts: [
        { name: 'global', scope: 'credential', usual: { requests: total, windowMs: 1000 } },
        { name: 'endpoint', scope: 'endpoint', usual: { requests: of, windowMs: 1000 } },
      ],
      dialect: 'stripe',
      network: network(random),
    };
  },
  stragglers(random) {
    const share = between(random, 0.002, 0.05);
    const byMs = whole(random, 1000, 20_000);
    const rate = whole(random, 15, 120);
    const name = `${rate}/s, ${(100 * share).toFixed(2)}% come ${byMs} ms late`;
    const make = () => straggling(share, byMs, bucket(rate), random.integer(1e6));
    return { ...drawn(name, make, rate, 82, 0.8), network: network(random) };
  },
  far(random) {
    const rate = whole(random, 10, 150);
    return { ...drawn(`${rate}/s`, () => bucket(rate), rate, 88, 0.8), network: network(random) };
  },
  noise_outage(random) {
    const share = between(random, 0.002, 0.03);
    const rate = whole(random, 15, 150);
    const [lengthMs, everyMs] = [whole(random, 2000, 15_000), one(random, [60_000, 120_000])];
    const fromMs = whole(random, 5000, 60_000);
    const dark = Math.floor((600_000 - fromMs - lengthMs) / everyMs) + 1;
    return drawn(
      `${rate}/s, ${(100 * share).toFixed(2)}% noise, dark ${lengthMs} ms every ${everyMs} ms`,
      () => noise(share, outage(fromMs, lengthMs, everyMs, bucket(rate), 503), random.integer(1e6)),
      rate * (1 - share) * (1 - (dark * lengthMs) / 600_000),
      75,
      100 * share + 2,
    );
  },
  noise_told(random) {
    const share = between(random, 0.002, 0.03);
    const rate = whole(random, 10, 200);
    const windowMs = one(random, [1000, 5000, 60_000]);
    const how = one(random, windowMs === 1000 ? Object.keys(TELLS) : ['epoch', 'delta']);
    return drawn(
      `${rate}/s in windows of ${windowMs} ms told as ${how}, ${(100 * share).toFixed(2)}% noise`,
      () => noise(share, toldWindows((rate * windowMs) / 1000, windowMs, TELLS[how]!), random.integer(1e6)),
      rate * (1 - share),
      80,
      100 * share + 0.6,
    );
  },
  noise_window(random) {
    const share = between(random, 0.002, 0.02);
    const windowMs = one(random, [10_000, 60_000, 300_000]);
    const rate = between(random, 1, 20);
    const limit = Math.round((rate * windowMs) / 1000);
    return {
      ...drawn(
        `${limit} in ${windowMs} ms, ${(100 * share).toFixed(2)}% noise`,
        () => noise(share, untold(limit, windowMs), random.integer(1e6)),
        ((limit * 1000) / windowMs) * (1 - share),
        72,
        100 * share + 2,
      ),
      seconds: 2400,
      fromSeconds: 600,
    };
  },
  noise_at_once(random) {
    const share = between(random, 0.002, 0.02);
    const most = whole(random, 3, 20);
    const make = () => noise(share, atOnce(most), random.integer(1e6));
    return drawn(`${most} at once, ${(100 * share).toFixed(2)}% noise`, make, most / HELD, 35, 100 * share + 1.5);
  },
  outage_told(random) {
    const rate = whole(random, 10, 200);
    const windowMs = one(random, [1000, 10_000]);
    const [lengthMs, everyMs] = [whole(random, 2000, 15_000), one(random, [60_000, 120_000])];
    const dark = Math.floor((600_000 - 10_000 - lengthMs) / everyMs) + 1;
    return drawn(
      `${rate}/s in windows of ${windowMs} ms, told, dark ${lengthMs} ms every ${everyMs} ms`,
      () => outage(10_000, lengthMs, everyMs, toldWindows((rate * windowMs) / 1000, windowMs, TELLS['epoch']!), 503),
      rate * (1 - (dark * lengthMs) / 600_000),
      78,
      1.5,
    );
  },
  outage_endpoint(random) {
    const rates = { a: whole(random, 5, 50), b: whole(random, 5, 50), c: whole(random, 5, 50) };
    const [lengthMs, everyMs] = [whole(random, 5000, 30_000), 120_000];
    return {
      ...drawn(
        `endpoints of ${Object.values(rates).join(', ')}/s, a is dark for ${lengthMs} ms every two minutes`,
        () =>
          byEndpoint((name) => {
            const inner = bucket(rates[name as 'a'], rates[name as 'a']);
            return name === 'a' ? outage(30_000, lengthMs, everyMs, inner, 503) : inner;
          }),
        0,
        65,
        2.5,
      ),
      perSecond: { ...rates, a: (rates.a * (everyMs - lengthMs)) / everyMs },
      usual: { requests: 100, windowMs: 1000 },
    };
  },
  rate_at_once(random) {
    const rate = whole(random, 10, 100);
    const most = Math.max(2, Math.round(rate * HELD * between(random, 0.5, 3)));
    return drawn(
      `${rate}/s and ${most} at once, unlabelled`,
      () => beside(atOnce(most), bucket(rate)),
      Math.min(rate, most / HELD),
      38,
      1.2,
    );
  },
  two_windows(random) {
    const second = whole(random, 5, 60);
    const minute = Math.round(second * 60 * between(random, 0.3, 0.9));
    return {
      ...drawn(
        `${second} a second and ${minute} a minute`,
        () => beside(anyWindow(minute, 60_000), anyWindow(second, 1000)),
        minute / 60,
        75,
        2.5,
      ),
      seconds: 1800,
      fromSeconds: 180,
    };
  },
  bucket_window(random) {
    const rate = whole(random, 5, 60);
    const five = Math.round(rate * 300 * between(random, 0.3, 0.9));
    return {
      ...drawn(
        `${rate}/s and ${five} in five minutes`,
        () => beside(untold(five, 300_000), bucket(rate)),
        five / 300,
        72,
        2.5,
      ),
      seconds: 3600,
      fromSeconds: 900,
    };
  },
  changing_noise(random) {
    const share = between(random, 0.002, 0.02);
    const rates = [whole(random, 20, 100), whole(random, 10, 50), whole(random, 20, 150)];
    const make = (): LimitModel => {
      const models = rates.map((rate) => bucket(rate));
      let startMs: number | undefined;
      return {
        windowMs: undefined,
        decide(nowMs, ...rest) {
          startMs ??= nowMs;
          return models[Math.min(2, Math.floor((nowMs - startMs) / 200_000))]!.decide(nowMs, ...rest);
        },
      };
    };
    return drawn(
      `${rates.join(' -> ')}/s, ${(100 * share).toFixed(2)}% noise`,
      () => noise(share, make(), 5),
      (rates.reduce((a, b) => a + b) / 3) * (1 - share),
      70,
      100 * share + 1.5,
    );
  },
  busy_hours(random) {
    // Another client takes a part for a while, and nobody tells.
    const rate = whole(random, 20, 120);
    const part = between(random, 0.2, 0.7);
    const everyMs = whole(random, 30_000, 120_000);
    const make = (): LimitModel => {
      const inner = bucket(rate);
      let startMs: number | undefined;
      let othersMs = 0;
      return {
        windowMs: undefined,
        decide(nowMs, ...rest) {
          startMs ??= nowMs;
          for (; othersMs < nowMs - startMs; othersMs += 1000 / (part * rate))
            if (Math.floor(othersMs / everyMs) % 2 === 1) inner.decide(startMs + othersMs, ...rest);
          return inner.decide(nowMs, ...rest);
        },
      };
    };
    return drawn(
      `${rate}/s, others take ${(100 * part).toFixed(0)}% every other ${everyMs} ms`,
      make,
      rate * (1 - part / 2),
      65,
      2.5,
    );
  },
  ban_noise(random) {
    const share = between(random, 0.001, 0.01);
    const rate = whole(random, 5, 30);
    const banMs = whole(random, 5000, 30_000);
    const make = (): LimitModel => {
      const inner = slidingLog(rate, 1000);
      let untilMs = -Infinity;
      return noise(
        share,
        {
          windowMs: 1000,
          decide(nowMs, ...rest) {
            if (nowMs >= untilMs) {
              const verdict = inner.decide(nowMs, ...rest);
              if (verdict.ok) return verdict;
              untilMs = nowMs + banMs;
            }
            return rejected(429, {});
          },
        },
        random.integer(1e6),
      );
    };
    const name = `${rate}/s, then a ban of ${banMs} ms, ${(100 * share).toFixed(2)}% noise`;
    return { ...drawn(name, make, rate, 60, 100 * share + 2), seconds: 1200, fromSeconds: 120 };
  },
  daily(random) {
    const limit = whole(random, 300, 4000);
    const rate = whole(random, 2, 20);
    return {
      ...drawn(
        `${limit} in 20 minutes, at ${rate}/s`,
        () => beside(anyWindow(limit, 1_200_000), bucket(rate)),
        Math.min(rate, limit / 1200),
        60,
        3,
      ),
      seconds: 7200,
      fromSeconds: 2400,
    };
  },
  at_once_labelled_late(random) {
    const most = whole(random, 4, 30);
    const refuse = () => rejected(503, {});
    return {
      ...drawn(`${most} at once, 503`, () => concurrency(most, refuse), 0, 35, 1.5),
      perSecond: most / HELD,
    };
  },
};
