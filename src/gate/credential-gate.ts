/**
 * The gate of one credential: a request may leave when every limit that counts it has room for it (AND), and no ceiling
 * of the user forbids it. Limits come from the connector's facts, from readings, and from rejections that name one.
 */
import { BudgetLedger } from './budget-ledger.js';
import { ClockOffset } from './clock-offset.js';
import type {
  Admission,
  Answer,
  Ceilings,
  Gate,
  GateRequest,
  GateStatus,
  LimitFact,
  LimitView,
  Rejection,
  Ticket,
  WaitReason,
} from './gate.js';
import { Endpoints } from './endpoints.js';
import type { Governor, GovernorTicket } from './governor.js';
import { DEFAULT_LIMIT, type GateMemory, type Limit, Limits, MOST_LIMITS, OWN_LIMIT } from './limits.js';
import { SendLog } from './send-log.js';
import { type Held, UserCeilings } from './user-ceilings.js';

/** How far back `sentPerSecond` looks, and the window of a share. */
const MEASURED_MS = 10_000;
const RECENT_GRAIN_MS = 1000;
/** A search doubles its rate: the engine should have requests ready for it. */
const SEARCH_ROOM = 2;
/** How often it is looked at what is overdue; after a longer gap this process stood still, and knows nothing. */
const LOOK_MS = 100;
const STOOD_STILL_MS = 1000;
/** So many waits in a row of accepted answers are obeyed. */
const MOST_OBEYED = 3;
interface OpenTicket extends Ticket {
  id: number;
  governed: { limit: Limit; ticket: GovernorTicket }[];
  budgets: BudgetLedger[];
}

export interface CredentialGateOptions {
  facts?: LimitFact[];
  ceilings?: Ceilings;
  memory?: GateMemory | undefined;
}

export type { GateMemory } from './limits.js';

export class CredentialGate implements Gate {
  readonly kind = 'credential-gate';
  private readonly offset = new ClockOffset();
  private readonly limits: Limits;
  private readonly budgets = new Map<string, BudgetLedger>();
  private readonly ceilings: UserCeilings;
  lastSentMs = -Infinity;
  private readonly endpoints = new Endpoints();
  /** Requests under way, in the order sent. */
  private readonly underWay = new Map<number, OpenTicket>();
  private nextId = 0;
  private lookedMs = -Infinity;
  /** Waits in a row that accepted answers asked for, and until when the last one is. */
  private obeyed = 0;
  private slowUntilMs = -Infinity;
  /** Overdue answers are looked for: not where another process may be gone that would have told of them. */
  watches = true;
  private readonly recent = new SendLog(RECENT_GRAIN_MS);
  private startedMs: number | undefined;
  private inFlight = 0;
  private requests = 0;
  private rejections = 0;
  private readonly rejectedFor: Record<string, number> = {};
  private held: GateStatus['waiting'];

  constructor(options: CredentialGateOptions = {}) {
    const { facts = [], ceilings = {}, memory = {} } = options;
    this.ceilings = new UserCeilings(ceilings);
    this.limits = new Limits(facts, memory, this.offset, ceilings);
  }

  check(nowMs: number, request: GateRequest): Admission {
    this.lookAfter(nowMs);
    const verdict = this.verdict(nowMs, request);
    if (!verdict.go && Number.isFinite(verdict.waitMs)) {
      const { reason, limit, waitMs } = verdict;
      this.held = {
        reason,
        limit,
        sinceMs: this.held?.limit === limit && this.held.reason === reason ? this.held.sinceMs : nowMs,
        untilMs: nowMs + waitMs,
      };
    }
    return verdict;
  }

  sent(nowMs: number, request: GateRequest): Ticket {
    this.requests++;
    this.inFlight++;
    this.held = undefined;
    this.recent.add(nowMs, 1);
    this.startedMs ??= nowMs;
    this.lastSentMs = Math.max(this.lastSentMs, nowMs);
    this.ceilings.sent(nowMs, request.endpoint);
    const governed = this.limits.of(request.endpoint).map((limit) => ({
      limit,
      ticket: limit.governor.sent(nowMs, request.cost),
    }));
    const budgets = [...this.budgets.values()];
    for (const budget of budgets) budget.sent(request.cost);
    const ticket: OpenTicket = { id: this.nextId++, request, governed, budgets };
    this.underWay.set(ticket.id, ticket);
    return ticket;
  }

