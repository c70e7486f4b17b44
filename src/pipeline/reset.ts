/** Opens a part of a finished stream again. */
import type { StateEntry, StateWrite } from '../destination/contract.js';
import { ConfigError } from '../errors.js';
import { isClosed, reduce, type Span } from '../segments/ledger.js';
import type { Stream } from '../source/contract.js';
import { isOneWay } from './axes.js';
import { decodeStream, encodeRange, META_KEY, rangeKey, type StreamState } from '../state/checkpoint.js';

/** The part of a finished stream between two positions (unix seconds); what is left out is the span's own end. */
export function partOf(stream: Stream | undefined, name: string, state: StreamState | undefined, from: number | undefined, before: number | undefined): Span {
  if (!state || stream?.division.kind !== 'range' || isOneWay(stream.division)) {
    throw new ConfigError(`stream ${name} is not divided by time`, { code: 'not_a_range', place: '--from, --before', expected: 'a stream that headrace discover lists as divided by time', found: name, next: 'reset the whole stream: leave --from and --before out' });
  }
  if (!isClosed(state.ledger)) throw new ConfigError(`stream ${name} is not finished`, { code: 'stream_open', expected: 'a complete stream', found: 'open ranges', next: 'run headrace sync first' });
  const part = { gte: Math.max(from ?? state.ledger.span.gte, state.ledger.span.gte), lt: Math.min(before ?? state.ledger.span.lt, state.ledger.span.lt) };
  if (part.gte >= part.lt) throw new ConfigError('the range is empty', { code: 'empty_range', place: '--from, --before', expected: `a part of [${state.ledger.span.gte}, ${state.ledger.span.lt})`, found: `[${part.gte}, ${part.lt})` });
  return part;
}

export function resetRange(stream: Stream | undefined, name: string, entries: StateEntry[], from: number | undefined, before: number | undefined): StateWrite[] {
  const state = decodeStream(entries)!;
  const part = partOf(stream, name, state, from, before);
  const { unit } = stream!.division as Extract<Stream['division'], { kind: 'range' }>;
  const after = reduce(state.ledger, { type: 'reopened', ...part, unit }, unit);
  const writes: StateWrite[] = [{ stream: name, key: META_KEY, expect: state.metaVersion, value: { ...state.meta, complete: false, mode: 'extend' } }];
  for (const id of new Set([...state.ledger.ranges.keys(), ...after.ranges.keys()])) {
    const range = after.ranges.get(id);
    if (range !== state.ledger.ranges.get(id)) writes.push({ stream: name, key: rangeKey(id), expect: state.versions.get(id) ?? 0, value: range ? encodeRange(range) : null });
  }
  return writes;
}
