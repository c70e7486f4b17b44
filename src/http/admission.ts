/**
 * Requests that wait for the gate. Grants go to the endpoint whose streams have most left in all, and there to the
 * stream that has most left: an endpoint may have a limit of its own, and none should be read alone in the end.
 */
import type { Clock } from '../base/clock.js';
import { PausedError, RetriableError } from '../base/errors.js';
import type { Gate, Ticket } from '../gate/gate.js';
import { LIMITS } from '../base/bounds.js';

/** A learned rate may rise without an answer: look again this often. */
const LOOK_AGAIN_MS = 500;
/** No date is later. */
const LAST_DATE_MS = 8.64e15;

export interface AdmissionRequest {
  endpoint: string;
  /** In the unit that the API's limits count. Default: 1. */
  cost?: number | undefined;
  /** Expected remaining work; larger goes first. */
  weight: () => number;
  /** Somebody waits for the answer: goes before all that does not. */
  interactive?: boolean | undefined;
  signal: AbortSignal;
}

interface Waiter extends AdmissionRequest {
  grant: (ticket: Ticket) => void;
  refuse: (error: unknown) => void;
}

export class Admission {
  private readonly groups = new Map<string, Waiter[]>();
  private cancelTimer: (() => void) | undefined;
  /** Permits that no request was sent with yet. */
  private readonly idle = new WeakSet<Ticket>();

  constructor(
    readonly gate: Gate,
    private readonly clock: Clock,
  ) {}

  /**
   * Resolves when the request may be sent; it counts as sent from then on, so send it at once. Rejects with PausedError
   * when the signal aborts first, and with RetriableError where a limit asks for a longer wait than a process should
   * sit through.
   */
  admit(request: AdmissionRequest): Promise<Ticket> {
    return new Promise((resolve, reject) => {
      const { endpoint, signal } = request;
      if (signal.aborted) return reject(stopped());
      const leave = () => {
        const group = this.groups.get(endpoint);
        const index = group?.indexOf(waiter) ?? -1;
        if (index >= 0) group!.splice(index, 1);
        reject(stopped());
      };
      const waiter: Waiter = {
        ...request,
        grant: (ticket) => {
          signal.removeEventListener('abort', leave);
          this.idle.add(ticket);
          resolve(ticket);
        },
        refuse: (error) => {
          signal.removeEventListener('abort', leave);
          reject(error);
        },
      };
      signal.addEventListener('abort', leave, { once: true });
      const group = this.groups.get(endpoint);
      if (group) group.push(waiter);
      else this.groups.set(endpoint, [waiter]);
      this.pump();
    });
  }

  /** A request is sent with it: its answer will be told. */
  use(ticket: Ticket): void {
    this.idle.delete(ticket);
  }

  /** A permit that no request was sent with is given back, or the gate would wait for its answer. */
  giveBack(ticket: Ticket): void {
    if (!this.idle.delete(ticket)) return;
    this.gate.answered(this.clock.monotonic(), ticket, {
      kind: 'lost',
      signs: { readings: [] },
      serverTimeMs: undefined,
    });
    this.pump();
  }

  /** Grants what the gate admits now and sets a timer for the rest. Call it after every answer as well. */
  pump(): void {
    this.cancelTimer?.();
    this.cancelTimer = undefined;
    const weigh = weighing();
    for (;;) {
      const now = this.clock.monotonic();
      let best: Candidate | undefined;
      let leastWaitMs = Infinity;
      for (const [endpoint, waiters] of this.groups) {
        const [first] = waiters;
        if (!first) continue;
        // Whether anything may leave is asked first: finding the foremost costs more.
        let verdict = this.gate.check(now, { endpoint, cost: first.cost ?? 1 });
        const index = verdict.go ? foremost(waiters, weigh) : 0;
        if (verdict.go && waiters[index]!.cost !== first.cost)
          verdict = this.gate.check(now, { endpoint, cost: waiters[index]!.cost ?? 1 });
        if (verdict.go) {
          const candidate: Candidate = { waiters, index, left: leftOf(waiters, weigh) };
          if (!best || isAhead(candidate, best)) best = candidate;
        } else if (Number.isFinite(verdict.waitMs) && verdict.waitMs > LIMITS.retryAfterMs) {
          const until = new Date(Math.min(LAST_DATE_MS, this.clock.now() + verdict.waitMs)).toISOString();
          for (const waiter of waiters.splice(0)) {
            waiter.refuse(
              new RetriableError('a limit of the API is used up for long', {
                code: 'quota_used_up',
                place: endpoint,
                expected: `room in limit "${verdict.limit}"`,
                found: `${verdict.reason}, until about ${until}`,
                next: 'run again after that time; the sync continues where it stopped',
              }),
            );
          }
        } else leastWaitMs = Math.min(leastWaitMs, verdict.waitMs, LOOK_AGAIN_MS);
      }
      if (best) {
        const [waiter] = best.waiters.splice(best.index, 1);
        waiter!.grant(this.gate.sent(now, { endpoint: waiter!.endpoint, cost: waiter!.cost ?? 1 }));
        continue;
      }
      if (leastWaitMs < Infinity) this.cancelTimer = this.clock.after(Math.max(0.5, leastWaitMs), () => this.pump());
      return;
    }
  }
}

type Weigh = (waiter: Waiter) => number;

/** Each weight is a sum over all that a stream has left: it is asked for once while nothing changes. */
function weighing(): Weigh {
  const known = new Map<Waiter['weight'], number>();
  return ({ weight }) => {
    let value = known.get(weight);
    if (value === undefined) known.set(weight, (value = weight()));
    return value;
  };
}

function foremost(waiters: Waiter[], weigh: Weigh): number {
  let best = 0;
  for (let index = 1; index < waiters.length; index++)
    if (goesFirst(waiters[index]!, waiters[best]!, weigh)) best = index;
  return best;
}

function goesFirst(a: Waiter, b: Waiter, weigh: Weigh): boolean {
  if ((a.interactive ?? false) !== (b.interactive ?? false)) return a.interactive ?? false;
  return weigh(a) > weigh(b);
}

/** An endpoint's request that may go, and what its streams have left in all. */
interface Candidate {
  waiters: Waiter[];
  index: number;
  left: number;
}

/** Requests of one stream have one weight between them. */
function leftOf(waiters: readonly Waiter[], weigh: Weigh): number {
  let sum = 0;
  for (const one of new Map(waiters.map((waiter) => [waiter.weight, waiter])).values()) sum += weigh(one);
  return sum;
}

function isAhead(a: Candidate, b: Candidate): boolean {
  const [first, second] = [a.waiters[a.index]!, b.waiters[b.index]!];
  if ((first.interactive ?? false) !== (second.interactive ?? false)) return first.interactive ?? false;
  return a.left > b.left;
}

function stopped(): PausedError {
  return new PausedError('stopped while waiting for the rate limit', { code: 'stopped' });
}
