/** A worker that shares a run which another leads. */
import type { Clock } from '../../base/clock.js';
import type { RunEvent } from '../../engine/report/events.js';
import { runPart } from '../../engine/share/part.js';
import type { ClaimedTask, Settlement } from '../scheduler/scheduler.js';
import { withOpened, type ConnectionAccess } from './access.js';
import type { PayloadOf } from './kinds.js';

export async function partTask(
  task: ClaimedTask,
  access: ConnectionAccess,
  clock: Clock,
  signal: AbortSignal,
  emit: (event: RunEvent) => void,
): Promise<Settlement> {
  const { run } = task.payload as PayloadOf<'part'>;
  return withOpened(access, undefined, async ({ source, permits, shareBudget }, destination) => {
    const { isOver, ...result } = await runPart({
      source,
      destination,
      permits,
      connection: access.name,
      run,
      borrower: `task/${task.id}/${task.attempt}`,
      mode: access.mode,
      clock,
      signal,
      emit,
      shareBudget: () => shareBudget(destination, () => {}),
    });
    return { state: isOver ? 'done' : 'again', result };
  });
}
