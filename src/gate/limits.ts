/**
 * The limits of one credential: known from the connector's facts, from readings, and from rejections that name one.
 * Invariant: a server that names a new one with every answer gets no further than MOST_LIMITS.
 */
import type { ClockOffset } from './clock-offset.js';
import type { Ceilings, GateStatus, LimitFact, LimitScope, LimitSigns, LimitView, RateRule, Reading } from './gate.js';
import { Governor, type GovernorMemory, type GovernorPrior } from './governor.js';
import type { LedgerReading } from './ledgers.js';

/** What the gate's own limit is called where nobody names it. */
export const DEFAULT_LIMIT = 'requests';
/** What a limit of one endpoint is called that nobody named. */
export const OWN_LIMIT = 'endpoint';
export const MOST_LIMITS = 200;

/** What a run learned of a credential's limits, by limit. Holds no secret. */
export type GateMemory = Record<string, GovernorMemory>;

export interface Limit {
  name: string;
  scope: LimitScope;
  /** The endpoint that it counts; '' for all. */
  endpoint: string;
  governor: Governor;
  prior: GovernorPrior | undefined;
}

export class Limits {
  readonly kind = 'limits';
  readonly base: Limit;
  private readonly all = new Map<string, Limit>();
  private readonly matching = new Map<string, Limit[]>();
  private readonly endpointFacts: LimitFact[];
  private readonly memory: GateMemory;

  constructor(
    facts: LimitFact[],
    memory: GateMemory,
    private readonly offset: ClockOffset,
    private readonly ceilings: Ceilings,
  ) {
    this.memory = { ...memory };
    this.endpointFacts = facts.filter((fact) => fact.scope === 'endpoint');
    const [first, ...others] = facts.filter((fact) => fact.scope === 'credential');
    this.base = this.open(first?.name ?? DEFAULT_LIMIT, 'credential', '', first);
    for (const fact of others) this.open(fact.name, 'credential', '', fact);
  }

  get isFull(): boolean {
    return this.all.size >= MOST_LIMITS;
  }

  values(): Iterable<Limit> {
    return this.all.values();
  }

  /** All that count the requests of an endpoint. */
  of(endpoint: string): Limit[] {
    const known = this.matching.get(endpoint);
    if (known) return known;
    if (!this.isFull)
      for (const fact of this.endpointFacts)
        if (fact.endpoints?.includes(endpoint) ?? true) this.open(fact.name, 'endpoint', endpoint, fact);
    const found = [...this.all.values()].filter((limit) => limit.endpoint === '' || limit.endpoint === endpoint);
    if (this.matching.size < MOST_LIMITS) this.matching.set(endpoint, found);
    return found;
  }

  hasOwn(endpoint: string): boolean {
    return this.all.has(keyOf(OWN_LIMIT, 'endpoint', endpoint));
  }

  open(name: string, scope: LimitScope, endpoint: string, fact?: LimitFact): Limit {
    const key = keyOf(name, scope, endpoint);
    const known = this.all.get(key);
    if (known) return known;
    const prior = priorOf(fact, this.ceilings);
    const memory = Object.hasOwn(this.memory, key) ? this.memory[key] : undefined;
    const limit: Limit = { name, scope, endpoint, prior, governor: new Governor(this.offset, prior, memory) };
    this.all.set(key, limit);
    this.matching.clear();
    return limit;
  }

  /** A limit that a reading names for the first time counts from the next request. */
  openFor(readings: Reading[], endpoint: string): void {
    for (const { kind, limit, scope = 'credential' } of readings) {
      if (kind === 'budget' || limit === DEFAULT_LIMIT || this.isFull) continue;
      this.open(limit, scope, scope === 'endpoint' ? endpoint : '');
    }
  }

  /** What an answer states of this limit. */
  readingsOf({ readings }: LimitSigns, limit: Limit): LedgerReading[] {
    const isOwn = (name: string) => name === limit.name || (name === DEFAULT_LIMIT && limit === this.base);
    return readings.filter(
      (reading): reading is LedgerReading & Reading => reading.kind !== 'budget' && isOwn(reading.limit),
    );
  }

  /** Takes over what an earlier run learned. */
  recall(memory: GateMemory): void {
    Object.assign(this.memory, memory);
    for (const [key, limit] of this.all)
      if (Object.hasOwn(memory, key)) limit.governor = new Governor(this.offset, limit.prior, memory[key]);
  }

  remember(): GateMemory {
    const memory: GateMemory = { ...this.memory };
    for (const [key, { governor }] of this.all) {
      const own = governor.remember();
      if (own.rate !== undefined || own.concurrency !== undefined) memory[key] = own;
    }
    return memory;
  }

  views(nowMs: number): LimitView[] {
    return [...this.all.values()].map(({ name, scope, endpoint, governor }) => ({
      ...governor.view(nowMs),
      name: shown(name, endpoint),
      scope,
      ...(endpoint === '' ? {} : { endpoint }),
    }));
  }

  /** The longest block of a limit: probes end none of them. */
  blocked(): GateStatus['waiting'] {
    let longest: GateStatus['waiting'];
    for (const { name, endpoint, governor } of this.all.values()) {
      const { block } = governor;
      if (!block || (longest && longest.sinceMs <= block.sinceMs)) continue;
      const { sinceMs, untilMs, stated } = block;
      const reason = stated ? 'Retry-After' : 'backoff after a rejection';
      longest = { reason, limit: shown(name, endpoint), sinceMs, untilMs };
    }
    return longest;
  }
}

function keyOf(name: string, scope: LimitScope, endpoint: string): string {
  return scope === 'endpoint' ? `${name}/${endpoint}` : name;
}

function shown(name: string, endpoint: string): string {
  return endpoint === '' ? name : `${name} ${endpoint}`;
}

function priorOf(
  { scope, usual, concurrency, banMs }: Partial<LimitFact> = {},
  { maxRate, maxEndpointRate }: Ceilings,
): GovernorPrior | undefined {
  if (!usual) return undefined;
  const isKept = isWithin(scope === 'endpoint' ? maxEndpointRate : maxRate, usual);
  return { perSecond: perSecond(usual), windowMs: usual.windowMs, isKept, banMs, concurrency };
}

/** Whoever keeps the first rule keeps the second as well. */
function isWithin(rule: RateRule | undefined, other: RateRule): boolean {
  return rule !== undefined && rule.windowMs <= other.windowMs && perSecond(rule) <= perSecond(other);
}

const perSecond = ({ requests, windowMs }: RateRule) => (requests * 1000) / windowMs;
