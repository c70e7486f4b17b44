/** Parts of a ledger that processes lend each other, kept beside the ledger itself. */
import type pg from 'pg';
import type { Loan, LoanBook } from '../contract.js';
import { CONNECTION_LOCK } from './lock.js';

/** A connection that comes back where it is lost. */
interface Link {
  query(sql: string, parameters?: unknown[]): Promise<pg.QueryResult>;
}

/** A borrower that gave no sign of life for this long is gone. It looks several times as often. */
const STALE = '2500 milliseconds';
const COLUMNS = `id, state, stream, range, first_id as "firstId", seen_at < clock_timestamp() - interval '${STALE}' as stale`;

export class PostgresLoans implements LoanBook {
  /** Something was lent. */
  lent = false;

  constructor(
    private readonly client: Link,
    private readonly connection: string,
  ) {}

  async recall(): Promise<void> {
    // Every entry gets a new version: what a borrower still has under way no longer matches. Both or neither.
    await this.client.query(
      `with gone as (delete from _headrace.loan where connection = $1 returning state)
       update _headrace.state set version = version + 1 where connection = $1
         and exists (select 1 from gone where state <> 'asked')`,
      [this.connection],
    );
  }

  async of(run: string): Promise<Loan[]> {
    return (
      await this.client.query(`select ${COLUMNS} from _headrace.loan where connection = $1 and run = $2 order by id`, [
        this.connection,
        run,
      ])
    ).rows;
  }

  async grant(id: number, { stream, range, firstId }: Pick<Loan, 'stream' | 'range' | 'firstId'>): Promise<void> {
    this.lent = true;
    await this.client.query(
      `update _headrace.loan set state = 'granted', stream = $2, range = $3, first_id = $4 where id = $1`,
      [id, stream, range, firstId],
    );
  }

  async end(id: number): Promise<void> {
    await this.client.query('delete from _headrace.loan where id = $1', [id]);
  }

  async ask(run: string, borrower: string): Promise<number> {
    const { rows } = await this.client.query(
      'insert into _headrace.loan (connection, run, borrower) values ($1, $2, $3) returning id',
      [this.connection, run, borrower],
    );
    return rows[0]!.id;
  }

  async look(id: number): Promise<Loan | undefined> {
    return (
      await this.client.query(
        `update _headrace.loan set seen_at = clock_timestamp() where id = $1 returning ${COLUMNS}`,
        [id],
      )
    ).rows[0];
  }

  async giveBack(id: number): Promise<void> {
    await this.client.query(`update _headrace.loan set state = 'returned' where id = $1`, [id]);
  }

  async isRunOver(run: string): Promise<boolean> {
    const { rows } = await this.client.query(
      'select finished_at is not null as over from _headrace.run where id = $1',
      [run],
    );
    return rows[0]?.over ?? true;
  }

  async isLed(run: string): Promise<boolean> {
    if (await this.isRunOver(run)) return false;
    // The leader's session holds the connection's lock for as long as it lives.
    const { rows } = await this.client.query(
      `select exists (select 1 from pg_locks where locktype = 'advisory' and granted and objsubid = 1
        and database = (select oid from pg_database where datname = current_database())
         and (classid::bigint << 32) | objid::bigint = hashtextextended($1, ${CONNECTION_LOCK})) as led`,
      [this.connection],
    );
    return rows[0]!.led;
  }
}
