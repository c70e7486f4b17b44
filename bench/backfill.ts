/**
 * 100,000 customers over real HTTP with 200 ms latency and a limit of 100/s for that endpoint too, into the embedded
 * database.
 */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { configFor, scratch, startSync, startTestbedProcess } from './lib/processes.js';
import { finish, printTable, round } from './lib/report.js';

const { values } = parseArgs({ strict: false, options: { rows: { type: 'string' } } });
const rows = Number(values['rows'] ?? 100_000);
const RATE = 100;
const LATENCY_SECONDS = 0.2;
const PAGE_ROWS = 100;

const { folder, drop } = scratch();
const testbed = await startTestbedProcess([
  '--rows',
  String(rows),
  '--shape',
  'growth',
  '--limit',
  `${RATE}/s,endpoint=${RATE}/s`,
  '--latency',
  String(LATENCY_SECONDS * 1000),
]);
writeFileSync(
  path.join(folder, 'headrace.yaml'),
  configFor(testbed.url, ['customers'], { global: RATE, endpoint: RATE }),
);
const result = await startSync(folder, ['stripe']).done;
const stats = await testbed.stats();
testbed.stop();
const summary = result.events.find((event) => event['type'] === 'finished')?.['summary'];
drop();
if (result.code !== 0 || !summary) throw new Error(`the sync ended with ${result.code}: ${result.stderr}`);
const pages = Math.ceil(rows / PAGE_ROWS);
const bound = pages / RATE + LATENCY_SECONDS;
const requests = stats.perEndpoint['customers'] ?? 0;
printTable(
  ['wall s', 'bound s', 'wall / bound', 'pages', 'requests', 'rejections', 'most in 1 s', 'RSS MiB'],
  [
    [
      round(summary.seconds, 1),
      bound,
      round(summary.seconds / bound, 2),
      pages,
      requests,
      stats.rejections,
      stats.mostInWindow.global,
      Math.round(result.rssMib),
    ],
  ],
);
finish({
  bench: 'backfill',
  figures: {
    wall_over_bound: round(summary.seconds / bound),
    requests_over_pages: round(requests / pages),
    rejections: stats.rejections,
    most_in_window: stats.mostInWindow.global,
    rows: summary.rows,
  },
  targets: {
    wall_over_bound: { atMost: 1.15 },
    requests_over_pages: { atMost: 1.03 },
    rejections: { atMost: 0 },
    most_in_window: { atMost: RATE },
    rows: { atLeast: rows },
  },
});
