// As claimer.ts, with pg-boss: `pg-boss-claimer.mjs CONNECTION_JSON BATCH SECONDS CAP`, run in a folder where pg-boss
// is installed. Jobs are fetched and completed by the batch; a CAP of 0 keeps none.
import { createRequire } from 'node:module';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

const [connection, batch, seconds, cap] = process.argv.slice(2);
const { PgBoss } = await import(pathToFileURL(createRequire(path.join(process.cwd(), 'x.js')).resolve('pg-boss')).href);
const boss = new PgBoss({ ...JSON.parse(connection), max: 1, supervise: false, schedule: false, migrate: false });
await boss.start();
process.stdout.write('ready\n');
await new Promise((resolve) => process.stdin.once('data', resolve));
const capped = { batchSize: Number(batch), ...(cap === '0' ? {} : { groupConcurrency: Number(cap) }) };
const started = performance.now();
const endMs = started + Number(seconds) * 1000;
let done = 0;
let lastMs = started;
let idle = 0;
while (performance.now() < endMs && idle < 20) {
  const jobs = await boss.fetch('bench', capped);
  if (jobs.length === 0) {
    idle++;
    continue;
  }
  idle = 0;
  await boss.complete(
    'bench',
    jobs.map((job) => job.id),
  );
  done += jobs.length;
  lastMs = performance.now();
}
process.stdout.write(`${JSON.stringify({ done, seconds: (lastMs - started) / 1000 })}\n`);
process.exit(0);
