/**
 * Disturbed at random instants, resumed each time, over all shapes with faults on: killed (most of all), stopped and
 * continued, cut off from the database, the database restarted and crashed, a second process beside it, one that comes
 * back as a zombie. Rows missing, rows double, pauses without a stated reason, and pages fetched again against those that
 * were requested and not yet committed at each disturbance. --kills N: disturbances (default 500), --rows N (default
 * 100,000 over all shapes), --seed N, --only BLOW, --tell: what happens, on stderr.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import type { PostgresTarget } from '../src/postgres/connect.js';
import { seededRandom } from '../src/base/random.js';
import { SHAPES, startStripeTestbed, type StripeTestbed } from '../src/testbed/index.js';
import { configFor, scratch, startSync, type SyncHandle } from './lib/processes.js';
import { finish, printTable, round } from './lib/report.js';
import {
  ask,
  BLOWS,
  cutSessions,
  drawBlow,
  PauseWatch,
  restart,
  sleep,
  standStill,
  type Blow,
} from './lib/resume-blows.js';
import { RestartableServer } from './lib/restartable-server.js';
import { urlOf } from './lib/target-url.js';

const { values } = parseArgs({
  strict: false,
  options: {
    kills: { type: 'string' },
    rows: { type: 'string' },
    seed: { type: 'string' },
    only: { type: 'string' },
    tell: { type: 'boolean' },
  },
});
const wanted = Number(values['kills'] ?? 500);
const rows = Number(values['rows'] ?? 100_000);
const seed = Number(values['seed'] ?? 1);
const only = values['only'] as Blow | undefined;
const random = seededRandom(seed);
const tell = (text: string) => {
  if (values['tell']) console.error(`${process.uptime().toFixed(1)} s: ${text}`);
};
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
/** An account is read to its end after so many disturbances, and the next one begins. */
const PER_ACCOUNT = 12;
const RATE = { global: 400, endpoint: 100 };
const PAUSE_MS = 15_000;
/** A run that ends so often by itself without being complete does not come to its end. */
const ENDS = 10;

const sums = { accounts: 0, kept: 0, missing: 0, double: 0, pages: 0, refetched: 0, uncommitted: 0 };
const done = Object.fromEntries(BLOWS.map((blow) => [blow, 0])) as Record<Blow, number>;
const struck = () => Object.values(done).reduce((sum, count) => sum + count, 0);
const pauses = { unstated: 0, longestMs: 0 };
/** Ends that no disturbance explains. */
const oddEnds: string[] = [];

class Account {
  private complete = false;
  private blows = 0;
  private checks = 0;
  private readonly folder = scratch();

  private constructor(
    private readonly server: RestartableServer,
    private readonly testbed: StripeTestbed,
    private readonly target: PostgresTarget,
    private readonly name: string,
  ) {}

  static async open(server: RestartableServer): Promise<Account> {
    sums.accounts++;
    const testbed = await startStripeTestbed({
      rows: 0,
      collections,
      faults,
      seed: seed + sums.accounts,
      limit: '400/s,endpoint=100/s',
      latency: { medianMs: 60, sigma: 0.3 },
    });
    const name = `account${sums.accounts}`;
    await ask(server.target, `create database ${name}`);
    const target = { ...server.target, options: { ...server.target.options, database: name } };
    const account = new Account(server, testbed, target, name);
    const { folder } = account.folder;
    mkdirSync(folder, { recursive: true });
    writeFileSync(path.join(folder, 'headrace.yaml'), configFor(testbed.url, Object.keys(STREAMS), RATE));
    return account;
  }

  async close(): Promise<void> {
    await this.testbed.close();
    this.folder.drop();
  }

  /** Runs until the account is read to its end. */
  async play(): Promise<void> {
    let ends = 0;
    while (!this.complete) {
      const { killed, text } = await this.runOnce();
      if (killed || this.complete) continue;
      if (++ends > ENDS) throw new Error(`${this.name}, seed ${seed}: does not come to its end: ${text}`);
    }
    await this.count();
  }

  private start(watch: PauseWatch): SyncHandle {
    this.checks++;
    return startSync(this.folder.folder, ['stripe', '--to', urlOf(this.target)], (event) => {
      watch.note(event);
      if (event['type'] === 'wait' || event['type'] === 'note' || event['type'] === 'finished')
        tell(JSON.stringify(event).slice(0, 400));
      if (event['type'] === 'finished' && event['summary'].outcome === 'complete') this.complete = true;
    });
  }

  /** One process from its beginning to its end, disturbed now and then. */
  private async runOnce(): Promise<{ killed: boolean; text: string }> {
    const watch = new PauseWatch(PAUSE_MS);
    const run = this.start(watch);
    let isOver = false;
    const ended = run.done.then((result) => {
      isOver = true;
      watch.end();
      return result;
    });
    let others = false;
    while (!isOver && this.blows < PER_ACCOUNT && struck() < wanted) {
      await Promise.race([ended, sleep(500 + random.next() * 1600)]);
      if (isOver) break;
      const blow = only ?? drawBlow(random);
      this.blows++;
      done[blow]++;
      others ||= blow !== 'kill' && blow !== 'stop';
      tell(blow);
      await this.strike(blow, run, watch);
      if (blow === 'kill') break;
    }
    const result = await ended;
    tell(`${this.name} ended with ${result.code}; longest pause ${Math.round(watch.longestMs)} ms`);
    pauses.unstated += watch.unstated;
    pauses.longestMs = Math.max(pauses.longestMs, watch.longestMs);
    await this.noteUncommitted();
    const problems = result.events.findLast(({ type }) => type === 'finished')?.['summary'].problems;
    const text = `ended with ${result.code}: ${result.stderr.slice(-400)}${JSON.stringify(problems ?? [])}`;
    // A run whose connection another one took; one that began while the database was away, or another was at work.
    const hasBegun = result.events.some(({ type }) => type === 'started');
    const isExplained =
      result.code === 75 ||
      (!hasBegun && /the database cannot be reached|is being synced by another run/.test(result.stderr));
    if (result.code !== null && !this.complete && !(others && isExplained)) oddEnds.push(`${this.name}: ${text}`);
    return { killed: result.code === null, text };
  }

