/**
 * A session's way to the virtual database. As the real one, it waits for a database that is lost, takes its lock again,
 * asks what became of work whose outcome is unknown, and ends where another run has the connection; or, where a
 * scenario wants it so, it gives up at once, which the contract allows as well.
 */
import { ConfigError, FatalError, PausedError, RetriableError } from '../../../src/base/errors.js';
import { LIMITS } from '../../../src/base/bounds.js';
import type { DestinationWait, OpenOptions, StateWrite } from '../../../src/destinations/contract.js';
import { WrittenEntries } from '../../../src/destinations/postgres/written.js';
import { isLost, type Database, type Session, type Undo } from './database.js';
import type { Process } from './process.js';

const FIRST_GAP_MS = 100;
const LAST_GAP_MS = 2000;
/** A run that was asked to stop waits no longer than this. */
const STOPPED_WAIT_MS = 3000;

export class Link {
  private restoring: Promise<void> | undefined;
  private failure: unknown;
  private wait: DestinationWait | undefined;
  private isClosed = false;
  /** Entries as this session left them: a database that forgot one after a crash is found out. */
  private readonly written = new WrittenEntries();
  hasLent = false;

  private constructor(
    private readonly database: Database,
    private readonly process: Process,
    private session: Session,
    private readonly options: OpenOptions,
  ) {}

  static async open(database: Database, process: Process, options: OpenOptions): Promise<Link> {
    const link = new Link(database, process, await database.connect(process, options.runId), options);
    if (link.holdsLock) await database.run(link.session, 'lock', 1, () => link.lock(link.session));
    return link;
  }

  waits(): DestinationWait[] {
    return this.wait ? [this.wait] : [];
  }

  close(): void {
    this.isClosed = true;
    this.database.end(this.session);
  }

  /** `outcome`: the result of work that was done although its answer was lost. */
  async run<T>(what: string, ms: number, work: (undo: Undo) => T, outcome?: () => T | undefined): Promise<T> {
    for (;;) {
      if (this.failure !== undefined) throw this.failure;
      if (this.restoring) await this.restoring;
      try {
        return await this.database.run(this.session, what, ms, work);
      } catch (error) {
        if (!isLost(error) || this.isClosed || !this.database.isWaitedFor) throw error;
        await this.restored();
      }
      const known = outcome && (await this.known(outcome));
      if (known !== undefined) return known;
    }
  }

  /** Entries and what belongs to them, in one transaction. */
  async write<T>(what: string, ms: number, writes: StateWrite[], work: (undo: Undo) => T, unknown: T): Promise<T> {
    this.written.begin(writes);
    const result = await this.run(
      what,
      ms,
      (undo) => {
        const done = work(undo);
        this.database.writeState(writes, undo);
        return done;
      },
      () => (writes.length > 0 && this.wasWritten(writes[0]!) ? unknown : undefined),
    );
    this.written.note(writes);
    return result;
  }

  private get holdsLock(): boolean {
    return !this.options.readOnly && this.options.beside !== true;
  }

  private wasWritten({ stream, key, expect, value }: StateWrite): boolean {
    const found = this.database.tables.state.get(`${stream}\u0001${key}`);
    if (value === null) return found === undefined;
    return found?.version === expect + 1 && JSON.stringify(found.value) === JSON.stringify(value);
  }

  private async known<T>(outcome: () => T | undefined): Promise<T | undefined> {
    for (;;) {
      try {
        return await this.database.run(this.session, 'what became of it', 1, outcome);
      } catch (error) {
        if (!isLost(error) || this.isClosed) throw error;
        await this.restored();
      }
    }
  }

  private restored(): Promise<void> {
    this.restoring ??= this.restore().finally(() => {
      this.restoring = undefined;
      this.wait = undefined;
    });
    return this.restoring;
  }

  private async restore(): Promise<void> {
    const { clock } = this.process;
    const sinceMs = clock.monotonic();
    const waitMs = LIMITS.databaseWaitMs;
    this.wait = { reason: 'the database is gone', sinceMs, untilMs: sinceMs + waitMs };
    this.options.onWait?.(this.wait);
    for (let gapMs = FIRST_GAP_MS; ; gapMs = Math.min(LAST_GAP_MS, gapMs * 2)) {
      try {
        return await this.reconnect();
      } catch (error) {
        if (!isLost(error)) {
          this.failure = error;
          throw error;
        }
      }
      const waitedMs = clock.monotonic() - sinceMs;
      if (this.isClosed || waitedMs + gapMs > (this.options.signal?.aborted ? STOPPED_WAIT_MS : waitMs)) break;
      await clock.sleep(gapMs);
    }
    this.failure = new RetriableError('the connection to the database was lost, and did not come back', {
      code: 'database_lost',
    });
    throw this.failure;
  }

  private async reconnect(): Promise<void> {
    const { database, process, options } = this;
    const session = await database.connect(process, options.runId);
    // What the lost session still had under way is done by now, or will not be.
    database.end(this.session);
    try {
      await database.run(session, 'relock', 1, () => {
        if (this.holdsLock) this.relock(session);
        this.checkNothingForgotten();
      });
      if (this.isClosed) throw new FatalError('the session was closed', { code: 'session_closed' });
    } catch (error) {
      database.end(session);
      throw error;
    }
    this.session = session;
  }

  private lock(session: Session): void {
    const { database, options } = this;
    if (database.lock?.isAlive)
      throw new ConfigError('connection world is being synced by another run', {
        code: 'connection_locked',
        found: database.lock.name,
        next: 'wait for it to end',
      });
    database.lock = session;
    const { runs } = database.tables;
    for (const id of runs.keys()) runs.set(id, { isOver: true });
    runs.set(options.runId, { isOver: false });
  }

  private relock(session: Session): void {
    const { database, options } = this;
    const isTaken = database.lock?.isAlive === true || database.tables.runs.get(options.runId)?.isOver === true;
    if (isTaken)
      throw new PausedError('another run took the connection while the database was out of reach', {
        code: 'connection_taken',
      });
    database.lock = session;
  }

  private checkNothingForgotten(): void {
    const { state } = this.database.tables;
    const isShared = this.options.beside === true || this.hasLent;
    const older = this.written.older((entry) => state.get(entry.replace(' ', '\u0001'))?.version, isShared);
    if (older.length > 0)
      throw new PausedError('the database forgot the last commits when it crashed', { code: 'commits_forgotten' });
  }
}
