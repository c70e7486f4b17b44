/**
 * The gate of a credential that several processes use. Whoever is alone owns the gate and runs it in its own memory;
 * where there are more, they run the same gate in turns under the row's lock, and each takes grants for the next
 * moments: a time to send at, and a time after which the grant is void. Without a database it is the process's own
 * gate.
 *
 * Invariants: a grant is counted by the gate before it can be used, and used at most once; nobody sends on what it
 * owned once it may have lost it; a process that is gone loses its grants within GONE_MS.
 */
import type { Clock } from '../../base/clock.js';
import { LIMITS } from '../../base/bounds.js';
import { FatalError } from '../../base/errors.js';
import { CredentialGate, type CredentialGateOptions, type GateMemory } from '../credential-gate.js';
import type { Admission, Answer, Gate, GateRequest, GateStatus, Ticket } from '../gate.js';
import { adopted, UNKNOWN_MS } from './adoption.js';
import { BudgetLink } from './budget-link.js';
import { DatabaseClock } from './database-clock.js';
import { dropOverdue, GrantPool, HORIZON_MS, notBefore, type Grant } from './grant-pool.js';
import { OwnerAllowance } from './owner-allowance.js';
import { OWNER_MS, roleOf } from './role.js';
import type { BudgetRow, LockedRow, SharedState } from './budget-store.js';

/** An owner writes down the gate this often. */
const RENEW_MS = 250;
/** It stops by itself a little before it is none any more. */
const OWNER_SAFE_MS = 800;
const HEARTBEAT_MS = 500;
const LEAST_GAP_MS = 4;
/** Answers are told at the latest after this. */
const TELL_MS = 25;
/** Requests that are remembered from before the budget is shared: a check of the account, and some. */
const MOST_EARLY = 50;

interface SharedTicket extends Ticket {
  id: number;
}

export class SharedGate implements Gate {
  private state: SharedState;
  private mode: 'alone' | 'owner' | 'shared' = 'alone';
  private attached: BudgetLink | undefined;
  private readonly database = new DatabaseClock();
  private renewedMs = -Infinity;
  private members = 1;
  private readonly pool = new GrantPool();
  /** As an owner: what may still leave, as the row says, and what a row that is being written will say. */
  private readonly allowance = new OwnerAllowance();
  private exchanging: Promise<void> | undefined;
  private exchangedMs = -Infinity;
  private timer: { atMs: number; cancel: () => void } | undefined;
  private requests = 0;
  /** Sent before the budget was shared. */
  private early: { atMs: number; request: GateRequest }[] = [];
  private failure: unknown;
  /** Nobody else is there, and this process goes. */
  private leaving = false;
  private begun = false;
  private closing = false;
  /** The database's clock was set: for how long what was sent last is unknown. */
  private unsureMs = 0;
  /** Called when a request that had to wait may go. */
  onChange: () => void = () => {};

  constructor(
    private readonly options: CredentialGateOptions,
    private readonly clock: Clock,
  ) {
    this.state = { gate: new CredentialGate(options), open: new Map(), nextId: 1, askedAtMs: 0, bootMs: 0 };
  }

  /**
   * From now on the budget is shared through the store that `open` opens, again where it is lost. Nothing may be in
   * flight.
   */
  async attach(
    open: () => Promise<BudgetRow>,
    member: string,
    onError: (error: unknown) => void,
    waitMs: number = LIMITS.databaseWaitMs,
  ): Promise<void> {
    const { clock, database } = this;
    const onClockSet = (nowMs: number, byMs: number) => this.clockSet(nowMs, byMs);
    const link = await BudgetLink.open({ open, member, onError, waitMs, clock, database, onClockSet });
    this.closing = false;
    this.attached = link;
    await link.synchronise();
    const row = await link.lock();
    const { nextId } = this.state;
    const gate = new CredentialGate({ ...this.options, memory: this.state.gate.remember() });
    this.pool.underWay.clear();
    this.state = { gate, open: new Map(), nextId, askedAtMs: 0, bootMs: row.bootMs };
    await this.take(row);
    this.early = [];
  }

