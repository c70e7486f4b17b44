/** The HTTP client: every attempt, retries included, passes the gate. */
import type { Dispatcher } from 'undici';
import type { Clock } from '../base/clock.js';
import type { Egress } from '../base/egress.js';
import {
  codeOf,
  ConfigError,
  FatalError,
  HeadraceError,
  messageOf,
  PausedError,
  RetriableError,
} from '../base/errors.js';
import { LIMITS } from '../base/bounds.js';
import type { Random } from '../base/random.js';
import type { Answer, LimitSigns, Ticket } from '../gate/gate.js';
import type { Admission } from './admission.js';
import { bounded } from './dialects/bounded.js';
import type { Dialect } from './dialects/dialect.js';
import { parseJson } from '../base/json.js';
import { redact } from '../base/log.js';
import { charsetOf, textOfBody, unpacked } from './bodies.js';
import type { Cookies } from './cookies.js';
import { Deadline } from './deadline.js';
import { assertTarget, newDispatcher } from './dispatcher.js';
import { failureOf, pageTitle, type Failure } from './failures.js';
import { LatencyMeter } from './latency.js';
import { kindOf, kindOfFailure } from './meaning.js';
import { isRedirect, redirected, type SentRequest } from './redirects.js';
import { parseRetryAfter } from './dialects/retry-after.js';

/** A request whose address and headers are made anew for each attempt: a token may have been renewed since. */
export interface OutgoingRequest {
  method: string;
  /** Absolute. */
  url: string;
  headers: Record<string, string>;
  body: string | undefined;
  /** Names of headers, in lower case, that hold a credential: a redirect to another host does not get them. */
  credentials?: readonly string[] | undefined;
  /** The body holds a credential. */
  secretBody?: boolean | undefined;
}

/** A request, before the gate admits it. */
export interface ApiRequest {
  method?: 'GET' | 'POST';
  /** Path and query, appended to the base URL. */
  path: string;
  /** What is sent instead of method, path and headers. */
  outgoing?: (ticket: Ticket) => Promise<OutgoingRequest>;
  /** At most so many attempts, the first included, within this time; the client's own bounds where nothing is said. */
  attempts?: number | undefined;
  withinMs?: number | undefined;
  /** Reads the body of an answer below 400, where it is not plain JSON. May throw RetriableError. */
  decode?: (body: Buffer, headers: ApiResponse['headers']) => unknown;
  /** What the server set is sent again, and what it sets now is kept. */
  cookies?: Cookies | undefined;
  /** The same as the client's, for this request alone. */
  dialect?: Dialect;
  judge?: (response: ApiResponse, request: ApiRequest) => Verdict;
  /** Name of the endpoint for limits that are counted per endpoint: its path without ids. */
  endpoint: string;
  headers?: Record<string, string>;
  /** Expected remaining work of the stream; a heavier request is admitted first. */
  weight?: () => number;
  signal: AbortSignal;
  /** In the unit that the API's limits count. Default: 1. */
  cost?: number;
  /** Somebody waits for the answer. */
  interactive?: boolean;
  /** The permit of the first attempt, where the caller took it already. */
  ticket?: Ticket | undefined;
}

/** An answer of the API. */
export interface ApiResponse {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  /** Parsed JSON. Integers past 2^53 are bigint. */
  body: unknown;
  /** The server's own clock (`Date`), milliseconds since the epoch; undefined where it sends none. */
  serverTimeMs: number | undefined;
  /** Size of the body as received. */
  bytes: number;
}

/** What an answer means that no limit refused; the connector knows its API's signs. */
export type Verdict =
  | { kind: 'ok' }
  | { kind: 'retry'; reason: string; retryAfterMs?: number | undefined }
  | { kind: 'error'; error: HeadraceError };

export interface ClientOptions {
  baseUrl: string;
  admission: Admission;
  clock: Clock;
  random: Random;
  headers: Record<string, string>;
  /** How the API tells of its limits. */
  dialect: Dialect;
  judge: (response: ApiResponse, request: ApiRequest) => Verdict;
  /** Where requests may go; everywhere where it is left out. */
  egress?: Egress | undefined;
  /** Of several clients behind one gate. Default: one of its own. */
  meter?: LatencyMeter;
  /** Called for each attempt's end, for metrics and progress. */
  observe?: (event: AttemptEvent) => void;
  /** What sends, where that is not undici: a simulation has a network of its own. */
  dispatcher?: Pick<Dispatcher, 'request' | 'destroy'>;
}

