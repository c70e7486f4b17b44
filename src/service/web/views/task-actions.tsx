/** What can be done with a task. */
import { Action } from '../parts';
import { client, may } from '../session';

export function TaskActions({ id, state, reload }: { id: number; state: string; reload: () => void }) {
  if (!may('operate')) return null;
  const act = (work: (id: number) => Promise<unknown>) => async () => {
    await work(id);
    reload();
  };
  const name = <span class="hidden"> task {id}</span>;
  if (state === 'dead') return <Action work={act((task) => client.retryTask(task))}>Retry{name}</Action>;
  if (['queued', 'delayed', 'running'].includes(state))
    return (
      <span class="row">
        <Action work={act((task) => client.pauseTask(task))}>Pause{name}</Action>
        <Action work={act((task) => client.cancelTask(task))} confirm={`Cancel task ${id}? What it committed stays.`}>
          Cancel{name}
        </Action>
      </span>
    );
  return state === 'paused' ? <Action work={act((task) => client.resumeTask(task))}>Resume{name}</Action> : null;
}
