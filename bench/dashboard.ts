/**
 * The dashboard in a real Chromium, watching a run of 50 streams at 20 events a second each. Events go the whole way:
 * the recorder of a worker, PostgreSQL, the server's feed, the page; only the engine that would tell them is played.
 * --seconds N, --streams N.
 */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { gzipSync } from 'node:zlib';
import { openCoordination } from '../src/wiring/compose-scheduler.js';
import { serviceParts } from '../src/wiring/compose-service.js';
import { systemClock } from '../src/base/clock.js';
import type { Progress, StreamProgress } from '../src/engine/report/events.js';
import { seededRandom } from '../src/base/random.js';
import { RunRecorder } from '../src/runs/recorder.js';
import { listen, webApp } from '../src/service/app.js';
import { CHROMIUM, openBrowser } from '../test/browser.js';
import { scratch } from './lib/processes.js';
import { finish, printTable, round } from './lib/report.js';

const { values } = parseArgs({ strict: false, options: { seconds: { type: 'string' }, streams: { type: 'string' } } });
const SECONDS = Number(values['seconds'] ?? 30);
const STREAMS = Number(values['streams'] ?? 50);
const EVENTS_PER_SECOND = 20;
/** Ranges that a stream's span is in while it is read. */
const PARTS = 40;
const PAGES = path.join(import.meta.dirname, '..', 'dist', 'service', 'web');

if (CHROMIUM === undefined) {
  console.error('there is no Chromium here: install it, or name it in HEADRACE_CHROMIUM');
  process.exit(2);
}
const TOKEN = 'the-token-of-the-bench';
const { folder, drop } = scratch();
const env = {};
const flags = { dataDir: folder, config: undefined };
const coordination = await openCoordination(flags, env);
const { scheduler } = coordination;
const service = serviceParts({
  coordination,
  flags,
  env,
  known: [],
  token: TOKEN,
  onError: (error) => console.error(error),
});
const server = await listen(webApp({ ...service.parts, pages: PAGES }), '127.0.0.1', 0);
await scheduler.define({
  id: 'bench',
  partition: 'p',
  app: 'bench',
  limit: { requests: 100, frequencySeconds: 1 },
  maxConcurrent: 1,
});
await coordination.connections.publish('bench', [{ id: 'bench', settings: {}, isSecret: () => false }]);

const random = seededRandom(1);
const startedMs = performance.now();
const streams = Array.from({ length: STREAMS }, (_, n): StreamProgress => ({
  name: `stream_${String(n).padStart(2, '0')}`,
  status: 'reading',
  rows: 0,
  pages: 0,
  expectedPages: 5000,
  done: Array.from({ length: PARTS }, (__, i) => ({ from: (i + 0.5) / PARTS, to: (i + 0.5) / PARTS })),
  openRanges: PARTS,
  openSlices: 0,
}));
let told = 0;
const snapshot = (): Progress => {
  const rows = streams.reduce((sum, stream) => sum + stream.rows, 0);
  const elapsedMs = performance.now() - startedMs;
  return {
    runId: 'bench-run',
    elapsedMs,
    rows,
    rowsPerSecond: (1000 * rows) / elapsedMs,
    requests: told,
    rejections: 0,
    rejectedFor: {},
    requestsPerSecond: STREAMS * EVENTS_PER_SECOND,
    limitPerSecond: STREAMS * EVENTS_PER_SECOND * 1.02,
    limits: streams.slice(0, 12).map(({ name }) => ({
      name: `endpoint ${name}`,
      perSecond: 25,
      usedPerSecond: 20 + random.next(),
      percent: Math.round(80 + 10 * random.next()),
      knownBy: 'headers',
    })),
    waits: [],
    leftMs: 3_600_000 - elapsedMs,
    bufferedBytes: 0,
    streams: streams.map((stream) => ({ ...stream, done: stream.done.map((part) => ({ ...part })) })),
  };
};
const recorder = new RunRecorder(
  scheduler.pool,
  { connection: 'bench', kind: 'sync', task: undefined, attempt: undefined, worker: 'bench' },
  systemClock,
);
recorder.take({
  type: 'started',
  runId: 'bench-run',
  connection: 'bench',
  account: 'bench',
  streams: streams.map(({ name }) => name),
});
recorder.watch(snapshot);
let due = 0;
const telling = setInterval(() => {
  due = ((performance.now() - startedMs) / 1000) * STREAMS * EVENTS_PER_SECOND;
  while (told < due) {
    const stream = streams[told++ % STREAMS]!;
    const part = stream.done[random.integer(PARTS)]!;
    part.from = Math.max(0, part.from - 0.0003);
    part.to = Math.min(1, part.to + 0.0003);
    stream.rows += 100;
    stream.pages++;
    stream.expectedPages--;
    recorder.take(
      told % 200 === 0
        ? { type: 'wait', reason: 'rate limit', ms: 1200 }
        : told % 50 === 0
          ? { type: 'retry', endpoint: stream.name, reason: 'rate limit', status: 429 }
          : { type: 'committed', stream: stream.name, rows: 100, bytes: 100_000 },
    );
  }
}, 20);
await new Promise((resolve) => setTimeout(resolve, 1500));

