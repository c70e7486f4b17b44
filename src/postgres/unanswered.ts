/** Connections whose server may not answer any more. */
import type pg from 'pg';
import type { Clock } from '../base/clock.js';

/** A connection that works answers within this. */
const ANSWER_MS = 3000;

/** Whether a connection still works, told within a moment. */
export async function answers(client: pg.Client, clock: Clock): Promise<boolean> {
  let cancel = () => {};
  const late = new Promise<boolean>((resolve) => (cancel = clock.after(ANSWER_MS, () => resolve(false))));
  const answer = client.query('select 1').then(
    () => true,
    () => false,
  );
  return Promise.race([answer, late]).finally(() => cancel());
}

/** Ends the socket of a connection whose server does not answer: pg has no call of its own for it. */
export function cutOff(client: pg.Client): void {
  const { connection } = client as { connection?: { stream?: { destroy?: () => void } } };
  connection?.stream?.destroy?.();
}

/** Ends a connection; one that does not answer is left to itself. */
export async function ended(client: pg.Client, clock: Clock): Promise<void> {
  let cancel = () => {};
  const late = new Promise<void>((resolve) => (cancel = clock.after(1000, resolve)));
  await Promise.race([client.end().catch(() => {}), late]);
  cancel();
}
