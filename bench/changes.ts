/**
 * Requests that a later sync takes to bring 0.1%, 1% and 10% of a stream's rows up to date, beside both ways of it: each
 * object that events name asked for, and everything listed again. --rows N (100,000).
 */
import { parseArgs } from 'node:util';
import path from 'node:path';
import { systemClock } from '../src/base/clock.js';
import { runSync } from '../src/engine/run/sync.js';
import { embeddedDestination } from '../src/destinations/postgres/destination.js';
import { EmbeddedServer } from '../src/postgres/embedded/server.js';
import { stripeConfigSchema, type StripeConfig } from '../src/sources/stripe/config.js';
import { startStripeTestbed } from '../src/testbed/index.js';
import { openSource } from '../src/wiring/compose.js';
import { LIVE_KEY, scratch } from './lib/processes.js';
import { finish, printTable, round } from './lib/report.js';

const { values } = parseArgs({ strict: false, options: { rows: { type: 'string' } } });
const rows = Number(values['rows'] ?? 100_000);
const SHARES = [0.001, 0.01, 0.1];
/** 10,000 changes take four days and a half. */
const BETWEEN_MS = 40_000;

const { folder, drop } = scratch();
const server = await EmbeddedServer.open(path.join(folder, '.headrace'));

/** Requests of one later sync, and how it says that it was read. */
async function requestsFor(share: number): Promise<{ requests: number; firstRequests: number; isListed: boolean }> {
  // Changes come one after the other: the server's clock runs ahead between them.
  let aheadMs = 0;
  const clock = { ...systemClock, now: () => systemClock.now() + aheadMs };
  const testbed = await startStripeTestbed(
    { rows: 0, collections: { customers: { rows } }, shape: 'uniform', now: Math.floor(Date.now() / 1000) - 5 },
    clock,
  );
  const name = `changes_${Math.round(share * 1000)}`;
  const source = stripeConfigSchema.parse({
    connector: 'stripe',
    api_key: LIVE_KEY,
    base_url: testbed.url,
    streams: ['customers'],
    rate_limit: { global: 5000, endpoint: 5000 },
    max_rate: 5000,
    max_endpoint_rate: 5000,
  }) as StripeConfig;
  const sync = async () => {
    const destination = await embeddedDestination(path.join(folder, '.headrace'), name);
    const opened = await openSource({ name, source, destination: { type: 'embedded', mode: 'upsert' }, dataDir: '' });
    const before = testbed.stats().requests;
    try {
      const summary = await runSync({
        source: opened.source,
        permits: opened.permits,
        gateStatus: opened.gateStatus,
        destination,
        connection: name,
        runId: `run_${before}`,
        mode: 'upsert',
        clock: systemClock,
        signal: new AbortController().signal,
      });
      if (summary.outcome !== 'complete') throw new Error(`the sync is ${summary.outcome}`);
      return { requests: testbed.stats().requests - before, notes: summary.notes };
    } finally {
      await opened.source.close();
      await destination.close();
    }
  };
  try {
    const { requests: firstRequests } = await sync();
    for (let i = 0; i < rows; i += Math.round(1 / share)) {
      aheadMs += BETWEEN_MS;
      testbed.api.churn('changed', i);
    }
    await new Promise((resolve) => setTimeout(resolve, 1100));
    const { requests, notes } = await sync();
    return { requests, firstRequests, isListed: notes.some((text) => text.includes('is listed again')) };
  } finally {
    await testbed.close();
  }
}

const table: (string | number)[][] = [];
const figures: Record<string, number> = {};
try {
  for (const share of SHARES) {
    const { requests, firstRequests, isListed } = await requestsFor(share);
    const changed = Math.round(rows * share);
    // Events name a hundred objects a page.
    const oneByOne = changed + Math.ceil(changed / 100);
    const cheaper = Math.min(oneByOne, firstRequests);
    table.push([
      `${share * 100}%`,
      oneByOne,
      firstRequests,
      requests,
      isListed ? 'listed' : 'asked for',
      round(requests / cheaper, 2),
    ]);
    figures[`ratio_${share * 1000}_of_1000`] = round(requests / cheaper);
  }
} finally {
  await server.close();
  drop();
}
printTable(['changed', 'one by one', 'all again', 'requests', 'way', 'of the cheaper'], table);
finish({
  bench: 'changes',
  figures,
  targets: Object.fromEntries(Object.keys(figures).map((name) => [name, { atMost: 1.1 }])),
});