  answered(nowMs: number, ticket: Ticket, answer: Answer): void {
    const { id, request, governed, budgets } = ticket as OpenTicket;
    this.underWay.delete(id);
    this.inFlight--;
    const earliest = governed[0]?.ticket.sentMs ?? nowMs;
    if (answer.serverTimeMs !== undefined) this.offset.observe(answer.serverTimeMs, earliest, nowMs);
    const { signs } = answer;
    const explained = this.widenCeiling(nowMs, earliest, answer, request);
    const { rejection } = signs;
    if (answer.kind === 'rejected') this.countRejection(rejection);
    const blamed =
      answer.kind === 'rejected' && rejection?.reason !== 'budget'
        ? this.blamed(nowMs, request, rejection, governed)
        : undefined;
    this.limits.openFor(signs.readings, request.endpoint);
    const isOwn = this.concernsEndpoint(nowMs, answer, ticket as OpenTicket);
    for (const { limit, ticket: own } of governed) {
      const isOthers = answer.kind === 'rejected' ? limit !== blamed : answer.kind === 'overloaded' && isOwn;
      const kind = isOthers && !(isOwn && limit.endpoint !== '') ? 'lost' : answer.kind;
      limit.governor.answered(nowMs, own, {
        kind,
        reason: rejection?.reason === 'budget' ? undefined : rejection?.reason,
        retryAfterMs: kind === 'rejected' ? rejection?.retryAfterMs : undefined,
        readings: this.limits.readingsOf(signs, limit),
        serverTimeMs: answer.serverTimeMs,
        actualCost: signs.actualCost,
        explained,
      });
    }
    const refused =
      answer.kind === 'rejected' && rejection?.reason === 'budget'
        ? this.budget(rejection.limit ?? DEFAULT_LIMIT)
        : undefined;
    for (const budget of budgets) if (budget !== refused) budget.answered(request.cost);
    if (refused) refused.refused(nowMs, budgets.includes(refused) ? request.cost : 0, rejection?.retryAfterMs);
    for (const reading of signs.readings) {
      if (reading.kind === 'budget')
        this.budget(reading.limit).merge(
          reading,
          reading.resetMs === undefined || !this.offset.known ? undefined : this.offset.bounds(reading.resetMs).latest,
          nowMs,
        );
    }
    const holdMs = answer.kind === 'rejected' ? undefined : signs.holdMs;
    this.slowDown(nowMs, holdMs, answer.kind);
  }

  /** How long a request usually takes, at the slowest; undefined before the first answers. */
  usualMs(): number | undefined {
    let most: number | undefined;
    for (const { governor } of this.limits.values()) {
      const { latencyMs, spreadMs = 0 } = governor.delivery;
      if (latencyMs !== undefined) most = Math.max(most ?? 0, latencyMs + spreadMs);
    }
    return most;
  }

  /** A wait that every accepted answer asks for, however often it was obeyed, is no word on a limit. */
  private slowDown(nowMs: number, holdMs: number | undefined, kind: Answer['kind']): void {
    if (holdMs === undefined || kind !== 'accepted') {
      if (kind !== 'lost') this.obeyed = 0;
      return;
    }
    if (nowMs >= this.slowUntilMs && this.obeyed++ < MOST_OBEYED) {
      this.slowUntilMs = nowMs + holdMs;
      this.limits.base.governor.hold(nowMs, holdMs);
    }
  }

