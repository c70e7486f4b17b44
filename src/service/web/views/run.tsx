/** One run, live: its streams filling, curves over time, limits that matter, its log, what each part waits for. */
import { useEffect, useState } from 'preact/hooks';
import { ApiError, type RunDetail, type RunEvent } from '../../client/index.js';
import { useEvents } from '../live';
import { Action, Heading, Loading, Meter, Span, State, Table } from '../parts';
import { client, may, refreshOverview } from '../session';
import { clockText, count, duration, KNOWN_BY } from '../text';
import { Charts, Slowness, useSamples } from './run-charts';
import { RunLog } from './run-log';

const PAGE = 500;
/** More a run does not keep. */
const PAGES = 5;

/** A run as it was loaded, and as it is told of since. */
function useRun(id: string) {
  const [run, setRun] = useState<RunDetail>();
  const [events, setEvents] = useState<RunEvent[]>([]);
  const [error, setError] = useState<string>();
  const load = async () => {
    try {
      setRun(await client.getRun(id));
      const found: RunEvent[] = [];
      for (let pages = 0, after: string | null = '0'; after !== null && pages < PAGES; pages++) {
        const page: { items: RunEvent[]; next: string | null } = await client.listRunEvents(id, {
          limit: PAGE,
          after: Number(after),
        });
        found.push(...page.items);
        after = page.next;
      }
      setEvents(found);
    } catch (fault) {
      if (fault instanceof ApiError && fault.status === 401) void refreshOverview();
      setError(fault instanceof Error ? fault.message : String(fault));
    }
  };
  useEffect(() => void load(), [id]);
  useEvents({ run: id, kinds: ['run', 'event'] }, ({ event, data }) => {
    if (event === 'run') setRun(data as RunDetail);
    else if (event === 'event')
      setEvents((before) =>
        before.some((each) => each.id === (data as RunEvent).id) ? before : [...before, data as RunEvent],
      );
    else if (event === 'resync') void load();
  });
  return { run, events, error };
}

export function RunPage({ id }: { id: string }) {
  const { run, events, error } = useRun(id);
  const samples = useSamples(id, run !== undefined && run.finished_at !== null);
  return (
    <>
      <div class="row spread">
        <Heading>{run ? `${run.connection}: ${run.kind}` : 'Run'}</Heading>
        {run && (
          <span role="status">
            <State of={run.outcome ?? 'running'} />
          </span>
        )}
      </div>
      {run ? <Told run={run} samples={samples} events={events} /> : <Loading error={error} what="the run" />}
    </>
  );
}

interface ToldProps {
  run: RunDetail;
  samples: ReturnType<typeof useSamples>;
  events: RunEvent[];
}

function Told({ run, samples, events }: ToldProps) {
  return (
    <>
      <p>
        <a href={`#/connections/${encodeURIComponent(run.connection)}`}>{run.connection}</a> · began{' '}
        {clockText(run.started_at)}
        {run.finished_at !== null && <> · took {duration(Date.parse(run.finished_at) - Date.parse(run.started_at))}</>}
        {run.worker && <> · on {run.worker}</>}
      </p>
      <Ending run={run} />
      <RunActions run={run} />
      {run.progress && <Numbers run={run} />}
      <Outcome run={run} />
      {run.progress && <Streams run={run} />}
      {samples && (
        <>
          <h2>Over time</h2>
          <Charts samples={samples} />
          <Slowness samples={samples} />
        </>
      )}
      {run.progress && <Limits run={run} />}
      <RunLog events={events} />
    </>
  );
}

/** Of a run that did not end by itself: what became of it, and why. */
function Ending({ run: { outcome, reason, worker } }: { run: RunDetail }) {
  const said = reason && `${reason.message}${reason.next === undefined ? '' : `; next: ${reason.next}`}`;
  switch (outcome) {
    case 'cancelled':
      return <p>It was cancelled. What it committed stays; the next run goes on there.</p>;
    case 'dead':
      return (
        <p class="failure">
          It is dead: its task has given up. {said ?? 'Look at its log.'} (<a href="#/problems">retry it</a>)
        </p>
      );
    case 'killed':
      return (
        <p class="failure">
          Its worker{worker === null ? '' : ` ${worker}`} ended without a word. Everything it committed stays; the next
          run goes on there.
        </p>
      );
    default:
      return said === null ? null : <p class="failure">{said}</p>;
  }
}

