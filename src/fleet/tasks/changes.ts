/**
 * Turns events that a webhook stored into reads of the objects that they name: what is stored is what the API says now.
 */
import { setMaxListeners } from 'node:events';
import type { Clock } from '../../base/clock.js';
import { HeadraceError, RetriableError } from '../../base/errors.js';
import type { Batch } from '../../destinations/contract.js';
import { LIMITS } from '../../base/bounds.js';
import { recallSource } from '../../engine/run/source-memory.js';
import { targetsOf } from '../../engine/read/context.js';
import type { WebhookInbox } from '../scheduler/inbox.js';
import { detailOf } from '../scheduler/ending.js';
import type { Settlement } from '../scheduler/task.js';
import { withOpened, type ConnectionAccess } from './access.js';

/** Until it looks again whether the task that handles these events already has ended. */
const AGAIN_MS = 1_000;
const AGAIN_PART = 0.25;
/** Codes of what lies between here and an API or a database, and is no answer of theirs. */
const ON_THE_WAY = /^(?:tls_\w+|not_http|proxy_refused|database_unreachable)$/;

/**
 * Never beside another one of the same connection: both would read the same objects. Without a task it is a workflow's,
 * which holds the connection alone. What is away is waited for as long as events are worth it: a dead letter takes the
 * API's own refusal.
 */
export async function changesTask(
  task: { id: number } | undefined,
  access: ConnectionAccess,
  inbox: WebhookInbox,
  signal: AbortSignal,
  clock: Clock,
): Promise<Settlement> {
  if (task && (await inbox.isHandled(access.name, task.id)))
    return { state: 'again', runAt: new Date(clock.now() + AGAIN_MS) };
  try {
    return await readChanges(access, inbox, signal, clock);
  } catch (error) {
    if (signal.aborted || !passes(error)) throw error;
    const waitedMs = await inbox.oldestMs(access.name);
    if (waitedMs >= LIMITS.webhookPatienceMs) throw error;
    const runAt = new Date(clock.now() + patientMs(waitedMs));
    return { state: 'patient', error: detailOf(error), runAt };
  }
}

/** Whether a later try may succeed without anybody's help. */
const passes = (error: unknown): error is HeadraceError =>
  error instanceof RetriableError || (error instanceof HeadraceError && ON_THE_WAY.test(error.code));

/** Soon at first, then less and less often: a fourth of what was waited already. */
export function patientMs(waitedMs: number): number {
  return Math.min(LIMITS.webhookAgainLastMs, Math.max(LIMITS.webhookAgainFirstMs, waitedMs * AGAIN_PART));
}

async function readChanges(
  access: ConnectionAccess,
  inbox: WebhookInbox,
  signal: AbortSignal,
  clock: Clock,
): Promise<Settlement> {
  setMaxListeners(0, signal); // every request in flight listens
  return withOpened(access, undefined, async ({ source, shareBudget }, destination) => {
    await recallSource(source, destination, {
      connection: access.name,
      runId: access.newRunId(),
      startedMs: clock.now(),
      signal,
    });
    const { changes } = source;
    if (!changes)
      return {
        state: 'dead',
        error: {
          code: 'no_changes',
          message: `${source.name} does not read events`,
          next: 'remove the webhook_secret of this connection',
        },
      };
    const { serverTimeMs } = await source.check(signal);
    const leave = await shareBudget(destination, () => {});
    const session = await destination.open({
      connection: access.name,
      runId: access.newRunId(),
      streams: targetsOf(source.streams, access.mode === 'replace' ? 'upsert' : access.mode),
      readOnly: false,
      beside: true,
      startedMs: clock.now(),
    });
    let events = 0;
    let rows = 0;
    try {
      while (!signal.aborted) {
        const waiting = await inbox.waiting(access.name, LIMITS.webhookEvents);
        if (waiting.length === 0) break;
        const groups = await changes.changed(
          waiting.map(({ body }) => body),
          signal,
        );
        const prepared = groups.map((group) =>
          session.prepare({ ...group, page: `webhook.${waiting[0]!.id}`, version: group.serverTimeMs ?? serverTimeMs }),
        );
        const batch: Batch = { rows: prepared, state: [], firstLoad: false };
        if (prepared.length > 0) await session.commit(batch);
        await inbox.handled(
          access.name,
          waiting.map(({ id }) => id),
        );
        events += waiting.length;
        rows += prepared.reduce((sum, part) => sum + part.rows, 0);
      }
      return signal.aborted ? { state: 'again' } : { state: 'done', result: { events, rows } };
    } finally {
      await session.close();
      await leave();
    }
  });
}
