/** A connection's streams: rows, last change, evidence, fields; their newest rows; and reading again. */
import { useEffect, useRef, useState } from 'preact/hooks';
import type { Rows, StreamLedger, StreamView } from '../../client/index.js';
import { useLoaded } from '../live';
import { Action, errorText, Field, Loading, State, Table } from '../parts';
import { client, may } from '../session';
import { ago, count } from '../text';
import { FOLLOWS } from './stream-choice';

export function ConnectionStreams({ id, streams }: { id: string; streams: ReturnType<typeof useStreams> }) {
  const { value, error } = streams;
  const [looked, setLooked] = useState<string>();
  const detail = value?.items.find(({ stream }) => stream === looked);
  return (
    <>
      <h2>Streams</h2>
      {value === undefined ? (
        <Loading error={error} what="streams" />
      ) : (
        <Table
          caption={`Streams of ${id}`}
          head={['Stream', 'State', 'Rows', 'Last change', 'Evidence', 'Later runs bring', 'Actions']}
          empty="It has no streams."
          rows={value.items.map((each) => ({
            key: each.stream,
            cells: [
              each.stream,
              <State of={each.is_new ? 'new' : each.complete ? 'complete' : 'partial'} />,
              each.is_new ? '' : count(each.stored ?? each.rows),
              each.changed_at === null ? '' : ago(each.changed_at),
              evidenceText(each),
              FOLLOWS[each.follows] ?? each.follows,
              <button type="button" onClick={() => setLooked(each.stream)}>
                Open<span class="hidden"> {each.stream}</span>
              </button>,
            ],
          }))}
        />
      )}
      {detail && <StreamDetail id={id} stream={detail} key={looked} onClose={() => setLooked(undefined)} />}
    </>
  );
}

export const useStreams = (id: string) => useLoaded(() => client.listStreams(id), [id], { connection: id });

function evidenceText({ evidence, doubt, faults }: StreamView): string {
  if (faults.length > 0) return `not proven: ${faults.join('; ')}`;
  if (evidence === null) return '';
  return doubt === null ? evidence : `${evidence}, unproven: ${doubt}`;
}

/** One of them, closer: its fields, reading it again, its newest rows. */
function StreamDetail({ id, stream, onClose }: { id: string; stream: StreamView; onClose: () => void }) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => heading.current?.focus(), []);
  return (
    <section aria-label={`Stream ${stream.stream}`} class="detail">
      <div class="row spread">
        <h3 tabIndex={-1} ref={heading}>
          {stream.stream}
        </h3>
        <button type="button" onClick={onClose}>
          Close<span class="hidden"> {stream.stream}</span>
        </button>
      </div>
      {stream.fields.length > 0 && (
        <details>
          <summary>
            {count(stream.fields.length)} fields, {stream.key.length > 0 ? `key ${stream.key.join(', ')}` : 'no key'}
          </summary>
          <ul class="checks plain">
            {stream.fields.map(({ name, type }) => (
              <li key={name}>
                {name} <span class="empty">{type}</span>
              </li>
            ))}
          </ul>
        </details>
      )}
      {may('operate') && !stream.is_new && (
        <>
          <Reset id={id} stream={stream} />
          <NewestRows id={id} stream={stream.stream} />
        </>
      )}
    </section>
  );
}

const DAY = /^\d{4}-\d{2}-\d{2}$/;
const seconds = (day: string) => (DAY.test(day) ? Date.parse(`${day}T00:00:00Z`) / 1000 : undefined);

function Reset({ id, stream: { stream, rows, pages } }: { id: string; stream: StreamView }) {
  const [from, setFrom] = useState('');
  const [before, setBefore] = useState('');
  const [ledger, setLedger] = useState<StreamLedger>();
  useEffect(() => {
    client.getLedger(id).then(
      ({ items }) => setLedger(items.find((each) => each.stream === stream)),
      // Without it, the whole stream is what is told.
      () => {},
    );
  }, [id, stream]);
  const part = from || before ? partOf(ledger, seconds(from), seconds(before)) : { rows, pages };
  const what = from || before ? `from ${from || 'the start'} to ${before || 'its end'}` : 'from the start';
  return (
    <span class="row">
      <Field label="from">
        <input type="date" value={from} onInput={(event) => setFrom(event.currentTarget.value)} />
      </Field>
      <Field label="before">
        <input type="date" value={before} onInput={(event) => setBefore(event.currentTarget.value)} />
      </Field>
      <Action
        confirm={`Read ${stream} again ${what} with the next run? It ${readsText(part)}; its rows stay.`}
        work={async () => {
          await client.resetStream(id, { stream, from: seconds(from), before: seconds(before) });
          return 'With the next run.';
        }}
      >
        Reset<span class="hidden"> {stream}</span>
      </Action>
    </span>
  );
}

