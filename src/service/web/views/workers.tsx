/** Who works, and what runs there. */
import { useLoaded } from '../live';
import { Heading, Loading, Meter, State, Table } from '../parts';
import { client } from '../session';
import { ago } from '../text';
import { TaskActions } from './task-actions';

export function Workers() {
  const workers = useLoaded(() => client.listWorkers(), []);
  const tasks = useLoaded(() => client.listTasks({ state: 'running', limit: 100 }), []);
  return (
    <>
      <Heading>Workers</Heading>
      {workers.value === undefined ? (
        <Loading error={workers.error} what="workers" />
      ) : (
        <Table
          caption="Workers"
          head={['Worker', 'Tasks', 'Version', 'Heard of', 'State']}
          empty="No worker: nothing runs. Start headrace serve or headrace worker."
          rows={workers.value.items.map((each) => ({
            key: each.worker,
            cells: [
              each.worker,
              <Meter
                value={each.running}
                max={each.slots}
                text={`${each.running} of ${each.slots}`}
                label={`Slots of ${each.worker}`}
              />,
              each.version,
              ago(each.seen_at),
              each.draining ? <State of="paused" /> : '',
            ],
          }))}
        />
      )}
      <h2>Running tasks</h2>
      {tasks.value === undefined ? (
        <Loading error={tasks.error} what="tasks" />
      ) : (
        <Table
          caption="Running tasks"
          head={['Task', 'Connection', 'Worker', 'Attempt', 'Since', 'Actions']}
          empty="Nothing runs."
          rows={tasks.value.items.map((task) => ({
            key: task.id,
            cells: [
              `${task.kind} ${task.id}`,
              <a href={`#/connections/${encodeURIComponent(task.connection)}`}>{task.connection}</a>,
              task.worker ?? '',
              String(task.attempt),
              task.started_at === null ? '' : ago(task.started_at),
              <TaskActions id={task.id} state={task.state} reload={tasks.reload} />,
            ],
          }))}
        />
      )}
      <WorkflowSteps />
    </>
  );
}

/** What engines of one's own keep is no task, and holds a slot all the same. */
function WorkflowSteps() {
  const slots = useLoaded(() => client.listSlots({ limit: 100 }), []);
  if (slots.value === undefined || slots.value.items.length === 0) return null;
  return (
    <>
      <h2>Steps of workflows</h2>
      <Table
        caption="Steps of workflows"
        head={['Workflow', 'Connection', 'Worker', 'Since']}
        empty=""
        rows={slots.value.items.map((slot) => ({
          key: slot.workflow,
          cells: [
            slot.workflow,
            <a href={`#/connections/${encodeURIComponent(slot.connection)}`}>{slot.connection}</a>,
            slot.worker,
            ago(slot.taken_at),
          ],
        }))}
      />
    </>
  );
}
