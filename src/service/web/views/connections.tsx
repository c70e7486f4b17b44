/** All connections: state, freshness, next run. */
import { useState } from 'preact/hooks';
import type { Connection, ConnectionState } from '../../client/index.js';
import { useLoaded } from '../live';
import { Action, Heading, Loading, More, State, Table } from '../parts';
import { client, may, overview } from '../session';
import { count, duration, scheduleText, whenText } from '../text';

const STATES: ConnectionState[] = ['running', 'failing', 'waiting', 'paused', 'idle', 'new'];
const PAGE = 50;

export function Connections() {
  const [search, setSearch] = useState('');
  const [state, setState] = useState('');
  const [shown, setShown] = useState(PAGE);
  const { value, error, isBusy, reload } = useLoaded(
    () =>
      client.listConnections({
        limit: Math.min(500, shown),
        search: search || undefined,
        state: (state || undefined) as ConnectionState | undefined,
      }),
    [search, state, shown],
  );
  const counts = overview.value?.connections ?? {};
  const total = Object.values(counts).reduce((sum, n) => sum + n, 0);
  return (
    <>
      <div class="row spread">
        <Heading>Connections</Heading>
        {may('admin') && (
          <a class="button strong" href="#/new">
            New connection
          </a>
        )}
      </div>
      <form class="row" role="search" onSubmit={(event) => event.preventDefault()}>
        <label class="field">
          <span>Name</span>
          <input type="search" value={search} onInput={(event) => setSearch(event.currentTarget.value)} />
        </label>
        <label class="field">
          <span>State</span>
          <select value={state} onChange={(event) => setState(event.currentTarget.value)}>
            <option value="">all {total > 0 ? `(${count(total)})` : ''}</option>
            {STATES.map((name) => (
              <option key={name} value={name}>
                {name} ({count(counts[name] ?? 0)})
              </option>
            ))}
          </select>
        </label>
      </form>
      {value === undefined ? (
        <Loading error={error} what="connections" />
      ) : (
        <>
          <Table
            caption="Connections"
            isBusy={isBusy}
            head={['Name', 'State', 'Fresh', 'Runs', 'Next run', 'Rows', 'Actions']}
            rows={value.items.map((each) => ({ key: each.id, cells: cellsOf(each, reload) }))}
            empty={
              total === 0
                ? 'No connection yet: name them in headrace.yaml, or make one here.'
                : 'No connection is like that.'
            }
          />
          <More next={value.next} onMore={() => setShown(shown + PAGE)} />
        </>
      )}
    </>
  );
}

function cellsOf(each: Connection, reload: () => void) {
  return [
    <a href={`#/connections/${encodeURIComponent(each.id)}`}>{each.id}</a>,
    <State of={each.state} />,
    each.freshness_seconds === null ? 'never' : `${duration(each.freshness_seconds * 1000)} old`,
    scheduleText(each.schedule),
    whenText(each.next_run_at),
    count(each.rows),
    <span class="row">
      {each.last_run && (
        <a href={`#/runs/${each.last_run.id}`}>
          {each.last_run.outcome === null ? 'Watch' : 'Last run'}
          <span class="hidden"> of {each.id}</span>
        </a>
      )}
      {may('operate') && (
        <Action
          disabled={each.running > 0}
          work={async () => {
            await client.runConnection(each.id, {});
            reload();
          }}
        >
          Run now<span class="hidden"> {each.id}</span>
        </Action>
      )}
    </span>,
  ];
}