  check(nowMs: number, request: GateRequest): Admission {
    if (this.failure) throw this.failure;
    if (this.mode !== 'shared') {
      if (this.mode === 'owner' && nowMs - this.renewedMs > OWNER_SAFE_MS) {
        this.exchangeAt(nowMs);
        return { go: false, waitMs: RENEW_MS, reason: 'shared budget', limit: 'owner' };
      }
      const at = nowMs + this.offsetMs;
      dropOverdue(this.state, at);
      const waitMs = notBefore(this.state, at) - at;
      if (waitMs > 0) return { go: false, waitMs, reason: 'shared budget', limit: 'shared' };
      const verdict = this.state.gate.check(at, request);
      if (this.mode !== 'owner' || !verdict.go || this.allowance.has(nowMs, request)) return verdict;
      this.exchangeAt(nowMs);
      return { go: false, waitMs: HORIZON_MS, reason: 'shared budget', limit: 'owner' };
    }
    this.pool.dropLate(nowMs, this.state.gate.toleranceMs());
    const grant = this.pool.find(request);
    if (grant && grant.atMs <= nowMs) return { go: true };
    if (grant) return { go: false, waitMs: grant.atMs - nowMs, reason: 'rate limit', limit: 'shared' };
    this.pool.want(request);
    const { reason = 'shared budget', limit = 'shared', untilMs = 0 } = this.pool.held ?? {};
    const isHeld = untilMs > nowMs;
    this.exchangeAt(isHeld ? Math.min(untilMs, nowMs + HORIZON_MS) : nowMs);
    return { go: false, waitMs: isHeld ? untilMs - nowMs : HORIZON_MS, reason, limit };
  }

  sent(nowMs: number, request: GateRequest): Ticket {
    this.requests++;
    if (!this.attached && this.early.length < MOST_EARLY) this.early.push({ atMs: nowMs, request });
    if (this.mode !== 'shared') {
      const id = this.state.nextId++;
      const atMs = nowMs + this.offsetMs;
      this.allowance.use(request);
      this.pool.underWay.add(id);
      const ticket = this.state.gate.sent(atMs, request);
      this.state.open.set(id, { member: this.attached?.member ?? '', ticket, atMs });
      return { request, id } as SharedTicket;
    }
    const grant = this.pool.use(request);
    this.pool.underWay.add(grant.id);
    if (!this.pool.find(request)) {
      this.pool.want(request);
      this.exchangeAt(nowMs + LEAST_GAP_MS);
    }
    return { request, id: grant.id } as SharedTicket;
  }

  answered(nowMs: number, ticket: Ticket, answer: Answer): void {
    const { id } = ticket as SharedTicket;
    // What was given up as lost is not told twice.
    if (!this.pool.underWay.delete(id)) return;
    if (this.mode === 'shared') {
      this.pool.tell({ id, atMs: nowMs, answer });
      this.exchangeAt(answer.kind === 'rejected' ? nowMs : nowMs + TELL_MS);
      return;
    }
    const open = this.state.open.get(id);
    if (!open) return;
    this.state.open.delete(id);
    this.state.gate.answered(nowMs + this.offsetMs, open.ticket, answer);
  }

  /** All of it: others may have nothing to do, and a process that asks for more than its share only waits. */
  rateOf(endpoint: string): number {
    return this.state.gate.rateOf(endpoint);
  }

  /** A request waits this long for its grant even where the limit has room. */
  get grantMs(): number {
    return this.mode === 'shared' ? HORIZON_MS : 0;
  }

  concurrency(): number {
    return Math.max(1, Math.ceil(this.state.gate.concurrency() / this.members));
  }

