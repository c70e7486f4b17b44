/** Requests that wait for the gate. Grants go to the endpoint whose remaining work is longest, so that no stream finishes alone. */
import type { Clock } from '../clock.js';
import { PausedError } from '../errors.js';
import type { Gate } from '../gate/gate.js';

interface Waiter {
  weight: () => number;
  grant: () => void;
}

export class Admission {
  private readonly groups = new Map<string, Waiter[]>();
  private cancelTimer: (() => void) | undefined;

  constructor(
    readonly gate: Gate,
    private readonly clock: Clock,
  ) {}

  /**
   * Resolves when a request to `endpoint` may be sent; it counts as sent from then on, so send it at once.
   * `weight`: expected remaining work, larger goes first. Rejects with PausedError when the signal aborts first.
   */
  admit(endpoint: string, weight: () => number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(stopped());
      const leave = () => {
        const group = this.groups.get(endpoint);
        const index = group?.indexOf(waiter) ?? -1;
        if (index >= 0) group!.splice(index, 1);
        reject(stopped());
      };
      const waiter: Waiter = {
        weight,
        grant: () => {
          signal.removeEventListener('abort', leave);
          resolve();
        },
      };
      signal.addEventListener('abort', leave, { once: true });
      const group = this.groups.get(endpoint);
      if (group) group.push(waiter);
      else this.groups.set(endpoint, [waiter]);
      this.pump();
    });
  }

  /** Grants what the gate admits now and sets a timer for the rest. Call it after every answer as well. */
  pump(): void {
    this.cancelTimer?.();
    this.cancelTimer = undefined;
    for (;;) {
      const now = this.clock.monotonic();
      let best: { endpoint: string; index: number; weight: number } | undefined;
      let leastWaitMs = Infinity;
      for (const [endpoint, waiters] of this.groups) {
        if (waiters.length === 0) continue;
        const verdict = this.gate.check(now, endpoint);
        if (!verdict.go) {
          leastWaitMs = Math.min(leastWaitMs, verdict.waitMs);
          continue;
        }
        for (let index = 0; index < waiters.length; index++) {
          const weight = waiters[index]!.weight();
          if (!best || weight > best.weight) best = { endpoint, index, weight };
        }
      }
      if (best) {
        const [waiter] = this.groups.get(best.endpoint)!.splice(best.index, 1);
        this.gate.sent(now, best.endpoint);
        waiter!.grant();
        continue;
      }
      if (leastWaitMs < Infinity) this.cancelTimer = this.clock.after(Math.max(0.5, leastWaitMs), () => this.pump());
      return;
    }
  }
}

function stopped(): PausedError {
  return new PausedError('stopped while waiting for the rate limit', { code: 'stopped' });
}
