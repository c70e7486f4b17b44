/** Events that webhooks brought: stored before they are answered, each once. */
import { FatalError, RetriableError } from '../../base/errors.js';
import type { Scheduler } from './scheduler.js';
import type { NewTask } from './task.js';

export interface StoredEvent {
  id: string;
  body: Record<string, unknown>;
}

interface Arrived {
  connection: string;
  id: string;
  body: string;
  task: NewTask;
  resolve: (isNew: boolean) => void;
  reject: (error: unknown) => void;
}

/** Statements under way at once; what arrives meanwhile goes with the next. */
const MOST_STATEMENTS = 2;
/** Events of one statement, and what their bodies may take together: one is always taken. */
const MOST_EVENTS = 200;
const MOST_CHARACTERS = 4 * 1024 * 1024;
/** More than these wait for a database that does not answer: who sends shall come again. */
const MOST_WAITING = 5_000;
const MOST_WAITING_CHARACTERS = 64 * 1024 * 1024;

export class WebhookInbox {
  private readonly arrived: Arrived[] = [];
  private waitingCharacters = 0;
  private statements = 0;

  constructor(private readonly scheduler: Scheduler) {}

  /**
   * Stores an event and the task that will handle it, in one transaction; false where it was stored before. Throws
   * RetriableError where too many wait to be stored.
   */
  async store(connection: string, event: StoredEvent, task: NewTask): Promise<boolean> {
    if (this.arrived.length >= MOST_WAITING || this.waitingCharacters >= MOST_WAITING_CHARACTERS)
      throw new RetriableError('too many events wait to be stored', {
        code: 'inbox_full',
        expected: `fewer than ${MOST_WAITING}`,
        found: String(this.arrived.length),
        next: 'send it again later; see whether the database keeps up',
      });
    return new Promise((resolve, reject) => {
      const body = JSON.stringify(event.body);
      this.waitingCharacters += body.length;
      this.arrived.push({ connection, id: event.id, body, task, resolve, reject });
      if (this.statements < MOST_STATEMENTS) void this.storeArrived();
    });
  }

  private async storeArrived(): Promise<void> {
    this.statements++;
    while (this.arrived.length > 0) {
      const batch = this.nextBatch();
      try {
        await this.storeBatch(batch);
      } catch (error) {
        // What is wrong with one is no fault of the others; a database that is away is the same for all.
        if (batch.length > 1 && error instanceof FatalError)
          for (const each of batch) await this.storeBatch([each]).catch(each.reject);
        else for (const each of batch) each.reject(error);
      }
    }
    this.statements--;
  }

  private nextBatch(): Arrived[] {
    const batch: Arrived[] = [];
    let characters = 0;
    while (this.arrived.length > 0 && batch.length < MOST_EVENTS && characters < MOST_CHARACTERS) {
      const next = this.arrived.shift()!;
      batch.push(next);
      characters += next.body.length;
    }
    this.waitingCharacters -= characters;
    return batch;
  }

  private async storeBatch(batch: Arrived[]): Promise<void> {
    const tasks = new Map(batch.map(({ connection, task }) => [connection, task]));
    const rows = await this.scheduler.pool.query<{ place: number }>(
      'select place from _headrace.receive($1, $2, $3::jsonb[], $4)',
      [
        batch.map(({ connection }) => connection),
        batch.map(({ id }) => id),
        batch.map(({ body }) => body),
        JSON.stringify([...tasks.values()].map(({ maxAttempts, ...task }) => ({ ...task, max_attempts: maxAttempts }))),
      ],
      'receive',
    );
    const fresh = new Set(rows.map(({ place }) => place));
    for (const [n, { resolve }] of batch.entries()) resolve(fresh.has(n + 1));
  }

  /** Whether a task that handles the same connection's events began before this one, and still runs. */
  async isHandled(connection: string, task: number): Promise<boolean> {
    const [row] = await this.scheduler.pool.query<{ handled: boolean }>(
      `select exists (select 1 from _headrace.task t join _headrace.task mine on mine.id = $2
         where t.connection_id = $1 and t.kind = 'changes' and t.state = 'running' and t.id <> mine.id
           and (t.started_at, t.id) < (mine.started_at, mine.id)) as handled`,
      [connection, task],
    );
    return row!.handled;
  }

  /** How long the oldest that is not handled has waited, by the database's clock; 0 where none waits. */
  async oldestMs(connection: string): Promise<number> {
    const [row] = await this.scheduler.pool.query<{ ms: number | null }>(
      `select (extract(epoch from now() - min(received_at)) * 1000)::float8 as ms from _headrace.webhook_event
       where connection_id = $1 and handled_at is null`,
      [connection],
    );
    return Math.max(0, row!.ms ?? 0);
  }

  waiting(connection: string, count: number): Promise<StoredEvent[]> {
    return this.scheduler.pool.query<{ id: string; body: Record<string, unknown> }>(
      `select event_id as id, body from _headrace.webhook_event
       where connection_id = $1 and handled_at is null order by received_at limit $2`,
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
