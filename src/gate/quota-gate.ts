/**
 * A credential with quotas that its API tells on request: pools of calls, each for some endpoints, until a reset.
 * Invariant: of a pool nothing is admitted while what is left, less what is in flight, is not above the reserve for
 * what others use.
 */
import type { Clock } from '../base/clock.js';
import type {
  Admission,
  Answer,
  Gate,
  GateRequest,
  GateStatus,
  LimitView,
  QuotaSource,
  Reading,
  Ticket,
} from './gate.js';

/** Of a quota, for what others use of it. */
const RESERVE = 0.02;
/** A window that is over is asked about this often at most. */
const ASK_AGAIN_MS = 5000;
/** Servers state a reset in whole seconds, and their clock as well. */
const GRAIN_MS = 1000;

class Pool {
  private quota = Infinity;
  private used = 0;
  private inFlight = 0;
  resetAtMs = -Infinity;
  rejections = 0;

  /** `isNow`: what the API said when it was asked for it, not along with an answer that may be late. */
  merge(quota: number, remaining: number, resetAtMs: number, isNow: boolean, nowMs: number): void {
    if (!isNow && resetAtMs < this.resetAtMs - GRAIN_MS) return;
    const isNew = resetAtMs > this.resetAtMs + GRAIN_MS || (isNow && nowMs >= this.resetAtMs);
    this.quota = Number.isFinite(this.quota) ? Math.max(quota, isNew ? 0 : this.quota) : quota;
    const used = this.quota - remaining;
    this.used = isNew ? used : Math.max(this.used, used);
    this.resetAtMs = isNew ? resetAtMs : Math.max(this.resetAtMs, resetAtMs);
  }

  hasRoom(cost: number): boolean {
    return this.remaining - this.inFlight - Math.floor(RESERVE * Math.min(this.quota, Number.MAX_SAFE_INTEGER)) >= cost;
  }

  sent(cost: number): void {
    this.inFlight += cost;
  }

  answered(cost: number): void {
    this.inFlight -= cost;
    this.used += cost;
  }

  usedUp(): void {
    this.rejections++;
    if (Number.isFinite(this.quota)) this.used = this.quota;
  }

  get remaining(): number {
    return Math.max(0, this.quota - this.used);
  }

  view(name: string, nowMs: number, wallMs: number): LimitView {
    const { quota, resetAtMs } = this;
    return {
      name,
      scope: 'credential',
      perSecond: Infinity,
      quota,
      remaining: this.remaining,
      resetMs: Number.isFinite(resetAtMs) ? wallMs + resetAtMs - nowMs : undefined,
      usedPerSecond: 0,
      knownBy: 'body',
      rejections: this.rejections,
    };
  }
}

interface QuotaTicket extends Ticket {
  inner: Ticket;
  pool: Pool | undefined;
}

export class QuotaGate implements Gate {
  private readonly pools = new Map<string, Pool>();
  private state: 'unknown' | 'known' | 'untracked' = 'unknown';
  private asking = false;
  private askedMs = -Infinity;
  /** Why the quotas are not known: for who sends the next request. */
  failure: unknown;
  /** Called when the quotas are known. */
  onChange: () => void = () => {};

  constructor(
    private readonly inner: Gate,
    private readonly credential: string,
    private readonly quotas: QuotaSource,
    private readonly clock: Clock,
  ) {}

  check(nowMs: number, request: GateRequest): Admission {
    const name = this.quotas.poolOf(request.endpoint);
    if (name === undefined || this.state === 'untracked' || this.failure !== undefined)
      return this.inner.check(nowMs, request);
    const pool = this.pool(name);
    const isOver = nowMs >= pool.resetAtMs;
    if (this.state === 'unknown' || (isOver && nowMs - this.askedMs >= ASK_AGAIN_MS)) this.ask(nowMs);
    const held = (waitMs: number): Admission => ({ go: false, waitMs, reason: 'quota used up', limit: name });
    if (this.asking && (this.state === 'unknown' || isOver)) return held(Infinity);
    if (!pool.hasRoom(request.cost)) return held(isOver ? this.askedMs + ASK_AGAIN_MS - nowMs : pool.resetAtMs - nowMs);
    return this.inner.check(nowMs, request);
  }

  sent(nowMs: number, request: GateRequest): Ticket {
    const name = this.quotas.poolOf(request.endpoint);
    const pool = name === undefined || this.state !== 'known' ? undefined : this.pool(name);
    pool?.sent(request.cost);
    return { request, pool, inner: this.inner.sent(nowMs, request) } as QuotaTicket;
  }

  answered(nowMs: number, ticket: Ticket, answer: Answer): void {
    const { request, inner, pool } = ticket as QuotaTicket;
    const { signs } = answer;
    const isOwn = (limit: string | undefined) => limit !== undefined && this.pools.has(limit);
    pool?.answered(request.cost);
    for (const reading of signs.readings) if (isOwn(reading.limit)) this.merge(nowMs, reading, answer.serverTimeMs);
    const budget =
      answer.kind === 'rejected' && signs.rejection?.reason === 'budget' ? signs.rejection.limit : undefined;
    const isUsedUp = budget !== undefined && isOwn(budget);
    if (isUsedUp) this.pool(budget).usedUp();
    this.inner.answered(nowMs, inner, {
      ...answer,
      // A quota that is used up says nothing of the rate.
      kind: isUsedUp ? 'lost' : answer.kind,
      signs: {
        ...signs,
        readings: signs.readings.filter(({ limit }) => !isOwn(limit)),
        rejection: isUsedUp ? undefined : signs.rejection,
      },
    });
  }

  rateOf(endpoint: string): number {
    return this.inner.rateOf(endpoint);
  }

  concurrency(): number {
    return this.inner.concurrency();
  }

  status(nowMs: number): GateStatus {
    const status = this.inner.status(nowMs);
    const views =
      this.state === 'known' ? [...this.pools].map(([name, pool]) => pool.view(name, nowMs, this.clock.now())) : [];
    const full = this.state === 'known' && views.length > 0 && views.every(({ remaining }) => remaining === 0);
    const untilMs = Math.min(...[...this.pools.values()].map(({ resetAtMs }) => resetAtMs));
    return {
      ...status,
      limits: [...status.limits, ...views],
      waiting:
        full && untilMs > nowMs
          ? { reason: 'quota used up', limit: views[0]!.name, sinceMs: nowMs, untilMs }
          : status.waiting,
    };
  }

  private merge(nowMs: number, reading: Reading, serverTimeMs: number | undefined): void {
    if (reading.kind !== 'budget' || reading.resetMs === undefined) return;
    const inMs = reading.resetMs - (serverTimeMs ?? this.clock.now());
    this.pool(reading.limit).merge(reading.quota, reading.remaining, nowMs + inMs + GRAIN_MS, false, nowMs);
  }

  private ask(nowMs: number): void {
    if (this.asking) return;
    this.asking = true;
    this.askedMs = nowMs;
    this.quotas
      .ask(this.credential)
      .then(
        (found) => {
          this.state = found ? 'known' : 'untracked';
          const now = this.clock.monotonic();
          for (const { pool, quota, remaining, resetInMs } of found ?? [])
            this.pool(pool).merge(quota, remaining, now + resetInMs + GRAIN_MS, true, now);
        },
        (error: unknown) => {
          this.failure = error;
        },
      )
      .finally(() => {
        this.asking = false;
        this.onChange();
      });
  }

  private pool(name: string): Pool {
    let pool = this.pools.get(name);
    if (!pool) this.pools.set(name, (pool = new Pool()));
    return pool;
  }
}
