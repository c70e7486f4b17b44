/** What a connection's runs did: bars for who looks once, a table for who looks closer; and its tasks. */
import type { Run } from '../../client/index.js';
import { useLoaded } from '../live';
import { Loading, State, Table } from '../parts';
import { client } from '../session';
import { clockText, count, duration } from '../text';
import { TaskActions } from './task-actions';

const BARS = 40;
const ROWS = 10;

export function ConnectionRuns({ id }: { id: string }) {
  const runs = useLoaded(() => client.listRuns({ connection: id, limit: BARS }), [id], { connection: id });
  return (
    <>
      <h2>Runs</h2>
      {runs.value === undefined ? (
        <Loading error={runs.error} what="runs" />
      ) : (
        <>
          <RunBars runs={runs.value.items} />
          <Table
            caption={`Runs of ${id}`}
            head={['Run', 'Outcome', 'Began', 'Took', 'Rows', 'Requests', 'Rejected']}
            empty="It has not run yet."
            rows={runs.value.items.slice(0, ROWS).map((run) => ({
              key: run.id,
              cells: [
                <a href={`#/runs/${run.id}`}>{run.kind}</a>,
                <State of={run.outcome ?? 'running'} />,
                clockText(run.started_at),
                run.finished_at === null ? '' : duration(tookMs(run)),
                count(run.rows),
                count(run.requests),
                count(run.rejections),
              ],
            }))}
          />
        </>
      )}
    </>
  );
}

export function ConnectionTasks({ id }: { id: string }) {
  const tasks = useLoaded(() => client.listTasks({ connection: id, limit: ROWS }), [id], { connection: id });
  return (
    <>
      <h2>Tasks</h2>
      {tasks.value === undefined ? (
        <Loading error={tasks.error} what="tasks" />
      ) : (
        <Table
          caption={`Tasks of ${id}`}
          head={['Task', 'State', 'Attempt', 'Said', 'Actions']}
          empty="No tasks."
          rows={tasks.value.items.map((task) => ({
            key: task.id,
            cells: [
              `${task.kind} ${task.id}`,
              <State of={task.state} />,
              String(task.attempt),
              task.error
                ? `${task.error.message}${task.error.next === undefined ? '' : `; next: ${task.error.next}`}`
                : '',
              <TaskActions id={task.id} state={task.state} reload={tasks.reload} />,
            ],
          }))}
        />
      )}
    </>
  );
}

const tookMs = (run: Run) => Date.parse(run.finished_at ?? run.updated_at) - Date.parse(run.started_at);

/** Rows upwards, seconds downwards, the newest to the right; each bar leads to its run. */
function RunBars({ runs }: { runs: Run[] }) {
  if (runs.length === 0) return null;
  const most = Math.max(1, ...runs.map(({ rows }) => rows));
  const longest = Math.max(1, ...runs.map(tookMs));
  const height = (value: number, whole: number) => (value <= 0 ? 0 : Math.max(3, (46 * value) / whole));
  return (
    <figure class="chart">
      <figcaption>
        The last {runs.length === 1 ? 'run' : `${runs.length} runs`}{' '}
        <span class="empty">rows above the line, seconds below</span>
      </figcaption>
      <ol class="bars">
        {runs.toReversed().map((run) => {
          const outcome = run.outcome ?? 'running';
          const rows = height(run.rows, most);
          const told = `${clockText(run.started_at)}: ${outcome}, ${count(run.rows)} rows, ${duration(tookMs(run))}`;
          return (
            <li key={run.id}>
              <a href={`#/runs/${run.id}`} title={told} aria-label={told}>
                <svg class={`state ${outcome}`} viewBox="0 0 10 100" preserveAspectRatio="none" aria-hidden="true">
                  <rect x="1" width="8" y={49 - rows} height={rows} />
                  <rect x="1" width="8" y="51" height={height(tookMs(run), longest)} class="seconds" />
                  <rect x="0" width="10" y="49.5" height="1" />
                </svg>
              </a>
            </li>
          );
        })}
      </ol>
    </figure>
  );
}