const browser = await openBrowser();
const cdp = await browser.newBrowserCDPSession();
const cpuSeconds = async () => {
  const { processInfo } = await cdp.send('SystemInfo.getProcessInfo');
  const of = (types: string[]) =>
    processInfo.filter(({ type }) => types.includes(type)).reduce((sum, { cpuTime }) => sum + cpuTime, 0);
  return { page: of(['renderer']), all: of(['renderer', 'browser', 'GPU', 'utility']) };
};
const opened: { paintMs: number; shownMs: number }[] = [];
let page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
for (let n = 0; n < 5; n++) {
  await page.close();
  page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
  const fromMs = performance.now();
  await page.request.post(`${server.url}/api/v1/session`, { headers: { authorization: `Bearer ${TOKEN}` } });
  await page.goto(`${server.url}/#/runs/bench-run`);
  await page.getByRole('progressbar', { name: 'stream_00' }).waitFor();
  const shownMs = performance.now() - fromMs;
  opened.push({
    paintMs: await page.evaluate<number>(`performance.getEntriesByName('first-contentful-paint')[0].startTime`),
    shownMs,
  });
}
await new Promise((resolve) => setTimeout(resolve, 2000));
const rowsShown = async () => Number((await page.locator('.numbers b').first().innerText()).replaceAll(',', ''));
const [before, rowsBefore] = [await cpuSeconds(), await rowsShown()];
const measuredMs = performance.now();
let updates = 0;
let last = rowsBefore;
while (performance.now() - measuredMs < SECONDS * 1000) {
  await new Promise((resolve) => setTimeout(resolve, 500));
  const now = await rowsShown();
  if (now !== last) updates++;
  last = now;
}
const seconds = (performance.now() - measuredMs) / 1000;
const after = await cpuSeconds();
const lag = (snapshot().rows - last) / (STREAMS * EVENTS_PER_SECOND * 100);

clearInterval(telling);
await recorder.close();
await browser.close();
await service.close();
await server.close();
await coordination.close();
drop();

const assets = path.join(PAGES, 'assets');
const kilobytes = (type: string) =>
  readdirSync(assets)
    .filter((name) => name.endsWith(type))
    .reduce((sum, name) => sum + gzipSync(readFileSync(path.join(assets, name))).length, 0) / 1024;
const median = (list: number[]) => list.toSorted((a, b) => a - b)[Math.floor(list.length / 2)]!;
const figures = {
  streams: STREAMS,
  events_per_second: round(told / ((performance.now() - startedMs) / 1000), 0),
  page_cpu_share: round((after.page - before.page) / seconds),
  browser_cpu_share: round((after.all - before.all) / seconds),
  updates_per_second: round(updates / seconds, 1),
  behind_seconds: round(lag, 1),
  first_paint_ms: round(median(opened.map(({ paintMs }) => paintMs)), 0),
  run_shown_ms: round(median(opened.map(({ shownMs }) => shownMs)), 0),
  script_kb: round(kilobytes('.js'), 1),
  style_kb: round(kilobytes('.css'), 1),
};
printTable(
  [`${STREAMS} streams, ${EVENTS_PER_SECOND} events/s each`, 'value'],
  Object.entries(figures).map(([name, value]) => [name, value]),
);
finish({
  bench: 'dashboard',
  figures,
  targets: {
    page_cpu_share: { atMost: 0.3 },
    first_paint_ms: { atMost: 1000 },
    run_shown_ms: { atMost: 1000 },
    script_kb: { atMost: 100 },
    updates_per_second: { atLeast: 1 },
    behind_seconds: { atMost: 3 },
  },
});
process.exit();
