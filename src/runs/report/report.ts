/**
 * The report of a run: one HTML file that needs nothing else. Its spans, its curves, its proof with the evidence, what
 * was slow and why, what went wrong.
 */
import { LIMITS } from '../../base/bounds.js';
import { duration } from '../../base/duration.js';
import { redact } from '../../base/log.js';
import { count } from '../../base/plural.js';
import type { StreamProof } from '../../engine/report/events.js';
import { eventText, isTrouble } from '../event-text.js';
import type { RunDetail, RunStore, StoredEvent } from '../run-store.js';
import { seriesOf, slownessOf, type Series } from '../samples.js';
import { html, htmlChart, htmlSpan, htmlTable, type Html } from './html.js';

/** Lines of its log; what went wrong comes first. */
const LOG_LINES = 500;
/** Limits that have a chart. */
const CHARTS = 4;

/** Undefined: there is no such run. */
export async function runReport(runs: RunStore, id: string, version: string): Promise<string | undefined> {
  const run = await runs.find(id);
  if (!run) return undefined;
  const events = await runs.events(id, 0, LIMITS.runEventsKept);
  return redact(reportPage(run, events, seriesOf(await runs.samples(id)), version));
}

const perSecond = (value: number): string => `${value >= 100 ? count(value) : Number(value.toFixed(1))}/s`;
const megabytes = (value: number): string => `${Number((value / 1e6).toFixed(1))} MB`;

