/** One run, live: each stream's span filling, rates, limits, the reason of a wait, time left. */
import { useEffect, useState } from 'preact/hooks';
import { ApiError, type RunDetail, type RunEvent } from '../../client/index.js';
import { useEvents } from '../live';
import { Action, Heading, Loading, Meter, Spark, Span, State, Table } from '../parts';
import { client, may, refreshOverview } from '../session';
import { clockText, count, duration, eventText, KNOWN_BY } from '../text';

const SAMPLES = 120;
const EVENTS_SHOWN = 100;

interface Shown {
  run: RunDetail;
  /** Rows a second, one for each snapshot. */
  rates: number[];
}

/** A run as it was loaded, and as it is told of since. */
function useRun(id: string) {
  const [shown, setShown] = useState<Shown>();
  const [events, setEvents] = useState<RunEvent[]>([]);
  const [error, setError] = useState<string>();
  const take = (run: RunDetail) =>
    setShown((before) => ({
      run,
      rates:
        before && before.run.updated_at === run.updated_at
          ? before.rates
          : [...(before?.rates ?? []), run.progress?.rows_per_second ?? 0].slice(-SAMPLES),
    }));
  const load = async () => {
    try {
      const run = await client.getRun(id);
      take(run);
      setEvents((await client.listRunEvents(id, { limit: 500 })).items);
    } catch (fault) {
      if (fault instanceof ApiError && fault.status === 401) void refreshOverview();
      setError(fault instanceof Error ? fault.message : String(fault));
    }
  };
  useEffect(() => void load(), [id]);
  useEvents({ run: id, kinds: ['run', 'event'] }, ({ event, data }) => {
    if (event === 'run') take(data as RunDetail);
    else if (event === 'event')
      setEvents((before) =>
        before.some((each) => each.id === (data as RunEvent).id) ? before : [...before, data as RunEvent],
      );
    else if (event === 'resync') void load();
  });
  return { shown, events, error };
}

export function RunPage({ id }: { id: string }) {
  const { shown, events, error } = useRun(id);
  if (!shown)
    return (
      <>
        <Heading>Run</Heading>
        <Loading error={error} what="the run" />
      </>
    );
  const { run, rates } = shown;
  return (
    <>
      <div class="row spread">
        <Heading>
          {run.connection}: {run.kind}
        </Heading>
        <span role="status">
          <State of={run.outcome ?? 'running'} />
        </span>
      </div>
      <p>
        <a href={`#/connections/${encodeURIComponent(run.connection)}`}>{run.connection}</a> · began{' '}
        {clockText(run.started_at)}
        {run.finished_at !== null && <> · took {duration(Date.parse(run.finished_at) - Date.parse(run.started_at))}</>}
        {run.worker && <> · on {run.worker}</>}
      </p>
      {run.finished_at === null && may('operate') && run.task !== null && (
        <p class="row">
          <Action work={() => client.pauseTask(run.task!)}>Pause</Action>
          <Action work={() => client.cancelTask(run.task!)} confirm="Cancel this run? What it committed stays.">
            Cancel
          </Action>
        </p>
      )}
      {run.progress && <Numbers run={run} rates={rates} />}
      <Outcome run={run} />
      {run.progress && <Streams run={run} />}
      {run.progress && <Limits run={run} />}
      <h2>What it told</h2>
      <ol class="events" reversed tabIndex={0} aria-label="What it told">
        {events
          .slice(-EVENTS_SHOWN)
          .toReversed()
          .map((each) => (
            <li key={each.id}>
              <time dateTime={each.at}>{each.at.slice(11, 19)}</time> {eventText(each.event as never)}
            </li>
          ))}
      </ol>
    </>
  );
}

function Numbers({ run: { progress, finished_at: finished }, rates }: { run: RunDetail; rates: number[] }) {
  const {
    rows,
    rows_per_second: speed,
    requests_per_second: sent,
    limit_per_second: limit,
    left_ms: left,
    left_at_least: atLeast,
    elapsed_ms: elapsed,
    rejections,
    requests,
    waits,
  } = progress!;
  const over = finished !== null;
  return (
    <section aria-label="Progress" class="numbers">
      <div>
        <b>{count(rows)}</b> rows
      </div>
      {!over && (
        <div>
          <b>{count(speed)}</b> rows/s <Spark values={rates} label={`Rows a second of late: ${count(speed)}`} />
        </div>
      )}
      {!over && (
        <div>
          {atLeast && 'at least '}
          <b>{left === null || left === undefined ? 'not known yet' : duration(left)}</b> left
        </div>
      )}
      <div>
        <b>{duration(elapsed)}</b> so far
      </div>
      <div>
        {over || limit === null || limit === undefined ? (
          <>
            <b>{count(requests)}</b> requests
          </>
        ) : (
          <Meter
            value={sent}
            max={limit}
            text={`${sent.toFixed(1)} of ${Number(limit.toPrecision(4))} requests/s (${Math.min(100, Math.round((100 * sent) / limit))}%)`}
            label="Use of the limit"
          />
        )}
      </div>
      {rejections > 0 && (
        <div>
          <b>{count(rejections)}</b> rejected
        </div>
      )}
      {!over && (
        <div class="wait" role="status">
          {waits.length === 0
            ? 'waits for nothing'
            : waits
                .map(
                  (wait) =>
                    `waits for ${wait.reason}${wait.limit ? ` (${wait.limit})` : ''}${wait.ms > 0 ? `, ${duration(wait.ms)} more` : ''}`,
                )
                .join('; ')}
        </div>
      )}
    </section>
  );
}

