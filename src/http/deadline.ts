/** The end that every attempt has: a time limit for all of it, and a least speed for its body. */
import { setMaxListeners } from 'node:events';
import { LIMITS } from '../base/bounds.js';
import type { Clock } from '../base/clock.js';
import { RetriableError } from '../base/errors.js';

export class Deadline {
  private readonly controller = new AbortController();
  private readonly cancelLimit: () => void;
  private cancelLook: (() => void) | undefined;
  private bytes = 0;
  private readonly onStop = () => this.controller.abort(this.request.signal.reason);

  constructor(
    private readonly clock: Clock,
    private readonly request: { endpoint: string; signal: AbortSignal },
  ) {
    setMaxListeners(0, this.controller.signal);
    const { signal } = request;
    if (signal.aborted) this.onStop();
    else signal.addEventListener('abort', this.onStop, { once: true });
    this.cancelLimit = clock.after(LIMITS.requestMs, () =>
      this.end('request_too_long', 'the answer takes too long', LIMITS.requestMs),
    );
  }

  get signal(): AbortSignal {
    return this.controller.signal;
  }

  /** The work's own end, or the deadline's where the work does not listen. */
  async keep<T>(work: Promise<T>): Promise<T> {
    const { signal } = this;
    let onAbort = () => {};
    const ended = new Promise<never>((_, reject) => {
      onAbort = () => reject(signal.reason as Error);
      if (signal.aborted) onAbort();
      else signal.addEventListener('abort', onAbort, { once: true });
    });
    work.catch(() => {});
    try {
      return await Promise.race([work, ended]);
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  /** From now on so many bytes must come in every stretch of LIMITS.bodyTimeoutMs. */
  bodyBegins(): void {
    const stretchMs = LIMITS.bodyTimeoutMs;
    const least = (LIMITS.bodyBytesPerSecond * stretchMs) / 1000;
    const look = () => {
      if (this.bytes < least) return this.end('body_slow', 'the body arrives too slowly', stretchMs);
      this.bytes = 0;
      this.cancelLook = this.clock.after(stretchMs, look);
    };
    this.cancelLook = this.clock.after(stretchMs, look);
  }

  received(bytes: number): void {
    this.bytes += bytes;
  }

  done(): void {
    this.cancelLimit();
    this.cancelLook?.();
    this.request.signal.removeEventListener('abort', this.onStop);
  }

  private end(code: 'request_too_long' | 'body_slow', message: string, afterMs: number): void {
    const { endpoint } = this.request;
    const found =
      code === 'body_slow'
        ? `${this.bytes} bytes in ${afterMs / 1000} s, where at least ${LIMITS.bodyBytesPerSecond} a second are expected`
        : `no end after ${afterMs / 1000} s`;
    this.controller.abort(new RetriableError(`${message}: ${found}`, { code, place: endpoint, found }));
  }
}
