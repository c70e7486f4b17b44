/** A session past any pool: it proves that a worker lives, and hears of new tasks. */
import type pg from 'pg';
import { connect, type PostgresTarget } from '../../postgres/connect.js';

/** Until `over`, or the session is lost. Throws where it cannot be opened. */
export async function listenOnce(
  target: PostgresTarget,
  { presence, channel }: { presence: number; channel: string },
  onHint: () => void,
  over: AbortSignal,
): Promise<void> {
  let client: pg.Client | undefined;
  try {
    client = await connect(target, 'headrace listen');
    const lost = new Promise<void>((resolve) => {
      client!.once('end', resolve).once('error', () => resolve());
      // The worker may have been stopped while this session was opened: no event tells of that any more.
      if (over.aborted) resolve();
      over.addEventListener('abort', () => resolve(), { once: true });
    });
    client.on('notification', onHint);
    await client.query('select pg_advisory_lock($1)', [presence]);
    await client.query(`listen ${channel}`);
    await lost;
  } finally {
    await client?.end().catch(() => {});
  }
}
