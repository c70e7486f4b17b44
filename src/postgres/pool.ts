/** A few connections kept open, for frequent short statements. */
import pg from 'pg';
import { together } from './together.js';
import type { PostgresTarget } from './connect.js';
import { describePostgresError } from './database-errors.js';

/**
 * A claim that a crash of the server forgets would be given out twice: whatever the server's default, commits wait for
 * the disk. And nobody shall wait long for a process that stands still with a lock in its hands.
 */
const SETTINGS = { synchronous_commit: 'on', idle_in_transaction_session_timeout: '5000' };
const AT_START = Object.entries(SETTINGS).map(([name, value]) => `-c ${name}=${value}`);
/** A pool in transaction mode keeps no setting beyond a transaction, and refuses most of them at the start. */
const BEGIN = ['begin', ...Object.entries(SETTINGS).map(([name, value]) => `set local ${name} = ${value}`)].join('; ');

export class Pool {
  private readonly pool: pg.Pool;
  /** Sessions are the pool's of the server's side, such as PgBouncer: nothing of one may outlive a transaction. */
  private readonly shared: boolean;

  constructor(
    private readonly target: PostgresTarget,
    applicationName: string,
    max: number,
  ) {
    this.shared = target.direct !== undefined;
    this.pool = new pg.Pool({
      connectionTimeoutMillis: 15_000,
      keepAlive: true,
      idleTimeoutMillis: 30_000,
      ...target.options,
      ...(this.shared
        ? { pipeline: true }
        : { options: [target.options.options, ...AT_START].filter(Boolean).join(' ') }),
      application_name: applicationName,
      max,
    });
    // An idle connection that is lost is made again when it is needed.
    this.pool.on('error', () => {});
  }

  get description(): string {
    return this.target.description;
  }

  /** `name`: the statement is prepared once a connection under it; for long statements that are asked often. */
  async query<Row extends pg.QueryResultRow = Record<string, unknown>>(
    sql: string,
    parameters: unknown[] = [],
    name?: string,
  ): Promise<Row[]> {
    const statement = { text: sql, values: parameters };
    try {
      if (this.shared) return (await this.queryShared(statement)).rows as Row[];
      return (await this.pool.query<Row>(name === undefined ? statement : { name, ...statement })).rows;
    } catch (error) {
      throw describePostgresError(error, this.target.description);
    }
  }

  /** One transaction that travels as a whole, in one round trip; its statement is not prepared by name. */
  private async queryShared(statement: pg.QueryConfig): Promise<pg.QueryResult> {
    const client = await this.pool.connect();
    client.on('error', ignore);
    let broken: Error | undefined;
    try {
      const [, result] = await together(client, [{ text: BEGIN }, statement, { text: 'commit' }]);
      return result!;
    } catch (error) {
      // Its commit went with it, and rolled it back; where even that is unknown, so is the session.
      await client.query('select 1').catch((lost: Error) => (broken = lost));
      throw error;
    } finally {
      client.off('error', ignore);
      client.release(broken);
    }
  }

  /** Runs `work` in one transaction. */
  async transaction<T>(work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
    let client: pg.PoolClient | undefined;
    let broken: Error | undefined;
    try {
      client = await this.pool.connect();
      client.on('error', ignore);
      await client.query(this.shared ? BEGIN : 'begin');
      const result = await work(client);
      await client.query('commit');
      return result;
    } catch (error) {
      await client?.query('rollback').catch((lost: Error) => (broken = lost));
      throw describePostgresError(error, this.target.description);
    } finally {
      client?.off('error', ignore);
      client?.release(broken);
    }
  }

  close(): Promise<void> {
    return this.pool.end();
  }
}

const ignore = () => {};
