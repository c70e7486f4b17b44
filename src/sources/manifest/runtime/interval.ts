/**
 * The time filter of a stream: its bounds, its windows, and where a record lies on it. Seconds since the epoch
 * throughout.
 */
import { ConfigError } from '../../../base/errors.js';
import type { DataRecord } from '../../../base/catalog.js';
import { placeOf } from '../document/manifest.js';
import { isObject, type Json, type JsonObject } from '../document/read.js';
import { formatWith, parseDuration, parseWith, parseIsoUtc } from '../templates/date-text.js';
import { DateTextError, PyDate } from '../templates/datetime.js';
import type { Dict } from '../templates/values.js';
import { fields, text, valueAt, type Kit } from './kit.js';
import { injection, type RequestParts } from './options.js';
import { replaced } from './twins.js';
import { clampingOf, precisionOf, stepFrom } from './windows.js';

export interface Interval {
  field: string;
  /** Least difference of two bounds. */
  unitSeconds: number;
  /** Longest window that the manifest asks for at once. */
  stepSeconds: number | undefined;
  lookbackSeconds: number;
  /** The API can be asked for what lies at or after a time, and for what lies before one. */
  hasStart: boolean;
  hasEnd: boolean;
  /** Rows are filtered here, since the API cannot. */
  clientSide: boolean;
  /** Newest first: older rows need not be read. */
  isFeed: boolean;
  start(): number;
  end(): number;
  /** The first window's beginning, and the last one's end, exclusive: what is declared, clamped as it says. */
  begin(): number;
  limit(nowSeconds?: number): number;
  /** Where the window that begins here ends, in a whole that ends there. */
  nextBound(from: number, limit: number): number;
  /** NaN where the record has none. */
  position(record: DataRecord): number;
  /** Fills in a window [from, to); both ends as the API names them. */
  apply(parts: RequestParts, window: Window): void;
  /** What templates see of a window. */
  slice(window: Window): Dict;
  format(seconds: number): string;
  parse(value: string): number;
}

export interface Window {
  from: number;
  to: number;
  /** Nothing comes after it. */
  last: boolean;
}

const ISO_FORMAT = '%Y-%m-%dT%H:%M:%S.%f%z';

