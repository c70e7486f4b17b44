/** One connection: what it does, how it stands, what can be done with it. */
import { useState } from 'preact/hooks';
import type { ConnectionDetail, Limit, StreamView } from '../../client/index.js';
import { useLoaded } from '../live';
import { Action, faultText, Heading, Loading, Meter, State, Table } from '../parts';
import { client, may } from '../session';
import { ago, clockText, count, duration, KNOWN_BY, scheduleText, whenText } from '../text';
import { ConnectionRuns, ConnectionTasks } from './connection-runs';
import { LastHour } from './last-hour';
import { ConnectionStreams, readsText, useStreams } from './connection-streams';

export function ConnectionPage({ id }: { id: string }) {
  const follow = { connection: id };
  const { value, error, reload } = useLoaded(() => client.getConnection(id), [id], follow);
  const streams = useStreams(id);
  return (
    <>
      <div class="row spread">
        <Heading>{id}</Heading>
        {value && <State of={value.state} />}
      </div>
      {value === undefined ? (
        <Loading error={error} what="the connection" />
      ) : (
        <>
          <Health of={value} />
          <Actions of={value} reload={reload} streams={streams.value?.items} />
          <Facts of={value} />
          <ConnectionRuns id={id} />
          <ConnectionStreams id={id} streams={streams} />
          <ConnectionTasks id={id} />
          <KnownLimits id={id} partition={value.partition} />
          <details>
            <summary>Settings</summary>
            <pre tabIndex={0}>{JSON.stringify(value.settings, null, 2)}</pre>
          </details>
        </>
      )}
    </>
  );
}

/** Fresh, late or failing, in words. */
function Health({ of }: { of: ConnectionDetail }) {
  const { state, late, fresh_as_of: fresh, fresh_within_seconds: within, last_run: last } = of;
  const age = fresh === null ? 'nothing is complete yet' : `everything up to ${ago(fresh)} is stored`;
  if (state === 'failing')
    return (
      <p class="health bad">
        <b>Failing.</b>{' '}
        {last === null ? 'Its task has given up' : <a href={`#/runs/${last.id}`}>Its last run failed</a>}; {age}.{' '}
        <a href="#/problems">What to do</a>
      </p>
    );
  if (late)
    return (
      <p class="health warm">
        <b>Late.</b> It should be no older than {duration((within ?? 0) * 1000)}; {age}.
      </p>
    );
  return (
    <p class="health good">
      <b>{fresh === null ? 'New.' : 'Fresh.'}</b> {age.charAt(0).toUpperCase() + age.slice(1)}
      {within === null ? '' : `, and may be ${duration(within * 1000)} old`}.
    </p>
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

interface ActionsProps {
  of: ConnectionDetail;
  reload: () => void;
  /** Undefined: not known yet. */
  streams: StreamView[] | undefined;
}

function Actions({ of, reload, streams }: ActionsProps) {
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
            confirm={`Read every stream of ${id} once more? ${wholeText(streams)}What is gone from the API will be marked deleted.`}
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

/** What reading all again takes, where that is known. */
function wholeText(streams: StreamView[] | undefined): string {
  if (!streams) return '';
  const sum = (of: 'rows' | 'pages') => streams.reduce((total, each) => total + each[of], 0);
  return `It ${readsText({ rows: sum('rows'), pages: sum('pages') })}. `;
}

function KnownLimits({ id, partition }: { id: string; partition: string }) {
  const [open, setOpen] = useState(false);
  return (
    <details onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>Limits of the API, and how they were learned</summary>
      {open && (
        <>
          <OpenLimits id={id} />
          <h3>The last hour</h3>
          <LastHour partition={partition} />
        </>
      )}
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
