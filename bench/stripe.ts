/**
 * Stripe whole: a first load of 60 streams with --rows rows each (default 1,000) at 100/s and 25/s an endpoint; then
 * --rounds rounds (default 3) of changes and deletions; --kills kills (default 30) spread over load and rounds. Counts
 * rows missing, double, stale and marked deleted falsely, and how much of the limit was used. Then 50 connected
 * accounts of skewed sizes behind one limit, and a state of --state rows (default 200,000) of the version before, which
 * goes on. --only load, accounts or state plays one of them. Beside the part of the limit that was used stands the least
 * time that any client needs for the pages there are, against the time that it took.
 */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { seededRandom } from '../src/base/random.js';
import { connect } from '../src/postgres/connect.js';
import { EmbeddedServer } from '../src/postgres/embedded/server.js';
import { nameOf, STREAMS, type StreamDefinition } from '../src/sources/stripe/streams.js';
import { startStripeTestbed, type StripeTestbed } from '../src/testbed/index.js';
import { LIVE_KEY, scratch, startSync, type SyncResult } from './lib/processes.js';
import { finish, printTable, round, type Report } from './lib/report.js';

const { values } = parseArgs({
  strict: false,
  options: Object.fromEntries(
    ['rows', 'rounds', 'kills', 'state', 'seed', 'only', 'lists'].map((name) => [name, { type: 'string' as const }]),
  ),
});
const option = (name: string, usual: number) => Number(values[name] ?? usual);
const RATE = { global: 100, endpoint: 25 };
const LATENCY = { medianMs: 60, sigma: 0.3 };
const STREAMS_LOADED = 60;
const ACCOUNTS = 50;
const random = seededRandom(option('seed', 1));

/** Lists of the first API that are asked for as they are; events are what tells of the others. */
const LOADED = STREAMS.filter(
  ({ api, shape, name }) => api === 1 && typeof shape !== 'object' && name !== 'events',
).slice(0, STREAMS_LOADED);
const figures: Record<string, number> = {};
const targets: Report['targets'] = {};

type Watched = StripeTestbed & { times: number[]; nested: () => number };
const PAGE_ROWS = 100;

/** A simulated account, and when it was asked; `nested`: pages of lists inside objects, which come short. */
async function simulated(options: Parameters<typeof startStripeTestbed>[0]): Promise<Watched> {
  const testbed = await startStripeTestbed({ rows: 0, now: Math.floor(Date.now() / 1000) - 5, ...options });
  const times: number[] = [];
  let nested = 0;
  const answer = testbed.api.answer.bind(testbed.api);
  testbed.api.answer = (request, dice) => {
    // The key is proven, and the accounts are found, while the database still starts.
    const isFirst = times.length === 0 && /^\/v1\/accounts?$/.test(request.url.pathname);
    if (!isFirst) times.push(performance.now());
    if (/^\/v1\/\w+\/\w+\/\w+$/.test(request.url.pathname)) nested++;
    return answer(request, dice);
  };
  return { ...testbed, times, nested: () => nested };
}

function configure(folder: string, url: string, source: Record<string, unknown>): void {
  const limits = { rate_limit: RATE, max_rate: RATE.global, max_endpoint_rate: RATE.endpoint };
  const stripe = { source: { connector: 'stripe', api_key: LIVE_KEY, base_url: url, ...limits, ...source } };
  writeFileSync(
    path.join(folder, 'headrace.yaml'),
    JSON.stringify({ version: 1, data_dir: '.headrace', connections: { stripe } }),
  );
}

/** One run that is left alone. */
async function syncOnce(folder: string): Promise<Record<string, any>> {
  const result = await startSync(folder, ['stripe']).done;
  const summary = summaryOf(result);
  if (summary?.['outcome'] !== 'complete')
    throw new Error(`ended with ${result.code}: ${result.stderr}${JSON.stringify(summary?.['problems'])}`);
  return summary;
}

const summaryOf = (result: SyncResult) =>
  result.events.find((event) => event['type'] === 'finished')?.['summary'] as Record<string, any> | undefined;

