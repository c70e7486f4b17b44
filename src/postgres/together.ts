/** Statements that travel together. */
import type pg from 'pg';

/**
 * Sends all of them at once over a connection that pipelines. Throws the first error: within a transaction, what
 * follows a failed statement fails as well.
 */
export async function together(client: pg.ClientBase, statements: pg.QueryConfig[]): Promise<pg.QueryResult[]> {
  const results = await Promise.allSettled(statements.map((statement) => client.query(statement)));
  return results.map((result) => {
    if (result.status === 'rejected') throw result.reason;
    return result.value;
  });
}
