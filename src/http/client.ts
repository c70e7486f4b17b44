/** The HTTP client: every attempt, retries included, passes the gate. */
import type { Dispatcher } from 'undici';
import type { Clock } from '../base/clock.js';
import type { Egress } from '../base/egress.js';
import {
  codeOf,
  ConfigError,
  CursorGoneError,
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
import { redact } from '../base/log.js';
import { Deadline } from './deadline.js';
import { newDispatcher } from './dispatcher.js';
import { exchange, WEB_PAGE } from './exchange.js';
import { failureOf, type Failure } from './failures.js';
import { LatencyMeter } from './latency.js';
import { kindOf, kindOfFailure } from './meaning.js';
import { isRedirect, redirected, type SentRequest } from './redirects.js';
import type { ApiRequest, ApiResponse, Verdict } from './request.js';
import { parseRetryAfter } from './dialects/retry-after.js';

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

/** What became of one attempt; neither verdict nor hop: a limit refused it. */
interface Tried {
  response: ApiResponse | undefined;
  verdict: Exclude<Verdict, { kind: 'ok' }> | { kind: 'ok'; response: ApiResponse } | undefined;
  /** Where a redirect leads. */
  hop: SentRequest | undefined;
  signs: LimitSigns;
  endedMs: number;
  latencyMs: number;
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
    const { clock } = this.options;
    const firstMs = clock.monotonic();
    let { ticket } = request;
    let hop: SentRequest | undefined;
    let last = '';
    let attempt = 1;
    while (attempt <= (request.attempts ?? (this.answered ? LIMITS.attempts : LIMITS.firstAttempts))) {
      ticket ??= await this.admit(request, attempt > 1 || last !== '');
      const tried = await this.attempt(request, ticket, hop);
      ticket = undefined;
      const { response, verdict, signs, endedMs } = tried;
      ({ hop } = tried);
      if (hop) {
        // Where it leads is asked at once, by a request that the limits count like any other.
        this.note(request, tried, 'ok');
        continue;
      }
      if (!verdict) {
        // A rejection is no failure: the gate decides when the next attempt may leave, and for how long it is worth
        // trying.
        last = `status ${response?.status}: rate limited`;
        this.note(request, tried, 'limited', reasonOf(signs), signs.rejection?.retryAfterMs);
        if (endedMs - firstMs > LIMITS.rejectedMs) break;
        continue;
      }
      attempt++;
      if (verdict.kind === 'ok') {
        this.meter.answered(endedMs, tried.latencyMs);
        this.note(request, tried, 'ok');
        return verdict.response;
      }
      if (verdict.kind === 'error') {
        this.note(request, tried, 'error', verdict.error.message);
        throw verdict.error;
      }
      last = verdict.reason;
      const retryAfterMs = verdict.retryAfterMs ?? 0;
      if (retryAfterMs > LIMITS.retryAfterMs) throw waitTooLong(request, retryAfterMs);
      const spentMs = endedMs - firstMs;
      if (attempt > (request.attempts ?? Infinity) || spentMs >= (request.withinMs ?? Infinity)) break;
      const waitMs = Math.max(retryAfterMs, this.backoffMs(attempt - 1));
      this.note(request, tried, 'retry', last, waitMs);
      const reason = `a pause before the next attempt (${last})`;
      const over = this.meter.begins({ reason, sinceMs: endedMs, untilMs: endedMs + waitMs });
      await clock.sleep(waitMs, request.signal);
      over();
    }
    throw this.exhausted(request, attempt - 1, last);
  }

  async close(): Promise<void> {
    await this.dispatcher.destroy();
  }

  private admit(request: ApiRequest, isRetry: boolean): Promise<Ticket> {
    return this.options.admission.admit({
      endpoint: request.endpoint,
      cost: request.cost,
      weight: isRetry ? () => Infinity : (request.weight ?? (() => 0)),
      interactive: request.interactive,
      signal: request.signal,
    });
  }

  /** Sends once, to where a redirect led if one did, and tells the gate what became of it. Never rejects. */
  private async attempt(request: ApiRequest, ticket: Ticket, hop: SentRequest | undefined): Promise<Tried> {
    const { admission, clock, dialect, judge } = this.options;
    admission.use(ticket);
    const startedMs = clock.monotonic();
    const tried: Omit<Tried, 'endedMs' | 'latencyMs'> = {
      response: undefined,
      verdict: undefined,
      hop: undefined,
      signs: { readings: [] },
    };
    let kind: Answer['kind'] = 'lost';
    const arrived = this.meter.begins({ reason: `an answer from ${request.endpoint}`, sinceMs: startedMs });
    try {
      const { sent, response } = await this.send(request, async () => hop ?? this.compose(request, ticket));
      tried.response = response;
      this.failure = undefined;
      this.answered = true;
      this.serverTimeMs = response.serverTimeMs ?? this.serverTimeMs;
      tried.signs = bounded(request.dialect ?? dialect)({ ...response, receivedMs: clock.now() });
      kind = kindOf(response.status, tried.signs);
      const { location } = response.headers;
      if (isRedirect(response.status, location)) tried.hop = redirected(sent, response.status, location);
      else if (!tried.signs.rejection) {
        const verdict = (request.judge ?? judge)(response, request);
        tried.verdict = verdict.kind === 'ok' ? { kind: 'ok', response } : verdict;
      }
    } catch (error) {
      if (!tried.response) kind = kindOfFailure(error);
      const failed = this.verdictOfFailure(error, request);
      const mayBeLost = !tried.response && failed.kind === 'retry' && !NEVER_LEFT.has(codeOf(error) ?? '');
      tried.verdict = mayBeLost ? lostVerdict(failed, request) : failed;
    } finally {
      arrived();
    }
    const endedMs = clock.monotonic();
    const { signs, response } = tried;
    admission.gate.answered(endedMs, ticket, { kind, signs, serverTimeMs: response?.serverTimeMs });
    admission.pump();
    return { ...tried, endedMs, latencyMs: endedMs - startedMs };
  }

  private note(
    { endpoint }: ApiRequest,
    { response, latencyMs }: Tried,
    outcome: AttemptEvent['outcome'],
    reason?: string,
    waitMs?: number,
  ): void {
    this.options.observe?.({ endpoint, status: response?.status ?? 0, latencyMs, outcome, reason, waitMs });
  }

  private exhausted(request: ApiRequest, attempts: number, last: string): HeadraceError {
    if (this.failure && !this.answered) return this.failure.error;
    return new RetriableError('the API did not answer usefully', {
      code: 'attempts_exhausted',
      place: `${this.origin}${this.prefix}${request.path.split('?')[0]}`,
      expected: 'a complete JSON answer',
      found: `${attempts} attempts, the last: ${last}`,
      next: last.includes(WEB_PAGE)
        ? 'a proxy, a firewall or a sign-in page answers in the place of the API: correct base_url, or let this machine through'
        : this.answered
          ? 'run the same command again; it continues where it stopped'
          : 'check base_url, the network and the proxy settings',
    });
  }

  private backoffMs(attempt: number): number {
    return (
      Math.min(LIMITS.backoffLastMs, LIMITS.backoffFirstMs * 2 ** (attempt - 1)) * (0.5 + this.options.random.next())
    );
  }

  private verdictOfFailure(error: unknown, request: ApiRequest): Exclude<Verdict, { kind: 'ok' }> {
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
        compose().then(async (sent) => ({
          sent,
          response: await exchange(this.dispatcher, this.options.egress, request, sent, deadline),
        })),
      );
    } finally {
      deadline.done();
    }
  }
}

