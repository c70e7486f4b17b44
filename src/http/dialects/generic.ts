/** An API that nobody described: the IETF's fields in both forms, and headers that look like limits. */
import { parseDictionary, parseList } from 'structured-headers';
import type { LimitSigns, Reading } from '../../gate/gate.js';
import { DEFAULT_LIMIT } from '../../gate/limits.js';
import {
  BUDGET_WINDOW_MS,
  count,
  DELTA_GRAIN_MS,
  header,
  nameOf,
  readings,
  retryAfterOf,
  windowReading,
  type DialectResponse,
} from './dialect.js';

export function generic(response: DialectResponse): LimitSigns {
  const found = structured(response) ?? plainIetf(response) ?? lookalikes(response);
  const retryAfterMs = retryAfterOf(response);
  const rejected = response.status === 429;
  return {
    readings: found,
    rejection: rejected ? { retryAfterMs } : undefined,
    // "Fine, but come back later" is "slow down".
    holdMs: !rejected && response.status < 400 ? retryAfterMs : undefined,
  };
}

/**
 * `RateLimit-Policy: "burst";q=100;w=60` and `RateLimit: "burst";r=50;t=30`
 * (https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/).
 */
export function structured(response: DialectResponse): Reading[] | undefined {
  const current = items(header(response, 'ratelimit'));
  if (current.length === 0) return undefined;
  const policies = new Map(
    items(header(response, 'ratelimit-policy')).map((policy) => [policy.name, policy.parameters]),
  );
  const out: Reading[] = [];
  for (const { name, parameters } of current) {
    const policy = policies.get(name);
    const remaining = number(parameters.get('r'));
    const quota = number(policy?.get('q'));
    const windowMs = scaled(number(policy?.get('w')));
    const left = number(parameters.get('t'));
    if (remaining === undefined || quota === undefined || quota <= 0) continue;
    const resetMs =
      left === undefined || response.serverTimeMs === undefined ? undefined : response.serverTimeMs + left * 1000;
    const limit = policies.size + current.length > 2 ? name : DEFAULT_LIMIT;
    if ((windowMs ?? (left ?? 0) * 1000) >= BUDGET_WINDOW_MS)
      out.push({
        limit: name,
        kind: 'budget',
        quota,
        remaining: Math.min(quota, remaining),
        windowMs: windowMs ?? BUDGET_WINDOW_MS,
        resetMs,
      });
    else if (resetMs !== undefined)
      out.push({
        limit,
        kind: 'epoch',
        quota,
        remaining: Math.min(quota, remaining),
        resetMs,
        grainMs: DELTA_GRAIN_MS,
        windowMs,
      });
    else if (windowMs !== undefined)
      out.push({ limit, kind: 'rolling', quota, remaining: Math.min(quota, remaining), windowMs });
  }
  return out.length > 0 ? out : undefined;
}

/**
 * Earlier drafts: `RateLimit: limit=100, remaining=50, reset=30`, or one header each, with the window in
 * `RateLimit-Policy: 100;w=60`.
 */
function plainIetf(response: DialectResponse): Reading[] | undefined {
  const policy = /^\s*\d+\s*;\s*w=(\d{1,15})/.exec(
    header(response, 'ratelimit-policy') ?? header(response, 'ratelimit-limit')?.split(',')[1] ?? '',
  );
  const windowMs = policy ? Number(policy[1]) * 1000 : undefined;
  const together = dictionary(header(response, 'ratelimit'));
  const part = (name: string) => together.get(name) ?? header(response, `ratelimit-${name}`);
  // The field is defined as seconds from now; some send a point in time all the same.
  const reading = windowReading(response, {
    limit: DEFAULT_LIMIT,
    quota: part('limit'),
    remaining: part('remaining'),
    reset: part('reset'),
    windowMs,
  });
  return reading ? [reading] : undefined;
}

/**
 * Header names that mean a limit, whatever the vendor puts around them: `x-acme-rate-limit-remaining`,
 * `x-ratelimit-limit-minute`.
 */
const LOOKALIKE =
  /^(?<prefix>.*?rate-?limits?(?:ing)?)-?(?<middle>.*?)(?:-?(?<part>limit|max|quota|remaining|left|available|reset(?:-?(?:at|time|after|in))?|interval-milliseconds))(?:-(?<suffix>second|minute|hour|day|requests))?$/;
/** A longer name or value is no limit. */
const MOST_TEXT = 100;
const WINDOWS: Record<string, number> = { second: 1000, minute: 60_000, hour: 3_600_000, day: 86_400_000 };

function lookalikes(response: DialectResponse): Reading[] {
  const groups = new Map<string, { quota?: string; remaining?: string; reset?: string; windowMs?: number }>();
  for (const name of Object.keys(response.headers)) {
    const value = header(response, name);
    if (value === undefined || value.length > MOST_TEXT || name.length > MOST_TEXT) continue;
    // `x-rate-limit: 100` is the quota itself.
    const bare = /^(.*rate-?limit)$/.exec(name);
    const match = bare
      ? { prefix: bare[1]!, middle: '', part: 'limit', suffix: undefined }
      : LOOKALIKE.exec(name)?.groups;
    if (!match) continue;
    const window = match['suffix'] ?? match['middle']!.split('-').find((word) => word in WINDOWS);
    const key = `${match['prefix']!.replaceAll('-', '')}/${match['middle']}/${match['suffix'] ?? ''}`;
    const group = groups.get(key) ?? {};
    groups.set(key, group);
    if (window !== undefined && window in WINDOWS) group.windowMs = WINDOWS[window]!;
    const part = match['part']!;
    if (part.startsWith('reset')) group.reset = value;
    else if (/limit|max|quota/.test(part)) group.quota = value;
    else if (part === 'interval-milliseconds') {
      const ms = count(value);
      if (ms) group.windowMs = ms;
    } else group.remaining = value;
  }
  const found = [...groups].filter(([, group]) => group.quota !== undefined && group.remaining !== undefined);
  return readings(
    ...found.map(([key, group]) => {
      const limit =
        found.length === 1 ? DEFAULT_LIMIT : key.split('/').slice(1).filter(Boolean).join(' ') || DEFAULT_LIMIT;
      const stated = windowReading(response, {
        limit,
        quota: group.quota,
        remaining: group.remaining,
        reset: group.reset,
        windowMs: group.windowMs,
      });
      if (stated || group.windowMs === undefined || !(group.windowMs >= 100)) return stated;
      const quota = count(group.quota);
      const remaining = count(group.remaining);
      return quota && remaining !== undefined
        ? { limit, kind: 'rolling' as const, quota, remaining: Math.min(quota, remaining), windowMs: group.windowMs }
        : undefined;
    }),
  );
}

function items(text: string | undefined): { name: string; parameters: Map<string, unknown> }[] {
  if (text === undefined) return [];
  try {
    return parseList(text).flatMap(([value, parameters]) =>
      typeof value === 'string' || (typeof value === 'object' && 'toString' in value && !Array.isArray(value))
        ? [{ name: nameOf(String(value)), parameters: parameters as Map<string, unknown> }]
        : [],
    );
  } catch {
    return [];
  }
}

function dictionary(text: string | undefined): Map<string, string> {
  try {
    return new Map([...parseDictionary(text ?? '')].map(([key, [value]]) => [key, String(value)]));
  } catch {
    return new Map();
  }
}

function number(value: unknown): number | undefined {
  return typeof value === 'number' && value >= 0 && Number.isFinite(value) ? value : undefined;
}

function scaled(seconds: number | undefined): number | undefined {
  return seconds === undefined || seconds <= 0 ? undefined : seconds * 1000;
}