export interface AttemptEvent {
  endpoint: string;
  status: number;
  latencyMs: number;
  outcome: 'ok' | 'limited' | 'retry' | 'error';
  reason?: string | undefined;
  waitMs?: number | undefined;
}

interface Attempt {
  sent: SentRequest;
  response: ApiResponse;
}

export class ApiClient {
  private readonly dispatcher: Pick<Dispatcher, 'request' | 'destroy'>;
  private readonly origin: string;
  private readonly prefix: string;
  readonly meter: LatencyMeter;
  /** The server's own clock at its last answer. */
  serverTimeMs: number | undefined;
  /** Something answered at this address: what fails now may pass. Before that, an address is more likely wrong. */
  private answered = false;
  /** Why the last attempt brought no answer, where there are words for it. */
  private failure: Failure | undefined;

  constructor(private readonly options: ClientOptions) {
    this.meter = options.meter ?? new LatencyMeter();
    const url = new URL(options.baseUrl);
    this.origin = url.origin;
    this.prefix = url.pathname.replace(/\/$/, '');
    this.dispatcher = options.dispatcher ?? newDispatcher(options.egress);
  }

  get admission(): Admission {
    return this.options.admission;
  }

  /**
   * Sends until an answer counts, at most LIMITS.attempts times. Throws the connector's error, RetriableError or
   * PausedError.
   */
  async request(request: ApiRequest): Promise<ApiResponse> {
    const { admission, clock } = this.options;
    let { ticket } = request;
    let last = '';
    let attempt = 1;
    const firstMs = clock.monotonic();
    let hop: SentRequest | undefined;
    while (attempt <= (request.attempts ?? (this.answered ? LIMITS.attempts : LIMITS.firstAttempts))) {
      const retry = attempt > 1 || last !== '';
      ticket ??= await admission.admit({
        endpoint: request.endpoint,
        cost: request.cost,
        weight: retry ? () => Infinity : (request.weight ?? (() => 0)),
        interactive: request.interactive,
        signal: request.signal,
      });
      const startedMs = clock.monotonic();
      let response: ApiResponse | undefined;
      let verdict: Verdict | undefined;
      let signs: LimitSigns = { readings: [] };
      let kind: Answer['kind'] = 'lost';
      const arrived = this.meter.begins({ reason: `an answer from ${request.endpoint}`, sinceMs: startedMs });
      try {
        const [from, permit]: [SentRequest | undefined, Ticket] = [hop, ticket];
        hop = undefined;
        const attempted = await this.send(request, async () => from ?? this.compose(request, permit));
        const { sent } = attempted;
        ({ response } = attempted);
        this.failure = undefined;
        this.answered = true;
        this.serverTimeMs = response.serverTimeMs ?? this.serverTimeMs;
        signs = bounded(request.dialect ?? this.options.dialect)({ ...response, receivedMs: clock.now() });
        kind = kindOf(response.status, signs);
        const { location } = response.headers;
        if (isRedirect(response.status, location)) hop = redirected(sent, response.status, location);
        else if (!signs.rejection) verdict = (request.judge ?? this.options.judge)(response, request);
      } catch (error) {
        if (!response) kind = kindOfFailure(error);
        verdict = this.verdictOfFailure(error, request);
      } finally {
        arrived();
      }
      const endedMs = clock.monotonic();
      admission.gate.answered(endedMs, ticket, {
        kind,
        signs,
        serverTimeMs: response?.serverTimeMs,
      });
      ticket = undefined;
      admission.pump();
      const latencyMs = endedMs - startedMs;
      const note = (outcome: AttemptEvent['outcome'], reason?: string, waitMs?: number) =>
        this.options.observe?.({
          endpoint: request.endpoint,
          status: response?.status ?? 0,
          latencyMs,
          outcome,
          reason,
          waitMs,
        });
      if (hop && !verdict) {
        // Where it leads is asked at once, by a request that the limits count like any other.
        note('ok');
        continue;
      }
      if (!verdict) {
        // A rejection is no failure: the gate decides when the next attempt may leave, and for how long it is worth
        // trying.
        last = `status ${response?.status}: rate limited`;
        note('limited', reasonOf(signs), signs.rejection?.retryAfterMs);
        if (endedMs - firstMs > LIMITS.rejectedMs) break;
        continue;
      }
      attempt++;
      if (verdict.kind === 'ok') {
        this.meter.answered(endedMs, latencyMs);
        note('ok');
        return response!;
      }
      if (verdict.kind === 'error') {
        note('error', verdict.error.message);
        throw verdict.error;
      }
      last = verdict.reason;
      if ((verdict.retryAfterMs ?? 0) > LIMITS.retryAfterMs) {
        throw new RetriableError('the API asks to wait longer than an hour', {
          code: 'retry_after_too_long',
          place: request.endpoint,
          found: `Retry-After ${Math.round(verdict.retryAfterMs! / 1000)} s`,
          next: 'run again after that time; the sync continues where it stopped',
        });
      }
      const spentMs = endedMs - firstMs;
      if (attempt > (request.attempts ?? Infinity) || spentMs >= (request.withinMs ?? Infinity)) break;
      const waitMs = Math.max(verdict.retryAfterMs ?? 0, this.backoffMs(attempt - 1));
      note('retry', last, waitMs);
      const reason = `a pause before the next attempt (${last})`;
      const over = this.meter.begins({ reason, sinceMs: endedMs, untilMs: endedMs + waitMs });
      await clock.sleep(waitMs, request.signal);
      over();
    }
    if (this.failure && !this.answered) throw this.failure.error;
    throw new RetriableError('the API did not answer usefully', {
      code: 'attempts_exhausted',
      place: `${this.origin}${this.prefix}${request.path.split('?')[0]}`,
      expected: 'a complete JSON answer',
      found: `${attempt - 1} attempts, the last: ${last}`,
      next: last.includes(WEB_PAGE)
        ? 'a proxy, a firewall or a sign-in page answers in the place of the API: correct base_url, or let this machine through'
        : this.answered
          ? 'run the same command again; it continues where it stopped'
          : 'check base_url, the network and the proxy settings',
    });
  }