/** `isReport`: the API answers for the window, and its rows do not tell where in it they lie. */
export function interval(
  kit: Kit,
  component: JsonObject | undefined,
  requests: JsonObject,
  isReport = false,
): Interval | undefined {
  if (!component) return undefined;
  const own = replaced(kit, component);
  if (own['type'] !== 'DatetimeBasedCursor') return undefined;
  const field = text(kit, own, own['cursor_field'])({});
  const format = text(kit, own, own['datetime_format'])({});
  const formats = [
    ...(Array.isArray(own['cursor_datetime_formats']) ? own['cursor_datetime_formats'].map(String) : []),
    format,
  ];
  const delta = (name: string) => {
    const value = own[name];
    if (typeof value !== 'string' || value === '') return undefined;
    const rendered = text(kit, own, value)({});
    try {
      return parseDuration(rendered);
    } catch (error) {
      if (!(error instanceof DateTextError)) throw error;
      throw new ConfigError(`${name} is no duration`, {
        code: 'bad_duration',
        place: placeOf(kit.manifest, own),
        expected: 'an ISO 8601 duration like P30D',
        found: rendered,
        next: 'check the value in the configuration',
      });
    }
  };
  /** In seconds, a month as 30 days: where a length is needed and no date. */
  const duration = (name: string) => {
    const found = delta(name);
    return found && found.ms / 1000 + found.months * 30 * 86_400;
  };
  const bound = (value: Json | undefined, name: string): number | undefined =>
    value === undefined ? undefined : boundOf(kit, own, value, format, name);
  const startOption = injection(kit, fields(own, 'start_time_option'));
  const endOption = injection(kit, fields(own, 'end_time_option'));
  const startName = String(own['partition_field_start'] ?? 'start_time');
  const endName = String(own['partition_field_end'] ?? 'end_time');
  const used = JSON.stringify(requests);
  const path = field.split(/[./]/);
  const granularity = duration('cursor_granularity');
  const step = delta('step');
  const clamping = clampingOf(fields(own, 'clamping'));
  // Dates that tell times more finely than the granularity would leave a hole before each window.
  const hasHoles = step !== undefined && granularity !== undefined && granularity > precisionOf(format);
  if (hasHoles)
    kit.notes.add(
      `${placeOf(kit.manifest, own)}: cursor_granularity ${String(own['cursor_granularity'])} is coarser than the dates that are sent; windows are asked for without the holes that this leaves`,
    );
  const unitSeconds = Math.max(1, Math.round(hasHoles ? precisionOf(format) : (granularity ?? 1)));
  const write = (seconds: number) => formatWith(PyDate.ofEpoch(Math.floor(seconds * 1000 + 1e-6)), format);
  const read = (value: unknown): number => {
    if (typeof value !== 'string' && typeof value !== 'number') return Number.NaN;
    for (const each of formats) {
      try {
        return Math.floor(parseWith(value, each).epochMs / 1000);
      } catch (error) {
        if (!(error instanceof DateTextError)) throw error;
      }
    }
    const parsed = typeof value === 'string' ? Date.parse(value) : Number.NaN;
    return Math.floor(parsed / 1000);
  };
  // Below a minute the bound itself is asked for: an API that excludes it would lose what lies on it, one that includes
  // it says it twice. A report is another one for another window.
  const isExact = granularity !== undefined && !hasHoles && (granularity >= 60 || isReport);
  const gap = isExact ? granularity : 0;
  const ends = ({ from, to }: Window) => ({
    start: write(clamping ? clamping.floor(from) : from),
    end: write(Math.max(from, to - gap)),
  });
  const start = () => bound(own['start_datetime'], 'start_datetime') ?? 0;
  const end = (now = kit.clock.now() / 1000) => bound(own['end_datetime'], 'end_datetime') ?? now;
  const begin = () => (clamping ? clamping.ceil(start()) : start());
  const limit = (now?: number) => {
    if (clamping) return clamping.floor(end(now));
    const at = Math.floor(end(now));
    return isExact ? Math.floor(at / gap) * gap + gap : at;
  };
  return {
    field,
    unitSeconds,
    stepSeconds: duration('step'),
    lookbackSeconds: duration('lookback_window') ?? 0,
    hasStart: startOption !== undefined || used.includes(startName),
    hasEnd: endOption !== undefined || used.includes(endName),
    clientSide: own['is_client_side_incremental'] === true,
    isFeed: own['is_data_feed'] === true,
    start,
    end,
    begin,
    limit,
    nextBound(from, to) {
      if (!step) return to;
      const next = stepFrom(from, step);
      const clamped = clamping ? clamping.ceil(next) : next;
      // What would be left for a window of its own is part of the last one, as in Airbyte.
      return clamped > from && clamped < to - gap ? clamped : to;
    },
    position: (record) => read(Object.hasOwn(record, field) ? record[field] : valueAt(record, path)),
    apply(parts, window) {
      const { start, end } = ends(window);
      startOption?.(parts, start);
      endOption?.(parts, end);
    },
    slice(window) {
      const { start, end } = ends(window);
      return { [startName]: start, [endName]: end };
    },
    format: write,
    parse: (value) => read(value),
  };
}

function boundOf(kit: Kit, own: JsonObject, value: Json, format: string, name: string): number {
  const component = isObject(value) ? value : own;
  const source = isObject(value) ? value['datetime'] : value;
  const ownFormat =
    isObject(value) && typeof value['datetime_format'] === 'string' && value['datetime_format'] !== ''
      ? text(kit, component, value['datetime_format'])({})
      : format;
  const parse = (template: Json | undefined): number => {
    const rendered = text(kit, component, template)({});
    for (const each of [ownFormat, ISO_FORMAT]) {
      try {
        return parseWith(rendered, each).epochMs / 1000;
      } catch (error) {
        if (!(error instanceof DateTextError)) throw error;
      }
    }
    try {
      return parseIsoUtc(rendered).epochMs / 1000;
    } catch {
      throw new ConfigError(`${name} is no date`, {
        code: 'bad_date',
        place: placeOf(kit.manifest, component),
        expected: `a date as ${ownFormat}`,
        found: rendered.slice(0, 60) || 'nothing',
        next: 'correct the date in the configuration',
      });
    }
  };
  let seconds = parse(source);
  if (isObject(value)) {
    if (value['min_datetime'] !== undefined && value['min_datetime'] !== '')
      seconds = Math.max(seconds, parse(value['min_datetime']));
    if (value['max_datetime'] !== undefined && value['max_datetime'] !== '')
      seconds = Math.min(seconds, parse(value['max_datetime']));
  }
  return seconds;
}
