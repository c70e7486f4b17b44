/** What `serve` and `worker` share: the database, the log, and a worker that ends well on a signal. */
import { countOf } from '../base/plural.js';
import {
  assertWhole,
  openCoordination,
  readFile,
  type Coordination,
  type CoordinationFlags,
} from '../wiring/compose-scheduler.js';
import { newWorker, type WorkerSetup } from '../wiring/compose-worker.js';
import { ConfigError, EXIT } from '../base/errors.js';
import { LIMITS } from '../base/bounds.js';
import type { Worker } from '../fleet/scheduler/worker.js';
import { stopSignal } from './signals.js';
import { ServiceLog } from './terminal/service-log.js';
import { openTracing } from './tracing.js';

export interface WorkFlags extends CoordinationFlags {
  slots: number;
  json?: boolean;
}

export async function withCoordination(
  flags: WorkFlags,
  run: (coordination: Coordination, log: ServiceLog) => Promise<void>,
): Promise<number> {
  if (flags.slots < 1)
    throw new ConfigError('a worker without slots does nothing', {
      code: 'no_slots',
      place: '--slots',
      expected: '1 or more',
      found: String(flags.slots),
    });
  const loaded = readFile(flags, process.env);
  if (loaded) assertWhole(loaded);
  const tracing = await openTracing(process.env);
  const log = new ServiceLog(flags.json === true, process.env, tracing);
  const coordination = await openCoordination(flags, process.env);
  try {
    await run(coordination, log);
    return EXIT.complete;
  } finally {
    await coordination.close();
    await tracing?.close();
  }
}

export function workerOf(
  coordination: Coordination,
  flags: WorkFlags,
  log: ServiceLog,
  how: Pick<WorkerSetup, 'executor' | 'claims'> = {},
): Worker {
  return newWorker({
    coordination,
    slots: flags.slots,
    flags,
    env: process.env,
    observe: (event) => log.worker(event),
    onRunEvent: (task, event) => log.run(task, event),
    ...how,
  });
}

/** Until a signal: then no new tasks, and those under way commit what they fetched and go back to the queue. */
export async function work(own: Worker, log: ServiceLog): Promise<void> {
  own.start();
  await stopSignal(() => process.exit(own.tasks.length > 0 ? EXIT.interrupted : EXIT.complete));
  log.tell(
    'info',
    { type: 'draining', tasks: own.tasks.map(({ id }) => id) },
    `stopping: ${countOf(own.tasks.length, 'task commits what it fetched', 'tasks commit what they fetched')}; once more to stop at once`,
  );
  await own.drain(LIMITS.drainMs);
  log.tell('info', { type: 'stopped' }, 'stopped');
}
