/**
 * conversation_parts of Intercom, one request for each conversation, by its manifest: at a limit of 10,000 a minute in
 * windows of ten seconds with 100 ms latency, and with no limit and no latency. Beside it, where a Python with
 * airbyte-cdk is given or found, the CDK on the same manifest and server with 2, 10 and 25 workers.
 * --conversations N (default 10,000), --flood N (default 100,000), --cdk PYTHON, --cdk-conversations N (default 1,000).
 */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { MAIN, peakRssMib, scratch, startTestbedProcess, type RunningTestbed } from './lib/processes.js';
import { finish, printTable, round } from './lib/report.js';

const { values } = parseArgs({
  strict: false,
  options: {
    conversations: { type: 'string' },
    flood: { type: 'string' },
    cdk: { type: 'string' },
    'cdk-conversations': { type: 'string' },
  },
});
const conversations = Number(values['conversations'] ?? 10_000);
const flood = Number(values['flood'] ?? 100_000);
const cdkConversations = Number(values['cdk-conversations'] ?? 1_000);
const LIMIT_PER_SECOND = 166.7;
const TOKEN = 'intercom_headracetestbed';
const MANIFEST = path.join(import.meta.dirname, '../test/manifests/source-intercom.yaml');
const CONFIG = { access_token: TOKEN, start_date: '2010-01-01T00:00:00Z' };

interface Measured {
  seconds: number;
  accepted: number;
  rejections: number;
  perSecond: number;
  /** Best rate over five seconds. */
  bestPerSecond: number;
  rssMib: number;
  code: number | null;
}

/** Counts at the server, from the first request of the substream to the last. */
async function measure(testbed: RunningTestbed, command: string, args: string[], folder: string): Promise<Measured> {
  const samples: { atMs: number; accepted: number }[] = [];
  const child = spawn(command, args, { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr = (stderr + text).slice(-2000)));
  let rssMib = 0;
  let asking = false;
  const timer = setInterval(() => {
    rssMib = Math.max(rssMib, peakRssMib(child.pid!));
    if (asking) return;
    asking = true;
    void testbed
      .stats()
      .then(({ requests, rejections }) => samples.push({ atMs: performance.now(), accepted: requests - rejections }))
      .finally(() => {
        asking = false;
      });
  }, 250);
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  clearInterval(timer);
  const { requests, rejections } = await testbed.stats();
  if (code !== 0) console.log(stderr);
  const accepted = requests - rejections;
  const first = samples.findLast((sample) => sample.accepted <= 2) ?? samples[0]!;
  const last = samples.find((sample) => sample.accepted >= accepted) ?? samples.at(-1)!;
  let bestPerSecond = 0;
  for (const from of samples) {
    const to = samples.find((sample) => sample.atMs - from.atMs >= 5000);
    if (to) bestPerSecond = Math.max(bestPerSecond, ((to.accepted - from.accepted) * 1000) / (to.atMs - from.atMs));
  }
  const seconds = Math.max(0.25, (last.atMs - first.atMs) / 1000);
  return {
    seconds,
    accepted,
    rejections,
    perSecond: (accepted - first.accepted) / seconds,
    bestPerSecond: Math.max(bestPerSecond, (accepted - first.accepted) / seconds),
    rssMib,
    code,
  };
}

async function headrace(rows: number, options: string[]): Promise<Measured> {
  const { folder, drop } = scratch();
  const testbed = await startTestbedProcess(['--rows', String(rows), ...options], 'intercom');
  writeFileSync(path.join(folder, 'config.json'), JSON.stringify(CONFIG));
  try {
    return await measure(
      testbed,
      process.execPath,
      [
        MAIN,
        'sync',
        '--manifest',
        MANIFEST,
        '--source-config',
        'config.json',
        '--base-url',
        testbed.url,
        '--streams',
        'conversation_parts',
        '--to',
        'ndjson:out',
        '-q',
      ],
      folder,
    );
  } finally {
    testbed.stop();
    drop();
  }
}

/** The same manifest without the classes that the gate replaces. */
async function cdk(python: string, workers: number): Promise<Measured> {
  const { folder, drop } = scratch();
  const testbed = await startTestbedProcess(
    ['--rows', String(cdkConversations), '--limit', 'intercom', '--latency', '100'],
    'intercom',
  );
  const manifest = readFileSync(MANIFEST, 'utf8')
    .replace('https://api.intercom.io/', `${testbed.url}/`)
    .replace(/type: CustomErrorHandler\n\s+class_name: .*/, 'type: DefaultErrorHandler')
    .replace(/ {6}state_migrations:\n(?: {8}.*\n)+/, '');
  writeFileSync(path.join(folder, 'manifest.yaml'), manifest);
  writeFileSync(path.join(folder, 'config.json'), JSON.stringify({ ...CONFIG, num_workers: workers }));
  const stream = { name: 'conversation_parts', json_schema: {}, supported_sync_modes: ['full_refresh', 'incremental'] };
  writeFileSync(
    path.join(folder, 'catalog.json'),
    JSON.stringify({ streams: [{ stream, sync_mode: 'full_refresh', destination_sync_mode: 'append' }] }),
  );
  try {
    return await measure(
      testbed,
      path.join(path.dirname(python), 'source-declarative-manifest'),
      ['read', '--config', 'config.json', '--catalog', 'catalog.json', '--manifest-path', 'manifest.yaml'],
      folder,
    );
  } finally {
    testbed.stop();
    drop();
  }
}

const python = String(values['cdk'] ?? 'python3');
const found = spawnSync(python, ['-c', 'import airbyte_cdk, sys; print(sys.executable)'], { encoding: 'utf8' });
const executable = found.status === 0 ? found.stdout.trim() : undefined;
const hasCdk =
  executable !== undefined && existsSync(path.join(path.dirname(executable), 'source-declarative-manifest'));

const paced = await headrace(conversations, ['--limit', 'intercom', '--latency', '100']);
const free = await headrace(flood, ['--limit', 'none']);
const others: [string, Measured][] = [];
if (hasCdk) for (const workers of [2, 10, 25]) others.push([`CDK, ${workers} workers`, await cdk(executable, workers)]);
else console.log('the CDK is not installed for this Python: --cdk names one that has airbyte-cdk');

const row = (name: string, { perSecond, rejections, accepted, seconds, rssMib }: Measured) => [
  name,
  accepted,
  round(seconds, 1),
  round(perSecond, 1),
  `${round((100 * perSecond) / LIMIT_PER_SECOND, 1)}%`,
  rejections,
  Math.round(rssMib),
];
printTable(
  ['reader', 'accepted', 'seconds', 'requests/s', 'of the limit', 'rejected', 'RSS MiB'],
  [row('Headrace', paced), ...others.map(([name, measured]) => row(name, measured)), row('Headrace, no limit', free)],
);
finish({
  bench: 'intercom',
  figures: {
    of_the_limit: round(paced.perSecond / LIMIT_PER_SECOND),
    rejections: paced.rejections,
    free_requests_per_second: Math.round(free.bestPerSecond),
    rss_mib: Math.round(free.rssMib),
    ...Object.fromEntries(
      others.flatMap(([name, { perSecond, rejections }]) => {
        const key = name.toLowerCase().replaceAll(/\W+/g, '_');
        return [
          [`${key}_of_the_limit`, round(perSecond / LIMIT_PER_SECOND)],
          [`${key}_rejections`, rejections],
        ];
      }),
    ),
  },
  targets: {
    of_the_limit: { atLeast: 0.97 },
    rejections: { atMost: 0 },
    free_requests_per_second: { atLeast: 2000 },
    rss_mib: { atMost: 250 },
  },
});
