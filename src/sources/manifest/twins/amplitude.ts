/** Twins of the classes that Amplitude's manifest names: its dashboards answer with columns, not with rows. */
import { isObject } from '../document/read.js';
import type { Twins } from '../runtime/twin.js';

/** `{data: {xValues: [dates], series: [[a value for each date], …], seriesMeta: [labels]}}` */
interface Columns {
  dates: string[];
  series: unknown[][];
  labels: string[];
}

function columnsOf(body: unknown): Columns {
  const data = isObject(body) && isObject(body['data']) ? body['data'] : {};
  const lists = (name: string): unknown[] => (Array.isArray(data[name]) ? data[name] : []);
  return {
    dates: lists('xValues').map(String),
    series: lists('series').filter((each) => Array.isArray(each)),
    // A label is a text, or an object that numbers its segment.
    labels: lists('seriesMeta').map((label) => (isObject(label) ? String(label['segmentIndex'] ?? '') : String(label))),
  };
}

export const amplitude: Twins = {
  /** A row for each day: the counts by the label of their series. */
  ActiveUsersRecordExtractor: {
    extract: (body) => {
      const { dates, series, labels } = columnsOf(body);
      return dates.map((date, day) => ({
        date,
        statistics: Object.fromEntries(series.map((values, i) => [labels[i] ?? String(i), values[day] ?? 0])),
      }));
    },
  },
  /** A row for each day: the seconds of the first series. */
  AverageSessionLengthRecordExtractor: {
    extract: (body) => {
      const { dates, series } = columnsOf(body);
      return series.length === 0 ? [] : dates.map((date, day) => ({ date, length: series[0]![day] ?? 0 }));
    },
  },
  /** `2024-01-31 10:20:30.123456`, which is UTC, as RFC 3339. */
  'source-amplitude/TransformDatetimesToRFC3339': {
    transform: (record) =>
      Object.fromEntries(
        Object.entries(record).map(([name, value]) => [name, typeof value === 'string' ? withZone(value) : value]),
      ),
  },
};

function withZone(text: string): string {
  const [, day, time] = /^(\d{4}-\d{2}-\d{2})[ T](\d{2}:\d{2}:\d{2}(?:\.\d+)?)$/.exec(text) ?? [];
  return day === undefined ? text : `${day}T${time}+00:00`;
}