  async close(): Promise<void> {
    await this.dispatcher.destroy();
  }

  private backoffMs(attempt: number): number {
    return (
      Math.min(LIMITS.backoffLastMs, LIMITS.backoffFirstMs * 2 ** (attempt - 1)) * (0.5 + this.options.random.next())
    );
  }

  private verdictOfFailure(error: unknown, request: ApiRequest): Verdict {
    if (request.signal.aborted)
      return { kind: 'error', error: new PausedError('stopped during a request', { code: 'stopped' }) };
    if (error instanceof HeadraceError && !(error instanceof RetriableError)) return { kind: 'error', error };
    this.failure = failureOf(error, this.origin);
    if (this.failure && !this.failure.passes) return { kind: 'error', error: this.failure.error };
    const code = codeOf(error);
    return { kind: 'retry', reason: code ? `${code}: ${messageOf(error)}` : messageOf(error) };
  }

  private async compose(request: ApiRequest, ticket: Ticket): Promise<SentRequest> {
    const made = await request.outgoing?.(ticket);
    const headers = {
      accept: 'application/json',
      'user-agent': 'headrace',
      ...this.options.headers,
      ...(made?.headers ?? request.headers),
    };
    assertHeaders(headers, request.endpoint);
    return {
      method: made?.method ?? request.method ?? 'GET',
      url: made?.url ?? `${this.origin}${this.prefix}${request.path}`,
      headers,
      body: made?.body,
      credentials: [...(made?.credentials ?? []), ...secretHeaders(headers)],
      secretBody: made?.secretBody,
    };
  }

  /** One attempt, which ends within LIMITS.requestMs whatever the server does. */
  private async send(request: ApiRequest, compose: () => Promise<SentRequest>): Promise<Attempt> {
    const deadline = new Deadline(this.options.clock, request);
    try {
      return await deadline.keep(
        compose().then(async (sent) => ({ sent, response: await this.exchange(request, sent, deadline) })),
      );
    } finally {
      deadline.done();
    }
  }

