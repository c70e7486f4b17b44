/**
 * The time filter of a stream: its bounds, its windows, and where a record lies on it. Seconds since the epoch
 * throughout.
 */
import type { DataRecord } from '../../../base/catalog.js';
import { placeOf } from '../document/manifest.js';
import type { JsonObject } from '../document/read.js';
import type { Dict } from '../templates/values.js';
import { fields, text, valueAt, type Kit } from './kit.js';
import { boundOf, lengthOf, readerOf, secondsOf, writerOf } from './interval-text.js';
import { injection, type RequestParts } from './options.js';
import { replaced } from './twins.js';
import { clampingOf, precisionOf, stepFrom, type Clamping } from './windows.js';

export interface Interval {
  field: string;
  /** Least difference of two bounds. */
  unitSeconds: number;
  /** Longest window that the manifest asks for at once. */
  stepSeconds: number | undefined;
  lookbackSeconds: number;
  /** One cursor counts for all partitions. */
  isGlobal: boolean;
  /** Where a partition goes on that a state knows, whatever holds for the others. */
  known?: ((fields: Record<string, unknown>) => number | undefined) | undefined;
  /** Told of each page of a partition: its newest row's time, and whether it was the last. */
  noted?: ((fields: Record<string, unknown>, newest: number | undefined, isLast: boolean) => void) | undefined;
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
  /** Where a window is cut in two that its API refuses; undefined where it is as short as may be. */
  middleOf?: ((window: Window) => number | undefined) | undefined;
  /** Where a window is cut in two; undefined where it is as short as may be, or its rows are no sum of both. */
  halfOf?: ((window: Window) => number | undefined) | undefined;
  format(seconds: number): string;
  parse(value: string): number;
}

export interface Window {
  from: number;
  to: number;
  /** Nothing comes after it. */
  last: boolean;
}

const DAY_SECONDS = 86_400;

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
  const startOption = injection(kit, fields(own, 'start_time_option'));
  const endOption = injection(kit, fields(own, 'end_time_option'));
  // The length of a window in days, which an API asks for in place of its start.
  const lengthOption = injection(kit, fields(own, 'length_option'));
  const startName = String(own['partition_field_start'] ?? 'start_time');
  const endName = String(own['partition_field_end'] ?? 'end_time');
  const used = JSON.stringify(requests);
  const path = field.split(/[./]/);
  const write = writerOf(format);
  const read = readerOf([
    ...(Array.isArray(own['cursor_datetime_formats']) ? own['cursor_datetime_formats'].map(String) : []),
    format,
  ]);
  const step = lengthOf(kit, own, 'step');
  const lookback = lengthOf(kit, own, 'lookback_window');
  const clamping = clampingOf(fields(own, 'clamping'));
  const { unitSeconds, gap } = unitOf(kit, own, format, isReport);
  const ends = ({ from, to }: Window) => ({
    start: write(clamping ? clamping.floor(from) : from),
    end: write(Math.max(from, to - gap)),
  });
  return {
    field,
    unitSeconds,
    stepSeconds: step && secondsOf(step),
    lookbackSeconds: lookback ? secondsOf(lookback) : 0,
    hasStart: startOption !== undefined || lengthOption !== undefined || used.includes(startName),
    hasEnd: endOption !== undefined || used.includes(endName),
    clientSide: own['is_client_side_incremental'] === true,
    isFeed: own['is_data_feed'] === true,
    isGlobal: own['global_substream_cursor'] === true,
    ...wholeOf(kit, own, format, clamping, gap),
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
      lengthOption?.(parts, Math.max(1, Math.ceil((window.to - window.from) / DAY_SECONDS)));
    },
    slice(window) {
      const { start, end } = ends(window);
      return { [startName]: start, [endName]: end };
    },
    middleOf: middleOf(kit, own, fields(requests, 'splitting'), unitSeconds, gap),
    halfOf: isReport ? undefined : (window) => halfOf(window, unitSeconds, gap),
    format: write,
    parse: (value) => read(value),
  };
}

/** The least difference of two bounds, and what lies between the end of one window and the beginning of the next. */
function unitOf(kit: Kit, own: JsonObject, format: string, isReport: boolean): { unitSeconds: number; gap: number } {
  const length = lengthOf(kit, own, 'cursor_granularity');
  const granularity = length && secondsOf(length);
  // Dates that tell times more finely than the granularity would leave a hole before each window.
  const hasHoles =
    lengthOf(kit, own, 'step') !== undefined && granularity !== undefined && granularity > precisionOf(format);
  if (hasHoles)
    kit.notes.add(
      `${placeOf(kit.manifest, own)}: cursor_granularity ${String(own['cursor_granularity'])} is coarser than the dates that are sent; windows are asked for without the holes that this leaves`,
    );
  const unitSeconds = Math.max(1, Math.round(hasHoles ? precisionOf(format) : (granularity ?? 1)));
  // Below a minute the bound itself is asked for: an API that excludes it would lose what lies on it, one that includes
  // it says it twice. A report is another one for another window.
  const isExact = granularity !== undefined && !hasHoles && (granularity >= 60 || isReport);
  return { unitSeconds, gap: isExact ? granularity : 0 };
}

/** Halves of whole granularities, as Airbyte cuts them. */
function middleOf(
  kit: Kit,
  own: JsonObject,
  splitting: JsonObject | undefined,
  unitSeconds: number,
  gap: number,
): Interval['middleOf'] {
  if (!splitting || lengthOf(kit, own, 'cursor_granularity') === undefined) return undefined;
  const least = lengthOf(kit, splitting, 'min_split_window');
  const leastSeconds = least ? secondsOf(least) : 0;
  return (window) => (window.to - gap - window.from <= leastSeconds ? undefined : halfOf(window, unitSeconds, gap));
}

function halfOf({ from, to }: Window, unitSeconds: number, gap: number): number | undefined {
  const units = Math.floor((to - gap - from) / unitSeconds) + 1;
  const middle = from + Math.floor(units / 2) * unitSeconds;
  // Where the end of one window is the start of the next, two moments are as short as may be.
  return units > 1 && middle < to ? middle : undefined;
}

/** What is declared, and what of it the windows cover. */
function wholeOf(
  kit: Kit,
  own: JsonObject,
  format: string,
  clamping: Clamping | undefined,
  gap: number,
): Pick<Interval, 'start' | 'end' | 'begin' | 'limit'> {
  const bound = (name: string) => (own[name] === undefined ? undefined : boundOf(kit, own, own[name], format, name));
  const start = () => bound('start_datetime') ?? 0;
  const end = (now = kit.clock.now() / 1000) => bound('end_datetime') ?? now;
  const begin = () => (clamping ? clamping.ceil(start()) : start());
  const limit = (now?: number) => {
    if (clamping) return clamping.floor(end(now));
    const at = Math.floor(end(now));
    return gap > 0 ? Math.floor(at / gap) * gap + gap : at;
  };
  return { start, end, begin, limit };
}
