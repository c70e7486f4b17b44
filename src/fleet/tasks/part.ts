/** A worker that shares a run which another leads, as long as nothing else waits for its slot. */
import { eitherOf } from '../../base/either-signal.js';
import type { Clock } from '../../base/clock.js';
import type { RunEvent } from '../../engine/report/events.js';
import { runPart } from '../../engine/share/part.js';
import type { ClaimedTask, Settlement } from '../scheduler/task.js';
import { withOpened, type ConnectionAccess } from './access.js';
import type { PayloadOf } from './kinds.js';

export interface PartParts {
  clock: Clock;
  signal: AbortSignal;
  emit: (event: RunEvent) => void;
  /** Whether a task waits that this one's slot, or its room in the partition, would let begin. */
  somethingWaits: () => Promise<boolean>;
}

/** A free slot elsewhere takes what waits within this time: what still waits then waits for this one. */
const LOOK_MS = 1_500;

export async function partTask(
  task: ClaimedTask,
  access: ConnectionAccess,
  { clock, signal, emit, somethingWaits }: PartParts,
): Promise<Settlement> {
  const { run } = task.payload as PayloadOf<'part'>;
  const over = new AbortController();
  const { signal: stop, leave } = eitherOf(signal, over.signal);
  const watch = yieldTo(somethingWaits, clock, over);
  try {
    return await withOpened(access, undefined, async ({ source, permits, gateStatus, shareBudget }, destination) => {
      const { isOver, ...result } = await runPart({
        source,
        destination,
        permits,
        gateStatus,
        connection: access.name,
        run,
        borrower: `task/${task.id}/${task.attempt}`,
        mode: access.mode,
        clock,
        signal: stop,
        emit,
        shareBudget: () => shareBudget(destination, () => {}),
      });
      return { state: isOver ? 'done' : 'again', result };
    });
  } catch (error) {
    if (over.signal.aborted && !signal.aborted) return { state: 'again' };
    throw error;
  } finally {
    over.abort();
    leave();
    await watch;
  }
}

/** Aborts `over` once something waits at two looks in a row; ends with it. */
export async function yieldTo(
  somethingWaits: () => Promise<boolean>,
  clock: Clock,
  over: AbortController,
): Promise<void> {
  let before = false;
  while (!over.signal.aborted) {
    await clock.sleep(LOOK_MS, over.signal);
    if (over.signal.aborted) return;
    const now = await somethingWaits().catch(() => false);
    if (now && before) return over.abort('yield');
    before = now;
  }
}
