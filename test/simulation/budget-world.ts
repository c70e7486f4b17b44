/**
 * Processes, a database and a server in virtual time, of which a budget is shared: each can die, stand still, be cut
 * off.
 */
import { setMaxListeners } from 'node:events';
import { SharedGate } from '../../src/gate/shared/shared-gate.js';
import { GONE_MS, type BudgetRow, type LockedRow, type SharedState } from '../../src/gate/shared/budget-store.js';
import type { Clock } from '../../src/base/clock.js';
import { Admission } from '../../src/http/admission.js';
import { seededRandom, type Random } from '../../src/base/random.js';
import { StoredState } from './stored-state.js';

/** What PostgreSQL does to a transaction that stands still, and to who waits for its row. */
export const IDLE_IN_TRANSACTION_MS = 1000;
export const LOCK_TIMEOUT_MS = 5000;
/** With synchronous_commit off, a crash may forget so much. */
export const FORGETS_MS = 600;
export const SERVICE_MS = 60;
export const WAY_MS = 10;
export const WAY_VARIES_MS = 15;
export const REQUESTS_AT_ONCE = 8;
export const RUNS = 40;

/** What can die, or stand still. */
export interface Mortal {
  dead: boolean;
  stillUntilMs: number;
}

export class World {
  nowMs = 0;
  private readonly agenda: { atMs: number; seq: number; act: () => void; of: Mortal | undefined }[] = [];
  private seq = 0;
  readonly random: Random;

  constructor(seed: number) {
    this.random = seededRandom(seed);
  }

  /** Of a process: not once it is dead, and not while it stands still. */
  in(ms: number, act: () => void, of?: Mortal): () => void {
    const entry = { atMs: this.nowMs + Math.max(0, ms), seq: this.seq++, act, of };
    this.agenda.push(entry);
    return () => {
      const at = this.agenda.indexOf(entry);
      if (at >= 0) this.agenda.splice(at, 1);
    };
  }

  between(least: number, most: number): number {
    return least + (most - least) * this.random.next();
  }

  async run(untilMs: number): Promise<void> {
    for (;;) {
      let first: (typeof this.agenda)[number] | undefined;
      for (const entry of this.agenda)
        if (!first || entry.atMs < first.atMs || (entry.atMs === first.atMs && entry.seq < first.seq)) first = entry;
      if (!first || first.atMs > untilMs) break;
      this.agenda.splice(this.agenda.indexOf(first), 1);
      if (first.of?.dead) continue;
      if (first.of && first.of.stillUntilMs > first.atMs) {
        this.agenda.push({ ...first, atMs: first.of.stillUntilMs });
        continue;
      }
      this.nowMs = first.atMs;
      first.act();
      await new Promise(setImmediate);
    }
    this.nowMs = untilMs;
  }
}

export interface Row {
  owner: string | null;
  ownerUntilMs: number;
  state: (() => SharedState | undefined) | null;
  members: Map<string, number>;
}

export class Database {
  private row: Row = { owner: null, ownerUntilMs: 0, state: null, members: new Map() };
  private commits: { atMs: number; row: Row }[] = [];
  private durable: Row = this.row;
  private holder: Connection | undefined;
  private waiting: { of: Connection; go: () => void }[] = [];
  private connections = new Set<Connection>();
  bootMs = 1_800_000_000_000;
  upAtMs = 0;
  /** Its clock is ahead of the world's. */
  aheadMs = 1_800_000_000_000;
  /** Share of the trips to it that take up to 300 ms. */
  slowTrips = 0;

  readonly states = new StoredState();

  constructor(readonly world: World) {}

  connect(process: Process, member: string): Connection {
    if (this.world.nowMs < this.upAtMs) throw new Error('the database is not up');
    const connection = new Connection(this, process, member);
    this.connections.add(connection);
    return connection;
  }

  acquire(connection: Connection, go: () => void): void {
    if (!this.holder) {
      this.holder = connection;
      go();
    } else this.waiting.push({ of: connection, go });
  }

  get nowMs(): number {
    return this.world.nowMs + this.aheadMs;
  }

  read(): Row {
    return this.row;
  }

