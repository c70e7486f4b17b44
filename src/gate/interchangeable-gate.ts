/**
 * Several credentials of which each request may use any: it goes to one that has room, in turns. Each has a gate of its
 * own and the limits that it learned. Invariant: what a user allows over all is kept over all of them.
 */
import type {
  Admission,
  Answer,
  Ceilings,
  Gate,
  GateRequest,
  GateStatus,
  InterchangeableGates,
  LimitView,
  Ticket,
} from './gate.js';
import { RateWindow, windowOf } from './rate-window.js';

interface MemberTicket extends Ticket {
  member: number;
  inner: Ticket;
}

/** `failure`: why no request can be made with this credential. */
export type MemberGate = Gate & { readonly failure?: unknown };

export class InterchangeableGate implements InterchangeableGates {
  private turn = 0;
  private inFlight = 0;
  private readonly ceiling: RateWindow | undefined;
  private readonly endpointCeilings = new Map<string, RateWindow>();

  constructor(
    private readonly members: MemberGate[],
    private readonly ceilings: Ceilings,
  ) {
    this.ceiling = ceilings.maxRate && new RateWindow(ceilings.maxRate);
  }

  check(nowMs: number, request: GateRequest): Admission {
    const held = this.heldByCeiling(nowMs, request);
    if (held) return held;
    let least: Admission | undefined;
    for (const gate of this.members) {
      const verdict = gate.check(nowMs, request);
      if (verdict.go) return verdict;
      if (!least || least.go || verdict.waitMs < least.waitMs) least = verdict;
    }
    return least!;
  }

  sent(nowMs: number, request: GateRequest): Ticket {
    const member = this.next(nowMs, request);
    this.turn = (member + 1) % this.members.length;
    this.inFlight++;
    this.ceiling?.sent(nowMs);
    this.endpointCeiling(request.endpoint)?.sent(nowMs);
    return { request, member, inner: this.members[member]!.sent(nowMs, request) } as MemberTicket;
  }

  answered(nowMs: number, ticket: Ticket, answer: Answer): void {
    const { member, inner } = ticket as MemberTicket;
    this.inFlight--;
    this.members[member]!.answered(nowMs, inner, answer);
  }

  memberOf(ticket: Ticket): number {
    return (ticket as MemberTicket).member;
  }

  failureOf(ticket: Ticket): unknown {
    return this.members[this.memberOf(ticket)]!.failure;
  }

  rateOf(endpoint: string): number {
    return Math.min(
      this.ceiling?.rate() ?? Infinity,
      this.endpointCeiling(endpoint)?.rate() ?? Infinity,
      sum(this.members.map((gate) => gate.rateOf(endpoint))),
    );
  }

  concurrency(): number {
    return Math.min(this.ceilings.maxConcurrency ?? Infinity, sum(this.members.map((gate) => gate.concurrency())));
  }

  status(nowMs: number): GateStatus {
    const all = this.members.map((gate) => gate.status(nowMs));
    const rejectedFor: Record<string, number> = {};
    for (const status of all)
      for (const [reason, count] of Object.entries(status.rejectedFor))
        rejectedFor[reason] = (rejectedFor[reason] ?? 0) + count;
    const waits = all.flatMap(({ waiting }) => waiting ?? []);
    return {
      sentPerSecond: sum(all.map((status) => status.sentPerSecond)),
      limitPerSecond: Math.min(this.ceiling?.rate() ?? Infinity, sum(all.map((status) => status.limitPerSecond))),
      rejections: sum(all.map((status) => status.rejections)),
      rejectedFor,
      requests: sum(all.map((status) => status.requests)),
      // As long as one has room, nothing waits.
      waiting:
        waits.length < all.length
          ? undefined
          : waits.reduce((first, wait) => (wait.untilMs < first.untilMs ? wait : first)),
      limits: all.flatMap(({ limits }, member) =>
        limits.map((view): LimitView => ({ ...view, name: `token ${member + 1}: ${view.name}` })),
      ),
    };
  }

  private next(nowMs: number, request: GateRequest): number {
    for (let step = 0; step < this.members.length; step++) {
      const member = (this.turn + step) % this.members.length;
      if (this.members[member]!.check(nowMs, request).go) return member;
    }
    return this.turn;
  }

  private heldByCeiling(nowMs: number, { endpoint }: GateRequest): Admission | undefined {
    const held = (waitMs: number, limit: string): Admission => ({
      go: false,
      waitMs,
      reason: 'ceiling of the configuration',
      limit,
    });
    if (this.inFlight >= (this.ceilings.maxConcurrency ?? Infinity)) return held(Infinity, 'max_concurrency');
    const waitMs = this.ceiling?.waitMs(nowMs) ?? 0;
    const ownMs = this.endpointCeiling(endpoint)?.waitMs(nowMs) ?? 0;
    if (Math.max(waitMs, ownMs) <= 0) return undefined;
    return waitMs >= ownMs ? held(waitMs, 'max_rate') : held(ownMs, 'max_endpoint_rate');
  }

  private endpointCeiling(endpoint: string): RateWindow | undefined {
    return windowOf(this.endpointCeilings, endpoint, this.ceilings.maxEndpointRate);
  }
}

/** What one of `count` credentials may use of what a user allows over all. */
export function ceilingsOfOne(ceilings: Ceilings, count: number): Ceilings {
  const part = (rule: Ceilings['maxRate']) => rule && { requests: rule.requests, windowMs: rule.windowMs * count };
  return {
    ...ceilings,
    maxRate: part(ceilings.maxRate),
    maxEndpointRate: part(ceilings.maxEndpointRate),
    maxConcurrency: ceilings.maxConcurrency === undefined ? undefined : Math.ceil(ceilings.maxConcurrency / count),
  };
}

const sum = (values: number[]) => values.reduce((total, value) => total + value, 0);
