/** A connection that was just made: its first run is shown as soon as there is one. */
import { useEffect } from 'preact/hooks';
import { useLoaded } from '../live';
import { Heading, Loading } from '../parts';
import { client } from '../session';

export function FirstRun({ id }: { id: string }) {
  const follow = { connection: id };
  const runs = useLoaded(() => client.listRuns({ connection: id, limit: 1 }), [id], follow);
  const tasks = useLoaded(() => client.listTasks({ connection: id, limit: 1 }), [id], follow);
  const run = runs.value?.items[0];
  const task = tasks.value?.items[0];
  useEffect(() => {
    // The way back does not lead here again.
    if (run) location.replace(`#/runs/${run.id}`);
  }, [run?.id]);
  const here = `#/connections/${encodeURIComponent(id)}`;
  return (
    <>
      <Heading>First run of {id}</Heading>
      {task?.state === 'dead' ? (
        <p class="failure" role="alert">
          It failed before it began: {task.error?.message}
          {task.error?.next === undefined ? '' : `; next: ${task.error.next}`}
        </p>
      ) : runs.error !== undefined ? (
        <Loading error={runs.error} what="the run" />
      ) : (
        <p role="status">It begins as soon as the limit has room, and a worker a free slot…</p>
      )}
      <p>
        <a href={here}>To the connection</a>
      </p>
    </>
  );
}