function RunActions({ run }: { run: RunDetail }) {
  const isRunning = run.finished_at === null && run.task !== null;
  return (
    <p class="row">
      {isRunning && may('operate') && (
        <>
          <Action work={() => client.pauseTask(run.task!)}>Pause</Action>
          <Action
            work={() => client.cancelTask(run.task!)}
            confirm={`Cancel this run? The ${count(run.rows)} rows that it committed stay; the next run goes on there.`}
          >
            Cancel
          </Action>
        </>
      )}
      <a class="button" href={`/api/v1/runs/${encodeURIComponent(run.id)}/report`} download={`headrace-${run.id}.html`}>
        Report
      </a>
    </p>
  );
}

function Numbers({ run: { progress, finished_at: finished } }: { run: RunDetail }) {
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
          <b>{count(speed)}</b> rows/s
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

interface Proof {
  stream: string;
  faults: string[];
  evidence?: string;
  doubt?: string;
  rows: number;
  stored: number;
}

const proofsOf = (summary: RunDetail['summary']) => (summary?.['proofs'] ?? []) as Proof[];

interface Problem {
  stream: string;
  status: string;
  message: string;
  next?: string;
}

function Outcome({ run: { outcome, summary } }: { run: RunDetail }) {
  if (outcome === null || summary === null) return null;
  const problems = (summary['problems'] ?? []) as Problem[];
  const proofs = proofsOf(summary);
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

type StreamState = NonNullable<RunDetail['progress']>['streams'][number];

function Streams({ run: { progress, finished_at: finished, summary } }: { run: RunDetail }) {
  const isOver = finished !== null;
  const proofs = new Map(proofsOf(summary).map((proof) => [proof.stream, proof]));
  return (
    <>
      <h2>Streams</h2>
      <Table
        caption="Streams"
        head={['Stream', 'State', 'Stored of its span', 'Rows', 'Pages', isOver ? 'Evidence' : 'Held by']}
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
            `${count(stream.pages)}${!isOver && stream.expected_pages > 0 ? ` of about ${count(stream.pages + stream.expected_pages)}` : ''}${stream.error ? ` · ${stream.error}` : ''}`,
            isOver ? evidenceText(proofs.get(stream.name)) : heldBy(stream, progress!.waits),
          ],
        }))}
      />
    </>
  );
}

/** Why it is believed to be read to its end. */
function evidenceText(proof: Proof | undefined): string {
  if (!proof || proof.faults.length > 0) return '';
  return `${proof.evidence ?? ''}${proof.doubt === undefined ? '' : ', weak'}`;
}

/** What a stream waits for, or what holds it to its pace. */
function heldBy({ status, limit }: StreamState, waits: NonNullable<RunDetail['progress']>['waits']): string {
  if (status === 'waiting') return 'its turn';
  if (status !== 'reading') return '';
  const [wait] = waits;
  if (wait) return `${wait.reason}${wait.limit ? ` (${wait.limit})` : ''}`;
  if (!limit) return 'the answers';
  return limit.per_second === null || limit.per_second === undefined
    ? `${limit.name}, which is still being sought`
    : `${limit.name}: ${limit.used_per_second.toFixed(1)} of ${Number(limit.per_second.toPrecision(4))}/s`;
}

/** A limit that is used less than this matters to nobody. */
const MATTERS_PERCENT = 30;

function Limits({ run: { progress } }: { run: RunDetail }) {
  const binding = new Set(progress!.streams.map(({ limit }) => limit?.name));
  const use = (limit: (typeof all)[number]) => limit.percent ?? 0;
  const all = progress!.limits.toSorted((a, b) => use(b) - use(a) || b.used_per_second - a.used_per_second);
  const matters = all.filter(
    (limit) => use(limit) >= MATTERS_PERCENT || (limit.rejections ?? 0) > 0 || binding.has(limit.name),
  );
  const rest = all.filter((limit) => !matters.includes(limit));
  return (
    <>
      <h2>Limits</h2>
      <LimitTable
        caption="Limits"
        limits={matters}
        empty={rest.length > 0 ? 'None is near.' : 'No limit is known yet.'}
      />
      {rest.length > 0 && (
        <details>
          <summary>
            {count(rest.length)} more, used less than {MATTERS_PERCENT}%
          </summary>
          <LimitTable caption="Other limits" limits={rest} empty="" />
        </details>
      )}
    </>
  );
}

function LimitTable({
  caption,
  limits,
  empty,
}: {
  caption: string;
  limits: NonNullable<RunDetail['progress']>['limits'];
  empty: string;
}) {
  return (
    <Table
      caption={caption}
      head={['Limit', 'Used', 'Rejected', 'How it is known']}
      empty={empty}
      rows={limits.map((limit) => ({
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
          count(limit.rejections ?? 0),
          KNOWN_BY[limit.known_by] ?? limit.known_by,
        ],
      }))}
    />
  );
}
