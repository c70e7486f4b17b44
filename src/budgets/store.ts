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
const LAYOUT = 5;

/** What the processes share. */
export interface SharedState {
  gate: CredentialGate;
  /** Requests granted and not yet answered. */
  open: Map<number, { member: string; ticket: Ticket }>;
  nextId: number;
  /** When the database was started: what was granted shortly before a crash may be forgotten. */
  bootMs: number;
  /** Processes that found no room, since when, and when they come again: where grants are scarce, they go in this order. */
  turns?: Map<string, { sinceMs: number; backMs: number }> | undefined;
  /** The last process left, and told of all that it had sent. */
  left?: boolean | undefined;
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
  private readonly task: string;
  private beatMs = -Infinity;

  private constructor(
    private readonly client: pg.Client,
    scope: string,
    member: string,
    private readonly fence: Fence | undefined,
  ) {
    this.scope = client.escapeLiteral(scope);
    this.member = client.escapeLiteral(member);
    this.task = fence ? client.escapeLiteral(fence.task) : 'null';
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
    const results = (await this.client.query(`begin; select * from _headrace.budget_take(${this.scope}, ${this.member}, ${heartbeat}, '${GONE_MS} milliseconds', ${this.task})`)) as unknown as pg.QueryResult[];
    if (heartbeat) this.beatMs = clockMs;
    const [row] = results[1]!.rows;
    if (this.fence && row.task_attempt > this.fence.attempt) {
      await this.client.query('rollback');
      throw new FatalError('a later attempt of this task has begun', { code: 'stale_attempt', place: this.fence.task, expected: `attempt ${row.task_attempt}`, found: `attempt ${this.fence.attempt}`, next: 'let this process end; the later attempt continues' });
    }
    return { nowMs: row.now_ms, bootMs: row.boot_ms, owner: row.row_owner, ownerUntilMs: row.row_owner_until ?? 0, members: new Set(row.members), read: () => decode(row.row_state) };
  }

  /** `durable`: a crash of the database shall not forget it. */
  async keep(owner: { untilMs: number } | null, state: SharedState, durable = false): Promise<void> {
    await this.client.query(`${durable ? 'set local synchronous_commit = on; ' : ''}select _headrace.budget_keep(${this.scope}, ${owner ? this.member : 'null'}, ${owner?.untilMs ?? 0}, '\\x${encode(state).toString('hex')}'); commit`);
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
