/** A worker that helps a run which another leads, in a process whose minutes are seconds. */
import { systemClock, type Clock } from '../src/base/clock.js';
import type { Destination } from '../src/destinations/contract.js';
import type { RunEvent } from '../src/engine/report/events.js';
import { runPart } from '../src/engine/share/part.js';
import type { Source, Stream } from '../src/sources/contract.js';
import { stripeConfigSchema, type StripeConfig } from '../src/sources/stripe/config.js';
import { TESTBED_LIVE_KEY } from '../src/testbed/index.js';
import { openSource } from '../src/wiring/compose.js';

const FASTER = 20;
const fastClock: Clock = {
  now: () => systemClock.now(),
  monotonic: () => systemClock.monotonic() * FASTER,
  sleep: (ms, signal) => systemClock.sleep(ms / FASTER, signal),
  after: (ms, act) => systemClock.after(ms / FASTER, act),
};

interface Borrowing {
  url: string;
  connection: string;
  destination: Destination;
  run: string;
  told: RunEvent[];
  signal?: AbortSignal;
  /** In place of the stream's own. */
  page?: Stream['page'];
}

/** What it ended with: its figures, or the error. */
export async function borrow(borrowing: Borrowing): Promise<unknown> {
  const { url, connection, destination, run, told, signal = new AbortController().signal, page } = borrowing;
  const config = stripeConfigSchema.parse({
    connector: 'stripe',
    api_key: TESTBED_LIVE_KEY,
    base_url: url,
    streams: ['customers'],
  }) as StripeConfig;
  const { source, permits } = await openSource({
    name: connection,
    source: config,
    destination: { type: 'embedded', mode: 'upsert' },
    dataDir: '',
  });
  const streams = source.streams.map((stream) => (page ? { ...stream, page } : stream));
  return runPart({
    source: Object.create(source, { streams: { value: streams } }) as Source,
    permits,
    destination,
    connection,
    run,
    borrower: 'helper',
    mode: 'upsert',
    clock: fastClock,
    signal,
    emit: (event) => told.push(event),
  })
    .catch((error: unknown) => error)
    .finally(() => source.close());
}
