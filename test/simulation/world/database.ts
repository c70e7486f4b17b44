/**
 * The virtual PostgreSQL: what the destination's contract promises and nothing more. Transactions are atomic; entries
 * are compared and set; sessions end and their locks with them; a crash may forget the last commits.
 */
import type { DataRecord } from '../../../src/base/catalog.js';
import { codeOf, LedgerConflictError, RetriableError } from '../../../src/base/errors.js';
import {
  noCounts,
  type Counts,
  type Loan,
  type StateEntry,
  type StateWrite,
} from '../../../src/destinations/contract.js';
import type { Agenda } from './agenda.js';
import type { Process } from './process.js';
import { BudgetRows } from './budget.js';

export interface StoredRow {
  record: DataRecord;
  version: number;
  isDeleted: boolean;
}

export interface StoredLoan extends Omit<Loan, 'stale'> {
  borrower: string;
  run: string;
  seenMs: number;
}

interface Tables {
  rows: Map<string, Map<string, StoredRow>>;
  seen: Map<string, Map<number, Set<string>>>;
  state: Map<string, StateEntry>;
  counts: Map<string, Counts>;
  runs: Map<string, { isOver: boolean }>;
  loans: Map<number, StoredLoan>;
}

/** Commits of the embedded server do not wait for the disk: a crash of the machine loses so much. */
const FORGETS_MS = 600;

/** Takes back what a transaction did, last step first. */
export type Undo = (() => void)[];

/** A connection of one process to the server. */
export class Session {
  isAlive = true;
  constructor(
    readonly process: Process,
    readonly name: string,
  ) {}
}

/** What a transaction did, to be undone by a crash. */
interface Done {
  atMs: number;
  undo: Undo;
}

export class Database {
  readonly tables: Tables = {
    rows: new Map(),
    seen: new Map(),
    state: new Map(),
    counts: new Map(),
    runs: new Map(),
    loans: new Map(),
  };
  readonly budget: BudgetRows;
  /** Who holds the connection's lock. */
  lock: Session | undefined;
  private readonly sessions = new Set<Session>();
  private upAtMs = 0;
  private loans = 0;
  private log: Done[] = [];
  /** Share of the trips that take up to 300 ms. */
  slowTrips = 0;
  /** Sessions that are lost are opened again. */
  isWaitedFor = true;
  /** A part was lent to this process. */
  onGrant: (borrower: string) => void = () => {};
  /** Looks at each commit. */
  onTombstone: (stream: string, key: string) => void = () => {};

  constructor(
    readonly agenda: Agenda,
    private readonly forgets: boolean,
  ) {
    this.budget = new BudgetRows(agenda, (process) => this.travel(process));
  }

  get isUp(): boolean {
    return this.agenda.nowMs >= this.upAtMs;
  }

  async connect(process: Process, name: string): Promise<Session> {
    await this.travel(process);
    if (!this.isUp) {
      await this.travel(process);
      throw unreachable();
    }
    const session = new Session(process, name);
    this.sessions.add(session);
    await this.travel(process);
    return session;
  }

  /**
   * One statement or transaction: it travels, is done at one moment, and its result travels back. What was sent is done
   * even where the process that sent it is dead by then; a session that ended does nothing more.
   */
  run<T>(session: Session, what: string, ms: number, work: (undo: Undo) => T): Promise<T> {
    const { agenda } = this;
    return new Promise<T>((resolve, reject) => {
      const back = (then: () => void) =>
        agenda.in(this.way(), () => (session.isAlive ? then() : reject(lost())), session.process);
      if (!session.isAlive) return void agenda.in(0.1, () => reject(lost()), session.process);
      agenda.in(this.way() + ms, () => {
        if (!session.isAlive) return void agenda.in(0.1, () => reject(lost()), session.process);
        const undo: Undo = [];
        try {
          const result = work(undo);
          this.remember(undo);
          agenda.note('db', 0, () => `${session.process.name} ${what}`);
          back(() => resolve(result));
        } catch (error) {
          for (const step of undo.toReversed()) step();
          agenda.note('db!', 0, () => `${session.process.name} ${what}: ${String(error)}`);
          back(() => reject(error as Error));
        }
      });
    });
  }