interface Problem {
  stream: string;
  status: string;
  message: string;
  next?: string;
}

function Outcome({ run: { outcome, summary } }: { run: RunDetail }) {
  if (outcome === null || summary === null)
    return outcome === 'killed' ? (
      <p class="failure">Its worker ended without a word. Everything it committed stays; the next run goes on there.</p>
    ) : null;
  const problems = (summary['problems'] ?? []) as Problem[];
  const proofs = (summary['proofs'] ?? []) as {
    stream: string;
    faults: string[];
    evidence?: string;
    doubt?: string;
    rows: number;
    stored: number;
    gaps: number;
    overlaps: number;
  }[];
  const doubted = proofs.filter(({ faults, doubt }) => faults.length === 0 && doubt !== undefined);
  const faulty = proofs.filter(({ faults }) => faults.length > 0);
  return (
    <section aria-label="Outcome">
      {proofs.length > 0 && faulty.length + doubted.length === 0 && (
        <p class="proof">
          <State of="complete" /> proven: {proofs.length} streams without a gap or an overlap,{' '}
          {count(proofs.reduce((sum, { stored }) => sum + stored, 0))} rows stored
        </p>
      )}
      <Table
        caption="Problems"
        head={['Stream', 'State', 'What', 'Next']}
        empty=""
        rows={[
          ...problems.map((problem) => ({
            key: `p ${problem.stream}`,
            cells: [problem.stream, <State of={problem.status} />, problem.message, problem.next ?? ''],
          })),
          ...doubted.map(({ stream, doubt }) => ({
            key: `d ${stream}`,
            cells: [stream, 'unproven', doubt ?? '', ''],
          })),
          ...faulty.map(({ stream, faults }) => ({
            key: `f ${stream}`,
            cells: [stream, <State of="failed" />, faults.join('; '), 'run it again; if it stays, reset the stream'],
          })),
        ]}
      />
      {((summary['notes'] ?? []) as string[]).map((note) => (
        <p key={note}>{note}</p>
      ))}
    </section>
  );
}

function Streams({ run: { progress, finished_at: finished } }: { run: RunDetail }) {
  return (
    <>
      <h2>Streams</h2>
      <Table
        caption="Streams"
        head={['Stream', 'State', 'Stored of its span', 'Rows', 'Pages']}
        empty="No streams."
        rows={progress!.streams.map((stream) => ({
          key: stream.name,
          cells: [
            stream.name,
            <State of={stream.status} />,
            stream.done.length > 0 || stream.open_ranges > 0 ? (
              <Span done={stream.done} label={`${stream.name}: part of its span that is stored`} />
            ) : stream.open_slices > 0 ? (
              `${count(stream.open_slices)} parts open`
            ) : (
              ''
            ),
            count(stream.rows),
            `${count(stream.pages)}${finished === null && stream.expected_pages > 0 ? ` of about ${count(stream.pages + stream.expected_pages)}` : ''}${stream.error ? ` · ${stream.error}` : ''}`,
          ],
        }))}
      />
    </>
  );
}

function Limits({ run: { progress } }: { run: RunDetail }) {
  return (
    <>
      <h2>Limits</h2>
      <Table
        caption="Limits"
        head={['Limit', 'Used', 'How it is known']}
        empty="No limit is known yet."
        rows={progress!.limits.map((limit) => ({
          key: limit.name,
          cells: [
            limit.name,
            limit.per_second === null || limit.per_second === undefined ? (
              `${limit.used_per_second.toFixed(1)}/s; still being sought`
            ) : (
              <Meter
                value={limit.percent ?? 0}
                max={100}
                text={`${limit.percent ?? 0}% of ${Number(limit.per_second.toPrecision(4))}/s`}
                label={`Use of ${limit.name}`}
              />
            ),
            KNOWN_BY[limit.known_by] ?? limit.known_by,
          ],
        }))}
      />
    </>
  );
}