  /** Counts how the endpoint's requests end. Returns whether a bad answer is the endpoint's own matter. */
  private concernsEndpoint(nowMs: number, answer: Answer, ticket: OpenTicket): boolean {
    const { endpoint } = ticket.request;
    const { rejection, readings } = answer.signs;
    if (answer.kind === 'lost') return false;
    const bad =
      answer.kind === 'overloaded' ||
      (answer.kind === 'rejected' && rejection?.reason === undefined && rejection?.limit === undefined);
    const sentMs = ticket.governed[0]?.ticket.sentMs ?? nowMs;
    this.endpoints.add(endpoint, bad, answer.kind === 'accepted' ? nowMs - sentMs : undefined, nowMs);
    if (!bad || readings.length > 0) return false;
    if (this.limits.hasOwn(endpoint)) return ticket.governed.some(({ limit }) => limit.name === OWN_LIMIT);
    if (!this.endpoints.isAlone(endpoint) || this.limits.isFull) return false;
    const limit = this.limits.open(OWN_LIMIT, 'endpoint', endpoint);
    limit.governor.startAt(nowMs, this.endpoints.rateOf(endpoint, nowMs));
    this.endpoints.separate(endpoint);
    this.limits.base.governor.restore(nowMs);
    return false;
  }

  /** What was not answered for several times the endpoint's own usual is bad now, not when its answer comes. */
  private lookAfter(nowMs: number): void {
    const gapMs = nowMs - this.lookedMs;
    if (gapMs < LOOK_MS) return;
    this.lookedMs = nowMs;
    if (gapMs > STOOD_STILL_MS || !this.watches) return;
    for (const { request, governed } of this.underWay.values()) {
      const usualMs = this.endpoints.usualMs(request.endpoint);
      const own = governed.find(({ limit }) => limit.name === OWN_LIMIT);
      for (const { limit, ticket } of own ? [own] : governed)
        if (nowMs - ticket.sentMs > usualMs) limit.governor.overdueIs(nowMs, ticket);
    }
  }

  /** Granted and never sent: it counts no more, except in the windows that it might have been sent in. */
  cancelled(ticket: Ticket): void {
    const { id, request, governed, budgets } = ticket as OpenTicket;
    this.underWay.delete(id);
    this.inFlight--;
    this.requests--;
    for (const { limit, ticket: own } of governed) limit.governor.cancelled(own);
    for (const budget of budgets) budget.cancelled(request.cost);
  }

  /** What the user allows now; windows whose rule stays keep what they counted. */
  setCeilings(ceilings: Ceilings): void {
    this.ceilings.set(ceilings);
  }

  /** How much later than granted a request may leave; Infinity where no ceiling is set. */
  toleranceMs(): number {
    return this.ceilings.toleranceMs();
  }

  /** Requests leave later than granted, by so much: the ceilings allow for it. */
  late(byMs: number): void {
    this.ceilings.late(byMs);
  }

  /** Another process sent, unknown to us: nothing leaves for so long. */
  hold(nowMs: number, forMs: number): void {
    this.limits.base.governor.hold(nowMs, forMs);
    if (forMs > 0) this.ceilings.pause(nowMs, forMs);
  }

  rateOf(endpoint: string): number {
    let rate = this.ceilings.rate(endpoint);
    for (const { governor } of this.limits.of(endpoint)) rate = Math.min(rate, aim(governor));
    return rate;
  }

  /** Requests at once that are known to be allowed; Infinity where no such limit was met. */
  concurrency(): number {
    let cap = this.ceilings.mostInFlight;
    for (const { governor, scope } of this.limits.values())
      if (scope === 'credential') cap = Math.min(cap, governor.cap);
    return cap;
  }

  status(nowMs: number): GateStatus {
    const since = Math.min(MEASURED_MS, Math.max(1000, nowMs - (this.startedMs ?? nowMs)));
    return {
      sentPerSecond: (this.recent.cost(nowMs - MEASURED_MS) * 1000) / since,
      limitPerSecond: Math.min(
        this.ceilings.rate(),
        this.limits.base.governor.settled ? this.limits.base.governor.view(nowMs).perSecond : Infinity,
      ),
      requests: this.requests,
      rejections: this.rejections,
      rejectedFor: { ...this.rejectedFor },
      waiting: this.limits.blocked() ?? (this.held && this.held.untilMs > nowMs ? this.held : undefined),
      limits: this.views(nowMs),
    };
  }

  /** Takes over what an earlier run learned. Only before the run begins: nothing may be in flight. */
  recall(memory: GateMemory): void {
    if (this.inFlight === 0) this.limits.recall(memory);
  }

  remember(): GateMemory {
    return this.limits.remember();
  }

