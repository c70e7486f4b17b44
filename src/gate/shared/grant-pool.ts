/**
 * What one process holds of a shared gate: grants it may still use, answers it has not told yet, and what it wants
 * next. Times of grants are by this process's monotonic clock; the gate's are by the database's, `offsetMs` later.
 *
 * Invariants: a grant is counted by the gate before it is here, leaves once, and is told of once: as used, or as given
 * back.
 */
import { LIMITS } from '../../base/bounds.js';
import { FatalError } from '../../base/errors.js';
import type { Answer, GateRequest, GateStatus } from '../gate.js';
import type { LockedRow, OpenRequest, SharedState } from './budget-store.js';

/** Grants reach so far ahead: 5% of a second's worth, shared by all. */
export const HORIZON_MS = 50;
/** A grant that was not used until so long after its time is void, or sooner under a ceiling. */
const LATE_MS = 40;
const MOST_GRANTS = 64;
/** Whose turn it is and does not come within so long of its time, loses it. */
const TURN_MS = 30;

export interface Grant {
  id: number;
  request: GateRequest;
  atMs: number;
}

interface Told {
  id: number;
  atMs: number;
  /** Undefined: granted and not used. */
  answer: Answer | undefined;
}

export class GrantPool {
  /** Why the gate had no grant for what was wanted last. */
  held: GateStatus['waiting'];
  private grants: Grant[] = [];
  private told: Told[] = [];
  /** Told in an exchange that is not committed yet. */
  private telling: Told[] = [];
  /** Sent by this process and not answered. */
  readonly underWay = new Set<number>();
  private readonly wanted = new Map<string, GateRequest>();
  /** By how much grants came too late to be used, since it was last told. */
  private lateMs = 0;

  find(request: GateRequest): Grant | undefined {
    return this.grants.find((candidate) => matches(candidate.request, request));
  }

  want(request: GateRequest): void {
    this.wanted.set(`${request.cost} ${request.endpoint}`, request);
  }

  /** @throws FatalError `no_grant`: `check` was not asked. */
  use(request: GateRequest): Grant {
    const index = this.grants.findIndex((candidate) => matches(candidate.request, request));
    if (index < 0)
      throw new FatalError('a request left without a grant', { code: 'no_grant', place: request.endpoint });
    return this.grants.splice(index, 1)[0]!;
  }

  tell(told: Told): void {
    this.told.push(told);
  }

  hasNews(): boolean {
    return this.told.length > 0;
  }

  hasRejection(): boolean {
    return this.told.some(({ answer }) => answer?.kind === 'rejected');
  }

  heldAt(nowMs: number): GateStatus['waiting'] {
    return this.held && this.held.untilMs > nowMs ? this.held : undefined;
  }

  /** Nothing more is requested. */
  leave(): void {
    this.giveBack(this.grants.splice(0));
    this.wanted.clear();
  }

  /** Whether the grants still hold is unknown. */
  forget(): void {
    this.giveBack(this.grants.splice(0));
  }

  /** The exchange is committed. */
  kept(granted: Grant[]): void {
    this.telling = [];
    this.grants.push(...granted);
  }

  /** It failed, before or after the commit: what was told may have to be told again, and is understood once. */
  notKept(granted: Grant[]): void {
    this.told.unshift(...this.telling.splice(0));
    this.giveBack(granted);
  }

  private giveBack(grants: Grant[]): void {
    for (const { id, atMs } of grants) this.told.push({ id, atMs, answer: undefined });
  }

  /** This process has the gate to itself now. */
  cancelAll(state: SharedState): void {
    for (const { id } of this.grants.splice(0)) {
      const open = state.open.get(id);
      if (!open) continue;
      state.open.delete(id);
      state.gate.cancelled(open.ticket);
    }
  }

  dropLate(nowMs: number, toleranceMs: number): void {
    if (this.grants.length === 0) return;
    const oldest = nowMs - Math.min(LATE_MS, toleranceMs);
    const kept: Grant[] = [];
    for (const grant of this.grants) {
      if (grant.atMs >= oldest) kept.push(grant);
      else {
        this.lateMs = Math.max(this.lateMs, Math.min(LATE_MS, nowMs - grant.atMs));
        this.told.push({ id: grant.id, atMs: nowMs, answer: undefined });
      }
    }
    this.grants = kept;
  }

  /** Tells the gate what came of earlier grants, and of those of processes that are gone. */
  settle(state: SharedState, row: Pick<LockedRow, 'nowMs' | 'members'>, member: string, offsetMs: number): void {
    if (this.lateMs > 0 && this.wanted.size > 0) state.gate.late(this.lateMs);
    this.lateMs = 0;
    this.telling = this.told.splice(0);
    for (const { id, atMs, answer } of this.telling) {
      const open = state.open.get(id);
      if (!open || open.member !== member) continue;
      state.open.delete(id);
      if (answer) state.gate.answered(atMs + offsetMs, open.ticket, answer);
      else state.gate.cancelled(open.ticket);
    }
    const isOwn = (id: number) => this.underWay.has(id) || this.grants.some((grant) => grant.id === id);
    dropLost(state, row.nowMs, (open, id) => (open.member === member ? isOwn(id) : row.members.has(open.member)));
    // What the dead had under way is no sign of a server that is slow.
    state.gate.watches = [...state.open.values()].every((open) => open.member === member);
  }

