/**
 * A session's connections: one that holds the connection's lock, and a few that write. A database that is lost is
 * waited for, LIMITS.databaseWaitMs long; then everything that lived in its sessions is made again: the lock, the
 * stage tables.
 *
 * Invariants: work whose outcome is unknown is asked about before it is tried again; nothing is tried again once
 * another run may have taken the connection.
 */
import type pg from 'pg';
import type { DestinationWait } from '../contract.js';
import type { Clock } from '../../base/clock.js';
import { codeOf, HeadraceError, messageOf, PausedError, RetriableError } from '../../base/errors.js';
import { LIMITS } from '../../base/bounds.js';
import { connect, type PostgresTarget } from '../../postgres/connect.js';
import { answers, cutOff, ended } from '../../postgres/unanswered.js';
import { describePostgresError, isLost } from '../../postgres/database-errors.js';

const FIRST_GAP_MS = 100;
const LAST_GAP_MS = 2000;
/** A run that was asked to stop waits no longer than this for a database that is gone. */
const STOPPED_WAIT_MS = 3000;
/** A server that has not answered a statement for this long is asked whether it still works on it. */
const PROBE_MS = 15_000;
/** The server ends a session that it is told to end within this. */
const END_MS = 10_000;

/** Connections that commit, with the layouts of the stage tables that they have. */
export interface WriterLink<Stages> {
  client: pg.Client;
  stages: Stages;
}

export interface LinkOptions<Stages> {
  target: PostgresTarget;
  name: string;
  clock: Clock;
  /** The run was asked to stop. */
  signal?: AbortSignal | undefined;
  waitMs?: number | undefined;
  noStages: () => Stages;
  /** Makes a server that is gone run again, where that is ours to do. */
  revive?: (() => Promise<void>) | undefined;
  /** Takes the lock anew with a connection that was made again. Throws PausedError where somebody else has it. */
  relock?: ((client: pg.Client) => Promise<void>) | undefined;
  onWait?: ((wait: DestinationWait) => void) | undefined;
  /** Of connections that were lost: the server may not have noticed yet, and still be about to commit. */
  lost: Backend[];
}

/** A session of ours on the server. */
export interface Backend {
  pid: number;
  /** When it began, as the server writes it: a pid may come again. */
  began: string;
}

export class DatabaseLink<Stages> {
  private readonly idle: WriterLink<Stages>[] = [];
  private readonly waiting: { take: (writer: WriterLink<Stages>) => void; refuse: (error: unknown) => void }[] = [];
  private writers = 0;
  /** What is done with the connection that holds the lock, and how much of it waits. */
  private turn: Promise<void> = Promise.resolve();
  private busy = 0;
  private restoring: Promise<void> | undefined;
  private failure: unknown;
  private closing = false;
  private wait: DestinationWait | undefined;
  private readonly backends = new WeakMap<pg.Client, Backend>();
  private readonly working = new Map<object, { what: string; sinceMs: number }>();

  private constructor(
    private readonly options: LinkOptions<Stages>,
    private main: pg.Client,
  ) {}

  static async open<Stages>(options: LinkOptions<Stages>): Promise<DatabaseLink<Stages>> {
    const main = await connect(options.target, `headrace ${options.name}`.slice(0, 63));
    const link = new DatabaseLink(options, main);
    try {
      await link.endLost(main);
      await link.identify(main);
    } catch (error) {
      await ended(main, options.clock);
      throw describePostgresError(error, options.target.description);
    }
    return link;
  }

  /** The connection that holds the lock, for what is done while the session opens. */
  get first(): pg.Client {
    return this.main;
  }

  /** What is waited for now, and since when. */
  waits(): DestinationWait[] {
    const now = this.options.clock.monotonic();
    const out = this.wait ? [this.wait] : [];
    for (const { what, sinceMs } of this.working.values())
      if (now - sinceMs > LIMITS.visibleWaitMs) out.push({ reason: `the database works: ${what}`, sinceMs });
    return out;
  }

  async query(sql: string, parameters: unknown[] = []): Promise<pg.QueryResult> {
    return this.onMain('a statement', (client) => client.query(sql, parameters));
  }

  /** Work that may be done twice. */
  async onMain<T>(what: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
    return this.persist(() => this.inTurn(what, work));
  }

  /** One after the other: pg sends no second statement before the first is answered. */
  private inTurn<T>(what: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
    const done = this.turn.then(() => {
      const { main } = this;
      return this.watched(what, main, () => work(main));
    });
    this.busy++;
    this.turn = done.then(
      () => void this.busy--,
      () => void this.busy--,
    );
    return done;
  }

