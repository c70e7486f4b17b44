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
  LimitScope,
  LimitSigns,
  LimitView,
  Reading,
  Rejection,
  Ticket,
  WaitReason,
} from './gate.js';
import { Endpoints } from './endpoints.js';
import {
  Governor,
  type GovernorMemory,
  type GovernorPrior,
  type GovernorReading,
  type GovernorTicket,
} from './governor.js';
import { RateWindow, windowOf } from './rate-window.js';
import { SendLog } from './send-log.js';

/** What the gate's own limit is called where nobody names it. */
export const DEFAULT_LIMIT = 'requests';
/** How far back `sentPerSecond` looks, and the window of a share. */
const MEASURED_MS = 10_000;
const RECENT_GRAIN_MS = 1000;
/** Limits that one credential may have; a server that names a new one with every answer gets no further. */
const MOST_LIMITS = 200;
/** A search doubles its rate: the engine should have requests ready for it. */
const SEARCH_ROOM = 2;
/** How often it is looked at what is overdue; after a longer gap this process stood still, and knows nothing. */
const LOOK_MS = 100;
const STOOD_STILL_MS = 1000;
/** So many waits in a row of accepted answers are obeyed. */
const MOST_OBEYED = 3;
/** What a limit of one endpoint is called that nobody named. */
const OWN_LIMIT = 'endpoint';

interface Limit {
  name: string;
  scope: LimitScope;
  /** The endpoint that it counts; '' for all. */
  endpoint: string;
  governor: Governor;
  prior: GovernorPrior | undefined;
}

interface OpenTicket extends Ticket {
  id: number;
  governed: { limit: Limit; ticket: GovernorTicket }[];
  budgets: BudgetLedger[];
}

/** What a run learned of a credential's limits, by limit. Holds no secret. */
export type GateMemory = Record<string, GovernorMemory>;

export interface CredentialGateOptions {
  facts?: LimitFact[];
  ceilings?: Ceilings;
  memory?: GateMemory | undefined;
}

