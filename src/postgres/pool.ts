/** A few connections kept open, for frequent short statements. */
import pg from 'pg';
import type { PostgresTarget } from './connect.js';
import { describePostgresError } from './database-errors.js';

export class Pool {
  private readonly pool: pg.Pool;

  constructor(
    private readonly target: PostgresTarget,
    applicationName: string,
    max: number,
  ) {
    // A claim that a crash of the server forgets would be given out twice: whatever the server's default, commits wait
    // for the disk. And nobody shall wait long for a process that stands still with a lock in its hands.
    const options = [target.options.options, '-c synchronous_commit=on -c idle_in_transaction_session_timeout=5000']
      .filter(Boolean)
      .join(' ');
    this.pool = new pg.Pool({
      connectionTimeoutMillis: 15_000,
      keepAlive: true,
      idleTimeoutMillis: 30_000,
      ...target.options,
      options,
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
    try {
      return (
        await this.pool.query<Row>(
          name === undefined ? { text: sql, values: parameters } : { name, text: sql, values: parameters },
        )
      ).rows;
    } catch (error) {
      throw describePostgresError(error, this.target.description);
    }
  }

  /** Runs `work` in one transaction. */
  async transaction<T>(work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
    let client: pg.PoolClient | undefined;
    let broken: Error | undefined;
    try {
      client = await this.pool.connect();
      client.on('error', ignore);
      await client.query('begin');
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
