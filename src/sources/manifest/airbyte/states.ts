/**
 * State in Airbyte's formats, in and out: a plain cursor, cursors per partition with their parents', a global cursor;
 * the ledger lies beside it under a key of its own, so that Headrace goes on exactly and Airbyte goes on from the
 * cursor.
 */
import { systemClock } from '../../../base/clock.js';
import { ConfigError } from '../../../base/errors.js';
import type { AirbyteStreamState, ConfiguredCatalog } from './messages.js';
import { newer, newestOf } from '../../../ledger/ledger.js';
import type { DataRecord } from '../../../base/catalog.js';
import type { Source, Stream } from '../../contract.js';
import {
  decodeStream,
  encodeRange,
  META_KEY,
  rangeKey,
  type StoredEntry,
  type StreamMeta,
} from '../../../ledger/checkpoint.js';
import { isObject, type JsonObject } from '../document/read.js';
import type { Interval } from '../runtime/interval.js';
import { partitionCursors } from './partition-cursors.js';
import { PartitionStates } from './partition-states.js';

const OWN = '__headrace';
const NO_CURSOR = { __ab_no_cursor_state_message: true };
/** More entries than this are not worth a state of this size: the cursor alone is given. */
const MOST_ENTRIES = 5_000;

export interface Entry extends StoredEntry {
  stream: string;
}

export interface CodecInput {
  source: Source;
  catalog: ConfiguredCatalog;
  states: AirbyteStreamState[];
  /** The time filter of a stream, by its name in the source. */
  intervalOf: (stream: string) => Interval | undefined;
  /** Lays a history on the stream's axis. */
  spanOf: (stream: Stream, history: { gte: number; lt: number }) => { gte: number; lt: number };
  /** A class of the manifest's own that reads older states; undefined where none applies. */
  migrate: (stream: string, state: JsonObject) => JsonObject | undefined;
}

export class AirbyteStates {
  private readonly streams: Map<string, Stream>;
  private readonly modes: Map<string, 'full_refresh' | 'incremental'>;
  private readonly given = new Map<string, JsonObject>();
  /** Rows before this are known, where the API cannot leave them out. */
  private readonly from = new Map<string, number>();
  /** The newest rows of streams whose ledgers know none: their requests name no time. */
  private readonly newest = new Map<string, number>();
  private readonly partitions = new Map<string, PartitionStates>();
  private readonly begunMs = systemClock.monotonic();

  constructor(private readonly input: CodecInput) {
    this.streams = new Map(input.source.streams.map((stream) => [stream.name, stream]));
    this.modes = new Map(input.catalog.streams.map(({ stream, sync_mode }) => [stream.name, sync_mode]));
    for (const [name, { division }] of this.streams) {
      const interval = input.intervalOf(name);
      if (division.kind === 'slices' && interval && !interval.isGlobal && this.modes.get(name) === 'incremental')
        this.partitions.set(name, new PartitionStates(interval));
    }
    for (const { stream_descriptor, stream_state } of input.states) {
      if (isObject(stream_state) && this.streams.has(stream_descriptor.name))
        this.given.set(
          stream_descriptor.name,
          input.migrate(stream_descriptor.name, stream_state as JsonObject) ?? (stream_state as JsonObject),
        );
    }
  }

  entries(): Entry[] {
    const out = new Map<string, Entry[]>();
    for (const [name, state] of this.given) {
      for (const [stream, entries] of this.decode(name, state))
        if (!out.has(stream) || stream === name) out.set(stream, entries);
    }
    return [...out.values()].flat();
  }

  encode(name: string, entries: Entry[], all: (stream: string) => Entry[]): Record<string, unknown> | undefined {
    const stream = this.streams.get(name);
    const mode = this.modes.get(name);
    if (!stream || mode === undefined) return undefined;
    const state = decodeStream(entries);
    if (!state) return undefined;
    const parents = this.ancestors(stream);
    const ledger: Record<string, unknown> = { [name]: packed(entries) };
    for (const parent of parents)
      if (this.modes.get(parent.name) === undefined) ledger[parent.name] = packed(all(parent.name));
    const size = Object.values(ledger).reduce<number>((sum, list) => sum + (list as unknown[]).length, 0);
    const own = size <= MOST_ENTRIES ? { [OWN]: { version: 1, streams: ledger } } : {};
    const interval = this.input.intervalOf(name);
    if (mode === 'full_refresh' || !interval) return state.meta.complete ? { ...NO_CURSOR, ...own } : own;
    const cursor = this.cursorOf(stream, entries);
    const value = cursor === undefined ? undefined : interval.format(cursor);
    if (stream.division.kind !== 'slices')
      return { ...(value === undefined ? {} : { [interval.field]: value }), ...own };
    const parts = this.partitions.get(name)?.states(state.meta.complete);
    const parentState: Record<string, unknown> = {};
    for (const parent of parents.slice(0, 1)) {
      const parentInterval = this.input.intervalOf(parent.name);
      const at = this.cursorOf(parent, all(parent.name));
      if (parentInterval && at !== undefined)
        parentState[parent.name.replace(/^_/, '')] = { [parentInterval.field]: parentInterval.format(at) };
    }
    // Without a row there is no cursor for all: new partitions begin at the start.
    const isKnown = value !== undefined && (!parts || parts.hasRows);
    return {
      use_global_cursor: !parts,
      ...(isKnown ? { state: { [interval.field]: value } } : {}),
      states: parts?.states ?? [],
      parent_state: parentState,
      // Partitions that are new begin that much earlier: rows may have come while others were read.
      lookback_window: Math.ceil(interval.lookbackSeconds + this.tookSeconds()),
      ...own,
    };
  }

