/** A worker that helps a run which another leads: what it says where nothing moves. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { PostgresDestination } from '../../src/destinations/postgres/destination.js';
import type { RunEvent } from '../../src/engine/report/events.js';
import { startStripeTestbed, type StripeTestbed } from '../../src/testbed/index.js';
import { borrow } from '../borrower-support.js';
import { until } from '../patience.js';
import { testDatabase, uniqueName } from '../support.js';

let destination: PostgresDestination;
let testbed: StripeTestbed;
let name: string;

beforeEach(async () => {
  name = uniqueName();
  destination = await testDatabase(name);
});
afterEach(async () => {
  await testbed.close();
  await destination.close();
});

test('a borrower that is lent nothing says whom it waits for', async () => {
  testbed = await startStripeTestbed({ rows: 10 });
  const leader = await destination.open({ connection: name, runId: 'led', streams: [], readOnly: false, startedMs: 0 });
  const told: RunEvent[] = [];
  const over = new AbortController();
  const part = borrow({ url: testbed.url, connection: name, destination, run: 'led', told, signal: over.signal });
  await until(() => told.length > 0);
  expect(told).toEqual([{ type: 'wait', reason: "the run's leader, to lend a part", ms: 0 }]);
  over.abort();
  expect(await part).toMatchObject({ parts: 0 });
  await leader.close();
});
