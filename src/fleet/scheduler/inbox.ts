/** Events that webhooks brought: stored before they are answered, each once. */
import type { Scheduler } from './scheduler.js';
import type { NewTask } from './task.js';

export interface StoredEvent {
  id: string;
  body: Record<string, unknown>;
}

export class WebhookInbox {
  constructor(private readonly scheduler: Scheduler) {}

  /** Stores an event and the task that will handle it, in one transaction; false where it was stored before. */
  async store(connection: string, event: StoredEvent, task: NewTask): Promise<boolean> {
    return this.scheduler.pool.transaction(async (client) => {
      const { rowCount } = await client.query(
        'insert into _headrace.webhook_event (connection_id, event_id, body) values ($1, $2, $3) on conflict do nothing',
        [connection, event.id, JSON.stringify(event.body)],
      );
      if (rowCount === 0) return false;
      // The lock keeps a task that waits from being claimed before the event can be seen; one that is being claimed may
      // have looked already, so another is asked for.
      const { rowCount: waiting } = await client.query(
        `select 1 from _headrace.task where connection_id = $1 and key = $2 and state = 'queued' for share skip locked`,
        [connection, task.key],
      );
      if (waiting === 0) await this.scheduler.enqueue([task], client);
      return true;
    });
  }

  /** Whether a task that handles the same connection's events began before this one, and still runs. */
  async isHandled(connection: string, task: number): Promise<boolean> {
    const [row] = await this.scheduler.pool.query<{ handled: boolean }>(
      `select exists (select 1 from _headrace.task t join _headrace.task mine on mine.id = $2
         where t.connection_id = $1 and t.kind = mine.kind and t.state = 'running' and t.id <> mine.id
           and (t.started_at, t.id) < (mine.started_at, mine.id)) as handled`,
      [connection, task],
    );
    return row!.handled;
  }

  async waiting(connection: string, count: number): Promise<StoredEvent[]> {
    return this.scheduler.pool.query<{ id: string; body: Record<string, unknown> }>(
      'select event_id as id, body from _headrace.webhook_event where connection_id = $1 and handled_at is null order by received_at limit $2',
      [connection, count],
    );
  }

  async handled(connection: string, ids: string[]): Promise<void> {
    await this.scheduler.pool.query(
      'update _headrace.webhook_event set handled_at = now() where connection_id = $1 and event_id = any($2)',
      [connection, ids],
    );
  }
}