  /** Compare-and-set of entries. */
  writeState(writes: StateWrite[], undo: Undo): void {
    const { state } = this.tables;
    for (const { stream, key, expect, value } of writes) {
      const at = `${stream}\u0001${key}`;
      const found = state.get(at);
      if ((found?.version ?? 0) !== expect)
        throw new LedgerConflictError("another process changed this stream's ledger", {
          code: 'ledger_conflict',
          place: `${stream} ${key}`,
          expected: `version ${expect}`,
          found: `version ${found?.version ?? 0}`,
        });
      this.set(
        state,
        at,
        value === null ? undefined : { stream, key, version: expect + 1, value: structuredClone(value) },
        undo,
      );
    }
  }

  set<K, V>(map: Map<K, V>, key: K, value: V | undefined, undo: Undo): void {
    const before = map.get(key);
    undo.push(() => (before === undefined ? map.delete(key) : map.set(key, before)));
    if (value === undefined) map.delete(key);
    else map.set(key, value);
  }

  addCounts(stream: string, more: Partial<Counts>, undo: Undo): void {
    const sum = { ...(this.tables.counts.get(stream) ?? noCounts()) };
    for (const key of Object.keys(more) as (keyof Counts)[]) sum[key] += more[key]!;
    this.set(this.tables.counts, stream, sum, undo);
  }

  tableOf(stream: string): Map<string, StoredRow> {
    let found = this.tables.rows.get(stream);
    if (!found) this.tables.rows.set(stream, (found = new Map()));
    return found;
  }

  newLoan(): number {
    return ++this.loans;
  }

  /** A session ends: its lock is free, and what it had under way is undone or was done. */
  end(session: Session): void {
    session.isAlive = false;
    this.sessions.delete(session);
    if (this.lock === session) this.lock = undefined;
  }

  /** The server ends all sessions of a process: a failover, a firewall, an administrator. */
  cut(process: Process): void {
    this.agenda.note('cut', 0, () => process.name);
    for (const session of this.sessions) if (session.process === process) this.end(session);
    this.budget.cut(process);
  }

  /** The server notices that the process is gone. */
  buried(process: Process): void {
    this.cut(process);
  }

  /** It stops, loses what had not reached the disk, and is back after a while. */
  crash(downMs: number): void {
    const { agenda } = this;
    agenda.note('crash', downMs, () => `the database is down for ${Math.round(downMs)} ms`);
    for (const session of this.sessions) this.end(session);
    const sinceMs = this.forgets ? agenda.nowMs - agenda.between(0, FORGETS_MS) : Infinity;
    for (const { atMs, undo } of this.log.toReversed())
      if (atMs > sinceMs) for (const step of undo.toReversed()) step();
    this.log = [];
    this.upAtMs = agenda.nowMs + downMs;
    this.budget.crash(downMs, this.forgets);
  }

  /** What was committed until now is on the disk. */
  settle(): void {
    this.log = [];
  }

  /** One way to the server, for who has no session. */
  travel(process: Process): Promise<void> {
    return new Promise((resolve) => void this.agenda.in(this.way(), resolve, process));
  }

  private remember(undo: Undo): void {
    if (undo.length === 0 || !this.forgets) return;
    const { nowMs } = this.agenda;
    if (this.log.length > 200) this.log = this.log.filter(({ atMs }) => atMs > nowMs - 2 * FORGETS_MS);
    this.log.push({ atMs: nowMs, undo });
  }

  private way(): number {
    const { agenda } = this;
    return this.slowTrips > 0 && agenda.chance(this.slowTrips) ? agenda.between(5, 300) : agenda.between(0.1, 1);
  }
}

export function lost(): RetriableError {
  return new RetriableError('the connection to the database was lost', {
    code: 'database_lost',
    next: 'run the same command again; it continues where it stopped',
  });
}

/** Whether waiting may help. */
export function isLost(error: unknown): boolean {
  const code = codeOf(error);
  return code === 'database_lost' || code === 'database_unreachable';
}

export function unreachable(): RetriableError {
  return new RetriableError('the database cannot be reached', { code: 'database_unreachable' });
}
