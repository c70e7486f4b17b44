/**
 * Rate limits of apps, and what follows from them: partitions with cap, running and waiting. An edit is obeyed by the
 * next claim.
 */
import { useEffect, useState } from 'preact/hooks';
import type { App } from '../../client/index.js';
import { type Loaded, useLoaded } from '../live';
import { Action, Button, errorText, Heading, Loading, Meter, More, State, Table } from '../parts';
import { client, may } from '../session';
import { count } from '../text';
import { LastHour } from './last-hour';

const UNITS: [seconds: number, text: string][] = [
  [1, 'second'],
  [10, '10 seconds'],
  [60, 'minute'],
  [3600, 'hour'],
  [86_400, 'day'],
];
const PAGE = 50;

type PartitionList = Awaited<ReturnType<typeof client.listPartitions>>;

export function Limits() {
  const [shown, setShown] = useState(PAGE);
  const apps = useLoaded(() => client.listApps({ limit: 200 }), []);
  const partitions = useLoaded(() => client.listPartitions({ limit: Math.min(500, shown) }), [shown]);
  const reload = () => {
    apps.reload();
    partitions.reload();
  };
  return (
    <>
      <Heading>Limits</Heading>
      <p>
        How many tasks may run at once for an app follows from its rate limit. How many requests they may send, the gate
        finds out by itself.
      </p>
      <h2>Apps</h2>
      <Apps apps={apps} reload={reload} />
      <h2>Partitions</h2>
      <Partitions partitions={partitions} onMore={() => setShown(shown + PAGE)} />
    </>
  );
}

function Apps({ apps, reload }: { apps: Loaded<{ items: App[] }>; reload: () => void }) {
  return apps.value === undefined ? (
    <Loading error={apps.error} what="apps" />
  ) : (
    <Table
      caption="Apps"
      head={['App', 'Rate limit', 'Cap that follows', 'Running', 'Waiting']}
      empty="No app yet."
      rows={apps.value.items.map((app) => ({
        key: app.app,
        cells: [
          app.app,
          may('operate') ? <Edit app={app} reload={reload} /> : rate(app),
          `${count(app.cap)} ${app.cap === 1 ? 'task' : 'tasks'} in each of ${count(app.partitions)} ${app.partitions === 1 ? 'partition' : 'partitions'}`,
          count(app.running),
          count(app.waiting),
        ],
      }))}
    />
  );
}

function Partitions({ partitions, onMore }: { partitions: Loaded<PartitionList>; onMore: () => void }) {
  const [looked, setLooked] = useState<string>();
  return partitions.value === undefined ? (
    <Loading error={partitions.error} what="partitions" />
  ) : (
    <>
      <Table
        caption="Concurrency partitions"
        isBusy={partitions.isBusy}
        head={['Partition', 'Running of cap', 'Waiting', 'Actions']}
        empty="No partition yet."
        rows={partitions.value.items.map((each) => ({
          key: each.partition,
          cells: [
            each.partition,
            <Meter
              value={each.running}
              max={each.cap}
              text={`${count(each.running)} of ${count(each.cap)}`}
              label={`Tasks of ${each.partition}`}
            />,
            count(each.waiting),
            <span class="row">
              {each.paused && <State of="paused" />}
              <button
                type="button"
                aria-expanded={looked === each.partition}
                onClick={() => setLooked(looked === each.partition ? undefined : each.partition)}
              >
                Last hour<span class="hidden"> of {each.partition}</span>
              </button>
              {may('operate') && (
                <Action
                  work={async () => {
                    await (each.paused
                      ? client.resumePartition(each.partition)
                      : client.pausePartition(each.partition));
                    partitions.reload();
                  }}
                >
                  {each.paused ? 'Resume' : 'Pause'}
                  <span class="hidden"> {each.partition}</span>
                </Action>
              )}
            </span>,
          ],
        }))}
      />
      <More next={partitions.value.next} onMore={onMore} />
      {looked !== undefined && (
        <section aria-label={`Last hour of ${looked}`}>
          <h3>Last hour of {looked}</h3>
          <LastHour partition={looked} key={looked} />
        </section>
      )}
    </>
  );
}

const rate = (app: App) =>
  `${count(app.rate_limit)} in ${UNITS.find(([seconds]) => seconds === app.frequency_seconds)?.[1] ?? `${count(app.frequency_seconds)} s`}`;

function Edit({ app, reload }: { app: App; reload: () => void }) {
  const [limit, setLimit] = useState(String(app.rate_limit));
  const [seconds, setSeconds] = useState(app.frequency_seconds);
  const [said, setSaid] = useState<{ text: string; failed: boolean }>();
  // What somebody else set meanwhile.
  useEffect(() => {
    setLimit(String(app.rate_limit));
    setSeconds(app.frequency_seconds);
  }, [app.rate_limit, app.frequency_seconds]);
  const units = UNITS.some(([known]) => known === app.frequency_seconds)
    ? UNITS
    : [...UNITS, [app.frequency_seconds, `${count(app.frequency_seconds)} s`] as (typeof UNITS)[number]];
  const submit = async (event: Event) => {
    event.preventDefault();
    try {
      const set = await client.setAppLimit(app.app, { rate_limit: Number(limit), frequency_seconds: seconds });
      setSaid({
        text: `At most ${set.cap} ${set.cap === 1 ? 'task' : 'tasks'} at once, from the next claim on.`,
        failed: false,
      });
      reload();
    } catch (error) {
      setSaid({ text: errorText(error), failed: true });
    }
  };
  return (
    <form class="row" onSubmit={(event) => void submit(event)}>
      <label>
        <span class="hidden">Requests of {app.app}</span>
        <input
          class="number"
          type="number"
          min={1}
          required
          value={limit}
          onInput={(event) => setLimit(event.currentTarget.value)}
        />
      </label>{' '}
      in a
      <label>
        <span class="hidden">Window of {app.app}</span>
        <select value={seconds} onChange={(event) => setSeconds(Number(event.currentTarget.value))}>
          {units.map(([value, text]) => (
            <option key={value} value={value}>
              {text}
            </option>
          ))}
        </select>
      </label>
      <Button type="submit" isOff={Number(limit) === app.rate_limit && seconds === app.frequency_seconds}>
        Save<span class="hidden"> limit of {app.app}</span>
      </Button>
      <span role="status" class={said?.failed ? 'failure' : 'said'}>
        {said?.text}
      </span>
    </form>
  );
}
