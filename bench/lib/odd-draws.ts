/**
 * Servers drawn at random from each kind that `odd-servers.ts` has one or two of, so that the gate is not made for
 * their numbers. A draw is known by its kind and seed.
 */
import { seededRandom, type Random } from '../../src/base/random.js';
import { concurrency, rejected, slidingLog, stripeLimits } from '../../src/testbed/limit-kinds.js';
import {
  anyWindow,
  atOnce,
  bucket,
  byEndpoint,
  late,
  noise,
  nothingLeft,
  outage,
  prolongedBan,
  queue,
  TELLS,
  toldWindows,
  varyingWindows,
} from '../../src/testbed/odd-limits.js';
import { between, drawn, type Drawn, one, untold, whole } from './drawn.js';
import { MIXED } from './mixed-draws.js';
import { HELD, type OddRow } from './odd-servers.js';

/** Use at least and rejections at most: the bounds, with room for numbers that are harder than its own. */
export const KINDS: Record<string, (random: Random) => Drawn> = {
  ...MIXED,
  token(random) {
    const rate = whole(random, 5, 300);
    return drawn(`${rate}/s`, () => bucket(rate), rate, 92, 0.6);
  },
  sliding(random) {
    const rate = whole(random, 10, 300);
    return drawn(`${rate} in any second`, () => slidingLog(rate, 1000), rate, 80, 0.6);
  },
  rolling(random) {
    const windowMs = one(random, [5000, 10_000, 30_000]);
    const limit = whole(random, 40, 2000);
    const name = `${limit} in any ${windowMs / 1000} s`;
    return drawn(name, () => slidingLog(limit, windowMs), (limit * 1000) / windowMs, 85, 1.5);
  },
  noise(random) {
    const share = between(random, 0.001, 0.06);
    const rate = whole(random, 20, 300);
    const name = `${rate}/s, ${(100 * share).toFixed(2)}% refused for no reason`;
    return drawn(
      name,
      () => noise(share, bucket(rate), random.integer(1e6)),
      rate * (1 - share),
      82,
      100 * share + 0.6,
    );
  },
  outage(random) {
    const rate = whole(random, 20, 300);
    const [lengthMs, everyMs] = [whole(random, 2000, 15_000), one(random, [45_000, 60_000, 120_000, Infinity])];
    const status = one(random, [429, 503]);
    const fromMs = whole(random, 5000, 120_000);
    const dark = everyMs === Infinity ? 1 : Math.floor((600_000 - fromMs - lengthMs) / everyMs) + 1;
    return drawn(
      `${rate}/s, ${status} for ${lengthMs} ms every ${everyMs} ms from ${fromMs} ms on`,
      () => outage(fromMs, lengthMs, everyMs, bucket(rate), status),
      rate * (1 - (dark * lengthMs) / 600_000),
      everyMs === Infinity ? 93 : 85,
      1.5,
    );
  },
  throttle(random) {
    const rate = whole(random, 10, 300);
    return drawn(`503 above ${rate}/s`, () => bucket(rate, rate, 503), rate, 92, 1);
  },
  queue(random) {
    const workers = whole(random, 8, 40);
    const serviceMs = whole(random, 80, 300);
    const cap = Math.ceil(workers * between(random, 1.3, 2));
    const rate = (workers * 1000) / (serviceMs * Math.exp(0.35 ** 2 / 2));
    const name = `${workers} workers of ${serviceMs} ms, ${cap} inside`;
    return drawn(name, () => queue(workers, cap, serviceMs, random.integer(1e6)), rate, 85, 1.2);
  },
  late(random) {
    const rate = whole(random, 20, 150);
    const byMs = whole(random, 2000, 6000);
    return { ...drawn(`over ${rate}/s ${byMs} ms late`, () => late(rate, byMs), rate, 85, 1.2), countsLate: true };
  },
  told(random) {
    const rate = whole(random, 10, 300);
    const how = one(random, Object.keys(TELLS));
    return drawn(`${rate} in seconds, told as ${how}`, () => toldWindows(rate, 1000, TELLS[how]!), rate, 88, 0.2);
  },
  misstated(random) {
    const rate = whole(random, 20, 200);
    const factor = one(random, [between(random, 0.6, 0.85), between(random, 1.15, 1.6)]);
    const windowMs = one(random, [1000, 5000, 10_000]);
    return drawn(
      `${rate}/s in windows of ${windowMs} ms, told ${factor.toFixed(2)} of it`,
      () => toldWindows((rate * windowMs) / 1000, windowMs, TELLS['epoch']!, factor),
      rate,
      factor < 1 ? 94 * factor : 85,
      1.5,
    );
  },
  window(random) {
    const minutes = one(random, [1, 2, 3, 5, 10, 15, 30, 60]);
    const limit = Math.max(60, Math.round((between(random, 2000, 12_000) * minutes) / 60));
    return {
      ...drawn(
        `${limit} in ${minutes} minutes`,
        () => untold(limit, minutes * 60_000),
        limit / (60 * minutes),
        80,
        1.5,
      ),
      seconds: Math.max(1800, 6 * minutes * 60),
      fromSeconds: 2 * minutes * 60,
      usual: { requests: limit, windowMs: minutes * 60_000 },
    };
  },
  varying(random) {
    const windowMs = whole(random, 2000, 25_000);
    const limit = Math.round((whole(random, 20, 100) * windowMs) / 1000);
    const name = `${limit} in ${windowMs} ms, give or take a quarter`;
    const make = () => varyingWindows(limit, windowMs, 0.25, random.integer(1e6));
    return drawn(name, make, (limit * 1000) / windowMs, 70, 1.5);
  },
  endpoints(random) {
    const count = 2 + random.integer(4);
    const rates = Object.fromEntries(Array.from({ length: count }, (_, i) => ['abcdef'[i]!, whole(random, 0.6, 60)]));
    for (const [name, rate] of Object.entries(rates)) rates[name] = Math.max(0.5, rate);
    return {
      ...drawn('', () => byEndpoint((name) => bucket(rates[name]!, Math.max(1, rates[name]!))), 0, 75, 1.5),
      name: `endpoints of ${Object.values(rates).join(', ')}/s`,
      perSecond: rates,
      usual: { requests: 100, windowMs: 1000 },
    };
  },
  refused_count(random) {
    const windowMs = whole(random, 3000, 20_000);
    const limit = whole(random, 10, 60);
    const name = `${limit} in ${windowMs} ms, refused ones count`;
    return drawn(name, () => anyWindow(limit, windowMs, true), (limit * 1000) / windowMs, 75, 2);
  },
  ban(random) {
    const rate = whole(random, 5, 30);
    const banMs = whole(random, 10_000, 30_000);
    const name = `${rate}/s, then a ban of ${banMs} ms that requests prolong`;
    return { ...drawn(name, () => prolongedBan(rate, banMs), rate, 75, 2), fromSeconds: 120, seconds: 1200 };
  },
  tiny(random) {
    const limit = whole(random, 1, 12);
    const windowMs = limit * whole(random, 1000, 6000);
    const name = `${limit} in ${windowMs} ms`;
    return { ...drawn(name, () => untold(limit, windowMs), (limit * 1000) / windowMs, 80, 2), seconds: 3600 };
  },
  at_once(random) {
    const most = whole(random, 2, 8);
    return drawn(`${most} at once`, () => atOnce(most), most / HELD, 38, 0.8);
  },
  at_once_many(random) {
    const most = whole(random, 9, 40);
    const refuse = () => rejected(429, { message: 'Too Many Requests' });
    return drawn(`${most} at once`, () => concurrency(most, refuse), most / HELD, 80, 0.8);
  },
  at_once_endpoints(random) {
    const [one_, other] = [whole(random, 2, 6), whole(random, 2, 6)];
    return {
      ...drawn(
        `${one_} and ${other} at once`,
        () => byEndpoint((name) => atOnce(name === 'a' ? one_ : other)),
        0,
        33,
        0.8,
      ),
      perSecond: { a: one_ / HELD, b: other / HELD },
      usual: { requests: 36, windowMs: 1000 },
    };
  },
  labelled(random) {
    const [rate, most] = [whole(random, 20, 200), whole(random, 3, 40)];
    const name = `${rate}/s and ${most} at once, labelled`;
    return {
      ...drawn(name, () => stripeLimits(rate, Infinity, most), Math.min(rate, most / HELD), 80, 0.6),
      dialect: 'stripe',
    };
  },
  nothing_left(random) {
    const rate = whole(random, 5, 200);
    const windowMs = one(random, [2000, 10_000, 60_000]);
    const limit = (rate * windowMs) / 1000;
    return drawn(`${limit} in ${windowMs} ms, "0 left"`, () => nothingLeft(limit, windowMs), rate, 85, 1.5);
  },
  slow_refill(random) {
    const rate = whole(random, 3, 30);
    const most = Math.round(rate * between(random, 5, 30));
    return drawn(`${most} that refill at ${rate}/s`, () => bucket(rate, most), rate + most / 600, 88, 1.2);
  },
  long_retry(random) {
    const rate = whole(random, 10, 150);
    const after = whole(random, 10, 60);
    const make = () => bucket(rate, rate, 429, { 'retry-after': String(after) });
    return drawn(`${rate}/s, Retry-After ${after}`, make, rate, 50, 0.5);
  },
};

export function draw(kind: string, seed: number): OddRow {
  const random = seededRandom(seed * 104_729 + kind.length * 7919 + 1);
  return { key: `${kind}_${seed}`, ...KINDS[kind]!(random) };
}
