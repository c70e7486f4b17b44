/**
 * A client and a rate-limited server in virtual time: real limit models, real headers, real dialects; only the network
 * is simulated.
 */
import { seededRandom, type Random } from '../../src/base/random.js';
import type { Answer, LimitSigns } from '../../src/gate/gate.js';
import { kindOf } from '../../src/http/meaning.js';
import type { Dialect } from '../../src/http/dialects/dialect.js';
import { ONE, type LimitModel, type RequestCost } from '../../src/testbed/limit-models.js';

/** What is compared: our gate and the ways of others. */
export interface Contender {
  /** Milliseconds until a request may leave; 0: now, Infinity: after the next answer. */
  check(nowMs: number, cost: number, endpoint?: string): number;
  sent(nowMs: number, cost: number, endpoint?: string): unknown;
  answered(
    nowMs: number,
    ticket: unknown,
    outcome: { accepted: boolean; kind: Answer['kind']; signs: LimitSigns; serverTimeMs: number },
  ): void;
}

export interface Network {
  serviceMs: number;
  serviceSigma: number;
  wayMs: number;
  waySigma: number;
  /** The server's wall clock is ahead of ours by this. */
  skewMs: number;
  /** Wall-clock time at the start. */
  epochMs: number;
}

export const NETWORK: Network = {
  serviceMs: 150,
  serviceSigma: 0.35,
  wayMs: 30,
  waySigma: 0.5,
  skewMs: 0,
  epochMs: 1_800_000_000_000,
};
const REFUSAL_MS = 15;

export interface VirtualResult {
  accepted: number;
  acceptedCost: number;
  rejected: number;
  sent: number;
  /** Accepted cost in each second. */
  series: number[];
  /** When each request was received by the server, in order. */
  received: number[];
  /** Accepted in each second, by endpoint. */
  byEndpoint: Record<string, number[]>;
  /** Accepted, and answered later than usual by the server's own doing. */
  late: number;
  /** Rejected in each second. */
  rejectedIn: number[];
  /** Runs of rejections some seconds apart, with something accepted between. */
  bans: number;
}

class Events {
  private readonly heap: { atMs: number; order: number; run: () => void }[] = [];
  private order = 0;
  now = 0;

  after(ms: number, run: () => void): void {
    const { heap } = this;
    const entry = { atMs: this.now + Math.max(0, ms), order: this.order++, run };
    let i = heap.push(entry) - 1;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (!before(heap[i]!, heap[parent]!)) break;
      [heap[i], heap[parent]] = [heap[parent]!, heap[i]!];
      i = parent;
    }
  }

  runUntil(endMs: number): void {
    for (let next = this.heap[0]; next !== undefined && next.atMs <= endMs; next = this.heap[0]) {
      this.pop();
      this.now = next.atMs;
      next.run();
    }
    this.now = endMs;
  }

  private pop(): void {
    const { heap } = this;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    heap[0] = last;
    for (let i = 0; ;) {
      let child = 2 * i + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child++;
      if (!before(heap[child]!, heap[i]!)) break;
      [heap[i], heap[child]] = [heap[child]!, heap[i]!];
      i = child;
    }
  }
}

const before = (a: { atMs: number; order: number }, b: { atMs: number; order: number }) =>
  a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);

export interface VirtualOptions {
  model: LimitModel;
  dialect: Dialect;
  seconds: number;
  seed: number;
  cost?: (random: Random) => RequestCost;
  network?: Partial<Network>;
  /** Share of answers whose headers are lost on the way, after the first. */
  headerLoss?: number;
  /** There is work for each of these. Default: one without a name. */
  endpoints?: string[];
}

/**
 * Lets the contenders send as fast as they see fit, all on one server. Long because server, network and contenders are
 * one loop over the same events.
 */