/** Runs until one is complete; the first ones are killed, each a while after its first row was committed. */
async function syncKilled(folder: string, kills: number): Promise<number> {
  let killed = 0;
  while (killed < kills) {
    let timer: NodeJS.Timeout | undefined;
    const run = startSync(folder, ['stripe'], (event) => {
      if (event['type'] === 'committed') timer ??= setTimeout(() => run.child.kill('SIGKILL'), random.next() * 900);
    });
    const result = await run.done;
    clearTimeout(timer);
    if (result.code !== null) break;
    killed++;
  }
  await syncOnce(folder);
  return killed;
}

async function withDatabase<T>(folder: string, work: (query: Query) => Promise<T>): Promise<T> {
  const server = await EmbeddedServer.open(path.join(folder, '.headrace'));
  const client = await connect(server.target, 'bench');
  try {
    return await work(async (sql) => (await client.query(sql)).rows);
  } finally {
    await client.end();
    await server.close();
  }
}
type Query = (sql: string) => Promise<Record<string, any>[]>;

const pathOf = ({ path: at }: StreamDefinition) => at;
/** What tells of a change in it: rows that follow by their date alone change while they are young. */
const canChange = ({ follow }: StreamDefinition) => follow.kind !== 'cursor';

/** Changes, deletes and adds a few rows of every stream. */
function change({ api }: StripeTestbed, each: { changed: number; deleted: number; added: number }): void {
  for (const definition of LOADED) {
    const rows = api.rows.get(pathOf(definition))!;
    const live = () => {
      for (;;) {
        const index = random.integer(rows.size);
        if (!rows.isDeleted(index)) return index;
      }
    };
    if (canChange(definition)) {
      for (let i = 0; i < each.changed; i++) api.churn('changed', live(), pathOf(definition));
      for (let i = 0; i < each.deleted; i++) api.churn('deleted', live(), pathOf(definition));
    }
    for (let i = 0; i < each.added; i++) api.churn('added', undefined, pathOf(definition));
  }
}

interface Faults {
  rows: number;
  missing: number;
  double: number;
  falseTombstones: number;
  missedDeletions: number;
  stale: number;
}

/** What is stored against what there is. */
async function compare(folder: string, { api }: StripeTestbed): Promise<Faults> {
  const found: Faults = { rows: 0, missing: 0, double: 0, falseTombstones: 0, missedDeletions: 0, stale: 0 };
  await withDatabase(folder, async (query) => {
    for (const definition of LOADED) {
      const rows = api.rows.get(pathOf(definition))!;
      const hasRevision =
        rows.collection.newest?.['metadata'] !== undefined || rows.collection.template['metadata'] !== undefined;
      const stored = await query(
        `select id, _headrace_deleted_at is not null as gone${hasRevision ? `, metadata->>'revision' as revision` : ''}
          from stripe.${definition.name}`,
      );
      const byId = new Map(stored.map((row) => [row['id'] as string, row]));
      found.rows += stored.length;
      found.double += stored.length - byId.size;
      for (let i = 0; i < rows.size; i++) {
        const row = byId.get(rows.idOf(i));
        if (!row) found.missing += rows.isDeleted(i) ? 0 : 1;
        else if (row['gone'] && !rows.isDeleted(i)) found.falseTombstones++;
        else if (!row['gone'] && rows.isDeleted(i)) found.missedDeletions++;
        else if (!row['gone'] && hasRevision && Number(row['revision']) !== rows.revisionOf(i)) found.stale++;
      }
    }
  });
  return found;
}

/** Requests a second from the first to the last, against the limit. */
function useOf(times: readonly number[]): number {
  const seconds = (times.at(-1)! - times[0]!) / 1000;
  return (times.length - 1) / seconds / RATE.global;
}

/** At the end some list's last pages are one chain's alone: what counts is while there is work for all. */
const whileBusy = (times: readonly number[]) => times.slice(0, Math.floor(times.length * 0.95));

/**
 * The least seconds that any client needs for pages of lists with so many each, from the first request to the last: the
 * limit over all, and that of the endpoint that is asked most.
 */
function leastSeconds(pages: readonly number[], nested: number): number {
  const all = pages.reduce((sum, each) => sum + each, 0) + nested;
  return Math.max((all - 1) / RATE.global, (Math.max(...pages) - 1) / RATE.endpoint);
}

