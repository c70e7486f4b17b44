/**
 * The way from a process to the API: it takes time, answers overtake each other, requests and answers are lost. It
 * stands where undici's dispatcher stands in the client.
 */
import type { LimitModel } from '../../../src/testbed/limit-models.js';
import { ONE } from '../../../src/testbed/limit-models.js';
import type { Agenda } from './agenda.js';
import { CursorGone, ParentGone, type ListAnswer, type VirtualApi } from './api.js';
import type { Process } from './process.js';

/** Shares of requests that meet a fault, until the world is calm. */
export interface NetworkFaults {
  error500: number;
  unavailable: number;
  reset: number;
  cutBody: number;
  lostRequest: number;
  lostAnswer: number;
  slow: number;
}

export const NO_FAULTS: NetworkFaults = {
  error500: 0,
  unavailable: 0,
  reset: 0,
  cutBody: 0,
  lostRequest: 0,
  lostAnswer: 0,
  slow: 0,
};
/** As undici has it, by the client's own setting. */
const HEADERS_TIMEOUT_MS = 60_000;

export interface RequestOptions {
  path: string;
  signal?: AbortSignal | undefined;
}

export interface RawAnswer {
  statusCode: number;
  headers: Record<string, string>;
  body: AsyncIterable<Buffer> & { destroy: () => void };
}

interface Told {
  status: number;
  body: string;
  headers?: Record<string, string>;
}

export class Network {
  faults = NO_FAULTS;
  /** When a request left or an answer came, last. */
  lastMs = 0;
  sent = 0;
  onAsk: () => void = () => {};

  constructor(
    private readonly agenda: Agenda,
    readonly api: VirtualApi,
    private readonly limit: LimitModel,
    private readonly answer: (path: string) => ListAnswer | Record<string, unknown>,
  ) {}

  dispatcherOf(process: Process): {
    request: (options: RequestOptions) => Promise<RawAnswer>;
    destroy: () => Promise<void>;
  } {
    return { request: (options) => this.request(process, options), destroy: async () => {} };
  }

  private request(process: Process, { path, signal }: RequestOptions): Promise<RawAnswer> {
    const { agenda } = this;
    this.lastMs = agenda.nowMs;
    this.sent++;
    agenda.note('ask', process.inFlight, () => `${process.name} ${path}`);
    process.inFlight++;
    this.onAsk();
    return new Promise((resolve, reject) => {
      let isOver = false;
      const end = (then: () => void) => {
        if (isOver) return;
        isOver = true;
        process.inFlight--;
        signal?.removeEventListener('abort', onAbort);
        timeOut();
        this.lastMs = agenda.nowMs;
        then();
      };
      const failing = (code: string) => end(() => reject(Object.assign(new Error(code), { code })));
      const onAbort = () => failing('UND_ERR_ABORTED');
      const timeOut = agenda.in(HEADERS_TIMEOUT_MS, () => failing('UND_ERR_HEADERS_TIMEOUT'), process);
      signal?.addEventListener('abort', onAbort, { once: true });
      if (signal?.aborted) return onAbort();
      const { faults } = this;
      if (agenda.chance(faults.lostRequest)) return;
      if (agenda.chance(faults.reset)) return void agenda.in(this.way(), () => failing('ECONNRESET'), process);
      agenda.in(this.way(), () => this.arrive(process, path, end, resolve, failing));
    });
  }

  /** It is received whoever sent it is alive or not. */
  private arrive(
    process: Process,
    path: string,
    end: (then: () => void) => void,
    resolve: (answer: RawAnswer) => void,
    failing: (code: string) => void,
  ): void {
    const { agenda, faults, api } = this;
    const verdict = this.limit.decide(api.timeMs, '', ONE);
    // A page is as old as its answer says: what is read after it must win over it.
    const date = new Date(api.timeMs).toUTCString();
    if (!verdict.ok) {
      const told = {
        status: verdict.status ?? 429,
        body: JSON.stringify(verdict.body),
        headers: { date, ...verdict.headers },
      };
      return void agenda.in(this.way(), () => end(() => resolve(this.raw(told))), process);
    }
    const told = agenda.chance(faults.error500)
      ? { status: 500, body: '{}' }
      : agenda.chance(faults.unavailable)
        ? { status: 503, body: '{}', headers: { 'retry-after': String(1 + agenda.random.integer(5)) } }
        : (api.lies.wrongAnswer(path) ?? this.told(path));
    const served = agenda.chance(faults.slow) ? agenda.between(2_000, 25_000) : agenda.between(20, 120);
    agenda.note('got', told.body.length, () => `${path} -> ${told.status} ${told.body.slice(0, 4000)}`);
    agenda.in(served, () => {
      verdict.finish?.(api.timeMs);
      if (agenda.chance(faults.lostAnswer)) return;
      if (agenda.chance(faults.cutBody)) return void agenda.in(this.way(), () => failing('UND_ERR_SOCKET'), process);
      const headers = { date, ...verdict.headers, ...told.headers };
      agenda.in(this.way(), () => end(() => resolve(this.raw({ ...told, headers }))), process);
    });
  }

  private told(path: string): Told {
    try {
      return { status: 200, body: JSON.stringify(this.answer(path)) };
    } catch (error) {
      if (error instanceof CursorGone) return { status: 400, body: '{"error":"no such cursor"}' };
      if (error instanceof ParentGone) return { status: 404, body: '{"error":"no such parent"}' };
      throw error;
    }
  }

  private raw({ status, body, headers = {} }: Told): RawAnswer {
    const bytes = Buffer.from(body);
    return {
      statusCode: status,
      headers: {
        'content-type': 'application/json',
        'content-length': String(bytes.length),
        ...headers,
      },
      body: {
        async *[Symbol.asyncIterator]() {
          yield bytes;
        },
        destroy: () => {},
      },
    };
  }

  /** One way; most are quick, some are not. */
  private way(): number {
    const { agenda } = this;
    return agenda.chance(0.02) ? agenda.between(50, 800) : agenda.between(3, 25);
  }
}