  tellingOf(name: string): string[] {
    const stream = this.streams.get(name);
    if (!stream) return [];
    // A child's state holds that of its parents.
    const children = [...this.streams.values()]
      .filter((candidate) => this.ancestors(candidate).includes(stream))
      .map((child) => child.name);
    return [name, ...children.filter((child) => this.modes.has(child) && !this.modes.has(name))].filter((each) =>
      this.modes.has(each),
    );
  }

  wants(name: string, record: DataRecord): boolean {
    const interval = this.input.intervalOf(name);
    const from = this.from.get(name);
    const isRange = this.streams.get(name)?.division.kind === 'range';
    if (!interval || (isRange && from === undefined)) return true;
    const position = interval.position(record);
    const newest = newer(this.newest.get(name), Number.isFinite(position) ? position : undefined);
    if (newest !== undefined && !isRange) this.newest.set(name, newest);
    return from === undefined || !(position < from);
  }

  private tookSeconds(): number {
    return (systemClock.monotonic() - this.begunMs) / 1000;
  }

  /** Up to where everything is committed, seconds; undefined where that is nothing yet. */
  private cursorOf(stream: Stream, entries: Entry[]): number | undefined {
    const state = decodeStream(entries);
    if (!state) return undefined;
    const { division } = stream;
    const { readTo } = state.meta;
    const newest = newer(state.meta.newest, this.newest.get(stream.name)) ?? Infinity;
    if (division.kind !== 'range')
      return state.meta.complete && readTo !== undefined ? Math.min(readTo, newest) : state.meta.since;
    const isAscending = division.order === 'ascending' && !state.meta.chain;
    const open = [...state.ledger.ranges.values()].filter((range) => range.open);
    if (open.length === 0) {
      const end = isAscending ? -state.meta.span.gte + division.unit : state.meta.span.lt;
      // Airbyte goes on from the newest record, and so finds what is listed late; from the start, where none came.
      const rows = [...state.ledger.ranges.values()].reduce((sum, range) => sum + range.rows, 0);
      const otherwise = rows === 0 ? this.input.intervalOf(stream.name)?.start() : undefined;
      return Math.min(end, newer(state.meta.newest, newestOf(state.ledger)) ?? otherwise ?? end);
    }
    // Read from the newest down: nothing above the lowest open part counts for somebody who only knows a cursor.
    const from = isAscending
      ? Math.min(...open.map((range) => -range.top))
      : Math.min(...open.map((range) => range.gte));
    const start = division.start ?? -Infinity;
    return from > start ? from : undefined;
  }

  private decode(name: string, state: JsonObject): Map<string, Entry[]> {
    const out = new Map<string, Entry[]>();
    const own = state[OWN];
    const isFull = this.modes.get(name) === 'full_refresh';
    if (isObject(own) && isObject(own['streams'])) {
      for (const [stream, list] of Object.entries(own['streams'])) {
        const entries = unpacked(stream, list);
        // A full refresh that came to its end begins anew.
        if (isFull && (entries.find(({ key }) => key === META_KEY)?.value as StreamMeta | undefined)?.complete)
          continue;
        out.set(stream, entries);
      }
    }
    const interval = this.input.intervalOf(name);
    const cursor = interval && globalCursor(state, interval);
    const { kind } = this.streams.get(name)!.division;
    const known =
      interval && kind === 'slices'
        ? partitionCursors(state, interval.field, (value) => read(value, interval))
        : undefined;
    if (interval && cursor !== undefined && !isFull && (interval.clientSide || interval.isFeed))
      this.from.set(name, cursor - interval.lookbackSeconds);
    if (isFull || !interval) return out;
    if (kind === 'slices') this.partitions.get(name)?.goOn(state, known, cursor);
    // Pages are asked for in any case: where they end is known.
    else if (kind === 'chain' && cursor !== undefined) interval.known = () => cursor;
    if (out.size > 0) return out;
    if (cursor === undefined) {
      if (
        Object.keys(state).length === 0 ||
        state['__ab_no_cursor_state_message'] === true ||
        isObject(state['parent_state']) ||
        Array.isArray(state['states']) ||
        known !== undefined
      ) {
        this.parents(name, state, out);
        return out;
      }
      throw new ConfigError(`the state of stream ${name} cannot be read`, {
        code: 'bad_state',
        place: `state of ${name}`,
        expected: `{"${interval.field}": …}, or cursors by partition`,
        found: JSON.stringify(state).slice(0, 120),
        next: 'reset the stream, or give the state that the last sync brought',
      });
    }
    out.set(name, this.finished(this.streams.get(name)!, interval, cursor));
    this.parents(name, state, out);
    return out;
  }

