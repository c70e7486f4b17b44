/** A worker that helps a run which another leads: what it says where nothing moves. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { systemClock, type Clock } from '../../src/base/clock.js';
import type { PostgresDestination } from '../../src/destinations/postgres/destination.js';
import type { RunEvent } from '../../src/engine/report/events.js';
import { runPart } from '../../src/engine/share/part.js';
import { stripeConfigSchema, type StripeConfig } from '../../src/sources/stripe/config.js';
import { startStripeTestbed, TESTBED_LIVE_KEY, type StripeTestbed } from '../../src/testbed/index.js';
import { openSource } from '../../src/wiring/compose.js';
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
  const part = borrow('led', told, over.signal);
  await until(() => told.length > 0);
  expect(told).toEqual([{ type: 'wait', reason: "the run's leader, to lend a part", ms: 0 }]);
  over.abort();
  expect(await part).toMatchObject({ parts: 0 });
  await leader.close();
});

/** A borrower in a process whose minutes are seconds. */
async function borrow(run: string, told: RunEvent[], signal = new AbortController().signal): Promise<unknown> {
  const config = stripeConfigSchema.parse({
    connector: 'stripe',
    api_key: TESTBED_LIVE_KEY,
    base_url: testbed.url,
    streams: ['customers'],
  }) as StripeConfig;
  const { source, permits } = await openSource({
    name,
    source: config,
    destination: { type: 'embedded', mode: 'upsert' },
    dataDir: '',
  });
  const FASTER = 20;
  const clock: Clock = {
    now: () => systemClock.now(),
    monotonic: () => systemClock.monotonic() * FASTER,
    sleep: (ms, signal) => systemClock.sleep(ms / FASTER, signal),
    after: (ms, act) => systemClock.after(ms / FASTER, act),
  };
  return runPart({
    source,
    permits,
    destination,
    connection: name,
    run,
    borrower: 'helper',
    mode: 'upsert',
    clock,
    signal,
    emit: (event) => told.push(event),
  })
    .catch((error: unknown) => error)
    .finally(() => source.close());
}