  /** `outcome`: what became of work that may have been done when the connection was lost; undefined: it was not. */
  async onWriter<T>(
    what: string,
    work: (writer: WriterLink<Stages>) => Promise<T>,
    outcome?: (client: pg.Client) => Promise<{ result: T } | undefined>,
  ): Promise<T> {
    const known = outcome && (() => this.inTurn('what became of it', outcome));
    return this.persist(async () => {
      const writer = await this.takeWriter();
      let lost = false;
      try {
        return await this.watched(what, writer.client, () => work(writer));
      } catch (error) {
        lost = isLost(error);
        throw error;
      } finally {
        this.giveBack(writer, lost);
      }
    }, known);
  }

  async close(): Promise<void> {
    this.closing = true;
    this.noteLost(this.main);
    for (const { refuse } of this.waiting.splice(0)) refuse(closed());
    await Promise.all(
      [this.main, ...this.idle.map((writer) => writer.client)].map((client) => ended(client, this.options.clock)),
    );
  }

  /** Does the work, again where the database was lost meanwhile. */
  private async persist<T>(work: () => Promise<T>, outcome?: () => Promise<{ result: T } | undefined>): Promise<T> {
    for (;;) {
      if (this.failure !== undefined) throw this.failure;
      if (this.restoring) await this.restoring;
      try {
        return await work();
      } catch (error) {
        if (this.closing || !isLost(error)) throw describePostgresError(error, this.options.target.description);
        await this.restored(error);
      }
      const known = await this.known(outcome);
      if (known) return known.result;
    }
  }

  private async known<T>(outcome?: () => Promise<{ result: T } | undefined>): Promise<{ result: T } | undefined> {
    for (;;) {
      try {
        return await outcome?.();
      } catch (error) {
        if (this.closing || !isLost(error)) throw describePostgresError(error, this.options.target.description);
        await this.restored(error);
      }
    }
  }

  private restored(cause: unknown): Promise<void> {
    this.restoring ??= this.restore(cause).finally(() => {
      this.restoring = undefined;
      this.wait = undefined;
    });
    return this.restoring;
  }

  private async restore(cause: unknown): Promise<void> {
    const { clock, target, signal, waitMs = LIMITS.databaseWaitMs } = this.options;
    const sinceMs = clock.monotonic();
    let last = cause;
    this.wait = { reason: `the database is gone (${messageOf(cause)})`, sinceMs, untilMs: sinceMs + waitMs };
    this.options.onWait?.(this.wait);
    for (let gapMs = FIRST_GAP_MS; ; gapMs = Math.min(LAST_GAP_MS, gapMs * 2)) {
      try {
        return await this.reconnect();
      } catch (error) {
        last = error;
        if (!isLost(error) && codeOf(error) !== 'too_many_connections') {
          this.failure = error;
          throw error;
        }
      }
      const waitedMs = clock.monotonic() - sinceMs;
      if (this.closing || waitedMs + gapMs > (signal?.aborted ? Math.min(STOPPED_WAIT_MS, waitMs) : waitMs)) break;
      await clock.sleep(gapMs);
    }
    this.failure = new RetriableError('the connection to the database was lost, and did not come back', {
      code: 'database_lost',
      place: target.description,
      expected: `the database again within ${Math.round(waitMs / 1000)} s`,
      found: last instanceof HeadraceError ? (last.found ?? last.message) : messageOf(last),
      next: 'run the same command when the database is back; it continues where it stopped',
      cause: last,
    });
    throw this.failure;
  }

  private async reconnect(): Promise<void> {
    const { target, name, relock, clock } = this.options;
    const works = this.busy > 0 ? await this.isAlive(this.main) : await answers(this.main, clock);
    if (works) return this.endLost();
    this.noteLost(this.main);
    await this.options.revive?.();
    const client = await connect(target, `headrace ${name}`.slice(0, 63));
    try {
      // A standby that takes over comes up read-only first.
      const { rows } = await client.query('select pg_is_in_recovery() as standby');
      if (rows[0].standby) throw new RetriableError('the database is a standby', { code: 'database_lost' });
      await this.identify(client);
      await this.endLost(client);
      await relock?.(client);
      if (this.closing) throw closed();
    } catch (error) {
      this.noteLost(client);
      await ended(client, clock);
      throw describePostgresError(error, target.description);
    }
    const old = this.main;
    this.main = client;
    for (const writer of this.idle.splice(0)) {
      this.writers--;
      void ended(writer.client, clock);
    }
    void ended(old, clock);
    this.watchEnd(client);
  }