/** What reading again takes: `reads 12,400 rows again, about 125 requests`. */
export function readsText({ rows, pages }: { rows: number; pages: number }): string {
  return `reads ${count(rows)} rows again, about ${count(pages)} requests`;
}

/** Of ranges that lie within by a part, that part of their rows. */
function partOf(
  ledger: StreamLedger | undefined,
  from = -Infinity,
  before = Infinity,
): { rows: number; pages: number } {
  let [rows, pages] = [0, 0];
  for (const { gte, lt, rows: own, pages: asked } of ledger?.ranges ?? []) {
    const share = Math.max(0, Math.min(lt, before) - Math.max(gte, from)) / Math.max(1, lt - gte);
    rows += own * share;
    pages += asked * share;
  }
  return { rows: Math.round(rows), pages: Math.ceil(pages) };
}

const MASKS = 'headrace masks';

/** Which fields somebody chose to mask, by stream; kept in this browser. */
function masksOf(key: string): string[] | undefined {
  try {
    return (JSON.parse(localStorage.getItem(MASKS) ?? '{}') as Record<string, string[]>)[key];
  } catch {
    return undefined;
  }
}

function keepMasks(key: string, masks: string[]): void {
  const all = JSON.parse(localStorage.getItem(MASKS) ?? '{}') as Record<string, string[]>;
  localStorage.setItem(MASKS, JSON.stringify({ ...all, [key]: masks }));
}

function NewestRows({ id, stream }: { id: string; stream: string }) {
  const key = `${id}/${stream}`;
  const [masks, setMasks] = useState(() => masksOf(key));
  const [shown, setShown] = useState<Rows>();
  const [error, setError] = useState<string>();
  useEffect(() => {
    client.listNewestRows(id, stream, masks === undefined ? {} : { mask: masks.join(',') }).then(
      (rows) => (setShown(rows), setError(undefined)),
      (fault: unknown) => setError(errorText(fault)),
    );
  }, [id, stream, masks]);
  // What was just chosen counts at once, before its rows are here.
  const masked = masks ?? shown?.masked ?? [];
  const mask = (field: string, isMasked: boolean) => {
    const next = isMasked ? [...masked, field] : masked.filter((each) => each !== field);
    keepMasks(key, next);
    setMasks(next);
  };
  return (
    <>
      <h4>Newest rows</h4>
      {shown === undefined || error !== undefined ? (
        <Loading error={error} what="rows" />
      ) : shown.rows.length === 0 ? (
        <p class="empty">There are no rows.</p>
      ) : (
        <>
          <details>
            <summary>
              Fields: {count(masked.length)} of {count(shown.fields.length)} masked
            </summary>
            <div class="checks">
              {shown.fields.map((field) => (
                <label class="check" key={field}>
                  <input
                    type="checkbox"
                    checked={!masked.includes(field)}
                    onChange={(event) => mask(field, !event.currentTarget.checked)}
                  />
                  show {field}
                </label>
              ))}
            </div>
          </details>
          <div class="scroll" tabIndex={0} role="group" aria-label={`Table of the newest rows of ${stream}`}>
            <RowsTable rows={shown} />
          </div>
        </>
      )}
    </>
  );
}

function RowsTable({ rows: { fields, rows } }: { rows: Rows }) {
  return (
    <table class="raw">
      <thead>
        <tr>
          {fields.map((field) => (
            <th scope="col" key={field}>
              {field}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {rows.map((row, i) => (
          <tr key={i}>
            {row.map((cell, at) => (
              <td key={fields[at]}>{cell ?? ''}</td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}
