/**
 * Servers that refuse for other reasons than the limits that vendors publish: noise, outages, overload, answers that
 * come late, limits that are misstated, limits of endpoints that nobody names. Time is an argument, in milliseconds.
 */
import { seededRandom, type Random } from '../base/random.js';
import type { LimitModel, LimitVerdict } from './limit-models.js';

const ok = (headers: Record<string, string> = {}): LimitVerdict => ({ ok: true, headers });
const refuse = (status = 429, headers: Record<string, string> = {}): LimitVerdict => ({
  ok: false,
  status,
  headers,
  body: { message: status === 429 ? 'Too Many Requests' : 'Service Unavailable' },
});

const fromModel = (decide: LimitModel['decide'], windowMs?: number): LimitModel => ({ windowMs, decide });

/** Tokens that refill at a rate, up to a maximum. */
export function bucket(perSecond: number, most = perSecond, status = 429, headers = {}): LimitModel {
  let available = most;
  let atMs: number | undefined;
  return fromModel((nowMs) => {
    available = Math.min(most, available + ((nowMs - (atMs ?? nowMs)) / 1000) * perSecond);
    atMs = nowMs;
    if (available < 1) return refuse(status, headers);
    available--;
    return ok();
  });
}

/** This share of all answers is a refusal for no reason. */
export function noise(share: number, inner: LimitModel, seed = 7, status = 429): LimitModel {
  const random = seededRandom(seed);
  return { ...inner, decide: (...args) => (random.next() < share ? refuse(status) : inner.decide(...args)) };
}

/** For so long, once or again and again, everything is refused. */
export function outage(fromMs: number, lengthMs: number, everyMs: number, inner: LimitModel, status = 429): LimitModel {
  let startMs: number | undefined;
  return {
    ...inner,
    decide(nowMs, ...rest) {
      startMs ??= nowMs;
      const at = nowMs - startMs - fromMs;
      return at >= 0 && at % everyMs < lengthMs ? refuse(status) : inner.decide(nowMs, ...rest);
    },
  };
}

/** So many are worked on at once, more wait; past the cap of both the server is unavailable. */
export function queue(workers: number, cap: number, serviceMs: number, seed = 7): LimitModel {
  const random = seededRandom(seed);
  const free = Array.from({ length: workers }, () => 0);
  let inside = 0;
  return fromModel((nowMs) => {
    if (inside >= cap) return refuse(503);
    inside++;
    const slot = free.indexOf(Math.min(...free));
    free[slot] = Math.max(nowMs, free[slot]!) + spread(random, serviceMs, 0.35);
    return { ...ok(), serviceMs: free[slot] - nowMs, finish: () => void inside-- };
  });
}

/** Nothing is refused: above the limit answers come so much later. */
export function late(perSecond: number, byMs: number): LimitModel {
  const inner = bucket(perSecond, perSecond / 2);
  return fromModel((...args) => (inner.decide(...args).ok ? ok() : { ...ok(), delayMs: byMs }));
}

/** Fixed windows of a length that varies by this share from one to the next. */
export function varyingWindows(limit: number, windowMs: number, by: number, seed = 7): LimitModel {
  const random = seededRandom(seed);
  let endMs: number | undefined;
  let used = 0;
  return fromModel((nowMs) => {
    endMs ??= nowMs + windowMs * random.next();
    while (nowMs >= endMs) {
      endMs += windowMs * (1 + by * (2 * random.next() - 1));
      used = 0;
    }
    return used++ < limit ? ok() : refuse();
  }, windowMs);
}

/** Fixed windows that tell the limit times `factor`, in the dialect of `tell`. */
export function toldWindows(
  limit: number,
  windowMs: number,
  tell: (told: { limit: number; remaining: number; resetMs: number; nowMs: number }) => Record<string, string>,
  factor = 1,
): LimitModel {
  let epoch = -1;
  let used = 0;
  return fromModel((nowMs) => {
    const now = Math.floor((nowMs + 370) / windowMs);
    if (now !== epoch) used = 0;
    epoch = now;
    const accepted = used < limit;
    if (accepted) used++;
    const stated = Math.round(limit * factor);
    const headers = tell({
      limit: stated,
      remaining: Math.max(0, stated - used),
      resetMs: (epoch + 1) * windowMs - 370,
      nowMs,
    });
    return accepted ? ok(headers) : refuse(429, headers);
  }, windowMs);
}

/** How windows are told. */
export const TELLS: Record<string, Parameters<typeof toldWindows>[2]> = {
  epoch: ({ limit, remaining, resetMs }) => ({
    'x-ratelimit-limit': String(limit),
    'x-ratelimit-remaining': String(remaining),
    'x-ratelimit-reset': String(Math.ceil(resetMs / 1000)),
  }),
  delta: ({ limit, remaining, resetMs, nowMs }) => ({
    'ratelimit-limit': String(limit),
    'ratelimit-remaining': String(remaining),
    'ratelimit-reset': String(Math.max(1, Math.ceil((resetMs - nowMs) / 1000))),
  }),
  second: ({ limit, remaining }) => ({
    'x-ratelimit-limit-second': String(limit),
    'x-ratelimit-remaining-second': String(remaining),
  }),
  ietf: ({ limit, remaining, resetMs, nowMs }) => ({
    'ratelimit-policy': `"default";q=${limit};w=1`,
    ratelimit: `"default";r=${remaining};t=${Math.max(1, Math.ceil((resetMs - nowMs) / 1000))}`,
  }),
};

/** Windows whose headers say with each answer that nothing is left. */
export function nothingLeft(limit: number, windowMs: number): LimitModel {
  return toldWindows(limit, windowMs, (told) => TELLS['epoch']!({ ...told, remaining: 0 }));
}

/** Each endpoint has a limit of its own, and nobody says so. */
export function byEndpoint(make: (endpoint: string) => LimitModel): LimitModel {
  const models = new Map<string, LimitModel>();
  return fromModel((nowMs, endpoint, cost) => {
    let model = models.get(endpoint);
    if (!model) models.set(endpoint, (model = make(endpoint)));
    return model.decide(nowMs, endpoint, cost);
  });
}

/** So many at once. */
export function atOnce(most: number): LimitModel {
  let running = 0;
  return fromModel(() => {
    if (running >= most) return refuse();
    running++;
    return { ...ok(), finish: () => void running-- };
  });
}

/** So many in any window; with `refusedCount`, what was refused counts as well. */
export function anyWindow(limit: number, windowMs: number, refusedCount = false): LimitModel {
  const times: number[] = [];
  return fromModel((nowMs) => {
    while (times.length > 0 && times[0]! <= nowMs - windowMs) times.shift();
    const accepted = times.length < limit;
    if (accepted || refusedCount) times.push(nowMs);
    // What counts twice is no more than a window of silence.
    if (times.length > 2 * limit) times.shift();
    return accepted ? ok() : refuse();
  }, windowMs);
}

/** Whoever exceeds the limit is shut out, and each request until then prolongs it. */
export function prolongedBan(perSecond: number, banMs: number): LimitModel {
  const inner = anyWindow(perSecond, 1000);
  let untilMs = -Infinity;
  return fromModel((...args) => {
    const [nowMs] = args;
    if (nowMs >= untilMs && inner.decide(...args).ok) return ok();
    untilMs = nowMs + banMs;
    return refuse();
  });
}

/** Log-normal around a median. */
export function spread(random: Random, median: number, sigma: number): number {
  return median * Math.exp(sigma * Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next()));
}
