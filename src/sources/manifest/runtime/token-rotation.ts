/**
 * RateLimitedMultipleTokenAuthenticator: interchangeable tokens, each with a gate and quotas of its own; a request
 * takes one that has room.
 */
import { ConfigError } from '../../../base/errors.js';
import type { InterchangeableGates, LimitSigns, QuotaSource, QuotaStatus, Ticket } from '../../../gate/gate.js';
import type { Dialect } from '../../../http/dialects/dialect.js';
import { registerSecret } from '../../../base/log.js';
import { placeOf } from '../document/manifest.js';
import type { Json, JsonObject } from '../document/read.js';
import { matchedBy } from './api-budget.js';
import type { Authenticator, SendPlain } from './credential.js';
import { list, text, valueAt, type Kit } from './kit.js';
import type { RequestParts } from './options.js';
import { rebased, type Requester } from './requester.js';

/** What limits are called that count a pool. */
const QUOTA = 'quota of ';

interface PoolFacts {
  name: string;
  endpoints: Set<string>;
  remainingPath: string[];
  resetPath: string[];
  limitPath: string[];
  headers: { remaining?: string | undefined; reset?: string | undefined; limit?: string | undefined };
  exhaustionCodes: number[];
}

export interface RotationInput {
  gateFor: (tokens: string[], quotas: QuotaSource) => InterchangeableGates;
  send: SendPlain;
  /** Those of all streams: pools are told apart by what they match. */
  requesters: Requester[];
}

export class TokenRotation implements Authenticator {
  readonly gate: InterchangeableGates;
  private readonly tokens: string[];
  private readonly pools: PoolFacts[];

  constructor(
    private readonly kit: Kit,
    private readonly own: JsonObject,
    private readonly input: RotationInput,
  ) {
    this.tokens = tokensOf(kit, own);
    this.pools = poolsOf(kit, own, input.requesters);
    this.gate = input.gateFor(this.tokens, {
      poolOf: (endpoint) => this.pools.find((pool) => pool.endpoints.has(endpoint))?.name,
      ask: (token) => this.ask(token),
    });
  }

  async apply(parts: RequestParts, ticket: Ticket | undefined): Promise<void> {
    const failure = ticket && this.gate.failureOf(ticket);
    if (failure !== undefined) throw failure;
    this.sign(parts.headers, this.tokens[ticket ? this.gate.memberOf(ticket) : 0]!);
  }

  refresh(): boolean {
    return false;
  }

  /** What an answer says of the pool that its request was counted in. */
  signs(response: Parameters<Dialect>[0], endpoint: string, signs: LimitSigns): LimitSigns {
    const pool = this.pools.find(({ endpoints }) => endpoints.has(endpoint));
    if (!pool) return signs;
    const value = (name: string | undefined) => (name === undefined ? undefined : [response.headers[name]].flat()[0]);
    const remaining = numberIn(value(pool.headers.remaining));
    const resetMs = timeIn(value(pool.headers.reset));
    const quota = numberIn(value(pool.headers.limit)) ?? remaining;
    const readings =
      remaining === undefined || resetMs === undefined
        ? signs.readings
        : [
            ...signs.readings,
            { limit: pool.name, kind: 'budget' as const, quota: quota!, remaining, windowMs: 0, resetMs },
          ];
    const isUsedUp = pool.exhaustionCodes.includes(response.status)
      ? (remaining ?? 0) === 0
      : signs.rejection !== undefined && remaining === 0;
    return {
      ...signs,
      readings,
      rejection: isUsedUp ? { ...signs.rejection, limit: pool.name, reason: 'budget' } : signs.rejection,
    };
  }

  private sign(headers: Record<string, string>, token: string): void {
    const method = typeof this.own['auth_method'] === 'string' ? this.own['auth_method'] : 'Bearer';
    headers[String(this.own['header'] ?? 'Authorization').toLowerCase()] = [method, token].filter(Boolean).join(' ');
  }

