/** The row of a shared budget: its lock, what is written into it, and who is heard of. */
import { GONE_MS, type BudgetRow, type LockedRow, type SharedState } from '../../../src/gate/shared/budget-store.js';
import { StoredState } from '../stored-state.js';
import type { Agenda } from './agenda.js';
import type { Process } from './process.js';
import { EPOCH_MS } from './process.js';

/** What PostgreSQL does to a transaction that stands still, and to who waits for its row. */
const IDLE_IN_TRANSACTION_MS = 1000;
const LOCK_TIMEOUT_MS = 5000;
const FORGETS_MS = 600;

interface Row {
  owner: string | null;
  ownerUntilMs: number;
  state: (() => SharedState | undefined) | null;
  members: Map<string, number>;
}

const lost = () => new Error('the connection was lost');

export class BudgetRows {
  row: Row = { owner: null, ownerUntilMs: 0, state: null, members: new Map() };
  private durable: Row = this.row;
  private commits: { atMs: number; row: Row }[] = [];
  private holder: BudgetConnection | undefined;
  private waiting: { of: BudgetConnection; go: () => void }[] = [];
  private readonly connections = new Set<BudgetConnection>();
  bootMs = EPOCH_MS;
  private upAtMs = 0;
  readonly states = new StoredState();

  constructor(
    readonly agenda: Agenda,
    readonly travel: (process: Process) => Promise<void>,
  ) {}

  /** The server's clock; it is not the world's. */
  get nowMs(): number {
    return EPOCH_MS + 12_345 + this.agenda.nowMs;
  }

  async connect(process: Process, member: string): Promise<BudgetConnection> {
    await this.travel(process);
    if (this.agenda.nowMs < this.upAtMs) throw new Error('the database is not up');
    const connection = new BudgetConnection(this, process, member);
    this.connections.add(connection);
    return connection;
  }

  acquire(connection: BudgetConnection, go: () => void): void {
    if (this.holder) this.waiting.push({ of: connection, go });
    else {
      this.holder = connection;
      go();
    }
  }

  commit(connection: BudgetConnection, change: Partial<Row>, isDurable: boolean): void {
    this.row = { ...this.row, ...change };
    this.commits.push({ atMs: this.agenda.nowMs, row: this.row });
    if (this.commits.length > 64) this.commits.shift();
    if (isDurable) this.settle(this.agenda.nowMs);
    this.release(connection);
  }

  release(connection: BudgetConnection): void {
    if (this.holder !== connection) return;
    const next = this.waiting.shift();
    this.holder = next?.of;
    next?.go();
  }

  drop(connection: BudgetConnection): void {
    this.connections.delete(connection);
    connection.isLost = true;
    this.waiting = this.waiting.filter(({ of }) => of !== connection);
    this.release(connection);
  }

  cut(process: Process): void {
    for (const connection of this.connections) if (connection.process === process) this.drop(connection);
  }

  crash(downMs: number, forgets: boolean): void {
    this.settle(this.agenda.nowMs - (forgets ? this.agenda.between(0, FORGETS_MS) : 0));
    this.row = this.durable;
    this.commits = [];
    this.waiting = [];
    this.holder = undefined;
    for (const connection of this.connections) this.drop(connection);
    this.upAtMs = this.agenda.nowMs + downMs;
    this.bootMs = this.nowMs + downMs;
  }

  private settle(untilMs: number): void {
    for (const { atMs, row } of this.commits) if (atMs <= untilMs) this.durable = row;
    this.commits = this.commits.filter(({ atMs }) => atMs > untilMs);
  }
}

class BudgetConnection implements BudgetRow {
  isLost = false;
  private turn = 0;

  constructor(
    private readonly rows: BudgetRows,
    readonly process: Process,
    private readonly member: string,
  ) {}

  async clock(): Promise<number> {
    await this.travel();
    const { nowMs } = this.rows;
    await this.travel();
    return nowMs;
  }

  async lock(): Promise<LockedRow> {
    await this.travel();
    const { rows, member } = this;
    await new Promise<void>((resolve, reject) => {
      const stop = rows.agenda.in(
        LOCK_TIMEOUT_MS,
        () => {
          rows.drop(this);
          reject(lost());
        },
        this.process,
      );
      rows.acquire(this, () => {
        stop();
        resolve();
      });
    });
    const turn = ++this.turn;
    rows.agenda.in(IDLE_IN_TRANSACTION_MS, () => {
      if (turn === this.turn) rows.drop(this);
    });
    const { nowMs, row } = rows;
    const members = new Set(
      [...row.members].filter(([, seenMs]) => Math.abs(seenMs - nowMs) < GONE_MS).map(([name]) => name),
    ).add(member);
    await this.travel();
    return {
      nowMs,
      bootMs: rows.bootMs,
      owner: row.owner,
      ownerUntilMs: row.ownerUntilMs,
      members,
      read: () => (row.owner === member ? undefined : row.state?.()),
    };
  }

  async keep(owner: { untilMs: number } | null, state: SharedState, durable = false): Promise<void> {
    // At once, since the gate goes on.
    const kept = this.rows.states.keep(state);
    await this.travel();
    this.turn++;
    this.rows.commit(
      this,
      { owner: owner && this.member, ownerUntilMs: owner?.untilMs ?? 0, state: kept, ...this.beat() },
      durable,
    );
    await this.travel();
  }

  async release(): Promise<void> {
    await this.travel();
    this.turn++;
    this.rows.commit(this, this.beat(), false);
    await this.travel();
  }

  async leave(): Promise<void> {
    await this.travel();
    const members = new Map(this.rows.row.members);
    members.delete(this.member);
    this.rows.commit(this, { members }, false);
  }

  async close(): Promise<void> {
    this.rows.drop(this);
  }

  private beat(): Partial<Row> {
    return { members: new Map(this.rows.row.members).set(this.member, this.rows.nowMs) };
  }

  private async travel(): Promise<void> {
    await this.rows.travel(this.process);
    if (this.isLost) throw lost();
  }
}
