/** Slots of the caps, for work whose steps an engine keeps: held under the lease of this process's worker. */
import { eitherOf } from '../../base/either-signal.js';
import type { Clock } from '../../base/clock.js';
import { RetriableError } from '../../base/errors.js';
import { describeRefusal } from '../scheduler/scheduler-errors.js';
import type { Scheduler } from '../scheduler/scheduler.js';
import type { Worker } from '../scheduler/worker.js';
import type { WorkflowTask } from './durable.js';
import type { InSlot } from './task-workflow.js';

/** What of a worker is needed: its lease, under which slots are held. */
export type Lease = Pick<Worker, 'lease' | 'host'>;

const AGAIN_FIRST_MS = 50;
const AGAIN_LAST_MS = 2_000;

export class Slots {
  /** By holder. Delivered twice to one process, one has the slot. */
  private readonly held = new Set<string>();

  constructor(
    private readonly scheduler: Scheduler,
    private readonly lease: Lease,
    private readonly clock: Clock,
  ) {}

  /** Takes, works, gives back. Undefined where there is no room. Throws where this process has no lease, or loses it. */
  readonly inSlot: InSlot = async (holder, task, signal, work) => {
    const worker = this.lease.lease;
    if (worker === undefined)
      throw new RetriableError('this process has no lease', {
        code: 'no_lease',
        next: 'wait until it has joined the fleet, or let another do it',
      });
    if (this.held.has(holder)) return undefined;
    this.held.add(holder);
    const over = new AbortController();
    let isLost = false;
    let end: () => void = () => {};
    const ended = new Promise<void>((resolve) => (end = resolve));
    const leave = this.lease.host((why) => {
      isLost ||= why === 'lost';
      over.abort(why);
      return ended;
    });
    let took = true;
    try {
      // Where the answer is lost the slot may be ours: it is given back all the same.
      took = await this.take(holder, worker, task);
      if (!took) return undefined;
      const either = eitherOf(signal, over.signal);
      const value = await work(either.signal).finally(either.leave);
      // Stopped on the way it has more to do; where the lease was lost, others may do the same by now.
      if (over.signal.aborted)
        throw new RetriableError('this process stopped on the way', {
          code: isLost ? 'lease_lost' : 'worker_stops',
          next: 'do it again elsewhere',
        });
      return { value };
    } finally {
      if (took) await this.give(holder, worker, () => isLost);
      leave();
      this.held.delete(holder);
      end();
    }
  };

  private async take(holder: string, worker: string, { connection, exclusive }: WorkflowTask): Promise<boolean> {
    try {
      const [row] = await this.scheduler.pool.query<{ took: boolean }>(
        'select _headrace.take_slot($1, $2, $3, $4) as took',
        [holder, worker, connection, exclusive],
      );
      return row!.took;
    } catch (error) {
      throw describeRefusal(error);
    }
  }

  /** Until the database took it back, or the lease is gone, and the slot with it. */
  private async give(holder: string, worker: string, isLost: () => boolean): Promise<void> {
    for (let waitMs = AGAIN_FIRST_MS; !isLost(); waitMs = Math.min(2 * waitMs, AGAIN_LAST_MS)) {
      try {
        await this.scheduler.pool.query('select _headrace.give_slot($1, $2)', [holder, worker]);
        return;
      } catch {
        await this.clock.sleep(waitMs);
      }
    }
  }
}