export function reportPage(run: RunDetail, events: StoredEvent[], series: Series, version: string): string {
  const { text } = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>${run.connection}: ${run.kind}, ${run.outcome ?? 'running'} · Headrace</title>
        <style>
          ${STYLE}
        </style>
      </head>
      <body>
        <main>
          <h1>${run.connection}: ${run.kind}</h1>
          ${factsOf(run)} ${endingOf(run)} ${proofOf(run)} ${troublesOf(run)} ${spansOf(run)} ${chartsOf(series)}
          ${slownessText(series)} ${limitsOf(run)} ${logOf(events)}
          <footer>Run ${run.id} · made by Headrace ${version}</footer>
        </main>
      </body>
    </html>`;
  return text;
}

function factsOf(run: RunDetail): Html {
  const tookMs = Date.parse(run.finishedAt ?? run.updatedAt) - Date.parse(run.startedAt);
  const facts: [string, string][] = [
    ['Outcome', run.outcome ?? 'running'],
    ['Began', run.startedAt],
    ['Took', duration(tookMs)],
    ['Rows', count(run.rows)],
    ['Requests', `${count(run.requests)}, ${count(run.rejections)} rejected`],
    ['Rows a second', tookMs > 0 ? count((1000 * run.rows) / tookMs) : ''],
    ['Worker', run.worker ?? ''],
  ];
  return html`<dl>
    ${facts.map(
      ([name, value]) =>
        html`<div>
          <dt>${name}</dt>
          <dd>${value}</dd>
        </div>`,
    )}
  </dl>`;
}

function endingOf({ outcome, reason }: RunDetail): Html {
  const said = reason ? `${reason.message}${reason.next === undefined ? '' : `; next: ${reason.next}`}` : undefined;
  switch (outcome) {
    case 'cancelled':
      return html`<p>It was cancelled. What it committed stays.</p>`;
    case 'killed':
      return html`<p class="bad">Its worker ended without a word. Everything it committed stays.</p>`;
    case 'dead':
      return html`<p class="bad">It is dead: its task has given up. ${said}</p>`;
    case null:
      return html`<p>It goes on: this is how it stood when the report was made.</p>`;
    default:
      return said === undefined ? html`` : html`<p class="bad">${said}</p>`;
  }
}

function proofOf({ summary }: RunDetail): Html {
  const proofs: StreamProof[] = summary?.proofs ?? [];
  if (proofs.length === 0) return html``;
  const verdict = ({ faults, doubt }: StreamProof) =>
    faults.length > 0
      ? html`<b class="bad">${faults.join('; ')}</b>`
      : doubt === undefined
        ? 'proven'
        : `unproven: ${doubt}`;
  return html`<h2>Proof</h2>
    <p>
      A stream is proven where its ranges leave no gap and do not overlap, every row that was read is accounted for, the
      table was counted, and the evidence that each range was read to its end is strong.
    </p>
    ${htmlTable(
      ['Stream', 'Pages', 'Rows read', 'Stored', 'Ranges', 'Gaps', 'Overlaps', 'Quarantined', 'Evidence', 'Verdict'],
      proofs.map((proof) => [
        proof.stream,
        count(proof.pages),
        count(proof.counts.read),
        count(proof.stored),
        count(proof.ranges),
        count(proof.gaps),
        count(proof.overlaps),
        count(proof.quarantined),
        proof.evidence,
        verdict(proof),
      ]),
    )}`;
}

function troublesOf({ summary }: RunDetail): Html {
  const { problems = [], notes = [] } = summary ?? {};
  if (problems.length + notes.length === 0) return html``;
  return html`<h2>What went wrong, and what to know</h2>
    ${htmlTable(
      ['Stream', 'State', 'What', 'Next'],
      problems.map(({ stream, status, message, next }) => [stream, status, message, next ?? '']),
    )}
    ${
      notes.length > 0 &&
      html`<ul>
        ${notes.map((note) => html`<li>${note}</li>`)}
      </ul>`
    }`;
}

function spansOf({ progress }: RunDetail): Html {
  if (!progress) return html``;
  return html`<h2>Streams</h2>
    ${htmlTable(
      ['Stream', 'State', 'Stored of its span', 'Rows', 'Pages'],
      progress.streams.map((stream) => [
        stream.name,
        stream.status,
        stream.done.length > 0 ? htmlSpan(stream.done, `${stream.name}: part of its span that is stored`) : '',
        count(stream.rows),
        count(stream.pages),
      ]),
    )}`;
}

function chartsOf(series: Series): Html {
  const { elapsedMs: x } = series;
  if (x.length < 2) return html``;
  const end = duration(x.at(-1)!);
  const chart = (title: string, curves: Parameters<typeof htmlChart>[2], format: (value: number) => string) =>
    htmlChart(title, x, curves, format, end);
  return html`<h2>Over time</h2>
    <div class="charts">
      ${chart('Rows', [{ label: 'committed', values: series.rowsPerSecond }], perSecond)}
      ${chart(
        'Requests',
        [
          { label: 'sent', values: series.requestsPerSecond },
          { label: 'possible', values: series.limitPerSecond, isLimit: true },
        ],
        perSecond,
      )}
      ${series.limits.slice(0, CHARTS).map(({ name, used, perSecond: limit }) =>
        chart(
          `Limit ${name}`,
          [
            { label: 'used', values: used },
            { label: 'limit', values: limit, isLimit: true },
          ],
          perSecond,
        ),
      )}
      ${chart('Rejections', [{ label: 'rejected', values: series.rejections }], count)}
      ${chart('Memory', [{ label: 'fetched, not yet committed', values: series.bufferedBytes }], megabytes)}
    </div>`;
}

function slownessText(series: Series): Html {
  const slow = slownessOf(series);
  if (slow.length === 0) return html``;
  return html`<h2>What its time went into</h2>
    <p>Shares overlap: a limit can be full while the destination is behind.</p>
    <ul>
      ${slow.map(({ what, ms, share }) => html`<li><b>${Math.round(100 * share)}%</b> (${duration(ms)}): ${what}</li>`)}
    </ul>`;
}

function limitsOf({ progress }: RunDetail): Html {
  const limits = (progress?.limits ?? []).toSorted((a, b) => (b.percent ?? 0) - (a.percent ?? 0));
  if (limits.length === 0) return html``;
  return html`<h2>Limits</h2>
    ${htmlTable(
      ['Limit', 'A second', 'Used at the end', 'Rejected', 'Known by'],
      limits.map(({ name, perSecond: limit, usedPerSecond, rejections, knownBy }) => [
        name,
        limit === undefined || limit === null ? 'being sought' : Number(limit.toPrecision(4)),
        usedPerSecond.toFixed(1),
        count(rejections ?? 0),
        knownBy,
      ]),
    )}`;
}

function logOf(events: StoredEvent[]): Html {
  const troubles = events.filter(({ event }) => isTrouble(event));
  const lines = [...troubles, ...events.filter((each) => !troubles.includes(each))].slice(0, LOG_LINES);
  const left = events.length - lines.length;
  return html`<h2>Log</h2>
    <ol>
      ${lines.map(
        ({ at, event }) =>
          html`<li class="${isTrouble(event) ? 'bad' : ''}"><time>${at}</time> ${eventText(event)}</li>`,
      )}
    </ol>
    ${left > 0 && html`<p>${count(left)} more were told.</p>`}`;
}

const STYLE = `:root{color-scheme:light dark;--ink:light-dark(#17212b,#e6edf3);--soft:light-dark(#52606d,#9fb0bf);--page:light-dark(#fff,#0e1419);--line:light-dark(#cfd8df,#2e3b47);--strong:light-dark(#0b6477,#3bc9db);--bad:light-dark(#b02a2a,#ff8787);--warm:light-dark(#8a5a00,#ffd43b)}
body{font:16px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--page);margin:0}main{max-width:72rem;margin:0 auto;padding:1rem}
h1{font-size:1.5rem;overflow-wrap:anywhere}h2{font-size:1.1rem;margin:1.6rem 0 .4rem}dl{display:grid;grid-template-columns:repeat(auto-fill,minmax(11rem,1fr));gap:.6rem}dt{color:var(--soft);font-size:.85rem}dd{margin:0;overflow-wrap:anywhere}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}th{text-align:left;font-size:.85rem;color:var(--soft)}th,td{padding:.35rem .9rem .35rem 0;border-bottom:1px solid var(--line);vertical-align:top}.scroll{overflow-x:auto}
.bad{color:var(--bad)}.charts{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(24rem,100%),1fr));gap:1rem 1.6rem}figure{margin:0}figure svg{width:100%;height:120px;border-bottom:1px solid var(--line)}
path{fill:none;stroke-width:1.5;vector-effect:non-scaling-stroke}.c0{stroke:var(--strong)}.c1{stroke:var(--warm)}.cl{stroke:var(--warm);stroke-dasharray:6 4}.key{margin-left:.8rem;font-size:.9rem}.k0{color:var(--strong)}.k1,.kl{color:var(--warm)}
.ends{display:flex;justify-content:space-between;color:var(--soft);font-size:.8rem}.span{width:12rem;max-width:100%;height:.9rem;border:1px solid var(--soft)}.span rect{fill:var(--strong)}ol{list-style:none;padding:0}time{color:var(--soft);margin-right:.5rem}footer{margin-top:2rem;color:var(--soft);font-size:.875rem}`;
