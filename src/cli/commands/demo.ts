/** headrace demo: the main job on real HTTP into a real database, with a kill in the middle. */
import { spawn, type ChildProcess } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import pc from 'picocolors';
import { systemClock } from '../../base/clock.js';
import { makeFolder } from '../../base/folder.js';
import { openDestinationOf, resolveConnection } from '../../wiring/compose.js';
import { startStripeTestbed, TESTBED_LIVE_KEY } from '../../testbed/index.js';
import { count } from '../../base/plural.js';
import { duration, note, out, table } from '../terminal/output.js';
import { ProgressView } from '../terminal/progress-view.js';
import { summaryText } from '../terminal/summary.js';
import type { Progress } from '../../engine/report/events.js';
import { syncConnection } from './sync.js';

/** Rows of the other streams, as shares of the customers, and how they lie in time. */
const OTHERS = {
  charges: [0.6, 'bulk'],
  invoices: [0.3, 'campaigns'],
  products: [0.002, 'uniform'],
  refunds: [0.1, 'empty-years'],
} as const;
/** What Stripe allows a live key; set as ceilings, so that no second ever sees more. */
const GLOBAL = 100;
const ENDPOINT = 25;
const STREAMS = ['customers', ...Object.keys(OTHERS)];
const POLL_MS = 100;
const LATENCY_MS = 120;

export async function command(_args: unknown[], flags: { rows: number; keep?: boolean }): Promise<number> {
  const startedMs = systemClock.monotonic();
  const folder = flags.keep ? path.resolve('.headrace', 'demo') : mkdtempSync(path.join(tmpdir(), 'headrace-demo-'));
  makeFolder(folder);
  const collections = Object.fromEntries(
    Object.entries(OTHERS).map(([name, [share, shape]]) => [name, { rows: Math.round(flags.rows * share), shape }]),
  );
  const testbed = await startStripeTestbed({
    rows: flags.rows,
    shape: 'growth',
    collections,
    limit: 'stripe-live',
    latency: { medianMs: LATENCY_MS, sigma: 0.3 },
  });
  const expected = Object.fromEntries(STREAMS.map((name) => [name, testbed.api.rows.get(name)!.size]));
  const total = Object.values(expected).reduce((sum, rows) => sum + rows, 0);
  chmodSync(folder, 0o755); // as root, the database runs under another account; its own folder stays closed
  try {
    out(
      pc.bold(
        `A simulated Stripe account on ${testbed.url}: ${total.toLocaleString('en-US')} rows in ${STREAMS.length} streams, limit ${GLOBAL}/s and ${ENDPOINT}/s an endpoint.`,
      ),
    );
    out(`\n${pc.bold('1.')} Sync into an embedded PostgreSQL, and kill the process with SIGKILL half-way.`);
    const env = {
      ...process.env,
      STRIPE_API_KEY: TESTBED_LIVE_KEY,
      STRIPE_BASE_URL: testbed.url,
      HEADRACE_DATA_DIR: folder,
    };
    delete (env as NodeJS.ProcessEnv)['HEADRACE_CONFIG'];
    const killedAt = await killHalfWay(env, total);
    out(pc.yellow(`   killed with ${count(killedAt)} rows committed`));

    out(`\n${pc.bold('2.')} Run the same command again: it continues from what is committed.`);
    const connection = await resolveConnection(
      'stripe',
      { streams: STREAMS, dataDir: folder, maxRate: GLOBAL, maxEndpointRate: ENDPOINT },
      env,
    );
    const summary = await syncConnection(connection, {});
    out(summaryText(summary, 'headrace demo', process.stdout.columns));

    out(`\n${pc.bold('3.')} Ask the database, and compare with what the account holds.`);
    const faults = await compare(folder, expected);
    const stats = testbed.stats();
    out(
      `\nThe API received ${count(stats.requests)} requests in both runs, at most ${stats.mostInWindow.global} in any second (limit ${GLOBAL}), at most ${Math.max(...Object.values(stats.mostInWindow.endpoints))} for one endpoint (limit ${ENDPOINT}); it rejected ${stats.rejections}.`,
    );
    const good = summary.outcome === 'complete' && faults === 0;
    out(
      good
        ? pc.green(`Nothing missing, nothing double, in ${duration(systemClock.monotonic() - startedMs)}.`)
        : pc.red('The result is not what it should be.'),
    );
    if (flags.keep)
      note('Look further with: headrace query --data-dir .headrace/demo "select * from stripe.customers limit 3"');
    return good ? 0 : 1;
  } finally {
    await testbed.close();
    if (!flags.keep) rmSync(folder, { recursive: true, force: true });
  }
}

/** Starts the sync as a process of its own and kills it once half of the rows are committed. */
async function killHalfWay(env: NodeJS.ProcessEnv, total: number): Promise<number> {
  const main = path.join(import.meta.dirname, '..', '..', 'main.js');
  const child = spawn(
    process.execPath,
    [
      main,
      'sync',
      'stripe',
      '--streams',
      STREAMS.join(','),
      '--json',
      '--max-rate',
      String(GLOBAL),
      '--max-endpoint-rate',
      String(ENDPOINT),
    ],
    { env, stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const view = new ProgressView(true);
  let progress: Progress | undefined;
  let rows = 0;
  let rest = '';
  child.stdout.setEncoding('utf8');
  child.stdout.on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      const event = line.startsWith('{') ? (JSON.parse(line) as Progress & { type: string }) : undefined;
      if (event?.type === 'progress') {
        progress = event;
        view.start(() => progress!);
      }
      if (event?.type !== 'committed') continue;
      rows += event.rows;
      if (rows >= total / 2) child.kill('SIGKILL');
    }
  });
  await ended(child);
  view.stop();
  return rows;
}

async function ended(child: ChildProcess): Promise<void> {
  while (child.exitCode === null && child.signalCode === null) await systemClock.sleep(POLL_MS);
}

async function compare(folder: string, expected: Record<string, number>): Promise<number> {
  const destination = await openDestinationOf('embedded', folder);
  try {
    let faults = 0;
    const lines: (string | number)[][] = [];
    // The embedded database answers SQL.
    for (const [stream, count] of Object.entries(expected)) {
      const { rows } = await destination.query!(
        `select count(*) as rows, count(distinct id) as keys, min(to_timestamp(created))::date::text as oldest,
           max(to_timestamp(created))::date::text as newest
         from stripe.${stream}`,
        { write: false },
      );
      const found = rows[0] as { rows: number; keys: number; oldest: string | null; newest: string | null };
      if (found.rows !== count || found.keys !== count) faults++;
      lines.push([stream, count, found.rows, found.keys, found.oldest ?? '', found.newest ?? '']);
    }
    out(table(['stream', 'in the account', 'rows stored', 'distinct keys', 'oldest', 'newest'], lines));
    return faults;
  } finally {
    await destination.close();
  }
}
