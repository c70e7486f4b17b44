/**
 * Killed at random instants, resumed each time, over all shapes with faults on: rows missing, rows double, and pages
 * fetched again against those that were requested and not yet committed at each kill. --kills N (default 200), --rows N
 * (default 100,000 over all shapes).
 */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { connect } from '../src/postgres/connect.js';
import { EmbeddedServer } from '../src/postgres/embedded/server.js';
import { seededRandom } from '../src/base/random.js';
import { SHAPES, startStripeTestbed } from '../src/testbed/index.js';
import { configFor, scratch, startSync } from './lib/processes.js';
import { finish, printTable } from './lib/report.js';

const { values } = parseArgs({
  strict: false,
  options: { kills: { type: 'string' }, rows: { type: 'string' }, seed: { type: 'string' } },
});
const kills = Number(values['kills'] ?? 200);
const rows = Number(values['rows'] ?? 100_000);
const seed = Number(values['seed'] ?? 1);
const random = seededRandom(seed);
/** One account: each shape is a stream of it. */
const STREAMS: Record<string, string> = {
  customers: 'uniform',
  charges: 'growth',
  refunds: 'doubling',
  payouts: 'bulk',
  payment_intents: 'empty-years',
  transfers: 'campaigns',
  coupons: 'tiny',
};
const each = Math.round(rows / (SHAPES.length - 1));
const collections = Object.fromEntries(
  Object.entries(STREAMS).map(([name, shape]) => [name, { rows: each, shape: shape as (typeof SHAPES)[number] }]),
);
const faults = {
  '500': 0.01,
  '503': 0.005,
  reset: 0.01,
  cut: 0.01,
  json: 0.01,
  type: 0.005,
  cursor: 0.01,
  empty: 0.01,
};
/** An account is read to its end after so many kills, and the next one begins. */
const KILLS_PER_ACCOUNT = 12;
const RATE = { global: 400, endpoint: 100 };

let missing = 0;
let double = 0;
let kept = 0;
let rounds = 0;
let killed = 0;
let pages = 0;
let refetched = 0;
let uncommitted = 0;
/** Pages that the ledgers say are committed. */
async function ledgerPages(folder: string): Promise<{ pages: number; changes: number }> {
  const server = await EmbeddedServer.open(path.join(folder, '.headrace'));
  const client = await connect(server.target, 'bench');
  const found = await client
    .query(
      `select stream = '_changes' as changes, sum((value->>4)::int)::int as pages from _headrace.state
        where key like 'range/%' group by 1`,
    )
    .catch(() => ({ rows: [] as { changes: boolean; pages: number }[] }));
  await client.end();
  await server.close();
  return {
    pages: found.rows.find((row) => !row.changes)?.pages ?? 0,
    changes: found.rows.find((row) => row.changes)?.pages ?? 0,
  };
}

while (killed < kills) {
  rounds++;
  const { folder, drop } = scratch();
  const testbed = await startStripeTestbed({
    rows: 0,
    collections,
    faults,
    seed: seed + rounds,
    limit: '400/s,endpoint=100/s',
    latency: { medianMs: 60, sigma: 0.3 },
  });
  writeFileSync(path.join(folder, 'headrace.yaml'), configFor(testbed.url, Object.keys(STREAMS), RATE));
  let complete = false;
  let perRound = 0;
  let committedBefore = 0;
  let lost = 0;
  // An empty page is committed like any other; every other fault is a request that brought none.
  const faultsOf = () =>
    Object.entries(testbed.stats().faults).reduce((sum, [fault, count]) => sum + (fault === 'empty' ? 0 : count), 0);
  while (!complete) {
    const before = testbed.stats().requests - faultsOf();
    const run = startSync(folder, ['stripe'], (event) => {
      if (event['type'] === 'finished') complete = event['summary'].outcome === 'complete';
    });
    const kill = perRound < KILLS_PER_ACCOUNT && killed < kills;
    const timer = kill ? setTimeout(() => run.child.kill('SIGKILL'), 500 + random.next() * 1600) : undefined;
    const result = await run.done;
    clearTimeout(timer);
    if (result.code === null) {
      killed++;
      perRound++;
      // What this process asked for and did not commit: the account check is no page.
      const { pages: committed } = await ledgerPages(folder);
      lost += Math.max(0, testbed.stats().requests - faultsOf() - before - 1 - (committed - committedBefore));
      committedBefore = committed;
    } else if (!complete)
      throw new Error(
        `round ${rounds}, seed ${seed}: ended with ${result.code}: ${result.stderr}${JSON.stringify(result.events.find((event) => event['type'] === 'finished')?.['summary'].problems)}`,
      );
  }
  const server = await EmbeddedServer.open(path.join(folder, '.headrace'));
  const client = await connect(server.target, 'bench');
  for (const name of Object.keys(STREAMS)) {
    const stored = new Map<string, number>();
    for (const row of (await client.query(`select id from stripe.${name}`)).rows)
      stored.set(row.id, (stored.get(row.id) ?? 0) + 1);
    const account = testbed.api.rows.get(name)!;
    for (let i = 0; i < account.size; i++) if (!stored.has(account.idOf(i))) missing++;
    for (const count of stored.values()) if (count > 1) double++;
    kept += stored.size;
  }
  await client.end();
  await server.close();
  const { pages: committed, changes } = await ledgerPages(folder);
  // Every request that is no committed page was an account check, a fault that was asked again, a page of changes, or
  // lost to a kill.
  refetched += testbed.stats().requests - faultsOf() - committed - changes - (perRound + 1);
  uncommitted += lost;
  pages += committed;
  await testbed.close();
  drop();
}
printTable(
  ['kills', 'accounts', 'rows stored', 'missing', 'double', 'pages committed', 'uncommitted at kills', 'fetched again'],
  [[killed, rounds, kept, missing, double, pages, uncommitted, refetched]],
);
finish({
  bench: 'resume',
  figures: {
    kills: killed,
    rows_missing: missing,
    rows_double: double,
    pages_refetched: refetched,
    pages_uncommitted_at_kills: uncommitted,
  },
  targets: {
    rows_missing: { atMost: 0 },
    rows_double: { atMost: 0 },
    pages_refetched: { atMost: uncommitted },
    kills: { atLeast: kills },
  },
});
