/** Syncs of the testbed of Stripe into PostgreSQL. */
import { afterEach, beforeEach, expect } from 'vitest';
import type { PostgresDestination } from '../src/destinations/postgres/destination.js';
import { startStripeTestbed, type StripeTestbed, type StripeTestbedOptions } from '../src/testbed/index.js';
import type { Clock } from '../src/base/clock.js';
import { query, testDatabase, uniqueName } from './support.js';

export const NOW = 1_795_000_000;
export let testbed: StripeTestbed;
export let destination: PostgresDestination;
export let name: string;

export async function start(options: StripeTestbedOptions, clock?: Clock): Promise<void> {
  const usual = { rows: 0, now: NOW, shape: 'growth', latency: { medianMs: 5, sigma: 0.3 } } as const;
  testbed = await startStripeTestbed({ ...usual, ...options }, clock);
}

/** Ids of the account against ids stored: nothing missing, nothing double, nothing extra. */
export async function expectSame(stream: string, path = stream): Promise<void> {
  const rows = testbed.api.rows.get(path)!;
  const expected = new Set<string>();
  for (let i = 0; i < rows.size; i++) if (!rows.isDeleted(i)) expected.add(rows.idOf(i));
  const stored = (await query(destination, `select id from ${name}.${stream} where _headrace_deleted_at is null`)).map(
    (row) => row['id'] as string,
  );
  expect(stored.length).toBe(new Set(stored).size);
  expect(new Set(stored)).toEqual(expected);
}

/** A destination, and a name of its own in it, for each test of a file; its testbed is closed after. */
export function inDestination(): void {
  beforeEach(async () => {
    name = uniqueName();
    destination = await testDatabase(name);
  });
  afterEach(async () => {
    await testbed?.close();
    await destination.close();
  });
}
