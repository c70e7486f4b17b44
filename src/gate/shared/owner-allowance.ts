/**
 * What an owner of a shared gate may send before it writes the gate down again. The row says it too, so that whoever
 * takes over from an owner that died knows how much it may have sent at most since then.
 *
 * Invariant: what left since the row was written is no more than the row allows.
 */
import type { GateRequest } from '../gate.js';
import type { Allowance } from './budget-store.js';

/** Requests of one kind, at most. */
const MOST = 64;
/** A kind that was not asked for in this time is not provided for. */
const KIND_MS = 1000;
/** Enough for so long at the present rate: an owner writes a little more often. */
const REACH_MS = 300;

interface Kind extends Allowance {
  askedMs: number;
  /** As the row says that is being written. */
  next: number;
}

export class OwnerAllowance {
  private kinds = new Map<string, Kind>();

  /** Whether a request of this kind may leave; one that may not is provided for with the next row. */
  has(nowMs: number, request: GateRequest): boolean {
    const kind = this.kinds.get(keyOf(request));
    if (kind) kind.askedMs = nowMs;
    else this.kinds.set(keyOf(request), { request, count: 0, next: 0, askedMs: nowMs });
    return (kind?.count ?? 0) > 0;
  }

  use(request: GateRequest): void {
    const kind = this.kinds.get(keyOf(request));
    if (!kind) return;
    kind.count--;
    kind.next--;
  }

  /** The row is about to be written: what it is to say. Until it is, no more leaves than both rows allow. */
  begin(nowMs: number, rateOf: (endpoint: string) => number): Allowance[] {
    for (const [key, { askedMs }] of this.kinds) if (nowMs - askedMs > KIND_MS) this.kinds.delete(key);
    const share = REACH_MS / 1000 / Math.max(1, this.kinds.size);
    return [...this.kinds.values()].map((kind) => {
      kind.next = Math.min(MOST, Math.max(1, Math.ceil(rateOf(kind.request.endpoint) * share)));
      kind.count = Math.min(kind.count, kind.next);
      return { request: kind.request, count: kind.next };
    });
  }

  written(): void {
    for (const kind of this.kinds.values()) kind.count = kind.next;
  }

  /** The row is not ours any more. */
  clear(): void {
    for (const kind of this.kinds.values()) kind.count = kind.next = 0;
  }
}

function keyOf({ cost, endpoint }: GateRequest): string {
  return `${cost} ${endpoint}`;
}
