/**
 * A process that claims and completes until there is nothing left: `claimer.ts TARGET_JSON BATCH SECONDS`. Prints what
 * it did, as JSON.
 */
import { randomUUID } from 'node:crypto';
import type { PostgresTarget } from '../../src/postgres/connect.js';
import { Pool } from '../../src/postgres/pool.js';
import { Scheduler } from '../../src/fleet/scheduler/scheduler.js';

const [target, batch, seconds] = process.argv.slice(2);
const size = Number(batch);
const scheduler = new Scheduler(new Pool(JSON.parse(target!) as PostgresTarget, 'bench', 1));
const id = randomUUID();
await scheduler.join({ id, host: 'bench', pid: process.pid, version: 'bench', slots: size }, 600_000);
process.stdout.write('ready\n');
await new Promise((resolve) => process.stdin.once('data', resolve));
const started = performance.now();
const endMs = started + Number(seconds) * 1000;
let done = 0;
let lastMs = started;
// As a worker does: each statement ends what it had and brings the next.
for (let tasks = await scheduler.claim(id, size); tasks.length > 0;) {
  const isOver = performance.now() >= endMs;
  const ended = tasks.map((task) => ({ ...task, settlement: { state: 'done' as const } }));
  const exchanged = await scheduler.exchange(id, ended, isOver ? 0 : size);
  done += exchanged.ended.size;
  tasks = exchanged.taken;
  lastMs = performance.now();
}
process.stdout.write(`${JSON.stringify({ done, seconds: (lastMs - started) / 1000 })}\n`);
await scheduler.close();
process.exit(0);