  /**
   * Takes what the gate has for the next moments; an even part of it where others want some too. `nowMs` is the
   * database's.
   */
  grant(
    state: SharedState,
    nowMs: number,
    { member, members, offsetMs }: { member: string; members: number; offsetMs: number },
  ): Grant[] {
    const granted: Grant[] = [];
    state.gate.watches = false;
    const before = this.held;
    this.held = undefined;
    const turns = (state.turns ??= new Map());
    const waits = (backMs: number) => turns.set(member, { sinceMs: turns.get(member)?.sinceMs ?? nowMs, backMs });
    for (const [key, request] of this.wanted) {
      const rate = state.gate.rateOf(request.endpoint);
      if (rate * HORIZON_MS < 1000 && isAnothersTurn(turns, member, nowMs)) {
        waits(nowMs + HORIZON_MS);
        this.held = {
          reason: 'shared budget',
          limit: 'turn',
          sinceMs: before?.sinceMs ?? nowMs - offsetMs,
          untilMs: nowMs + HORIZON_MS - offsetMs,
        };
        continue;
      }
      const want = Math.max(1, Math.min(MOST_GRANTS, Math.ceil((rate * HORIZON_MS) / 1000 / members)));
      let at = notBefore(state, nowMs);
      for (let got = 0; got < want;) {
        state.askedAtMs = at;
        const verdict = state.gate.check(at, request);
        if (verdict.go) {
          const id = state.nextId++;
          state.open.set(id, { member, ticket: state.gate.sent(at, request), atMs: at });
          granted.push({ id, request, atMs: at - offsetMs });
          got++;
          continue;
        }
        if (at + verdict.waitMs > nowMs + HORIZON_MS) {
          if (got === 0) waits(Number.isFinite(verdict.waitMs) ? at + verdict.waitMs : nowMs + HORIZON_MS);
          if (got === 0)
            this.held = {
              reason: verdict.reason,
              limit: verdict.limit,
              sinceMs: before?.limit === verdict.limit ? before.sinceMs : nowMs - offsetMs,
              untilMs: (Number.isFinite(verdict.waitMs) ? at + verdict.waitMs : nowMs + HORIZON_MS) - offsetMs,
            };
          break;
        }
        at += Math.max(verdict.waitMs, 0.01);
      }
      if (granted.some((grant) => matches(grant.request, request))) {
        this.wanted.delete(key);
        turns.delete(member);
      }
    }
    return granted;
  }
}

const LOST: Answer = { kind: 'lost', signs: { readings: [] }, serverTimeMs: undefined };
/** A dead process's request counts as in flight for so many times what requests usually take. */
const DEAD_LATENCIES = 4;

/** Nothing stays in flight for ever, whoever forgot to tell of it. */
export function dropOverdue(state: SharedState, nowMs: number): void {
  const [oldest] = state.open.values();
  if (oldest && nowMs - oldest.atMs > LIMITS.requestMs) dropLost(state, nowMs);
}

/**
 * Ends what nobody will tell of any more: requests whose owner is gone, once it would have had its answer, and any that
 * are past a request's time limit. They stay counted as sent.
 */
export function dropLost(
  state: SharedState,
  nowMs: number,
  isOwned: (open: OpenRequest, id: number) => boolean = () => true,
): void {
  const usualMs = state.gate.usualMs() ?? 0;
  const deadMs = Math.min(LIMITS.deadRequestMs, DEAD_LATENCIES * usualMs);
  for (const [id, open] of state.open) {
    const ageMs = nowMs - open.atMs;
    if (ageMs <= LIMITS.requestMs && (isOwned(open, id) || ageMs <= deadMs)) continue;
    state.open.delete(id);
    state.gate.answered(nowMs, open.ticket, LOST);
  }
}

/** Counts what a dead owner may have sent after it wrote the gate down for the last time. */
export function assumeSent(state: SharedState, nowMs: number): void {
  for (const { request, count } of state.allowed ?? [])
    for (let n = 0; n < count; n++) state.gate.answered(nowMs, state.gate.sent(nowMs, request), LOST);
  state.allowed = undefined;
}

/** The gate keeps no past: whoever asks next asks for no earlier time, unless the clock was set. */
export function notBefore(state: SharedState, nowMs: number): number {
  return state.askedAtMs <= nowMs + HORIZON_MS ? Math.max(nowMs, state.askedAtMs) : nowMs;
}

/** Somebody waits for longer than this one, and is not late yet. */
function isAnothersTurn(turns: NonNullable<SharedState['turns']>, member: string, nowMs: number): boolean {
  const own = turns.get(member)?.sinceMs ?? Infinity;
  for (const [other, { sinceMs, backMs }] of turns) {
    if (other === member) continue;
    if (nowMs > backMs + TURN_MS) turns.delete(other);
    else if (sinceMs < own) return true;
  }
  return false;
}

function matches(a: GateRequest, b: GateRequest): boolean {
  return a.cost === b.cost && a.endpoint === b.endpoint;
}