  commit(connection: Connection, change: Partial<Row>, durably: boolean): void {
    this.row = { ...this.row, ...change };
    this.commits.push({ atMs: this.world.nowMs, row: this.row });
    if (durably) this.settle(this.world.nowMs);
    this.release(connection);
  }

  release(connection: Connection): void {
    if (this.holder !== connection) return;
    this.holder = undefined;
    const next = this.waiting.shift();
    if (next) {
      this.holder = next.of;
      next.go();
    }
  }

  /** A connection is gone: its transaction is rolled back. */
  drop(connection: Connection): void {
    this.connections.delete(connection);
    connection.lost = true;
    this.waiting = this.waiting.filter(({ of }) => of !== connection);
    this.release(connection);
  }

  cut(process: Process): void {
    for (const connection of this.connections) if (connection.process === process) this.drop(connection);
  }

  /** Forgets what was committed in the last moments, some of it or all. `setMs`: who takes over has another clock. */
  crash(downMs: number, setMs: number): void {
    this.aheadMs += setMs;
    this.settle(this.world.nowMs - this.world.between(0, FORGETS_MS));
    this.row = this.durable;
    this.commits = [];
    this.holder = undefined;
    this.waiting = [];
    for (const connection of this.connections) this.drop(connection);
    this.upAtMs = this.world.nowMs + downMs;
    this.bootMs = this.upAtMs + this.aheadMs;
  }

  private settle(untilMs: number): void {
    for (const { atMs, row } of this.commits) if (atMs <= untilMs) this.durable = row;
    this.commits = this.commits.filter(({ atMs }) => atMs > untilMs);
  }
}

/** The budget's row as one process sees it. */
export class Connection implements BudgetRow {
  lost = false;
  private turn = 0;

  constructor(
    private readonly database: Database,
    readonly process: Process,
    private readonly member: string,
  ) {}

  async clock(): Promise<number> {
    await this.travel();
    const nowMs = this.database.nowMs;
    await this.travel();
    return nowMs;
  }

  async lock(): Promise<LockedRow> {
    await this.travel();
    const { database, member } = this;
    const { world } = database;
    await new Promise<void>((resolve, reject) => {
      const stop = world.in(LOCK_TIMEOUT_MS, () => {
        database.drop(this);
        reject(new Error('lock timeout'));
      });
      database.acquire(this, () => {
        stop();
        resolve();
      });
    });
    const turn = ++this.turn;
    world.in(IDLE_IN_TRANSACTION_MS, () => {
      if (turn === this.turn) database.drop(this);
    });
    const { nowMs } = database;
    const row = database.read();
    const members = new Set(
      [...row.members].filter(([, seenMs]) => Math.abs(seenMs - nowMs) < GONE_MS).map(([name]) => name),
    ).add(member);
    await this.travel();
    return {
      nowMs,
      bootMs: database.bootMs,
      owner: row.owner,
      ownerUntilMs: row.ownerUntilMs,
      members,
      read: () => (row.owner === member ? undefined : row.state?.()),
    };
  }

  async keep(owner: { untilMs: number } | null, state: SharedState, durable = false): Promise<void> {
    const kept = this.database.states.keep(state);
    await this.travel();
    this.turn++;
    this.database.commit(
      this,
      { owner: owner && this.member, ownerUntilMs: owner?.untilMs ?? 0, state: kept, ...this.beat() },
      durable,
    );
    await this.travel();
  }

  async release(): Promise<void> {
    await this.travel();
    this.turn++;
    this.database.commit(this, this.beat(), false);
    await this.travel();
  }

  async leave(): Promise<void> {
    await this.travel();
    const members = new Map(this.database.read().members);
    members.delete(this.member);
    this.database.commit(this, { members }, false);
  }

  async close(): Promise<void> {
    this.database.drop(this);
  }

  private beat(): Partial<Row> {
    return { members: new Map(this.database.read().members).set(this.member, this.database.nowMs) };
  }

  /** One way; now and then it takes long. */
  private async travel(): Promise<void> {
    const { database } = this;
    const { world } = database;
    await new Promise<void>((resolve) =>
      world.in(
        world.random.next() < database.slowTrips ? world.between(5, 300) : world.between(0.1, 1),
        resolve,
        this.process,
      ),
    );
    if (this.lost) throw new Error('the connection was lost');
  }
}

