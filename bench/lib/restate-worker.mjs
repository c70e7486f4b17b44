// One process of a Restate fleet, whose tasks leave one row each: `restate-worker.mjs dispatch TARGET_JSON INGRESS` or
// `endpoint TARGET_JSON PORT`. Says what was refused.
import { randomUUID } from 'node:crypto';
import { systemClock } from '../../dist/base/clock.js';
import { restateExecutor, serveRestate } from '../../dist/fleet/executors/restate/index.js';
import { Pool } from '../../dist/postgres/pool.js';
import { systemRandom } from '../../dist/base/random.js';
import { Scheduler } from '../../dist/fleet/scheduler/scheduler.js';
import { Worker } from '../../dist/fleet/scheduler/worker.js';
import { leaveRow } from './effects.mjs';

const [role, targetJson, place, workMs = '30'] = process.argv.slice(2);
const target = JSON.parse(targetJson);
const scheduler = new Scheduler(new Pool(target, 'headrace scheduler', 6));
const random = systemRandom();

const isEndpoint = role === 'endpoint';
const worker = new Worker({
  scheduler,
  target,
  info: { host: 'bench', pid: process.pid, version: 'bench', slots: isEndpoint ? 20 : 60 },
  newId: () => `${role}/${randomUUID()}`,
  handle: isEndpoint
    ? leaveRow(scheduler, random, Number(workMs))
    : restateExecutor({ scheduler, clock: systemClock, ingress: place }).handle,
  claims: !isEndpoint,
  clock: systemClock,
  random,
  leaseMs: 2000,
  pollMs: 200,
});
worker.start();
if (isEndpoint) await serveRestate({ worker, port: Number(place) });
process.stdout.write('ready\n');
