/**
 * When requests left, told by a header to a simulated API on the same machine. A limit is kept by who sends: how late a
 * busy machine gets round to reading a request says nothing of it.
 */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { IncomingMessage } from 'node:http';
import { systemClock, type Clock } from '../../src/base/clock.js';

const HEADER = 'x-sent-ms';
const CREATED = 'undici:request:create';
const RECEIVED = 'http.server.request.start';

/** Milliseconds on a clock that all processes of the machine share. */
export const machineMs = () => Number(process.hrtime.bigint()) / 1e6;

/** From now on every request of this process tells when it left; returns what ends that. */
export function stampRequests(): () => void {
  const stamp = (message: unknown) =>
    (message as { request: { addHeader(name: string, value: string): void } }).request.addHeader(
      HEADER,
      machineMs().toFixed(3),
    );
  subscribe(CREATED, stamp);
  return () => void unsubscribe(CREATED, stamp);
}

/** A simulated API's clock: where it counts a request, it is the time at which that request left. */
export class SentClock implements Clock {
  private readonly sent: { atMs: number; path: string }[] = [];
  private lateMs = 0;
  private readonly receive = (message: unknown) => {
    const { request } = message as { request: IncomingMessage };
    const atMs = Number(request.headers[HEADER]);
    if (!Number.isFinite(atMs)) return;
    this.sent.push({ atMs, path: request.url ?? '' });
    this.lateMs = Math.max(0, machineMs() - atMs);
    // It is counted at once, before anything else comes to its turn.
    queueMicrotask(() => (this.lateMs = 0));
  };

  constructor() {
    subscribe(RECEIVED, this.receive);
  }

  readonly sleep = systemClock.sleep;
  readonly after = systemClock.after;
  now = () => systemClock.now() - this.lateMs;
  monotonic = () => systemClock.monotonic() - this.lateMs;

  get requests(): number {
    return this.sent.length;
  }

  /** The most that left within any span of this length, of the paths that begin so, from a time of `machineMs` on. */
  mostIn(windowMs: number, { path = '', fromMs = -Infinity } = {}): number {
    const times = this.sent
      .filter((each) => each.path.startsWith(path) && each.atMs >= fromMs)
      .map(({ atMs }) => atMs)
      .toSorted((a, b) => a - b);
    let most = 0;
    for (let last = 0, first = 0; last < times.length; last++) {
      while (times[last]! - times[first]! >= windowMs) first++;
      most = Math.max(most, last - first + 1);
    }
    return most;
  }

  close(): void {
    unsubscribe(RECEIVED, this.receive);
  }
}