  status(nowMs: number): GateStatus {
    const status = this.state.gate.status(nowMs + this.offsetMs);
    const { waiting } = status;
    return {
      ...status,
      requests: this.requests,
      waiting:
        this.mode === 'shared'
          ? this.pool.heldAt(nowMs)
          : waiting && {
              ...waiting,
              sinceMs: waiting.sinceMs - this.offsetMs,
              untilMs: waiting.untilMs - this.offsetMs,
            },
    };
  }

  recall(memory: GateMemory): void {
    this.state.gate.recall(memory);
  }

  remember(): GateMemory {
    return this.state.gate.remember();
  }

  /** Hands back what was not used, and leaves. */
  async close(): Promise<void> {
    this.closing = true;
    this.timer?.cancel();
    this.timer = undefined;
    await this.exchanging;
    if (!this.attached) return;
    const { store } = this.attached;
    try {
      if (!this.failure) {
        this.pool.leave();
        const row = await this.attached.lock();
        const isLast = [...row.members].every((name) => name === this.attached!.member);
        this.leaving = isLast;
        if (this.mode === 'owner' && row.owner === this.attached.member)
          await store.keep(null, { ...this.state, left: isLast });
        else if (this.mode === 'shared') await this.share(row);
        else await store.release();
        await store.leave();
      }
    } catch {
      // The others notice within GONE_MS.
    } finally {
      this.attached = undefined;
      // Who attaches again asks for its account before.
      this.mode = 'alone';
      await store.close().catch(() => {});
    }
  }

  private exchangeAt(atMs: number): void {
    if (!this.attached || this.exchanging || this.closing) return;
    const earliest = Math.max(atMs, this.exchangedMs + LEAST_GAP_MS);
    if (this.timer && this.timer.atMs <= earliest) return;
    this.timer?.cancel();
    const cancel = this.clock.after(Math.max(0, earliest - this.clock.monotonic()), () => {
      this.timer = undefined;
      this.exchanging = this.exchange().finally(() => {
        this.exchanging = undefined;
        this.next();
      });
    });
    this.timer = { atMs: earliest, cancel };
  }

  /** The next exchange at the latest. */
  private next(): void {
    const now = this.clock.monotonic();
    this.exchangedMs = now;
    if (this.pool.hasRejection()) this.exchangeAt(now);
    else if (this.mode === 'owner') this.exchangeAt(now + RENEW_MS);
    else this.exchangeAt(now + (this.pool.hasNews() ? TELL_MS : HEARTBEAT_MS));
    this.onChange();
  }

  private async exchange(): Promise<void> {
    const { attached } = this;
    if (!attached) return;
    try {
      await this.take(await attached.lock());
    } catch (error) {
      if (error instanceof FatalError) this.failure = error;
      else if (await this.reopen(attached)) return;
      attached.options.onError(error);
    }
  }

  /**
   * A connection that was lost is opened again, and until then nothing leaves: others may go on, and the rows could not
   * be stored either. In the end on with what is known, alone.
   */
  private async reopen(attached: BudgetLink): Promise<boolean> {
    await attached.store.close().catch(() => {});
    this.pool.forget();
    this.allowance.clear();
    this.mode = 'shared';
    const sinceMs = this.clock.monotonic();
    const endMs = sinceMs + attached.options.waitMs;
    this.pool.held = { reason: 'shared budget', limit: 'the database is gone', sinceMs, untilMs: endMs };
    if (await attached.reopen(endMs, () => !this.closing)) return true;
    // Nobody else tells of what is open now.
    const nowMs = this.clock.monotonic() + this.offsetMs;
    this.pool.settle(this.state, { nowMs, members: new Set() }, attached.member, this.offsetMs);
    this.attached = undefined;
    this.mode = 'alone';
    return false;
  }