/** Codes of attempts that found nobody to send to. */
const NEVER_LEFT = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'UND_ERR_CONNECT_TIMEOUT']);

/** What becomes of a request whose answer may have been lost. */
function lostVerdict(
  verdict: Extract<Verdict, { kind: 'retry' }>,
  { once, onLost, endpoint }: ApiRequest,
): Exclude<Verdict, { kind: 'ok' }> {
  onLost?.();
  if (once !== true) return verdict;
  const detail = { code: 'answer_lost', place: endpoint, expected: 'the next page', found: verdict.reason };
  return { kind: 'error', error: new CursorGoneError('the answer to a cursor that is good once was lost', detail) };
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

function waitTooLong({ endpoint }: ApiRequest, retryAfterMs: number): RetriableError {
  return new RetriableError('the API asks to wait longer than an hour', {
    code: 'retry_after_too_long',
    place: endpoint,
    found: `Retry-After ${Math.round(retryAfterMs / 1000)} s`,
    next: 'run again after that time; the sync continues where it stopped',
  });
}

function reasonOf({ rejection }: LimitSigns): string {
  return ['rate limited', rejection?.limit, rejection?.reason, rejection?.doubt].filter(Boolean).join(', ');
}

/** Retry-After of a response in milliseconds, read against its own Date. */
export function retryAfterOf(response: ApiResponse): number | undefined {
  const value = response.headers['retry-after'];
  return parseRetryAfter(Array.isArray(value) ? value[0] : value, response.serverTimeMs);
}
