/**
 * How webhooks are signed, remembered for a moment: hundreds come a second, and each is asked of the same connection.
 * Who writes a connection through this process makes it forget at once; a write through another is seen after
 * `KEPT_MS`.
 */
import type { Clock } from '../base/clock.js';
import type { WebhookSigning } from './webhooks.js';

const KEPT_MS = 2_000;
/** Names that are remembered, those of nobody included: a sender may invent any. */
const MOST_KEPT = 5_000;

type Answer = Promise<WebhookSigning | undefined>;

export class WebhookSignings {
  /** The oldest first. */
  private readonly kept = new Map<string, { answer: Answer; untilMs: number }>();

  constructor(
    private readonly ask: (connection: string) => Answer,
    private readonly clock: Clock,
  ) {}

  of(connection: string): Answer {
    const there = this.kept.get(connection);
    if (there && this.clock.monotonic() < there.untilMs) return there.answer;
    this.kept.delete(connection);
    const entry = { answer: this.ask(connection), untilMs: this.clock.monotonic() + KEPT_MS };
    this.kept.set(connection, entry);
    // A database that was away for one answer is asked again for the next.
    entry.answer.catch(() => {
      if (this.kept.get(connection) === entry) this.kept.delete(connection);
    });
    if (this.kept.size > MOST_KEPT) this.kept.delete(this.kept.keys().next().value!);
    return entry.answer;
  }

  /** What is being asked for now may be older than a write: it is not kept either. */
  forget(connection: string): void {
    this.kept.delete(connection);
  }
}
