// Runs a connection now and watches it to its end: node examples/watch-a-run.mjs http://127.0.0.1:8787 acme
// HEADRACE_TOKEN holds a token: on the service's machine, HEADRACE_TOKEN=$(headrace token show).
import { ApiError, HeadraceClient } from 'headrace/client';

const [url = 'http://127.0.0.1:8787', connection = 'acme'] = process.argv.slice(2);
const headrace = new HeadraceClient({ url, token: process.env.HEADRACE_TOKEN });

try {
  const over = new AbortController();
  const events = headrace.watchEvents({ connection, signal: over.signal });
  const { task } = await headrace.runConnection(connection, { kind: 'sync' });
  console.log(`task ${task} waits for its turn`);
  for await (const { event, data } of events) {
    if (event === 'run' && data.progress)
      console.log(
        `${data.progress.rows} rows, ${Math.round(data.progress.requests_per_second)} requests/s, ${data.progress.waits[0]?.reason ?? 'waits for nothing'}`,
      );
    if (event === 'task' && data.id === task && ['done', 'dead', 'cancelled'].includes(data.state)) over.abort();
  }
  const { state, error, result } = await headrace.getTask(task);
  console.log(state === 'done' ? `${result.outcome}: ${result.rows} rows` : `${state}: ${error?.message}`);
  process.exitCode = state === 'done' ? 0 : 1;
} catch (error) {
  if (!(error instanceof ApiError)) throw error;
  console.error(`${error.message}${error.detail.next ? `; next: ${error.detail.next}` : ''}`);
  process.exitCode = 1;
}
