// A worker as headrace runs it, whose tasks leave one row each: `chaos-worker.mjs TARGET_JSON SLOTS`. Says what was
// refused.
import { randomUUID } from 'node:crypto';
import { systemClock } from '../../dist/base/clock.js';
import { Pool } from '../../dist/postgres/pool.js';
import { systemRandom } from '../../dist/base/random.js';
import { Scheduler } from '../../dist/fleet/scheduler/scheduler.js';
import { Worker } from '../../dist/fleet/scheduler/worker.js';
import { leaveRow } from './effects.mjs';

const [targetJson, slots] = process.argv.slice(2);
const target = JSON.parse(targetJson);
const scheduler = new Scheduler(new Pool(target, 'headrace scheduler', 4));
const random = systemRandom();

const worker = new Worker({
  scheduler,
  target,
  info: { host: 'bench', pid: process.pid, version: 'bench', slots: Number(slots) },
  newId: () => randomUUID(),
  handle: leaveRow(scheduler, random, 7.5, 0.005),
  clock: systemClock,
  random,
  leaseMs: 1500,
  pollMs: 200,
});
worker.start();
