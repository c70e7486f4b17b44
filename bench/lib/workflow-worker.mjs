// One process of a fleet whose tasks an engine keeps; its steps leave a row each: `workflow-worker.mjs restate
// TARGET_JSON PORT` or `workflow-worker.mjs dbos TARGET_JSON SDK_FOLDER EXECUTOR DATABASE_URL`. A process of DBOS takes
// lines of JSON: { start: ID, task } and { cancel: ID }.
import { createRequire } from 'node:module';
import { randomUUID } from 'node:crypto';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';
import { systemClock } from '../../dist/base/clock.js';
import { systemRandom } from '../../dist/base/random.js';
import { dbosEngine } from '../../dist/fleet/executors/dbos/index.js';
import { serveRestate } from '../../dist/fleet/executors/restate/index.js';
import { Scheduler } from '../../dist/fleet/scheduler/scheduler.js';
import { Worker } from '../../dist/fleet/scheduler/worker.js';
import { Slots } from '../../dist/fleet/workflow/slots.js';
import { Pool } from '../../dist/postgres/pool.js';

const [engine, targetJson, place, executor, url] = process.argv.slice(2);
const target = JSON.parse(targetJson);
const scheduler = new Scheduler(new Pool(target, 'headrace scheduler', 6));
const random = systemRandom();
const worker = new Worker({
  scheduler,
  target,
  info: { host: 'bench', pid: process.pid, version: 'bench', slots: 100 },
  newId: () => `${engine}/${randomUUID()}`,
  handle: () => Promise.reject(new Error('it claims nothing')),
  claims: false,
  clock: systemClock,
  random,
  leaseMs: 2000,
  pollMs: 200,
});
worker.start();

/** A step's work: a row at its begin and one at its end, so that what overlaps can be seen. */
async function leave(id, step, signal) {
  await scheduler.pool.query('insert into effect (workflow, step, what) values ($1, $2, $3)', [id, step, 'begin']);
  await systemClock.sleep(Number(process.env.WORK_MS ?? 20) * (0.5 + random.next()), signal);
  signal.throwIfAborted();
  await scheduler.pool.query('insert into effect (workflow, step, what) values ($1, $2, $3)', [id, step, 'end']);
  return { state: 'done', result: step };
}
const steps = {
  plan: async (_, id, signal) => {
    await leave(id, 'plan', signal);
    return ['a', 'b'].map((name) => ({ name, streams: [name] }));
  },
  read: (_, id, part, signal) => leave(id, `read ${part.name}`, signal),
  changes: async (_, id, signal) => ({ state: 'done', result: { last: (await leave(id, 'changes', signal)).result } }),
  proof: (_, id, signal) => leave(id, 'proof', signal),
  whole: (task, id, signal) => leave(id, task.kind, signal),
};
const { inSlot } = new Slots(scheduler, worker, systemClock);
while (worker.lease === undefined) await systemClock.sleep(10);

if (engine === 'restate') await serveRestate({ worker, port: Number(place), workflows: { steps, inSlot } });
else {
  const { DBOS } = await import(
    pathToFileURL(createRequire(path.join(place, 'x.js')).resolve('@dbos-inc/dbos-sdk')).href
  );
  DBOS.setConfig({
    name: 'headrace',
    systemDatabaseUrl: url,
    systemDatabasePoolSize: 8,
    executorID: executor,
    applicationVersion: 'bench',
    logLevel: 'error',
  });
  const own = dbosEngine(DBOS, { steps, inSlot, clock: systemClock, signal: new AbortController().signal });
  await DBOS.launch();
  createInterface({ input: process.stdin }).on('line', (line) => {
    const { start, cancel, task } = JSON.parse(line);
    const done = start === undefined ? own.cancel(cancel) : own.start(start, task);
    done.then(
      () => process.stdout.write(`${JSON.stringify({ done: start ?? cancel })}\n`),
      (error) => process.stderr.write(`${error}\n`),
    );
  });
}
process.stdout.write('ready\n');