  /** Cursors of parents, which older states have beside the stream's own. */
  private parents(name: string, state: JsonObject, out: Map<string, Entry[]>): void {
    const parents = isObject(state['parent_state']) ? state['parent_state'] : state;
    for (const parent of this.ancestors(this.streams.get(name)!)) {
      const parentInterval = this.input.intervalOf(parent.name);
      const found = parents[parent.name.replace(/^_/, '')];
      const at = parentInterval && isObject(found) ? globalCursor(found, parentInterval) : undefined;
      if (parentInterval && at !== undefined && !this.given.has(parent.name))
        out.set(parent.name, this.finished(parent, parentInterval, at));
    }
  }

  /** A ledger in which everything up to the cursor is read, whose own rows may be asked for again. */
  private finished(stream: Stream, interval: Interval, cursor: number): Entry[] {
    const entry = (key: string, value: unknown): Entry => ({ stream: stream.name, key, version: 1, value });
    const at = Math.floor(cursor);
    const newest = { newest: at };
    const start = Math.min(Math.floor(interval.start()), at - 1);
    if (stream.division.kind !== 'range')
      return [
        entry(META_KEY, {
          generation: 1,
          mode: 'load',
          span: { gte: 0, lt: 1 },
          complete: true,
          readTo: at + 1,
          ...newest,
        } satisfies StreamMeta),
      ];
    const span = this.input.spanOf(stream, { gte: start, lt: at + stream.division.unit });
    const range = {
      id: 1,
      ...span,
      open: false,
      top: span.gte,
      cursor: null,
      filter: { gte: null, lt: span.lt },
      rows: 0,
      pages: 0,
    };
    return [
      entry(META_KEY, { generation: 1, mode: 'load', span, complete: true, ...newest } satisfies StreamMeta),
      entry(rangeKey(1), encodeRange(range)),
    ];
  }

  private ancestors(stream: Stream): Stream[] {
    const { division } = stream;
    const parent =
      division.kind === 'slices' && 'parent' in division.of ? this.streams.get(division.of.parent) : undefined;
    return parent ? [parent, ...this.ancestors(parent)] : [];
  }
}

function read(value: unknown, interval: Interval): number | undefined {
  if (typeof value !== 'string' && typeof value !== 'number') return undefined;
  const at = interval.parse(String(value));
  return Number.isFinite(at) ? at : undefined;
}

/**
 * The time that a state of any of Airbyte's formats stands for, for all partitions: of cursors by partition alone there
 * is none, since a partition that they do not name begins at the start.
 */
function globalCursor(state: JsonObject, interval: Interval): number | undefined {
  const plain = read(state[interval.field], interval);
  if (plain !== undefined) return plain;
  if (isObject(state['state'])) {
    const global = read(state['state'][interval.field], interval);
    if (global !== undefined)
      return global - (typeof state['lookback_window'] === 'number' ? state['lookback_window'] : 0);
  }
  // The concurrent CDK keeps slices that were read: the first one's end is what is known for certain.
  if (state['state_type'] === 'date-range' && Array.isArray(state['slices'])) {
    const [first] = state['slices'];
    return isObject(first) ? read(first['end'] ?? first['most_recent_cursor_value'], interval) : undefined;
  }
  return undefined;
}

function packed(entries: Entry[]): unknown[] {
  return entries.map(({ key, version, value }) => [key, version, value]);
}

function unpacked(stream: string, list: unknown): Entry[] {
  if (
    !Array.isArray(list) ||
    list.some((entry) => !Array.isArray(entry) || typeof entry[0] !== 'string' || typeof entry[1] !== 'number')
  ) {
    throw new ConfigError('the ledger in a state cannot be read', {
      code: 'bad_state',
      place: `state of ${stream}, ${OWN}`,
      expected: 'what the last sync brought',
      found: JSON.stringify(list)?.slice(0, 120) ?? 'nothing',
      next: `remove ${OWN} from the state: the sync goes on from the cursor`,
    });
  }
  return list.map(([key, version, value]: [string, number, unknown]) => ({ stream, key, version, value }));
}
