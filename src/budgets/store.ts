/** Where processes that use one credential meet: a row of the coordination database, read and written under its lock. */
import { deserialize, serialize } from 'node:v8';
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import type pg from 'pg';
import { FatalError } from '../errors.js';
import { revive } from '../gate/revive.js';
import type { CredentialGate } from '../gate/credential-gate.js';
import type { Ticket } from '../gate/gate.js';

/** A process that was not heard of for this long is gone, and its share with it. */
export const GONE_MS = 2000;
/** It is heard of this often. */
const HEARTBEAT_MS = 300;

/** Raised with every change of what a gate is made of: one of another version's is not gone on with. */
const LAYOUT = 2;

/** What the processes share. */
export interface SharedState {
  gate: CredentialGate;
  /** Requests granted and not yet answered. */
  open: Map<number, { member: string; ticket: Ticket }>;
  nextId: number;
  /** When the database was started: what was granted shortly before a crash may be forgotten. */
  bootMs: number;
}

export interface LockedRow {
  /** The database's clock, milliseconds. */
  nowMs: number;
  bootMs: number;
  owner: string | null;
  ownerUntilMs: number;
  /** Everybody heard of lately, this process included. */
  members: Set<string>;
  /** Undefined where there is none yet, or another version of Headrace wrote it. */
  read(): SharedState | undefined;
}

export interface Fence {
  task: string;
  attempt: number;
}

export class BudgetStore {
  private readonly scope: string;
  private readonly member: string;
  private beatMs = -Infinity;

  private constructor(
    private readonly client: pg.Client,
    scope: string,
    member: string,
    private readonly fence: Fence | undefined,
  ) {
    this.scope = client.escapeLiteral(scope);
    this.member = client.escapeLiteral(member);
  }

  /** Throws FatalError `stale_attempt` where a later attempt of the same task has begun. */
  static async open(client: pg.Client, scope: string, member: string, fence?: Fence): Promise<BudgetStore> {
    const store = new BudgetStore(client, scope, member, fence);
    // Nobody shall wait for a process that stands still with the row in its hands.
    await client.query('set idle_in_transaction_session_timeout = 1000; set lock_timeout = 5000; set synchronous_commit = off');
    await client.query('insert into _headrace.budget (scope) values ($1) on conflict do nothing', [scope]);
    if (fence) {
      await client.query(
        `insert into _headrace.budget_fence as f (scope, task, attempt) values ($1, $2, $3)
         on conflict (scope, task) do update set attempt = greatest(f.attempt, excluded.attempt)`, [scope, fence.task, fence.attempt]);
    }
    return store;
  }

  /** Takes the row; `keep` or `release` must follow. `clockMs`: this process's monotonic clock. */
  async lock(clockMs: number): Promise<LockedRow> {
    const heartbeat = clockMs - this.beatMs >= HEARTBEAT_MS;
    const results = (await this.client.query(
      `begin; ${heartbeat ? `
       insert into _headrace.budget_member (scope, member, seen_at) values (${this.scope}, ${this.member}, clock_timestamp())
         on conflict (scope, member) do update set seen_at = excluded.seen_at;` : 'select 1;'}
       select b.owner, b.owner_until, case when b.owner = ${this.member} then null else b.state end as state from _headrace.budget b where b.scope = ${this.scope} for update;
       select (extract(epoch from clock_timestamp()) * 1000)::float8 as now, (extract(epoch from pg_postmaster_start_time()) * 1000)::float8 as boot,
         array(select member from _headrace.budget_member where scope = ${this.scope} and seen_at > clock_timestamp() - interval '${GONE_MS} milliseconds') as members
         ${this.fence ? `, (select attempt from _headrace.budget_fence where scope = ${this.scope} and task = ${this.client.escapeLiteral(this.fence.task)})::float8 as attempt` : ''}`,
    )) as unknown as pg.QueryResult[];
    if (heartbeat) this.beatMs = clockMs;
    const [row] = results[2]!.rows;
    const [clock] = results[3]!.rows;
    if (this.fence && clock.attempt > this.fence.attempt) {
      await this.client.query('rollback');
      throw new FatalError('a later attempt of this task has begun', { code: 'stale_attempt', place: this.fence.task, expected: `attempt ${clock.attempt}`, found: `attempt ${this.fence.attempt}`, next: 'let this process end; the later attempt continues' });
    }
    return { nowMs: clock.now, bootMs: clock.boot, owner: row?.owner ?? null, ownerUntilMs: row?.owner_until ?? 0, members: new Set(clock.members), read: () => decode(row?.state ?? null) };
  }

  async keep(owner: { untilMs: number } | null, state: SharedState): Promise<void> {
    await this.client.query(
      `update _headrace.budget set owner = ${owner ? this.member : 'null'}, owner_until = ${owner?.untilMs ?? 0}, state = '\\x${encode(state).toString('hex')}' where scope = ${this.scope}; commit`);
  }

  async release(): Promise<void> {
    await this.client.query('commit');
  }

  async leave(): Promise<void> {
    await this.client.query(`delete from _headrace.budget_member where scope = ${this.scope} and (member = ${this.member} or seen_at < clock_timestamp() - interval '1 hour')`);
  }

  async close(): Promise<void> {
    await this.client.end();
  }
}

function encode(state: SharedState): Buffer {
  // Small enough to lie in the row itself: writing it out of line costs four times as much.
  return deflateRawSync(serialize({ layout: LAYOUT, state }), { level: 1 });
}

function decode(bytes: Buffer | null): SharedState | undefined {
  if (bytes === null) return undefined;
  try {
    const { layout, state } = deserialize(inflateRawSync(bytes)) as { layout?: number; state: SharedState };
    return layout === LAYOUT ? revive(state) : undefined;
  } catch {
    return undefined;
  }
}
