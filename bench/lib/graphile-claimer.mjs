// As claimer.ts, with graphile-worker: `graphile-claimer.mjs CONNECTION_JSON BATCH SECONDS`. Singly it takes one job
// and completes it; in tens it fetches ten into its local queue, runs ten at once, and completes them together.
import { createRequire } from 'node:module';
import path from 'node:path';

const require = createRequire(path.join(process.cwd(), 'x.js'));
const { run } = require('graphile-worker');
const pg = require('pg');

const [connection, batch, seconds] = process.argv.slice(2);
const size = Number(batch);
const pgPool = new pg.Pool({ ...JSON.parse(connection), max: 3 });
pgPool.on('error', () => {}).on('connect', (client) => client.on('error', () => {}));
process.stdout.write('ready\n');
await new Promise((resolve) => process.stdin.once('data', resolve));
// Its own start is no part of its rate.
let started = performance.now();
let done = 0;
let lastMs = started;
const inTens =
  size === 1
    ? {}
    : { worker: { completeJobBatchDelay: 0, localQueue: { size: size * 2, refetchDelay: { durationMs: 0 } } } };
const quiet = { error() {}, warn() {}, info() {}, debug() {} };
const { Logger } = require('graphile-worker');
const runner = await run({
  pgPool,
  concurrency: size,
  pollInterval: 50,
  noHandleSignals: true,
  logger: new Logger(() => (level, message) => quiet[level]?.(message)),
  preset: inTens,
  taskList: {
    bench: () => {
      lastMs = performance.now();
      if (done++ === 0) started = lastMs;
    },
  },
});
await new Promise((resolve) => setTimeout(resolve, Number(seconds) * 1000));
process.stdout.write(`${JSON.stringify({ done, seconds: (lastMs - started) / 1000 })}\n`);
await Promise.race([runner.stop().catch(() => {}), new Promise((resolve) => setTimeout(resolve, 2000))]);
process.exit(0);