/** What is printed of one load, and the part of its time that no client could have saved. */
function timeTaken({ times, nested }: Watched, pages: readonly number[]): number {
  const seconds = (times.at(-1)! - times[0]!) / 1000;
  const least = leastSeconds(pages, nested());
  const needed = pages.reduce((sum, each) => sum + each, 0);
  console.log(perSecond(times));
  console.log(
    `${times.length} requests for ${needed} pages and ${nested()} of lists inside objects, in ${round(seconds, 2)} s; ` +
      `no client needs less than ${round(least, 2)} s`,
  );
  return least / seconds;
}

/** Requests in each second, so that one sees where the limit was not used. */
function perSecond(times: readonly number[]): string {
  const counts: number[] = [];
  for (const time of times) {
    const second = Math.floor((time - times[0]!) / 1000);
    counts[second] = (counts[second] ?? 0) + 1;
  }
  return `requests in each second: ${Array.from(counts, (count) => count ?? 0).join(' ')}`;
}

const nextSecond = () => new Promise((resolve) => setTimeout(resolve, 1_200));

async function playLoad(): Promise<void> {
  const collections = Object.fromEntries(LOADED.map((each) => [pathOf(each), { rows: option('rows', 1_000) }]));
  const limit = `${RATE.global}/s,endpoint=${RATE.endpoint}/s`;
  const testbed = await simulated({ collections, limit, latency: LATENCY });
  const { folder, drop } = scratch();
  configure(folder, testbed.url, { streams: LOADED.map(({ name }) => name) });
  await syncOnce(folder);
  const loaded = await compare(folder, testbed);
  const used = useOf(whileBusy(testbed.times));
  const toTheEnd = useOf(testbed.times);
  const pages = LOADED.map(() => Math.ceil(option('rows', 1_000) / PAGE_ROWS));
  const ofLeast = timeTaken(testbed, pages);
  const { requests, rejections } = testbed.stats();
  await testbed.close();
  drop();

  const kills = option('kills', 30);
  const rounds = option('rounds', 3);
  const second = await simulated({ collections, limit, latency: LATENCY, seed: 2 });
  const killed = scratch();
  configure(killed.folder, second.url, { streams: LOADED.map(({ name }) => name) });
  let kinds = await syncKilled(killed.folder, Math.ceil(kills / 2));
  for (let i = 0; i < rounds; i++) {
    change(second, { changed: 6, deleted: 3, added: 3 });
    await nextSecond();
    kinds += await syncKilled(killed.folder, Math.round(kills / 2 / rounds));
  }
  // What came while the last killed run was under way is told by the events of the next.
  await nextSecond();
  await syncOnce(killed.folder);
  const after = await compare(killed.folder, second);
  const both = second.stats();
  await second.close();
  killed.drop();

  printTable(
    ['', 'streams', 'rows', 'missing', 'double', 'false tombstones', 'missed deletions', 'stale', 'kills'],
    [
      ['first load', LOADED.length, ...rowOf(loaded), 0],
      [`${rounds} rounds`, LOADED.length, ...rowOf(after), kinds],
    ],
  );
  const sum = (of: keyof Faults) => loaded[of] + after[of];
  Object.assign(figures, {
    streams: LOADED.length,
    limit_used: round(used),
    limit_used_to_the_end: round(toTheEnd),
    least_time_of_taken: round(ofLeast),
    rejected: round((rejections + both.rejections) / (requests + both.requests), 5),
    missing: sum('missing'),
    double: sum('double'),
    false_tombstones: sum('falseTombstones'),
    missed_deletions: sum('missedDeletions'),
    stale: sum('stale'),
    kills: kinds,
  });
  Object.assign(targets, {
    streams: { atLeast: STREAMS_LOADED },
    limit_used: { atLeast: 0.95 },
    rejected: { atMost: 0.001 },
    missing: { atMost: 0 },
    double: { atMost: 0 },
    false_tombstones: { atMost: 0 },
    missed_deletions: { atMost: 0 },
    stale: { atMost: 0 },
  });
}

const rowOf = ({ rows, missing, double, falseTombstones, missedDeletions, stale }: Faults) => [
  rows,
  missing,
  double,
  falseTombstones,
  missedDeletions,
  stale,
];

/**
 * 50 accounts: the n-th has an n-th of the first one's rows, in so many lists that the platform's limit is what binds,
 * and not that of an endpoint. With --lists 6 it is the endpoints': then some have their end long before others.
 */
