/** The last hour of the limits that a partition shares: rate against the limit, and rejections. */
import { Chart } from '../chart';
import { useLoaded } from '../live';
import { Loading } from '../parts';
import { client } from '../session';
import { count } from '../text';

const SHOWN = 6;

export function LastHour({ partition }: { partition: string }) {
  const { value, error } = useLoaded(() => client.getLastHour(partition), [partition], false);
  if (value === undefined) return <Loading error={error} what="the last hour" />;
  if (value.limits.length === 0) return <p class="empty">No run met a limit in the last hour.</p>;
  const x = value.minutes.map((minute) => Date.parse(minute) / 1000);
  const sum = (values: number[]) => values.reduce((total, each) => total + each, 0);
  return (
    <div class="charts">
      {value.limits.slice(0, SHOWN).flatMap(({ name, used, per_second: limit, rejections }) => [
        <Chart
          key={name}
          title={name}
          x={x}
          clock
          lines={[
            { label: 'used', values: used },
            { label: 'limit', values: limit, isLimit: true },
          ]}
          format={(rate) => `${Number(rate.toFixed(1))}/s`}
        />,
        sum(rejections) === 0 ? (
          <p class="empty" key={`${name} rejected`}>
            {name}: nothing was rejected.
          </p>
        ) : (
          <Chart
            key={`${name} rejected`}
            title={`${name}: ${count(sum(rejections))} rejected`}
            x={x}
            clock
            lines={[{ label: 'a minute', values: rejections }]}
            format={count}
          />
        ),
      ])}
    </div>
  );
}