export class CredentialGate implements Gate {
  readonly kind = 'credential-gate';
  private readonly offset = new ClockOffset();
  private readonly limits = new Map<string, Limit>();
  private readonly base: Limit;
  private readonly budgets = new Map<string, BudgetLedger>();
  private readonly matching = new Map<string, Limit[]>();
  private readonly endpointFacts: LimitFact[];
  private ceiling: RateWindow | undefined;
  private endpointCeilings = new Map<string, RateWindow>();
  /** Undefined until the limit that it is a part of is known. */
  private share: RateWindow | undefined;
  private ceilings: Ceilings;
  lastSentMs = -Infinity;
  private readonly memory: GateMemory;
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
    this.ceilings = ceilings;
    this.memory = { ...memory };
    this.endpointFacts = facts.filter((fact) => fact.scope === 'endpoint');
    const [first, ...others] = facts.filter((fact) => fact.scope === 'credential');
    this.base = this.open(first?.name ?? DEFAULT_LIMIT, 'credential', '', first);
    for (const fact of others) this.open(fact.name, 'credential', '', fact);
    this.ceiling = ceilings.maxRate && new RateWindow(ceilings.maxRate);
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
    this.ceiling?.sent(nowMs);
    this.endpointCeiling(request.endpoint)?.sent(nowMs);
    this.share?.sent(nowMs);
    const governed = this.limitsOf(request.endpoint).map((limit) => ({
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
    const explained = this.widenCeiling(answer, request);
    const { rejection } = signs;
    if (answer.kind === 'rejected') this.countRejection(rejection);
    const blamed =
      answer.kind === 'rejected' && rejection?.reason !== 'budget'
        ? this.blamed(nowMs, request, rejection, governed)
        : undefined;
    // A limit that a reading names for the first time has no ticket of this request: it counts from the next.
    for (const reading of signs.readings) if (reading.kind !== 'budget') this.limitOfReading(reading, request.endpoint);
    const isOwn = this.concernsEndpoint(nowMs, answer, ticket as OpenTicket);
    for (const { limit, ticket: own } of governed) {
      const isOthers = answer.kind === 'rejected' ? limit !== blamed : answer.kind === 'overloaded' && isOwn;
      const kind = isOthers && !(isOwn && limit.endpoint !== '') ? 'lost' : answer.kind;
      limit.governor.answered(nowMs, own, {
        kind,
        reason: rejection?.reason === 'budget' ? undefined : rejection?.reason,
        retryAfterMs: kind === 'rejected' ? rejection?.retryAfterMs : undefined,
        readings: this.readingsOf(signs, limit),
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
      this.base.governor.hold(nowMs, holdMs);
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
    const key = `${OWN_LIMIT}/${endpoint}`;
    if (this.limits.has(key)) return ticket.governed.some(({ limit }) => limit.name === OWN_LIMIT);
    if (!this.endpoints.isAlone(endpoint) || this.limits.size >= MOST_LIMITS) return false;
    const limit = this.open(OWN_LIMIT, 'endpoint', endpoint);
    limit.governor.startAt(nowMs, this.endpoints.rateOf(endpoint, nowMs));
    this.base.governor.restore(nowMs);
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
    const same = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b);
    if (!same(ceilings.maxRate, this.ceilings.maxRate))
      this.ceiling = ceilings.maxRate && new RateWindow(ceilings.maxRate);
    if (!same(ceilings.maxEndpointRate, this.ceilings.maxEndpointRate)) this.endpointCeilings = new Map();
    if (ceilings.share !== this.ceilings.share) this.share = undefined;
    this.ceilings = ceilings;
  }

  /** How much later than granted a request may leave; Infinity where no ceiling is set. */
  toleranceMs(): number {
    return Math.min(...this.ceilingWindows().map((window) => window.toleranceMs));
  }

  /** Requests leave later than granted, by so much: the ceilings allow for it. */
  late(byMs: number): void {
    for (const window of this.ceilingWindows()) window.late(byMs);
  }

  private ceilingWindows(): RateWindow[] {
    return [...(this.ceiling ? [this.ceiling] : []), ...this.endpointCeilings.values()];
  }

  /** Another process sent, unknown to us: nothing leaves for so long. */
  hold(nowMs: number, forMs: number): void {
    this.base.governor.hold(nowMs, forMs);
  }

  rateOf(endpoint: string): number {
    let rate = Math.min(
      this.ceiling?.rate() ?? Infinity,
      this.endpointCeiling(endpoint)?.rate() ?? Infinity,
      this.share?.rate() ?? Infinity,
    );
    for (const { governor } of this.limitsOf(endpoint)) rate = Math.min(rate, aim(governor));
    return rate;
  }

  /** Requests at once that are known to be allowed; Infinity where no such limit was met. */
  concurrency(): number {
    let cap = this.ceilings.maxConcurrency ?? Infinity;
    for (const { governor, scope } of this.limits.values())
      if (scope === 'credential') cap = Math.min(cap, governor.cap);
    return cap;
  }

  status(nowMs: number): GateStatus {
    const since = Math.min(MEASURED_MS, Math.max(1000, nowMs - (this.startedMs ?? nowMs)));
    return {
      sentPerSecond: (this.recent.cost(nowMs - MEASURED_MS) * 1000) / since,
      limitPerSecond: Math.min(
        this.ceiling?.rate() ?? Infinity,
        this.share?.rate() ?? Infinity,
        this.base.governor.rate.settled ? this.base.governor.view(nowMs).perSecond : Infinity,
      ),
      requests: this.requests,
      rejections: this.rejections,
      rejectedFor: { ...this.rejectedFor },
      waiting: this.blocked() ?? (this.held && this.held.untilMs > nowMs ? this.held : undefined),
      limits: this.views(nowMs),
    };
  }

  /** Takes over what an earlier run learned. Only before the run begins: nothing may be in flight. */
  recall(memory: GateMemory): void {
    if (this.inFlight > 0) return;
    Object.assign(this.memory, memory);
    for (const [key, limit] of this.limits) {
      if (Object.hasOwn(memory, key)) limit.governor = new Governor(this.offset, limit.prior, memory[key]);
    }
  }

  remember(): GateMemory {
    const memory: GateMemory = { ...this.memory };
    for (const [key, { governor }] of this.limits) {
      const own = governor.remember();
      if (own.rate !== undefined || own.concurrency !== undefined) memory[key] = own;
    }
    return memory;
  }

  private verdict(nowMs: number, request: GateRequest): Admission {
    let worst: { waitMs: number; reason: WaitReason; limit: string } | undefined;
    const hold = (waitMs: number, reason: WaitReason, limit: string) => {
      if (waitMs > 0 && waitMs > (worst?.waitMs ?? 0)) worst = { waitMs, reason, limit };
    };
    if (this.inFlight >= (this.ceilings.maxConcurrency ?? Infinity))
      hold(Infinity, 'ceiling of the configuration', 'max_concurrency');
    if (this.ceiling) hold(this.ceiling.waitMs(nowMs), 'ceiling of the configuration', 'max_rate');
    const own = this.endpointCeiling(request.endpoint);
    if (own) hold(own.waitMs(nowMs), 'ceiling of the configuration', 'max_endpoint_rate');
    if (this.ceilings.share !== undefined) {
      this.retuneShare(nowMs, this.ceilings.share);
      hold(this.share?.waitMs(nowMs) ?? 0, 'ceiling of the configuration', 'share');
    }
    for (const [name, budget] of this.budgets) hold(budget.waitMs(nowMs, request.cost), 'quota used up', name);
    for (const { name, governor } of this.limitsOf(request.endpoint)) {
      const held = governor.check(nowMs, request.cost);
      if (held) hold(held.waitMs, held.reason, name);
    }
    return worst ? { go: false, ...worst } : { go: true };
  }

  private limitsOf(endpoint: string): Limit[] {
    let found = this.matching.get(endpoint);
    if (!found) {
      if (this.limits.size < MOST_LIMITS)
        for (const fact of this.endpointFacts)
          if (fact.endpoints?.includes(endpoint) ?? true) this.open(fact.name, 'endpoint', endpoint, fact);
      found = [...this.limits.values()].filter((limit) => limit.endpoint === '' || limit.endpoint === endpoint);
      if (this.matching.size < MOST_LIMITS) this.matching.set(endpoint, found);
    }
    return found;
  }

  private open(name: string, scope: LimitScope, endpoint: string, fact?: LimitFact): Limit {
    const key = scope === 'endpoint' ? `${name}/${endpoint}` : name;
    const known = this.limits.get(key);
    if (known) return known;
    const { usual, concurrency, banMs } = fact ?? {};
    const prior = usual && {
      perSecond: (usual.requests * 1000) / usual.windowMs,
      windowMs: usual.windowMs,
      banMs,
      concurrency,
    };
    const limit: Limit = {
      name,
      scope,
      endpoint,
      prior,
      governor: new Governor(this.offset, prior, Object.hasOwn(this.memory, key) ? this.memory[key] : undefined),
    };
    this.limits.set(key, limit);
    this.matching.clear();
    return limit;
  }

  private limitOfReading(reading: Reading, endpoint: string): Limit | undefined {
    if (reading.limit === DEFAULT_LIMIT) return this.base;
    if (this.limits.size >= MOST_LIMITS) return undefined;
    return this.open(reading.limit, reading.scope ?? 'credential', reading.scope === 'endpoint' ? endpoint : '');
  }

  private readingsOf(signs: LimitSigns, limit: Limit): GovernorReading[] {
    const out: GovernorReading[] = [];
    for (const reading of signs.readings) {
      if (
        reading.kind !== 'budget' &&
        (reading.limit === limit.name || (reading.limit === DEFAULT_LIMIT && limit === this.base))
      )
        out.push(reading);
    }
    return out;
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
    if (rejection?.scope === 'endpoint' && rejection.limit !== undefined && this.limits.size < MOST_LIMITS) {
      // Nobody had said that this endpoint has a limit of its own: from the next request on it has.
      const limit = this.open(rejection.limit, 'endpoint', request.endpoint);
      limit.governor.rate.restartAt(Math.max(1, 0.8 * this.base.governor.delivery.rate(nowMs, 2000)), nowMs);
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

  private endpointCeiling(endpoint: string): RateWindow | undefined {
    return windowOf(this.endpointCeilings, endpoint, this.ceilings.maxEndpointRate);
  }

  private retuneShare(nowMs: number, share: number): void {
    const view = this.base.governor.view(nowMs);
    if (view.knownBy === 'searching') return;
    // In the first window its length is unknown: it is at least what remains of it.
    const perSecond =
      view.knownBy === 'headers' && view.windowMs === undefined
        ? (view.quota! * 1000) / Math.max(1000, view.endsInMs ?? 0)
        : view.perSecond;
    const requests = Math.max(1, Math.floor((perSecond * share * MEASURED_MS) / 1000));
    if (!this.share) this.share = new RateWindow({ requests, windowMs: MEASURED_MS });
    else if (requests < this.share.requests || view.windowMs !== undefined || view.knownBy !== 'headers')
      this.share.retune(requests);
  }

  /** The longest block of a limit: probes end none of them. */
  private blocked(): GateStatus['waiting'] {
    let longest: GateStatus['waiting'];
    for (const { name, endpoint, governor } of this.limits.values()) {
      const { block } = governor;
      if (!block || (longest && longest.sinceMs <= block.sinceMs)) continue;
      longest = {
        reason: block.stated ? 'Retry-After' : 'backoff after a rejection',
        limit: endpoint === '' ? name : `${name} ${endpoint}`,
        sinceMs: block.sinceMs,
        untilMs: block.untilMs,
      };
    }
    return longest;
  }

  private countRejection(rejection: Rejection | undefined): void {
    this.rejections++;
    const named = [rejection?.limit, rejection?.reason].filter(Boolean).join(' ') || 'unlabelled';
    const said = rejection?.doubt === undefined ? named : `${named}, ${rejection.doubt}`;
    if (Object.hasOwn(this.rejectedFor, said) || Object.keys(this.rejectedFor).length < MOST_LIMITS)
      this.rejectedFor[said] = (this.rejectedFor[said] ?? 0) + 1;
  }

  /**
   * A rejection although the ceiling was kept, and used nearly up: the way varies more than assumed. Returns whether
   * that explains it.
   */
  private widenCeiling(answer: Answer, request: GateRequest): boolean {
    const { rejection } = answer.signs;
    if (answer.kind !== 'rejected' || rejection?.reason === 'concurrency' || rejection?.reason === 'budget')
      return false;
    const ceiling = rejection?.scope === 'endpoint' ? this.endpointCeiling(request.endpoint) : this.ceiling;
    return ceiling?.rejected() ?? false;
  }

  private views(nowMs: number): LimitView[] {
    const out: LimitView[] = [];
    for (const { name, scope, endpoint, governor } of this.limits.values()) {
      const view = governor.view(nowMs);
      out.push({
        ...view,
        name: endpoint === '' ? name : `${name} ${endpoint}`,
        scope,
        ...(endpoint === '' ? {} : { endpoint }),
      });
    }
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
        usedPerSecond: this.base.governor.view(nowMs).usedPerSecond,
        rejections: budget.rejections,
      });
    }
    const { maxRate, maxEndpointRate } = this.ceilings;
    for (const [name, rule, scope] of [
      ['max_rate', maxRate, 'credential'],
      ['max_endpoint_rate', maxEndpointRate, 'endpoint'],
    ] as const) {
      if (rule)
        out.push({
          name,
          scope,
          perSecond: (rule.requests * 1000) / rule.windowMs,
          quota: rule.requests,
          windowMs: rule.windowMs,
          knownBy: 'configuration',
          usedPerSecond: this.base.governor.view(nowMs).usedPerSecond,
          rejections: 0,
        });
    }
    return out;
  }
}

function aim(governor: Governor): number {
  const { rate } = governor;
  return governor.statedRate() ?? (rate.phase === 'startup' ? rate.rate * SEARCH_ROOM : rate.rate);
}