export function simulate(contenders: Contender[], options: VirtualOptions): VirtualResult[] {
  const network = { ...NETWORK, ...options.network };
  const random = seededRandom(options.seed * 7919 + 13);
  const events = new Events();
  const gauss = () => Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next());
  const spread = (median: number, sigma: number) => median * Math.exp(sigma * gauss());
  const results = contenders.map((): VirtualResult => ({
    accepted: 0,
    acceptedCost: 0,
    rejected: 0,
    sent: 0,
    series: [],
    received: [],
    byEndpoint: {},
    late: 0,
    rejectedIn: [],
    bans: 0,
  }));
  const wall = () => network.epochMs + events.now + network.skewMs;
  let lastRejected = -Infinity;
  let acceptedSince = true;
  let heard = false;

  for (const [index, contender] of contenders.entries()) {
    const result = results[index]!;
    const endpoints = options.endpoints ?? [''];
    const again = new Map<string, RequestCost[]>(endpoints.map((endpoint) => [endpoint, []]));
    const next = new Map<string, RequestCost>();
    const served = new Map<string, number>();
    let wakeAt = Infinity;
    const wake = (waitMs: number): void => {
      const at = events.now + Math.min(Math.max(waitMs, 0.01), 500);
      if (at >= wakeAt - 1e-6) return;
      wakeAt = at;
      events.after(at - events.now, () => {
        if (wakeAt === at) wakeAt = Infinity;
        pump();
      });
    };
    const ready = (endpoint: string): number => {
      let cost = next.get(endpoint);
      if (!cost) next.set(endpoint, (cost = again.get(endpoint)!.pop() ?? options.cost?.(random) ?? ONE));
      return contender.check(events.now, cost.requested, endpoint);
    };
    const pump = (): void => {
      for (;;) {
        let least = Infinity;
        let chosen: string | undefined;
        for (const endpoint of endpoints) {
          const waitMs = ready(endpoint);
          if (waitMs > 0) least = Math.min(least, waitMs);
          else if (chosen === undefined || (served.get(endpoint) ?? 0) < (served.get(chosen) ?? 0)) chosen = endpoint;
        }
        if (chosen === undefined) return wake(least);
        served.set(chosen, (served.get(chosen) ?? 0) + 1);
        send(next.get(chosen)!, chosen);
        next.delete(chosen);
      }
    };
    const send = (cost: RequestCost, endpoint: string): void => {
      const ticket = contender.sent(events.now, cost.requested, endpoint);
      result.sent++;
      const down = spread(network.wayMs, network.waySigma);
      events.after(spread(network.wayMs, network.waySigma), () => {
        result.received.push(events.now);
        const verdict = options.model.decide(wall(), endpoint, cost);
        const date = Math.floor(wall() / 1000) * 1000;
        if (verdict.ok) {
          acceptedSince = true;
          result.accepted++;
          result.acceptedCost += cost.actual;
          const second = Math.floor(events.now / 1000);
          result.series[second] = (result.series[second] ?? 0) + cost.actual;
          const own = (result.byEndpoint[endpoint] ??= []);
          own[second] = (own[second] ?? 0) + cost.actual;
          if (verdict.delayMs) result.late++;
        } else {
          result.rejected++;
          const second = Math.floor(events.now / 1000);
          result.rejectedIn[second] = (result.rejectedIn[second] ?? 0) + 1;
          if (acceptedSince && events.now - lastRejected > 2500) result.bans++;
          acceptedSince = false;
          lastRejected = events.now;
        }
        const usual = verdict.ok ? spread(network.serviceMs, network.serviceSigma) : spread(REFUSAL_MS, 0.3);
        const serviceMs = (verdict.serviceMs ?? usual) + (verdict.delayMs ?? 0);
        events.after(serviceMs, () => {
          const beside = verdict.ok ? verdict.finish?.(wall()) : undefined;
          events.after(down, () => {
            const headers = heard && random.next() < (options.headerLoss ?? 0) ? {} : verdict.headers;
            heard = true;
            const status = verdict.ok ? 200 : (verdict.status ?? 429);
            const signs = options.dialect({
              status,
              headers,
              body: verdict.ok ? beside : verdict.body,
              serverTimeMs: date,
            });
            if (!verdict.ok) again.get(endpoint)!.push(cost);
            contender.answered(events.now, ticket, {
              accepted: verdict.ok,
              kind: kindOf(status, signs),
              signs,
              serverTimeMs: date,
            });
            pump();
          });
        });
      });
    };
    pump();
  }
  events.runUntil(options.seconds * 1000);
  return results;
}
