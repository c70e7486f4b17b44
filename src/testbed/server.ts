/** The HTTP side that every testbed shares: latency, limits, faults and statistics around one `answer` function. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { systemClock, type Clock } from '../base/clock.js';
import { ConfigError, messageOf } from '../base/errors.js';
import { seededRandom } from '../base/random.js';
import { FaultDice, type FaultRates } from './faults.js';
import { LIMIT_MODELS, limitModel, ONE, type LimitModel, type RequestCost } from './limit-models.js';
import { StatsKeeper, type TestbedStats } from './stats.js';

/** How a simulated API behaves. */
export interface TestbedOptions {
  /** 0: any free port. */
  port?: number;
  /** A loopback address unless you know better. */
  host?: string;
  seed?: number;
  latency?: { medianMs: number; sigma?: number };
  /** A name of LIMIT_MODELS or `100/s,endpoint=25/s`. */
  limit?: string;
  faults?: FaultRates;
}

/** What the simulated API is asked. */
export interface TestbedRequest {
  method: string;
  url: URL;
  headers: IncomingMessage['headers'];
  /** Of a request that is no GET. */
  body?: string;
}

/** What the simulated API answers. */
export interface TestbedAnswer {
  status: number;
  /** JSON. */
  body: string | Buffer;
  headers?: Record<string, string>;
  /** The body's memory may be used for another one. */
  release?: () => void;
}

/** What is simulated: one function, and what its limits count. */
export interface TestbedApi {
  /** Name of the endpoint that a path belongs to, without ids. */
  endpointOf(url: URL): string;
  answer(request: TestbedRequest, dice: FaultDice): TestbedAnswer;
}

/** A simulated API that runs. */
export interface Testbed {
  url: string;
  stats(): TestbedStats;
  close(): Promise<void>;
}

const DEFAULT_WINDOW_MS = 1000;
const STALL_MS = 120_000;