  /** Ends sessions of ours that the server still has: after that, what they did is done, or will not be. */
  private async endLost(over?: pg.Client): Promise<void> {
    if (this.options.lost.length === 0) return;
    const { clock, target, name } = this.options;
    const client = over ?? (await connect(target, `headrace ${name} end`.slice(0, 63)));
    try {
      await this.endBackends(client, clock, target.description);
    } finally {
      if (!over) void ended(client, clock);
    }
  }

  private async endBackends(client: pg.Client, clock: Clock, place: string): Promise<void> {
    for (const endMs = clock.monotonic() + END_MS; this.options.lost.length > 0;) {
      const { rowCount } = await client.query(
        `select pg_terminate_backend(a.pid) from pg_stat_activity a
         join unnest($1::int[], $2::text[]) as b(pid, began) on a.pid = b.pid and a.backend_start::text = b.began`,
        [this.options.lost.map(({ pid }) => pid), this.options.lost.map(({ began }) => began)],
      );
      if (rowCount === 0) this.options.lost.length = 0;
      else if (clock.monotonic() > endMs)
        throw new RetriableError('a session that was lost does not end', {
          code: 'database_lost',
          place,
        });
      else await clock.sleep(FIRST_GAP_MS);
    }
  }

  private noteLost(client: pg.Client): void {
    const backend = this.backends.get(client);
    if (backend) this.options.lost.push(backend);
    this.backends.delete(client);
  }

  /** The session is open: from now on its connection is made again wherever it is lost. */
  begin(): void {
    this.watchEnd(this.main);
  }

  private watchEnd(client: pg.Client): void {
    // With the connection the lock is gone: it is taken again at once, before somebody else does.
    client.on('end', () => {
      if (this.closing || client !== this.main) return;
      this.restored(new Error('Connection terminated unexpectedly')).catch(() => {});
    });
  }

  private async identify(client: pg.Client): Promise<void> {
    const { rows } = await client.query<Backend>(
      'select pid, backend_start::text as began from pg_stat_activity where pid = pg_backend_pid()',
    );
    if (rows[0]) this.backends.set(client, rows[0]);
  }

  /** Runs work on a connection; one that the server no longer knows is cut off, so that no wait is for ever. */
  private async watched<T>(what: string, client: pg.Client, work: () => Promise<T>): Promise<T> {
    const { clock } = this.options;
    const mark = {};
    this.working.set(mark, { what, sinceMs: clock.monotonic() });
    let over = false;
    let cancel = () => {};
    const look = async () => {
      if (!(await this.isAlive(client)) && !over) cutOff(client);
      else if (!over) cancel = clock.after(PROBE_MS, () => void look());
    };
    cancel = clock.after(PROBE_MS, () => void look());
    try {
      return await work();
    } finally {
      over = true;
      cancel();
      this.working.delete(mark);
    }
  }

  /** Asks over another connection whether the server still works for this one. */
  private async isAlive(client: pg.Client): Promise<boolean> {
    const pid = this.backends.get(client)?.pid;
    let probe: pg.Client | undefined;
    try {
      probe = await connect(this.options.target, 'headrace probe');
      const { rowCount } = await probe.query("select 1 from pg_stat_activity where pid = $1 and state <> 'idle'", [
        pid,
      ]);
      return rowCount === 1;
    } catch (error) {
      return !isLost(error);
    } finally {
      if (probe) void ended(probe, this.options.clock);
    }
  }

  private async takeWriter(): Promise<WriterLink<Stages>> {
    const free = this.idle.pop();
    if (free) return free;
    if (this.writers >= LIMITS.writers) return new Promise((take, refuse) => this.waiting.push({ take, refuse }));
    return this.newWriter();
  }

  private async newWriter(): Promise<WriterLink<Stages>> {
    const { target, name, noStages } = this.options;
    this.writers++;
    try {
      const client = await connect(target, `headrace ${name} writer`.slice(0, 63));
      await this.identify(client);
      return { client, stages: noStages() };
    } catch (error) {
      this.writers--;
      throw error;
    }
  }

  private giveBack(writer: WriterLink<Stages>, lost: boolean): void {
    const next = this.waiting.shift();
    if (!lost) {
      if (next) next.take(writer);
      else this.idle.push(writer);
      return;
    }
    this.writers--;
    this.noteLost(writer.client);
    void ended(writer.client, this.options.clock);
    if (next) this.newWriter().then(next.take, next.refuse);
  }
}

function closed(): PausedError {
  return new PausedError('the session was closed', { code: 'session_closed' });
}