  private async ask(token: string): Promise<QuotaStatus[] | undefined> {
    const { kit } = this;
    const source = this.own['quota_status_source'] as JsonObject;
    const url = rebased(text(kit, source, source['url'])({}), kit.baseUrl);
    const headers: Record<string, string> = {};
    for (const [name, value] of Object.entries((source['request_headers'] as JsonObject | undefined) ?? {}))
      headers[name.toLowerCase()] = text(kit, source, value)({});
    this.sign(headers, token);
    const { status, body, serverTimeMs } = await this.input.send({
      method: String(source['http_method'] ?? 'GET'),
      url,
      headers,
      body: undefined,
    });
    const unavailable = Array.isArray(source['unavailable_status_codes'])
      ? source['unavailable_status_codes'].map(Number)
      : [];
    if (unavailable.includes(status)) return undefined;
    const wrong = (expected: string, found: string) =>
      new ConfigError('the quota of a token cannot be read', {
        code: 'quota_status',
        place: url.split('?')[0],
        expected,
        found,
        next:
          status === 401 || status === 403
            ? 'check the tokens in the configuration'
            : 'check quota_status_source of the manifest',
      });
    if (status >= 400) throw wrong('its remaining calls', `status ${status}`);
    return this.pools.map((pool): QuotaStatus => {
      const remaining = numberIn(valueAt(body, pool.remainingPath));
      const resetMs = timeIn(valueAt(body, pool.resetPath));
      if (remaining === undefined) throw wrong(`a number at ${pool.remainingPath.join('.')}`, 'none');
      if (resetMs === undefined) throw wrong(`a time at ${pool.resetPath.join('.')}`, 'none');
      return {
        pool: pool.name,
        quota: numberIn(valueAt(body, pool.limitPath)) ?? remaining,
        remaining,
        resetInMs: resetMs - (serverTimeMs ?? kit.clock.now()),
      };
    });
  }
}

function tokensOf(kit: Kit, own: JsonObject): string[] {
  const given = own['tokens'];
  const delimiter = typeof own['token_delimiter'] === 'string' ? own['token_delimiter'] : ',';
  const texts = Array.isArray(given)
    ? given.map((token) => text(kit, own, token)({}))
    : text(kit, own, given)({}).split(delimiter);
  const tokens = [...new Set(texts.map((token) => token.trim()).filter(Boolean))];
  if (tokens.length === 0)
    throw new ConfigError('the configuration has no token', {
      code: 'no_token',
      place: placeOf(kit.manifest, own),
      expected: 'one or several tokens',
      found: 'none',
      next: 'name them in the configuration',
    });
  for (const token of tokens) registerSecret(token);
  return tokens;
}

/** As in Airbyte, the first pool that matches a request counts it; one without matchers takes the rest. */
function poolsOf(kit: Kit, own: JsonObject, requesters: Requester[]): PoolFacts[] {
  const taken = new Set<string>();
  const header = (name: Json | undefined) => (typeof name === 'string' ? name.toLowerCase() : undefined);
  return list(own, 'quotas').map((pool) => {
    const endpoints = matchedBy(kit, pool, requesters).filter((endpoint) => !taken.has(endpoint));
    for (const endpoint of endpoints) taken.add(endpoint);
    const path = (field: string) => (Array.isArray(pool[field]) ? pool[field].map(String) : []);
    return {
      name: QUOTA + String(pool['name']),
      endpoints: new Set(endpoints),
      remainingPath: path('remaining_path'),
      resetPath: path('reset_path'),
      limitPath: path('limit_path'),
      headers: {
        remaining: header(pool['remaining_header']),
        reset: header(pool['reset_header']),
        limit: header(pool['limit_header']),
      },
      exhaustionCodes: Array.isArray(pool['exhaustion_status_codes'])
        ? pool['exhaustion_status_codes'].map(Number)
        : [],
    };
  });
}

function numberIn(value: unknown): number | undefined {
  const number =
    typeof value === 'number' ? value : typeof value === 'string' && value.trim() !== '' ? Number(value) : Number.NaN;
  return Number.isFinite(number) ? number : undefined;
}

/** Seconds since the epoch, or a date. Milliseconds. */
function timeIn(value: unknown): number | undefined {
  const seconds = numberIn(value);
  if (seconds !== undefined) return seconds * 1000;
  const date = typeof value === 'string' ? Date.parse(value) : Number.NaN;
  return Number.isNaN(date) ? undefined : date;
}
