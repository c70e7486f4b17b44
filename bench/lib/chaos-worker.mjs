// A worker as headrace runs it, whose tasks leave one row each: `chaos-worker.mjs TARGET_JSON SLOTS`. Says what was refused.
import { randomUUID } from 'node:crypto';
import { systemClock } from '../../dist/clock.js';
import { Pool } from '../../dist/postgres/pool.js';
import { systemRandom } from '../../dist/random.js';
import { Scheduler } from '../../dist/scheduler/scheduler.js';
import { Worker } from '../../dist/scheduler/worker.js';

const [targetJson, slots] = process.argv.slice(2);
const target = JSON.parse(targetJson);
const scheduler = new Scheduler(new Pool(target, 'headrace scheduler', 4));
const random = systemRandom();

async function handle(task) {
  await systemClock.sleep(random.next() * 15);
  if (random.next() < 0.005) throw new Error('a task that fails now and then');
  await scheduler.pool.transaction(async (client) => {
    await client.query('insert into effect (task, attempt) values ($1, $2)', [task.id, task.attempt]);
    const [mine] = await scheduler.complete([task], client);
    if (!mine) {
      process.stdout.write('refused\n');
      throw new Error('another has this task');
    }
  });
  return 'settled';
}

const worker = new Worker({
  scheduler, target, info: { host: 'bench', pid: process.pid, version: 'bench', slots: Number(slots) }, newId: () => randomUUID(), handle, clock: systemClock, random, leaseMs: 1500, pollMs: 200,
});
worker.start();
