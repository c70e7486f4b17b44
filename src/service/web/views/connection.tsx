/** One connection: what it does, how it stands, what can be done with it. */
import { useState } from 'preact/hooks';
import type { ConnectionDetail, Limit, StreamLedger } from '../../client/index.js';
import { useLoaded } from '../live';
import { Action, faultText, Field, Heading, Loading, Meter, State, Table } from '../parts';
import { client, may } from '../session';
import { ago, clockText, count, duration, KNOWN_BY, scheduleText, whenText } from '../text';

export function ConnectionPage({ id }: { id: string }) {
  const follow = { connection: id };
  const { value, error, reload } = useLoaded(() => client.getConnection(id), [id], follow);
  if (value === undefined)
    return (
      <>
        <Heading>{id}</Heading>
        <Loading error={error} what="the connection" />
      </>
    );
  return (
    <>
      <div class="row spread">
        <Heading>{id}</Heading>
        <State of={value.state} />
      </div>
      <Facts of={value} />
      <Actions of={value} reload={reload} />
      <History id={id} />
      <Ledger id={id} />
      <KnownLimits id={id} />
      <details>
        <summary>Settings</summary>
        <pre tabIndex={0}>{JSON.stringify(value.settings, null, 2)}</pre>
      </details>
    </>
  );
}

