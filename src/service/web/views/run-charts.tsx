/** How a run went over time, and what its time went into. */
import { useEffect, useState } from 'preact/hooks';
import type { RunSamples } from '../../client/index.js';
import { Chart } from '../chart';
import { client } from '../session';
import { bytesText, count, duration } from '../text';

const POLL_MS = 4_000;
/** Limits that have a chart of their own: the fullest. */
const CHARTS = 3;
/** A limit that was never used more than this, as a share, binds nothing. */
const BINDING = 0.3;

/** Asked for again while the run goes on, and once when it has ended. */
export function useSamples(id: string, isOver: boolean): RunSamples | undefined {
  const [samples, setSamples] = useState<RunSamples>();
  useEffect(() => {
    let isGone = false;
    // What cannot be loaded is not drawn; the rest of the page says why.
    const ask = () =>
      client.getRunSamples(id).then(
        (found) => !isGone && setSamples(found),
        () => {},
      );
    void ask();
    const poll = isOver ? undefined : setInterval(() => document.visibilityState === 'visible' && void ask(), POLL_MS);
    return () => {
      isGone = true;
      clearInterval(poll);
    };
  }, [id, isOver]);
  return samples;
}

const perSecond = (value: number) => `${value >= 100 ? count(value) : Number(value.toFixed(1))}/s`;

export function Charts({ samples }: { samples: RunSamples }) {
  const x = samples.elapsed_ms.map((ms) => ms / 1000);
  if (x.length < 2) return <p class="empty">It was too short for charts.</p>;
  return (
    <div class="charts">
      <Chart title="Rows" x={x} lines={[{ label: 'committed', values: samples.rows_per_second }]} format={perSecond} />
      <Chart
        title="Requests"
        x={x}
        lines={[
          { label: 'sent', values: samples.requests_per_second },
          ...(samples.limit_per_second.some((limit) => limit !== null)
            ? [{ label: 'possible', values: samples.limit_per_second, isLimit: true }]
            : []),
        ]}
        format={perSecond}
      />
      {bindingOf(samples).map(({ name, used, per_second: limit }) => (
        <Chart
          key={name}
          title={`Limit ${name}`}
          x={x}
          lines={[
            { label: 'used', values: used },
            { label: 'limit', values: limit, isLimit: true },
          ]}
          format={perSecond}
        />
      ))}
      <Chart
        title="Rejections"
        x={x}
        lines={[{ label: 'rejected', values: samples.rejections }]}
        format={(value) => count(value)}
      />
      <Chart
        title="Memory"
        x={x}
        lines={[{ label: 'fetched, not yet committed', values: samples.buffered_bytes }]}
        format={bytesText}
      />
    </div>
  );
}

function bindingOf({ limits }: RunSamples): RunSamples['limits'] {
  const most = ({ used, per_second: limit }: RunSamples['limits'][number]) =>
    Math.max(0, ...used.map((value, i) => (limit[i] ? (value ?? 0) / limit[i] : 0)));
  return limits.filter((limit) => most(limit) >= BINDING).slice(0, CHARTS);
}

export function Slowness({ samples: { slowness } }: { samples: RunSamples }) {
  if (slowness.length === 0) return null;
  return (
    <>
      <h2>What its time went into</h2>
      <ul class="plain">
        {slowness.map(({ what, ms, share }) => (
          <li key={what}>
            <b>{Math.round(100 * share)}%</b> ({duration(ms)}): {what}
          </li>
        ))}
      </ul>
    </>
  );
}
