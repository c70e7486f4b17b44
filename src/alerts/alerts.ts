/**
 * Alerts: a connection that fails, is older than asked, or whose last run is not proven, and one that has recovered,
 * are told to webhooks. Each change is stored once, whoever sees it first, and told at least once; what cannot be
 * delivered is tried again, a bounded number of times.
 */
import { request, type Dispatcher } from 'undici';
import { LIMITS } from '../base/bounds.js';
import type { Clock } from '../base/clock.js';
import { duration } from '../base/duration.js';
import { ConfigError, messageOf } from '../base/errors.js';
import { redact } from '../base/log.js';
import { assertTarget, newDispatcher } from '../http/dispatcher.js';
import type { AlertStore, Change, Delivery } from './alert-store.js';
import { bodyOf, digestOf, shownOf, wants, type Alert, type AlertKind, type AlertTarget } from './targets.js';

export class Alerts {
  constructor(
    private readonly store: AlertStore,
    /** Read anew each time: an edit counts at once. */
    readonly targets: () => Promise<AlertTarget[]>,
    private readonly clock: Clock,
  ) {}

  /** Looks what changed, stores what is to be told of it, and tells what is due. */
  async pass(): Promise<void> {
    const targets = await this.targets();
    for (const change of await this.store.changes()) {
      const alerts = alertsOf(change, new Date(this.clock.now()).toISOString());
      await this.store.take(
        change,
        alerts.flatMap((alert) =>
          targets.filter((target) => wants(target, alert)).map((target) => addressed(alert, target)),
        ),
      );
    }
    await this.deliver(targets);
    await this.store.prune();
  }

  /** What was told, the newest first. */
  list(limit: number, before: number | undefined): Promise<Delivery[]> {
    return this.store.list(limit, before);
  }

  /** A test for every target, now; how many there are. */
  async test(): Promise<number> {
    const targets = await this.targets();
    const at = new Date(this.clock.now()).toISOString();
    await this.store.add(
      targets.map((target) =>
        addressed(
          {
            kind: 'test',
            connection: target.connection ?? '',
            at,
            message: 'this is a test: alerts arrive here',
            problems: [],
            run: null,
            freshAsOf: null,
          },
          target,
        ),
      ),
    );
    await this.deliver(targets);
    return targets.length;
  }

  private async deliver(targets: AlertTarget[]): Promise<void> {
    const known = new Map(targets.map((target) => [digestOf(target), target]));
    if (known.size === 0) return;
    const due = await this.store.due([...known.keys()]);
    await Promise.all(
      due.map(async ({ id, target, alert, attempts }) => {
        const error = await send(known.get(target)!, alert);
        await this.store.settle(id, error?.message, error?.isFinal === true || attempts >= LIMITS.alertAttempts);
      }),
    );
  }
}

const addressed = (alert: Alert, target: AlertTarget) => ({ alert, target: digestOf(target), shown: shownOf(target) });

/** Undefined: it was taken. Final: trying again does not help. */
async function send(target: AlertTarget, alert: Alert): Promise<{ message: string; isFinal: boolean } | undefined> {
  let dispatcher: Dispatcher | undefined;
  try {
    await assertTarget(target.egress, target.url);
    dispatcher = newDispatcher(target.egress);
    const { statusCode, body } = await request(target.url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'user-agent': 'headrace' },
      body: bodyOf(alert, target.format),
      dispatcher,
      signal: AbortSignal.timeout(LIMITS.alertMs),
    });
    // What it says beside that is not read to its end.
    await body.dump({ limit: 65_536 });
    if (statusCode >= 200 && statusCode < 300) return undefined;
    return { message: `it answered ${statusCode}`, isFinal: false };
  } catch (error) {
    const refusal = [error, (error as { cause?: unknown }).cause].find((each) => each instanceof ConfigError);
    return { message: redact(messageOf(refusal ?? error)).slice(0, 300), isFinal: refusal !== undefined };
  } finally {
    await dispatcher?.close().catch(() => {});
  }
}

/** One for each problem that is new; one where all are gone. */
export function alertsOf(change: Change, at: string): Alert[] {
  const { connection, before, now, run, freshAsOf } = change;
  const kinds: AlertKind[] = now.length === 0 ? ['recovered'] : now.filter((problem) => !before.includes(problem));
  return kinds.map((kind) => ({ kind, connection, at, message: textOf(kind, change), problems: now, run, freshAsOf }));
}

function textOf(kind: AlertKind, { connection, why, freshnessSeconds, freshWithinSeconds }: Change): string {
  const seconds = (value: number | null) => duration((value ?? 0) * 1000);
  switch (kind) {
    case 'failed':
      return `${connection} failed${why === null ? '' : `: ${why}`}`;
    case 'unproven':
      return `${connection} is not proven${why === null ? '' : `: ${why}`}`;
    case 'late':
      return `${connection} is late: ${freshnessSeconds === null ? 'nothing of it is complete yet' : `what is stored is ${seconds(freshnessSeconds)} old`}, and should be no older than ${seconds(freshWithinSeconds)}`;
    case 'recovered':
      return `${connection} has recovered`;
  }
}