export class Process implements Mortal {
  dead = false;
  stillUntilMs = 0;
  private gate: SharedGate;
  /** When its requests left. */
  readonly sent: number[] = [];

  constructor(
    private readonly world: World,
    database: Database,
    private readonly server: Server,
    name: string,
    perSecond: number,
    windowMs = 1000,
    atOnce = REQUESTS_AT_ONCE,
  ) {
    const aheadMs = world.between(0, 1e6);
    const clock: Clock = {
      now: () => 1_800_000_000_000 + world.nowMs,
      monotonic: () => world.nowMs + aheadMs,
      sleep: (ms) => new Promise((resolve) => void world.in(ms, resolve, this)),
      after: (ms, callback) => world.in(ms, callback, this),
    };
    this.gate = new SharedGate(
      {
        facts: [
          { name: 'requests', scope: 'credential', usual: { requests: 4 * Math.max(1, perSecond), windowMs: 1000 } },
        ],
        ceilings: { maxRate: { requests: (perSecond * windowMs) / 1000, windowMs } },
      },
      clock,
    );
    void this.work(database, clock, name, atOnce);
  }

  private async work(database: Database, clock: Clock, name: string, atOnce: number): Promise<void> {
    const admission = new Admission(this.gate, clock);
    this.gate.onChange = () => admission.pump();
    const signal = new AbortController().signal;
    setMaxListeners(0, signal);
    // A run whose budget cannot be kept loses its destination as well: it ends.
    await this.gate
      .attach(
        async () => database.connect(this, name),
        name,
        () => (this.dead = true),
      )
      .catch(() => (this.dead = true));
    for (let i = 0; i < atOnce; i++) void this.request(admission, clock, signal);
  }

  private async request(admission: Admission, clock: Clock, signal: AbortSignal): Promise<void> {
    while (!this.dead) {
      const ticket = await admission.admit({ endpoint: 'a', weight: () => 1, signal });
      this.sent.push(this.world.nowMs);
      await this.server.ask(this);
      this.gate.answered(clock.monotonic(), ticket, {
        kind: 'accepted',
        signs: { readings: [] },
        serverTimeMs: undefined,
      });
      admission.pump();
    }
  }
}

export class Server {
  readonly received: number[] = [];

  constructor(
    private readonly world: World,
    private readonly serviceMs = SERVICE_MS,
    private readonly onReceived: (from: Process) => void = () => {},
  ) {}

  ask(process: Process): Promise<void> {
    return new Promise((resolve) => {
      this.world.in(WAY_MS + this.world.between(0, WAY_VARIES_MS), () => {
        this.received.push(this.world.nowMs);
        this.onReceived(process);
        this.world.in(this.serviceMs, resolve, process);
      });
    });
  }

  mostInSecond(): number {
    return this.mostIn(1000);
  }

  mostIn(windowMs: number): number {
    const times = this.received.toSorted((a, b) => a - b);
    let most = 0;
    for (let i = 0, j = 0; i < times.length; i++) {
      while (times[i]! - times[j]! >= windowMs) j++;
      most = Math.max(most, i - j + 1);
    }
    return most;
  }

  perSecond(fromMs: number, toMs: number): number {
    return (this.received.filter((atMs) => atMs >= fromMs && atMs < toMs).length * 1000) / (toMs - fromMs);
  }
}

export interface Scene {
  world: World;
  database: Database;
  server: Server;
  processes: Process[];
  start: () => void;
}

export function scene(seed: number, processes: number, perSecond: number): Scene {
  const world = new World(seed);
  const database = new Database(world);
  const server = new Server(world);
  const all: Process[] = [];
  const start = () => void all.push(new Process(world, database, server, `process ${all.length + 1}`, perSecond));
  for (let i = 0; i < processes; i++) world.in(world.between(0, 500), start);
  return { world, database, server, processes: all, start };
}

/** SIGKILL: nothing more of it happens, but what it had sent arrives; the server rolls its transaction back. */
export function kill(process: Process, database: Database): void {
  process.dead = true;
  database.cut(process);
}