  private verdict(nowMs: number, request: GateRequest): Admission {
    const whole = () => this.limits.base.governor.view(nowMs);
    let worst: Held | undefined = this.ceilings.hold(nowMs, request.endpoint, this.inFlight, whole);
    const hold = (waitMs: number, reason: WaitReason, limit: string) => {
      if (waitMs > 0 && waitMs > (worst?.waitMs ?? 0)) worst = { waitMs, reason, limit };
    };
    for (const [name, budget] of this.budgets) hold(budget.waitMs(nowMs, request.cost), 'quota used up', name);
    for (const { name, governor } of this.limits.of(request.endpoint)) {
      const held = governor.check(nowMs, request.cost);
      if (held) hold(held.waitMs, held.reason, name);
    }
    return worst ? { go: false, ...worst } : { go: true };
  }

  /** The limit that a rejection is about: the one it names, else the one that is used most for what it allows. */
  private blamed(
    nowMs: number,
    request: GateRequest,
    rejection: Rejection | undefined,
    governed: OpenTicket['governed'],
  ): Limit | undefined {
    const named = governed.find(({ limit }) => limit.name === rejection?.limit)?.limit;
    if (named) return named;
    const own = governed.find(({ limit }) => limit.name === OWN_LIMIT)?.limit;
    if (own && rejection?.limit === undefined && rejection?.scope !== 'credential') return own;
    if (rejection?.scope === 'endpoint' && rejection.limit !== undefined && !this.limits.isFull) {
      // Nobody had said that this endpoint has a limit of its own: from the next request on it has.
      const limit = this.limits.open(rejection.limit, 'endpoint', request.endpoint);
      limit.governor.startAt(nowMs, Math.max(1, 0.8 * this.limits.base.governor.delivery.rate(nowMs, 2000)));
      return undefined;
    }
    let most: { limit: Limit; load: number } | undefined;
    for (const { limit } of governed) {
      const load = limit.governor.delivery.rate(nowMs, 1000) / Math.max(aim(limit.governor), 1e-6);
      if (!most || load > most.load) most = { limit, load };
    }
    return most?.limit;
  }

  private budget(name: string): BudgetLedger {
    let budget = this.budgets.get(name);
    if (!budget) {
      budget = new BudgetLedger();
      if (this.budgets.size < MOST_LIMITS) this.budgets.set(name, budget);
    }
    return budget;
  }

  private countRejection(rejection: Rejection | undefined): void {
    this.rejections++;
    const named = [rejection?.limit, rejection?.reason].filter(Boolean).join(' ') || 'unlabelled';
    const said = rejection?.doubt === undefined ? named : `${named}, ${rejection.doubt}`;
    if (Object.hasOwn(this.rejectedFor, said) || Object.keys(this.rejectedFor).length < MOST_LIMITS)
      this.rejectedFor[said] = (this.rejectedFor[said] ?? 0) + 1;
  }

  /** Whether a ceiling of the user explains a rejection. */
  private widenCeiling(nowMs: number, sentMs: number, { kind, signs }: Answer, request: GateRequest): boolean {
    const { reason, scope } = signs.rejection ?? {};
    if (kind !== 'rejected' || reason === 'concurrency' || reason === 'budget') return false;
    return this.ceilings.rejected(nowMs, sentMs, scope === 'endpoint' ? request.endpoint : undefined);
  }

  private views(nowMs: number): LimitView[] {
    const out = this.limits.views(nowMs);
    for (const [name, budget] of this.budgets) {
      out.push({
        name,
        scope: 'credential',
        perSecond:
          budget.total === undefined || budget.windowMs === 0 ? Infinity : (budget.total * 1000) / budget.windowMs,
        quota: budget.total,
        windowMs: budget.windowMs,
        remaining: budget.remaining(),
        resetMs: budget.resetAtMs,
        knownBy: budget.total === undefined ? 'rejections' : 'headers',
        usedPerSecond: this.limits.base.governor.view(nowMs).usedPerSecond,
        rejections: budget.rejections,
      });
    }
    out.push(...this.ceilings.views(this.limits.base.governor.view(nowMs).usedPerSecond));
    return out;
  }
}

function aim(governor: Governor): number {
  return governor.statedRate() ?? (governor.isSearching ? SEARCH_ROOM : 1) * governor.perSecond;
}