  private async exchange(request: ApiRequest, sent: SentRequest, deadline: Deadline): Promise<ApiResponse> {
    const url = new URL(sent.url);
    if (this.options.egress) await assertTarget(this.options.egress, url.href);
    const cookie = 'cookie' in sent.headers ? undefined : request.cookies?.headerFor(sent.url);
    const answer = await this.dispatcher.request({
      origin: url.origin,
      path: url.pathname + url.search,
      method: sent.method as Dispatcher.HttpMethod,
      headers: cookie === undefined ? sent.headers : { ...sent.headers, cookie },
      ...(sent.body === undefined ? {} : { body: sent.body }),
      signal: deadline.signal,
    });
    deadline.bodyBegins();
    request.cookies?.take(sent.url, answer.headers['set-cookie']);
    const chunks: Buffer[] = [];
    let bytes = 0;
    for await (const chunk of answer.body as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      deadline.received(chunk.length);
      if (bytes > LIMITS.responseBytes) {
        answer.body.destroy();
        throw new FatalError('an answer is larger than Headrace accepts', {
          code: 'response_too_large',
          place: request.endpoint,
          expected: `at most ${LIMITS.responseBytes} bytes`,
          found: 'more',
        });
      }
      chunks.push(chunk);
    }
    const length = Number(answer.headers['content-length']);
    if (Number.isFinite(length) && answer.headers['content-encoding'] === undefined && length !== bytes) {
      throw new RetriableError(`the body ends after ${bytes} of ${length} bytes`, { code: 'body_cut' });
    }
    const headers = answer.headers;
    const packed = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, bytes);
    const date = Date.parse(String(headers['date'] ?? ''));
    const response = { status: answer.statusCode, headers, serverTimeMs: Number.isNaN(date) ? undefined : date, bytes };
    if (isRedirect(response.status, headers['location'])) return { ...response, body: undefined };
    const body = unpacked(packed, headers);
    if (request.decode && response.status < 400) return { ...response, body: request.decode(body, headers) };
    return { ...response, body: this.parse(textOfBody(body, charsetOf(headers)), response.status, headers) };
  }

  /** A body that is no JSON is only of use where the status already tells the story. */
  private parse(text: string, status: number, headers: ApiResponse['headers']): unknown {
    const type = String(headers['content-type'] ?? '');
    const isJson = /\bjson\b/i.test(type);
    const page = status < 400 ? pageTitle(text, type) : undefined;
    if (page !== undefined) throw new RetriableError(`the answer is ${page}, not JSON`, { code: WEB_PAGE });
    if (!isJson && status < 400) {
      throw new RetriableError(`the answer is ${type || 'of no content type'}, not JSON`, {
        code: 'wrong_content_type',
      });
    }
    try {
      return parseJson(text);
    } catch (error) {
      if (status >= 400) return undefined;
      throw new RetriableError(`the answer is not valid JSON: ${messageOf(error)}`, {
        code: 'invalid_json',
        cause: error,
      });
    }
  }
}

/** Headers that hold what is registered as a secret: a connector may write a key into any. */
function secretHeaders(headers: Record<string, string>): string[] {
  return Object.entries(headers).flatMap(([name, value]) => (redact(value) === value ? [] : [name.toLowerCase()]));
}

/** A value that cannot be sent is the configuration's fault, and no reason to try again. */
function assertHeaders(headers: Record<string, string>, endpoint: string): void {
  for (const [name, value] of Object.entries(headers)) {
    const fault = /[\r\n]/.test(value)
      ? 'a line break'
      : /[^\t\x20-\x7e\x80-\xff]/.test(value)
        ? 'a character that headers cannot hold'
        : undefined;
    if (fault === undefined) continue;
    throw new ConfigError(`the header ${name} of a request cannot be sent`, {
      code: 'bad_header',
      place: endpoint,
      expected: 'one line of plain text',
      found: fault,
      next: 'check the value in the configuration: a key that was copied often brings a line break with it',
    });
  }
}

/** Code of an answer that is a web page. */
const WEB_PAGE = 'web_page';

function reasonOf({ rejection }: LimitSigns): string {
  return ['rate limited', rejection?.limit, rejection?.reason, rejection?.doubt].filter(Boolean).join(', ');
}

/** Retry-After of a response in milliseconds, read against its own Date. */
export function retryAfterOf(response: ApiResponse): number | undefined {
  const value = response.headers['retry-after'];
  return parseRetryAfter(Array.isArray(value) ? value[0] : value, response.serverTimeMs);
}