async function playAccounts(): Promise<void> {
  const streams = LOADED.filter(({ shape, path: at }) => shape === 'range' && !at.includes('/'))
    .map(pathOf)
    .slice(0, option('lists', 16));
  const most = option('rows', 1_000) * 2;
  const sizes = Array.from({ length: ACCOUNTS }, (_, i) => Math.ceil(most / (i + 1)));
  const idOf = (i: number) => `acct_${String(i).padStart(3, '0')}`;
  const testbed = await simulated({
    limit: `${RATE.global}/s,endpoint=${RATE.endpoint}/s`,
    latency: LATENCY,
    accounts: Object.fromEntries(
      sizes.map((rows, i) => [idOf(i), { collections: Object.fromEntries(streams.map((name) => [name, { rows }])) }]),
    ),
  });
  const { folder, drop } = scratch();
  configure(folder, testbed.url, { streams: streams.map((each) => nameOf(`v1/${each}`)), accounts: 'all' });
  const summary = await syncOnce(folder);
  const pages = streams.map(() => sizes.reduce((sum, rows) => sum + Math.ceil(rows / PAGE_ROWS), 0));
  figures['accounts_least_time_of_taken'] = round(timeTaken(testbed, pages));
  const wrong = await withDatabase(folder, async (query) => {
    let faults = 0;
    for (const stream of streams) {
      const counted = await query(
        `select _headrace_account as id, count(*) as rows from stripe.${nameOf(`v1/${stream}`)} group by 1`,
      );
      const byId = new Map(counted.map((row) => [row['id'], Number(row['rows'])]));
      sizes.forEach((rows, i) => (faults += byId.get(idOf(i)) === rows ? 0 : 1));
    }
    return faults;
  });
  const { requests, rejections, mostInWindow } = testbed.stats();
  await testbed.close();
  drop();
  const proven = (summary['proofs'] as { faults: string[] }[]).filter(({ faults }) => faults.length === 0).length;
  printTable(
    ['accounts', 'streams of accounts', 'rows', 'requests', 'rejections', 'most in a second', 'accounts wrong'],
    [[ACCOUNTS, proven, summary['rows'], requests, rejections, mostInWindow.global, wrong]],
  );
  figures['accounts_limit_used'] = round(useOf(whileBusy(testbed.times)));
  figures['accounts_limit_used_to_the_end'] = round(useOf(testbed.times));
  figures['accounts_rejected'] = round(rejections / requests, 5);
  figures['accounts_wrong'] = wrong;
  figures['accounts_proven'] = proven;
  targets['accounts_limit_used'] = { atLeast: 0.95 };
  targets['accounts_rejected'] = { atMost: 0.001 };
  targets['accounts_wrong'] = { atMost: 0 };
  targets['accounts_proven'] = { atLeast: ACCOUNTS * streams.length };
}

/** A state that a release left which knew no versions goes on without a full read. */
async function playState(): Promise<void> {
  const rows = option('state', 200_000);
  const testbed = await simulated({ collections: { charges: { rows } } });
  const { folder, drop } = scratch();
  const fast = { rate_limit: { global: 2_000, endpoint: 2_000 }, max_rate: 2_000, max_endpoint_rate: 2_000 };
  configure(folder, testbed.url, { streams: ['charges'], api_version: '2024-06-20', ...fast });
  await syncOnce(folder);
  await withDatabase(folder, (query) => query("delete from _headrace.state where stream = '_source'"));
  configure(folder, testbed.url, { streams: ['charges'], ...fast });
  for (let i = 0; i < 10; i++) testbed.api.churn('changed', random.integer(rows), 'charges');
  await nextSecond();
  const before = testbed.stats().requests;
  const summary = await syncOnce(folder);
  const requests = testbed.stats().requests - before;
  await testbed.close();
  drop();
  printTable(['rows of the state', 'requests to go on', 'rows read'], [[rows, requests, summary['rows']]]);
  figures['state_requests'] = requests;
  targets['state_requests'] = { atMost: 25 };
}

const plays = { load: playLoad, accounts: playAccounts, state: playState };
for (const [name, play] of Object.entries(plays)) if ((values['only'] ?? name) === name) await play();
finish({ bench: 'stripe', figures, targets });