/** Serves an API over HTTP, with limits, latency, faults and statistics around it. */
export async function startTestbed(
  api: TestbedApi,
  options: TestbedOptions,
  clock: Clock = systemClock,
): Promise<Testbed> {
  const limit = limitModel(options.limit ?? 'none');
  if (!limit)
    throw new ConfigError(`unknown limit ${options.limit}`, {
      code: 'unknown_limit',
      place: 'limit',
      expected: `RATE/s, RATE/s,endpoint=RATE/s (such as 100/s,endpoint=25/s), or one of ${Object.keys(LIMIT_MODELS).join(', ')}`,
      found: options.limit,
      next: 'see docs/reference/testbed.md',
    });
  const stats = new StatsKeeper(limit.windowMs ?? DEFAULT_WINDOW_MS);
  const random = seededRandom((options.seed ?? 1) ^ 0x5bd1e995);
  const dice = new FaultDice(options.faults ?? {}, random, (fault) => stats.fault(fault));
  const latencyMs = () => {
    const { medianMs = 0, sigma = 0 } = options.latency ?? {};
    return sigma === 0
      ? medianMs
      : medianMs *
          Math.exp(sigma * Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next()));
  };
  const server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
    const body = request.method === 'GET' ? Promise.resolve(undefined) : bodyOf(request);
    if (request.method === 'GET') request.resume();
    const url = new URL(request.url ?? '/', `http://${request.headers.host ?? 'testbed'}`);
    if (url.pathname === '/__testbed/stats')
      return send(response, { status: 200, body: JSON.stringify(stats.snapshot()) });
    void serve({ request, body, response, url, api, limit, stats, dice, clock, latencyMs });
  });
  await listen(server, options.port ?? 0, options.host ?? '127.0.0.1');
  const { port, address, family } = server.address() as AddressInfo;
  return {
    url: `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`,
    stats: () => stats.snapshot(),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

interface Exchange {
  request: IncomingMessage;
  body: Promise<string | undefined>;
  response: ServerResponse;
  url: URL;
  api: TestbedApi;
  limit: LimitModel;
  stats: StatsKeeper;
  dice: FaultDice;
  clock: Clock;
  latencyMs: () => number;
}

async function serve(exchange: Exchange): Promise<void> {
  const { request, response, url, api, limit, stats, dice, clock } = exchange;
  const endpoint = api.endpointOf(url);
  stats.received(clock.monotonic(), endpoint);
  const verdict = limit.decide(clock.now(), endpoint, costOf(request));
  if (!verdict.ok) {
    stats.rejections++;
    return send(response, {
      status: verdict.status ?? 429,
      body: JSON.stringify(verdict.body ?? {}),
      headers: verdict.headers,
    });
  }
  const delay = exchange.latencyMs();
  if (delay > 0) await clock.sleep(delay);
  const beside = verdict.finish?.(clock.now());
  if (strikeBefore(exchange)) return;
  let answer: TestbedAnswer;
  try {
    const body = await exchange.body;
    answer = api.answer(
      { method: request.method ?? 'GET', url, headers: request.headers, ...(body === undefined ? {} : { body }) },
      dice,
    );
  } catch (error) {
    answer = { status: 500, body: JSON.stringify({ error: { type: 'api_error', message: messageOf(error) } }) };
  }
  if (answer.release) response.once('close', answer.release);
  const body = beside ? withBeside(String(answer.body), beside) : answer.body;
  const date = new Date(clock.now()).toUTCString();
  strikeBody(exchange, { ...answer, body, headers: { date, ...verdict.headers, ...answer.headers } });
}

/** What the limit tells in the body goes into the answer's object. */
function withBeside(body: string, beside: Record<string, unknown>): string {
  return body.endsWith('}') && Object.keys(beside).length > 0
    ? `${body.slice(0, -1)},${JSON.stringify(beside).slice(1)}`
    : body;
}

const MOST_BODY = 1_000_000;

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes <= MOST_BODY) chunks.push(chunk);
    }
  } catch {
    // Whoever asked is gone.
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** `x-testbed-cost: 60` or, asked for and charged in the end, `60/42`. */
function costOf(request: IncomingMessage): RequestCost {
  const match = /^(\d{1,6})(?:\/(\d{1,6}))?$/.exec(String(request.headers['x-testbed-cost'] ?? ''));
  if (!match) return ONE;
  const requested = Number(match[1]);
  return { requested, actual: Math.min(requested, Number(match[2] ?? requested)) };
}

/** Faults that replace the answer. */
function strikeBefore({ response, dice }: Exchange): boolean {
  const fail = (name: '429' | '500' | '503', headers: Record<string, string>, error: unknown) => {
    send(response, { status: Number(name), body: JSON.stringify({ error }), headers });
    return true;
  };
  if (dice.strikes('429'))
    return fail(
      '429',
      { 'stripe-rate-limited-reason': 'global-rate' },
      { type: 'invalid_request_error', code: 'rate_limit', message: 'Request rate limit exceeded.' },
    );
  if (dice.strikes('500')) return fail('500', {}, { type: 'api_error', message: 'An unknown error occurred' });
  if (dice.strikes('503'))
    return fail('503', { 'retry-after': '0.1' }, { type: 'api_error', message: 'Service unavailable' });
  if (dice.strikes('type')) {
    response.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html><title>Maintenance</title>');
    return true;
  }
  if (dice.strikes('reset')) {
    response.destroy();
    return true;
  }
  return false;
}

/** Faults that spoil the body. */
function strikeBody({ response, dice, clock }: Exchange, answer: TestbedAnswer): void {
  const body = bytesOf(answer.body);
  const half = body.subarray(0, Math.floor(body.length / 2));
  if (dice.strikes('json')) return send(response, { ...answer, body: half });
  const cut = dice.strikes('cut');
  if (cut || dice.strikes('stall')) {
    response.writeHead(answer.status, {
      'content-type': 'application/json',
      'content-length': body.length,
      ...answer.headers,
    });
    response.write(half);
    if (cut) response.destroy();
    else clock.after(STALL_MS, () => response.destroy());
    return;
  }
  send(response, { ...answer, body });
}

function bytesOf(body: string | Buffer): Buffer {
  return typeof body === 'string' ? Buffer.from(body, 'utf8') : body;
}

function send(response: ServerResponse, answer: TestbedAnswer): void {
  const body = bytesOf(answer.body);
  response.writeHead(answer.status, {
    'content-type': 'application/json',
    'content-length': body.length,
    ...answer.headers,
  });
  response.end(body);
}

function listen(server: Server, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause) =>
      reject(
        new ConfigError('the testbed cannot listen', {
          code: 'testbed_listen',
          place: `${host}:${port}`,
          found: messageOf(cause),
          next: 'choose another --port',
          cause,
        }),
      ),
    );
    server.listen(port, host, resolve);
  });
}
