/**
 * What all readers of a run still have to ask for. A stream that would end long before the others is not divided for
 * it: each division costs a request, and where the limit is what binds, it brings none earlier.
 */
import type { Clock } from '../../base/clock.js';

/** How old the sum over all readers may be. */
const FRESH_MS = 50;
/** What is left may be more than is expected: a stream is read so many times as fast as it has to be. */
const AHEAD = 2;

/** What may be asked for, in requests a second: of one endpoint, and of all together. */
interface Rates {
  rateOf(endpoint: string): number;
  wholeRate?(): number;
}

/** A reader, as far as its requests go. */
export interface Asking {
  readonly stream: { readonly endpoint: string };
  /** Requests that it expects to make. */
  expectedRequests(): number;
}

export class Demand {
  private readonly readers = new Set<Asking>();
  private leastSeconds: number | undefined;
  private knownAtMs = -Infinity;

  constructor(
    private readonly permits: Rates,
    private readonly clock: Pick<Clock, 'monotonic'>,
  ) {}

  add(reader: Asking): void {
    this.readers.add(reader);
  }

  remove(reader: Asking): void {
    this.readers.delete(reader);
  }

  /** Requests a second that let so many end with all others; Infinity where there are none, or no limit is known. */
  paceOf(requests: number): number {
    if (this.readers.size < 2) return Infinity;
    const nowMs = this.clock.monotonic();
    if (nowMs - this.knownAtMs >= FRESH_MS) {
      this.knownAtMs = nowMs;
      this.leastSeconds = this.secondsOfAll();
    }
    return this.leastSeconds === undefined ? Infinity : (AHEAD * requests) / this.leastSeconds;
  }

  /** What the limits ask for: of all requests, or of those of the endpoint that has most for what it may take. */
  private secondsOfAll(): number | undefined {
    const rate = this.permits.wholeRate?.() ?? Infinity;
    if (!Number.isFinite(rate) || rate <= 0) return undefined;
    const byEndpoint = new Map<string, number>();
    let all = 0;
    for (const reader of this.readers) {
      const requests = reader.expectedRequests();
      all += requests;
      byEndpoint.set(reader.stream.endpoint, (byEndpoint.get(reader.stream.endpoint) ?? 0) + requests);
    }
    let seconds = all / rate;
    for (const [endpoint, requests] of byEndpoint)
      seconds = Math.max(seconds, requests / this.permits.rateOf(endpoint));
    return seconds > 0 ? seconds : undefined;
  }
}
