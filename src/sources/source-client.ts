/** The client of a connector of one's own: requests through the gate, and a judgement that suits most APIs. */
import { ConfigError, SkippableError } from '../base/errors.js';
import { stringifyJson } from '../base/json.js';
import { registerSecret } from '../base/log.js';
import type { Admission } from '../http/admission.js';
import { ApiClient, retryAfterOf } from '../http/client.js';
import type { ApiRequest, ApiResponse, Verdict } from '../http/request.js';
import type { Dialect } from '../http/dialects/dialect.js';
import { DIALECTS } from '../http/dialects/vendors.js';
import type { LatencyMeter } from '../http/latency.js';
import type { ConnectorParts } from './connector.js';
import type { PageRequest } from './contract.js';

/** How requests authenticate. */
export type Auth =
  { bearer: string } | { basic: { user: string; password: string } } | { header: { name: string; value: string } };

/** What a client is made of. */
export interface ClientOptions {
  /** Absolute, with or without a path. */
  baseUrl: string;
  auth?: Auth;
  /** Sent with every request. */
  headers?: Record<string, string>;
  /** How the API tells of its limits. Default: that of the source, else `generic`. */
  dialect?: string | Dialect | undefined;
  /** What an answer means that no limit refused. Default: `judgeByStatus`. */
  judge?: (response: ApiResponse, request: ApiRequest) => Verdict;
}

/** What the clients of a source share. */
export interface ClientParts extends Pick<ConnectorParts, 'clock' | 'random' | 'egress' | 'observe'> {
  admission: Admission;
  meter: LatencyMeter;
  /** How many requests were asked for and have not ended, those that wait for the limit among them. */
  activity: { requests: number };
}

/** An answer whose body has the shape that its caller states. */
export type Answer<Body> = Omit<ApiResponse, 'body'> & { body: Body };

/** Sends requests through the gate of the connection, and retries what may be tried again. */
export class SourceClient {
  private readonly client: ApiClient;
  private readonly activity: ClientParts['activity'];

  constructor(
    { baseUrl, auth, headers = {}, dialect = 'generic', judge = judgeByStatus }: ClientOptions,
    parts: ClientParts,
  ) {
    this.activity = parts.activity;
    this.client = new ApiClient({
      baseUrl,
      admission: parts.admission,
      meter: parts.meter,
      clock: parts.clock,
      random: parts.random,
      headers: { ...headers, ...(auth ? authHeaders(auth) : {}) },
      dialect: dialectOf(dialect),
      judge,
      egress: parts.egress,
      ...(parts.observe ? { observe: parts.observe } : {}),
    });
  }

  /**
   * Asks for a page: the path with its query is appended to the base URL, and the rest is taken from the page request.
   * `endpoint` names what the API counts requests by. Default: the path without its query.
   */
  async get<Body = unknown>(
    path: string,
    { signal, weight, ticket, once }: PageRequest,
    more: Pick<ApiRequest, 'headers' | 'cost'> & { endpoint?: string } = {},
  ): Promise<Answer<Body>> {
    const endpoint = more.endpoint ?? path.split('?')[0]!.replace(/^\//, '');
    return (await this.request({ ...more, path, endpoint, signal, weight, ticket, once })) as Answer<Body>;
  }

  /** Any other request. Throws what `judge` says, RetriableError or PausedError. */
  async request(request: ApiRequest): Promise<ApiResponse> {
    this.activity.requests++;
    try {
      return await this.client.request(request);
    } finally {
      this.activity.requests--;
    }
  }

  close(): Promise<void> {
    return this.client.close();
  }
}

function dialectOf(dialect: string | Dialect): Dialect {
  if (typeof dialect === 'function') return dialect;
  const found = Object.hasOwn(DIALECTS, dialect) ? DIALECTS[dialect] : undefined;
  if (found) return found;
  throw new ConfigError(`there is no dialect ${dialect}`, {
    code: 'unknown_dialect',
    place: 'dialect',
    expected: `${Object.keys(DIALECTS).join(', ')}, or a function`,
    found: dialect,
  });
}

function authHeaders(auth: Auth): Record<string, string> {
  if ('bearer' in auth) {
    registerSecret(auth.bearer);
    return { authorization: `Bearer ${auth.bearer}` };
  }
  if ('basic' in auth) {
    const text = Buffer.from(`${auth.basic.user}:${auth.basic.password}`).toString('base64');
    registerSecret(auth.basic.password);
    registerSecret(text);
    return { authorization: `Basic ${text}` };
  }
  registerSecret(auth.header.value);
  return { [auth.header.name]: auth.header.value };
}

/** What most APIs mean by a status: which answers may be tried again, which end a stream, and which end the run. */
export function judgeByStatus(response: ApiResponse, request: ApiRequest): Verdict {
  const { status } = response;
  if (status >= 200 && status < 300) return { kind: 'ok' };
  const retryAfterMs = retryAfterOf(response);
  if ([408, 409, 425, 429].includes(status) || status >= 500)
    return { kind: 'retry', reason: `status ${status}`, retryAfterMs };
  const detail = {
    place: request.path.split('?')[0],
    found: `status ${status}: ${stringifyJson(response.body ?? 'no readable body').slice(0, 200)}`,
  };
  if (status === 401)
    return {
      kind: 'error',
      error: new ConfigError('the API rejected the credential', {
        ...detail,
        code: 'credential_rejected',
        expected: 'a credential that is valid',
        next: 'check the secret in the settings of the connection',
      }),
    };
  const missing = status === 403 || status === 404 || status === 410;
  return {
    kind: 'error',
    error: new SkippableError(missing ? 'the API does not give this' : 'the API refused the request', {
      ...detail,
      code: status === 403 ? 'not_permitted' : missing ? 'not_found' : 'request_refused',
      expected: missing ? 'an address that there is, and permission to read it' : 'status 200',
      next: missing
        ? 'grant the permission, or leave the stream out with exclude'
        : 'correct the request that the connector makes, or leave the stream out with exclude',
    }),
  };
}