function Facts({ of }: { of: ConnectionDetail }) {
  const facts: [string, string | preact.JSX.Element][] = [
    [
      'Fresh',
      of.fresh_as_of === null ? 'no complete run yet' : `as of ${clockText(of.fresh_as_of)} (${ago(of.fresh_as_of)})`,
    ],
    ['Runs', scheduleText(of.schedule)],
    ['Next run', of.next_run_at === null ? 'when asked for' : whenText(of.next_run_at)],
    ['App', of.app],
    ['Partition', <a href="#/limits">{of.partition}</a>],
    ['Tasks', `${of.running} of at most ${of.max_concurrent_processes}`],
    ['Rows copied', count(of.rows)],
    ['Requests', `${count(of.requests)}, ${count(of.rejections)} rejected`],
    ['Kept in', of.managed_by === 'file' ? 'headrace.yaml' : 'the database'],
  ];
  return (
    <dl class="facts">
      {facts.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

function Actions({ of, reload }: { of: ConnectionDetail; reload: () => void }) {
  const { id } = of;
  const done = (work: () => Promise<unknown>, said?: string) => async () => {
    await work();
    reload();
    return said;
  };
  const running = of.last_run !== null && of.last_run.outcome === null;
  return (
    <p class="row" role="group" aria-label="Actions">
      {running && (
        <a class="button strong" href={`#/runs/${of.last_run!.id}`}>
          Watch the run
        </a>
      )}
      {may('operate') && (
        <>
          <Action work={done(() => client.runConnection(id, {}), 'It begins as soon as the limit has room.')}>
            Run now
          </Action>
          <Action
            work={done(() => client.runConnection(id, { kind: 'full' }), 'Every stream will be read once more.')}
            confirm={`Read every stream of ${id} once more? What is gone from the API will be marked deleted.`}
          >
            Read all again
          </Action>
          {of.paused ? (
            <Action work={done(() => client.resumeConnection(id))}>Resume</Action>
          ) : (
            <Action work={done(() => client.pauseConnection(id))}>Pause</Action>
          )}
          <Action
            work={async () => {
              const probe = await client.testConnection(id);
              if (!probe.ok) throw new Error(faultText(probe.error!));
              return `Works: account ${probe.account}, ${probe.destination}.`;
            }}
          >
            Test
          </Action>
        </>
      )}
      {may('admin') && of.managed_by === 'api' && (
        <>
          <a class="button" href={`#/connections/${encodeURIComponent(id)}/edit`}>
            Edit
          </a>
          <Action
            work={async () => {
              await client.deleteConnection(id);
              location.hash = '#/';
            }}
            confirm={`Forget ${id}, its tasks and its runs? The data that it copied stays.`}
          >
            Delete
          </Action>
        </>
      )}
    </p>
  );
}

function History({ id }: { id: string }) {
  const runs = useLoaded(() => client.listRuns({ connection: id, limit: 10 }), [id], { connection: id });
  const tasks = useLoaded(() => client.listTasks({ connection: id, limit: 10 }), [id], { connection: id });
  return (
    <>
      <h2>Runs</h2>
      {runs.value === undefined ? (
        <Loading error={runs.error} what="runs" />
      ) : (
        <Table
          caption={`Runs of ${id}`}
          head={['Run', 'Outcome', 'Began', 'Took', 'Rows', 'Requests', 'Rejected']}
          empty="It has not run yet."
          rows={runs.value.items.map((run) => ({
            key: run.id,
            cells: [
              <a href={`#/runs/${run.id}`}>{run.kind}</a>,
              <State of={run.outcome ?? 'running'} />,
              clockText(run.started_at),
              run.finished_at === null ? '' : duration(Date.parse(run.finished_at) - Date.parse(run.started_at)),
              count(run.rows),
              count(run.requests),
              count(run.rejections),
            ],
          }))}
        />
      )}
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

function Ledger({ id }: { id: string }) {
  const [open, setOpen] = useState(false);
  return (
    <details onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>Streams: what is stored, and reading again</summary>
      {open && <OpenLedger id={id} />}
    </details>
  );
}

function OpenLedger({ id }: { id: string }) {
  const { value, error, reload } = useLoaded(() => client.getLedger(id), [id], false);
  if (value === undefined) return <Loading error={error} what="the ledger" />;
  return (
    <Table
      caption={`Streams of ${id}`}
      head={['Stream', 'Complete', 'Rows', 'Ranges', 'Open', 'Read again']}
      empty="Nothing is stored yet."
      rows={value.items.map((stream) => ({
        key: stream.stream,
        cells: [
          stream.stream,
          stream.complete ? 'yes' : 'no',
          count(stream.rows),
          count(stream.ranges.length),
          count(stream.ranges.filter((range) => range.open).length + stream.open_slices),
          may('operate') ? <Reset id={id} stream={stream} reload={reload} /> : '',
        ],
      }))}
    />
  );
}

const DAY = /^\d{4}-\d{2}-\d{2}$/;
const seconds = (day: string) => (DAY.test(day) ? Date.parse(`${day}T00:00:00Z`) / 1000 : undefined);

function Reset({ id, stream, reload }: { id: string; stream: StreamLedger; reload: () => void }) {
  const [from, setFrom] = useState('');
  const [before, setBefore] = useState('');
  return (
    <span class="row">
      <Field label="from">
        <input type="date" value={from} onInput={(event) => setFrom(event.currentTarget.value)} />
      </Field>
      <Field label="before">
        <input type="date" value={before} onInput={(event) => setBefore(event.currentTarget.value)} />
      </Field>
      <Action
        confirm={`Read ${stream.stream} again${from || before ? ` from ${from || 'the start'} to ${before || 'its end'}` : ' from the start'} with the next run? Its rows stay.`}
        work={async () => {
          await client.resetStream(id, { stream: stream.stream, from: seconds(from), before: seconds(before) });
          reload();
          return 'With the next run.';
        }}
      >
        Reset<span class="hidden"> {stream.stream}</span>
      </Action>
    </span>
  );
}

function KnownLimits({ id }: { id: string }) {
  const [open, setOpen] = useState(false);
  return (
    <details onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>Limits of the API, and how they were learned</summary>
      {open && <OpenLimits id={id} />}
    </details>
  );
}

function OpenLimits({ id }: { id: string }) {
  const { value, error } = useLoaded(() => client.getLimits(id), [id], false);
  if (value === undefined) return <Loading error={error} what="limits" />;
  return (
    <>
      <p>
        {value.saved_at === null
          ? 'No run has used this credential yet: this is what the first one starts from.'
          : `As of ${clockText(value.saved_at)}; the next run begins there.`}
      </p>
      <LimitTable limits={value.items} />
    </>
  );
}

export function LimitTable({
  limits,
}: {
  limits: Pick<Limit, 'name' | 'per_second' | 'used_per_second' | 'known_by'>[];
}) {
  return (
    <Table
      caption="Limits"
      head={['Limit', 'Used', 'How it is known']}
      empty="No limit is known."
      rows={limits.map((limit) => ({
        key: limit.name,
        cells: [
          limit.name,
          limit.per_second === null ? (
            'still being sought'
          ) : (
            <Meter
              value={limit.used_per_second}
              max={limit.per_second}
              text={`${limit.used_per_second.toFixed(1)} of ${Number(limit.per_second.toPrecision(4))}/s`}
              label={`Use of ${limit.name}`}
            />
          ),
          KNOWN_BY[limit.known_by] ?? limit.known_by,
        ],
      }))}
    />
  );
}