  private async strike(blow: Blow, run: SyncHandle, watch: PauseWatch): Promise<void> {
    switch (blow) {
      case 'kill':
        run.child.kill('SIGKILL');
        return;
      case 'stop':
        await standStill(run.child, 500 + random.next() * 7000);
        return watch.restart();
      case 'cut':
        await cutSessions(this.target);
        return this.noteUncommitted();
      case 'restart':
      case 'crash':
        await restart(this.server, blow, random);
        return this.noteUncommitted();
      case 'second':
        return this.second(run, false, watch);
      case 'zombie':
        return this.second(run, true, watch);
    }
  }

  /** Another process of the same connection: it is refused, or takes over from one that seems dead and comes back. */
  private async second(first: SyncHandle, takesOver: boolean, watch: PauseWatch): Promise<void> {
    const own = new PauseWatch(PAUSE_MS);
    let other: SyncHandle | undefined;
    const begin = async () => {
      if (takesOver) await cutSessions(this.target);
      other = this.start(own);
      await Promise.race([other.done, sleep(3000)]);
    };
    if (takesOver) await standStill(first.child, 2500, begin);
    else await begin();
    watch.restart();
    // Whichever has the connection goes on: the other one says so, and ends.
    const { code, stderr } = await Promise.race([
      other!.done,
      first.done.then(() => ({ code: null, stderr: '' })),
      sleep(60_000).then(() => ({ code: undefined, stderr: 'both processes were at work for a minute' })),
    ]);
    if (code === undefined) oddEnds.push(`${this.name}: ${stderr}`);
    other!.child.kill('SIGKILL');
    await other!.done;
    await this.noteUncommitted();
  }

  private faults(): number {
    // An empty page is committed like any other; every other fault is a request that brought none.
    return Object.entries(this.testbed.stats().faults).reduce(
      (sum, [fault, n]) => sum + (fault === 'empty' ? 0 : n),
      0,
    );
  }

  /** Pages that the ledgers say are committed. */
  private async committed(): Promise<{ pages: number; changes: number }> {
    const found = await ask(
      this.target,
      `select stream = '_changes' as changes, sum((value->>4)::int)::int as pages
       from _headrace.state where key like 'range/%' group by 1`,
    ).catch(() => []);
    const of = (changes: boolean) => Number(found.find((row) => row['changes'] === changes)?.['pages'] ?? 0);
    return { pages: of(false), changes: of(true) };
  }

  private accounted = 0;

  /** Requests that brought no committed page so far: what was under way when something happened. */
  private async noteUncommitted(): Promise<void> {
    const { pages, changes } = await this.committed();
    const open = this.testbed.stats().requests - this.faults() - this.checks - pages - changes - this.accounted;
    if (open <= 0) return;
    this.accounted += open;
    sums.uncommitted += open;
  }

  private async count(): Promise<void> {
    for (const name of Object.keys(STREAMS)) {
      const stored = new Map<string, number>();
      for (const { id } of await ask(this.target, `select id from stripe.${name}`))
        stored.set(id, (stored.get(id) ?? 0) + 1);
      const account = this.testbed.api.rows.get(name)!;
      for (let i = 0; i < account.size; i++) if (!stored.has(account.idOf(i))) sums.missing++;
      for (const times of stored.values()) if (times > 1) sums.double++;
      sums.kept += stored.size;
    }
    const { pages, changes } = await this.committed();
    sums.refetched += Math.max(0, this.testbed.stats().requests - this.faults() - pages - changes - this.checks);
    sums.pages += pages;
  }
}

const database = scratch();
const server = await RestartableServer.open(path.join(database.folder, 'server'));
try {
  while (struck() < wanted) {
    const account = await Account.open(server);
    try {
      await account.play();
    } finally {
      await account.close();
    }
  }
} finally {
  await server.stop();
  database.drop();
}
printTable(
  [
    ...BLOWS,
    'accounts',
    'rows stored',
    'missing',
    'double',
    'pages',
    'under way',
    'fetched again',
    'pauses',
    'longest s',
  ],
  [
    [
      ...BLOWS.map((blow) => done[blow]),
      sums.accounts,
      sums.kept,
      sums.missing,
      sums.double,
      sums.pages,
      sums.uncommitted,
      sums.refetched,
      pauses.unstated,
      round(pauses.longestMs / 1000, 1),
    ],
  ],
);
for (const text of oddEnds) console.log(`an end that nothing explains: ${text}`);
finish({
  bench: 'resume',
  figures: {
    disturbances: struck(),
    kills: done.kill,
    rows_missing: sums.missing,
    rows_double: sums.double,
    pages_refetched: sums.refetched,
    pages_uncommitted: sums.uncommitted,
    pauses_unstated: pauses.unstated,
    ends_unexplained: oddEnds.length,
  },
  targets: {
    disturbances: { atLeast: wanted },
    rows_missing: { atMost: 0 },
    rows_double: { atMost: 0 },
    pages_refetched: { atMost: sums.uncommitted },
    pauses_unstated: { atMost: 0 },
    ends_unexplained: { atMost: 0 },
  },
});
