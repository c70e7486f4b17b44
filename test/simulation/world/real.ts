/**
 * The same histories over a real PostgreSQL, so that the product is not fitted to the virtual one: virtual time stands
 * still while the server works. Its sessions are those of one process at a time, since what is lent grows stale by the
 * server's clock.
 */
import type { Destination, DestinationSession } from '../../../src/destinations/contract.js';
import type { PostgresDestination } from '../../../src/destinations/postgres/destination.js';
import { connect } from '../../../src/postgres/connect.js';
import { qualified } from '../../../src/postgres/identifiers.js';
import type { Agenda } from './agenda.js';
import type { Database } from './database.js';
import type { Process } from './process.js';
import type { StreamPlan } from './source.js';

const SYNCHRONOUS = new Set(['prepare', 'waits', 'notes', 'capabilities', 'loans']);

export class RealDatabase {
  private readonly sessions = new Map<Process, DestinationSession[]>();

  constructor(
    private readonly agenda: Agenda,
    private readonly postgres: PostgresDestination,
    /** The connection's name, and its schema's. */
    readonly connection: string,
  ) {}

  destinationOf(process: Process): Destination {
    const { postgres } = this;
    return {
      description: postgres.description,
      check: () => this.during(process, () => postgres.check()),
      open: (options) =>
        this.during(process, async () => {
          const session = await postgres.open(options);
          this.sessions.set(process, [...(this.sessions.get(process) ?? []), session]);
          return this.delayed(process, session);
        }),
      close: async () => {},
    };
  }

  /** The server ends the sessions of a process that is dead. */
  async bury(process: Process): Promise<void> {
    const sessions = this.sessions.get(process) ?? [];
    this.sessions.delete(process);
    await this.agenda.holding(Promise.all(sessions.map((session) => session.close())));
  }

  /** What is stored, for the oracle. */
  async mirror(database: Database, plans: StreamPlan[]): Promise<void> {
    await this.agenda.holding(this.read(database, plans));
  }

  private async read(database: Database, plans: StreamPlan[]): Promise<void> {
    const client = await connect(this.postgres.target, 'world');
    try {
      for (const { name } of plans) {
        const table = qualified(this.connection, name);
        const there = await client.query('select to_regclass($1) is not null as there', [table]);
        if (!there.rows[0].there) continue;
        const { rows } = await client.query(
          `select id, rev, "_headrace_deleted_at" is not null as gone, "_headrace_version" as version from ${table}`,
        );
        const stored = database.tableOf(name);
        stored.clear();
        for (const { id, rev, gone, version } of rows) {
          if (gone && !stored.get(id)?.isDeleted) database.onTombstone(name, id);
          stored.set(id, { record: { id, rev: Number(rev) }, version: Number(version), isDeleted: gone });
        }
      }
    } finally {
      await client.end();
    }
  }

  /** Every call takes some virtual time before and after, and none while the server works. */
  private delayed(process: Process, session: DestinationSession): DestinationSession {
    return new Proxy(session, {
      get: (target, name: string) => {
        if (name === 'loans') return undefined;
        const value = Reflect.get(target, name) as unknown;
        if (typeof value !== 'function' || SYNCHRONOUS.has(name))
          return typeof value === 'function' ? value.bind(target) : value;
        return (...given: unknown[]) => this.during(process, () => value.apply(target, given) as Promise<unknown>);
      },
    });
  }

  private async during<T>(process: Process, work: () => Promise<T>): Promise<T> {
    await this.wait(process);
    const result = await this.agenda.holding(work());
    await this.wait(process);
    return result;
  }

  private wait(process: Process): Promise<void> {
    return new Promise((resolve) => void this.agenda.in(this.agenda.between(0.1, 4), resolve, process));
  }
}
