/** Runs of all connections, the newest first. */
import { useState } from 'preact/hooks';
import { useLoaded } from '../live';
import { Heading, Loading, More, State, Table } from '../parts';
import { client } from '../session';
import { clockText, count, duration } from '../text';

const OUTCOMES = ['running', 'complete', 'partial', 'failed', 'dead', 'killed', 'paused', 'cancelled'] as const;
const PAGE = 50;

export function Runs() {
  const [outcome, setOutcome] = useState('');
  const [shown, setShown] = useState(PAGE);
  const { value, error, isBusy } = useLoaded(
    () =>
      client.listRuns({
        limit: Math.min(500, shown),
        outcome: (outcome || undefined) as (typeof OUTCOMES)[number] | undefined,
      }),
    [outcome, shown],
  );
  return (
    <>
      <Heading>Runs</Heading>
      <label class="field">
        <span>Outcome</span>
        <select value={outcome} onChange={(event) => setOutcome(event.currentTarget.value)}>
          <option value="">all</option>
          {OUTCOMES.map((name) => (
            <option key={name}>{name}</option>
          ))}
        </select>
      </label>
      {value === undefined ? (
        <Loading error={error} what="runs" />
      ) : (
        <>
          <Table
            caption="Runs"
            isBusy={isBusy}
            head={['Connection', 'What', 'Outcome', 'Began', 'Took', 'Rows', 'Rejected']}
            empty="No runs."
            rows={value.items.map((run) => ({
              key: run.id,
              cells: [
                run.connection,
                <a href={`#/runs/${run.id}`}>
                  {run.kind}
                  <span class="hidden"> of {run.connection}</span>
                </a>,
                <State of={run.outcome ?? 'running'} />,
                clockText(run.started_at),
                run.finished_at === null ? '' : duration(Date.parse(run.finished_at) - Date.parse(run.started_at)),
                count(run.rows),
                `${count(run.rejections)} of ${count(run.requests)}`,
              ],
            }))}
          />
          <More next={value.next} onMore={() => setShown(shown + PAGE)} />
        </>
      )}
    </>
  );
}