  /** Decides what this process is, and does its part while it holds the row: `attached` is there in all that this calls. */
  private async take(row: LockedRow): Promise<void> {
    const { store, member } = this.attached!;
    this.members = Math.max(1, row.members.size);
    const role = roleOf(row, member, this.mode === 'owner');
    switch (role) {
      case 'keeps':
        this.pool.settle(this.state, row, member, this.offsetMs);
        return this.own(row);
      case 'hands over':
        this.mode = 'shared';
        return this.share(row, this.state);
      case 'shares':
        this.mode = 'shared';
        return this.share(row);
      case 'waits': {
        this.mode = 'shared';
        const now = this.clock.monotonic();
        this.pool.held = { reason: 'shared budget', limit: 'owner', sinceMs: now, untilMs: now + HORIZON_MS };
        await store.release();
        return this.exchangeSoon(HORIZON_MS);
      }
      case 'takes over': {
        const state = this.adopt(row);
        this.pool.settle(state, row, member, this.offsetMs);
        this.state = state;
        this.mode = 'owner';
        this.pool.cancelAll(state);
        this.allowance.clear();
        await this.own(row);
        return this.exchangeSoon(RENEW_MS);
      }
      default:
        return role satisfies never;
    }
  }

  /** Writes down the gate as its owner, and what may leave before the next time. */
  private async own(row: LockedRow): Promise<void> {
    const { store } = this.attached!;
    const allowed = this.allowance.begin(this.clock.monotonic(), (endpoint) => this.state.gate.rateOf(endpoint));
    await this.keep([], () => store.keep({ untilMs: row.nowMs + OWNER_MS }, { ...this.state, allowed }, this.begins()));
    this.allowance.written();
    this.renewedMs = this.database.earliest(row.nowMs);
  }

  /** The database's clock less ours. */
  private get offsetMs(): number {
    return this.database.aheadMs;
  }

  /** Where the database's clock was set, what the gate counted of late lies in the future now, or seems long ago. */
  private clockSet(nowMs: number, byMs: number): void {
    if (byMs < -UNKNOWN_MS)
      this.state = {
        ...this.state,
        gate: new CredentialGate({ ...this.options, memory: this.state.gate.remember() }),
        open: new Map(),
        askedAtMs: 0,
      };
    this.unsureMs = Math.min(UNKNOWN_MS, Math.abs(byMs));
    this.state.gate.hold(nowMs, this.unsureMs);
    this.pool.forget();
  }

  private async keep(granted: Grant[], write: () => Promise<void>): Promise<void> {
    try {
      await write();
      this.pool.kept(granted);
    } catch (error) {
      this.pool.notKept(granted);
      throw error;
    }
  }

  private exchangeSoon(afterMs: number): void {
    // Within an exchange, `next` sets the timer; at the first one nobody does.
    if (!this.exchanging) this.exchangeAt(this.clock.monotonic() + afterMs);
  }

  /** The state of the row, or a new one. */
  private adopt(row: LockedRow): SharedState {
    const { options, state: own, unsureMs } = this;
    const early = this.early.splice(0).map(({ atMs, request }) => ({ atMs: atMs + this.offsetMs, request }));
    this.unsureMs = 0;
    return adopted(row, { options, own, unsureMs, early });
  }

  /** The first time: that somebody sends must not be forgotten where the one before said that nobody does. */
  private begins(): boolean {
    const isFirst = !this.begun;
    this.begun = true;
    return isFirst;
  }

  private async share(row: LockedRow, own?: SharedState): Promise<void> {
    const { store, member } = this.attached!;
    const state = own ?? this.adopt(row);
    this.allowance.clear();
    const now = this.clock.monotonic();
    // Who wants nothing more asks for nothing: what it did not use would hold others up.
    this.pool.dropLate(now, state.gate.toleranceMs());
    this.pool.settle(state, row, member, this.offsetMs);
    const granted = this.pool.grant(state, row.nowMs, { member, members: this.members, offsetMs: this.offsetMs });
    this.state = state;
    state.left = this.leaving && state.open.size === 0;
    await this.keep(granted, () => store.keep(null, state, this.begins()));
    if (!this.exchanging) this.exchangeAt(now + HEARTBEAT_MS);
  }
}
