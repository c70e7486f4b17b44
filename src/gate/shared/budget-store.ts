/**
 * Where processes that use one credential meet: a row of the coordination database, read and written under its lock.
 */
import { deserialize, serialize } from 'node:v8';
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import type pg from 'pg';
import { FatalError } from '../../base/errors.js';
import { together } from '../../postgres/together.js';
import { revive } from '../revive.js';
import type { CredentialGate } from '../credential-gate.js';
import type { GateRequest, Ticket } from '../gate.js';

/** A process that was not heard of for this long is gone, and its share with it. */
export const GONE_MS = 2000;
/** It is heard of this often. */
const HEARTBEAT_MS = 300;

/** Raised with every change of what a gate is made of: one of another version's is not gone on with. */
const LAYOUT = 10;

/**
 * A request that was granted and not yet answered: it has an owner, and an end at the latest a request's time limit
 * later.
 */
export interface OpenRequest {
  member: string;
  ticket: Ticket;
  /** When it left, or may leave, by the database's clock. */
  atMs: number;
}

/** Requests of one kind that an owner may send before it writes the gate down again. */
export interface Allowance {
  request: GateRequest;
  count: number;
}

/** What the processes share. */
export interface SharedState {
  gate: CredentialGate;
  /** Requests granted and not yet answered. */
  open: Map<number, OpenRequest>;
  nextId: number;
  /** The latest time that the gate was asked about, by the database's clock. */
  askedAtMs: number;
  /** When the database was started: what was granted shortly before a crash may be forgotten. */
  bootMs: number;
  /**
   * Processes that found no room, since when, and when they come again: where grants are scarce, they go in this order.
   */
  turns?: Map<string, { sinceMs: number; backMs: number }> | undefined;
  /** What the owner may have sent since this was written: whoever takes over from a dead one counts it as sent. */
  allowed?: Allowance[] | undefined;
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

/** Statements that are planned once; several of them travel together. */
const TAKE = {
  begin: { name: 'begin', text: 'begin' },
  beat: {
    name: 'beat',
    text: `insert into _headrace.budget_member as m (scope, member, seen_at) values ($1, $2, clock_timestamp())
           on conflict (scope, member) do update set seen_at = excluded.seen_at`,
  },
  // What an owner wrote down itself, it has in its memory.
  lock: {
    name: 'lock',
    text: `select owner, owner_until, case when owner = $2 then null else state end as state from _headrace.budget
      where scope = $1 for update`,
  },
  // By a clock that is read once the row is ours.
  look: {
    name: 'look',
    text: `select extract(epoch from clock_timestamp())::float8 * 1000 as now_ms,
      extract(epoch from pg_postmaster_start_time())::float8 * 1000 as boot_ms,
             array(select m.member from _headrace.budget_member m where m.scope = $1
               and m.seen_at between clock_timestamp() - interval '${GONE_MS} milliseconds'
               and clock_timestamp() + interval '${GONE_MS} milliseconds') as members,
             (select f.attempt from _headrace.budget_fence f where f.scope = $1 and f.task = $2) as task_attempt`,
  },
};
const KEEP = {
  durably: { name: 'durably', text: 'set local synchronous_commit = on' },
  write: {
    name: 'write',
    text: 'update _headrace.budget set owner = $2, owner_until = $3, state = $4 where scope = $1',
  },
  commit: { name: 'commit', text: 'commit' },
};

/** What a gate needs of the store. */
export type BudgetRow = Pick<BudgetStore, 'clock' | 'lock' | 'keep' | 'release' | 'leave' | 'close'>;

export class BudgetStore {
  private beatMs = -Infinity;

  private constructor(
    private readonly client: pg.Client,
    private readonly scope: string,
    private readonly member: string,
    private readonly fence: Fence | undefined,
  ) {}

  /** `client` is the store's own from now on, and pipelines: two round trips a lease. */
  static async open(client: pg.Client, scope: string, member: string, fence?: Fence): Promise<BudgetStore> {
    // Nobody shall wait for a process that stands still with the row in its hands.
    await client.query(
      'set idle_in_transaction_session_timeout = 1000; set lock_timeout = 5000; set synchronous_commit = off',
    );
    await client.query('insert into _headrace.budget (scope) values ($1) on conflict do nothing', [scope]);
    if (fence) {
      await client.query(
        `insert into _headrace.budget_fence as f (scope, task, attempt) values ($1, $2, $3)
         on conflict (scope, task) do update set attempt = greatest(f.attempt, excluded.attempt)`,
        [scope, fence.task, fence.attempt],
      );
    }
    return new BudgetStore(client, scope, member, fence);
  }

  /** The database's clock, milliseconds. */
  async clock(): Promise<number> {
    return (await this.client.query('select extract(epoch from clock_timestamp())::float8 * 1000 as now_ms')).rows[0]
      .now_ms;
  }

  /**
   * Takes the row; `keep` or `release` must follow. `clockMs`: this process's monotonic clock. Throws FatalError
   * `stale_attempt` where a later attempt of the same task has begun; after any other error, close the store.
   */
  async lock(clockMs: number): Promise<LockedRow> {
    const { scope, member, fence } = this;
    const heartbeat = clockMs - this.beatMs >= HEARTBEAT_MS;
    const results = await together(this.client, [
      TAKE.begin,
      ...(heartbeat ? [{ ...TAKE.beat, values: [scope, member] }] : []),
      { ...TAKE.lock, values: [scope, member] },
      { ...TAKE.look, values: [scope, fence?.task ?? null] },
    ]);
    if (heartbeat) this.beatMs = clockMs;
    const [row, seen] = results.slice(-2).map((result) => result.rows[0]);
    if (fence && seen.task_attempt > fence.attempt) {
      await this.client.query('rollback');
      throw new FatalError('a later attempt of this task has begun', {
        code: 'stale_attempt',
        place: fence.task,
        expected: `attempt ${seen.task_attempt}`,
        found: `attempt ${fence.attempt}`,
        next: 'let this process end; the later attempt continues',
      });
    }
    return {
      nowMs: seen.now_ms,
      bootMs: seen.boot_ms,
      owner: row.owner,
      ownerUntilMs: row.owner_until,
      members: new Set(seen.members),
      read: () => decode(row.state),
    };
  }

  /** `durable`: a crash of the database shall not forget it. */
  async keep(owner: { untilMs: number } | null, state: SharedState, durable = false): Promise<void> {
    await together(this.client, [
      ...(durable ? [KEEP.durably] : []),
      { ...KEEP.write, values: [this.scope, owner ? this.member : null, owner?.untilMs ?? 0, encode(state)] },
      KEEP.commit,
    ]);
  }

  async release(): Promise<void> {
    await this.client.query(KEEP.commit);
  }

  async leave(): Promise<void> {
    await this.client.query(
      `delete from _headrace.budget_member where scope = $1
        and (member = $2 or seen_at < clock_timestamp() - interval '1 hour')`,
      [this.scope, this.member],
    );
  }

  async close(): Promise<void> {
    await this.client.end();
  }
}

export function encode(state: SharedState): Buffer {
  // Small enough to lie in the row itself: writing it out of line costs four times as much.
  return deflateRawSync(serialize({ layout: LAYOUT, state }), { level: 1 });
}

export function decode(bytes: Buffer | null): SharedState | undefined {
  if (bytes === null) return undefined;
  try {
    const { layout, state } = deserialize(inflateRawSync(bytes)) as { layout?: number; state: SharedState };
    return layout === LAYOUT ? revive(state) : undefined;
  } catch {
    return undefined;
  }
}
