/** What needs somebody: dead letters and connections that fail, each with the next step. */
import { useLoaded } from '../live';
import { Heading, Loading, State, Table } from '../parts';
import { client } from '../session';
import { ago } from '../text';
import { TaskActions } from './task-actions';

export function Problems() {
  const tasks = useLoaded(() => client.listTasks({ state: 'dead', limit: 100 }), []);
  const failing = useLoaded(() => client.listConnections({ state: 'failing', limit: 100 }), []);
  return (
    <>
      <Heading>Problems</Heading>
      <h2>Dead letters</h2>
      {tasks.value === undefined ? (
        <Loading error={tasks.error} what="tasks" />
      ) : (
        <Table
          caption="Dead letters"
          head={['Connection', 'Task', 'What went wrong', 'Next step', 'When', 'Actions']}
          empty="No task has given up."
          rows={tasks.value.items.map((task) => ({
            key: task.id,
            cells: [
              <a href={`#/connections/${encodeURIComponent(task.connection)}`}>{task.connection}</a>,
              `${task.kind} ${task.id}, ${task.failures} failures`,
              task.error?.message ?? '',
              task.error?.next ?? 'retry it; if it fails again, look at the log of its worker',
              task.ended_at === null ? '' : ago(task.ended_at),
              <TaskActions id={task.id} state={task.state} reload={tasks.reload} />,
            ],
          }))}
        />
      )}
      <h2>Connections that fail</h2>
      {failing.value === undefined ? (
        <Loading error={failing.error} what="connections" />
      ) : (
        <Table
          caption="Connections that fail"
          head={['Connection', 'Last run', 'Fresh']}
          empty="None."
          rows={failing.value.items.map((each) => ({
            key: each.id,
            cells: [
              <a href={`#/connections/${encodeURIComponent(each.id)}`}>{each.id}</a>,
              each.last_run ? (
                <a href={`#/runs/${each.last_run.id}`}>
                  <State of={each.last_run.outcome ?? 'running'} />
                </a>
              ) : (
                'none'
              ),
              each.fresh_as_of === null ? 'never' : ago(each.fresh_as_of),
            ],
          }))}
        />
      )}
    </>
  );
}
