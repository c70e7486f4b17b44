/**
 * A run that no task asked for, such as `headrace sync` by hand: written down where its rows go, if that is a PostgreSQL, so that
 * `headrace report` and a service on that database show it beside those of tasks.
 */
import type { Clock } from '../base/clock.js';
import type { Destination } from '../destinations/contract.js';
import { databaseOf } from './open.js';
import type { RunHistory } from './written-history.js';

export type { RunHistory };

export async function historyOf(destination: Destination, connection: string, clock: Clock): Promise<RunHistory> {
  const target = databaseOf(destination);
  if (!target) return { take: () => {}, watch: () => {}, during: (work) => work() };
  // Only here is the client of PostgreSQL wanted.
  const { writtenHistory } = await import('./written-history.js');
  return writtenHistory(target, connection, clock);
}
