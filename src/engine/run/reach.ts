/** What a stream asks for, against what its stored rows were asked for by. */
import { LIMITS } from '../../base/bounds.js';
import { hashString } from '../../base/random.js';
import type { Reach } from '../../ledger/checkpoint.js';
import type { Slice, Stream } from '../../sources/contract.js';
import { parentOf } from '../read/context.js';

/** What a stream asks for now, by the server's clock, seconds. */
export function reachOf(stream: Stream, streams: readonly Stream[], now: number): Reach {
  const line = lineOf(stream, streams);
  const starts = line.flatMap(({ division }) => ('start' in division ? (division.start ?? []) : []));
  const asked = line.flatMap((each) => each.asked ?? []);
  const ends = line.flatMap(({ division }) => ('end' in division ? (division.end?.(now) ?? []) : []));
  return {
    from: starts.length === 0 ? null : Math.max(...starts),
    to: ends.length === 0 ? null : Math.ceil(Math.min(...ends)),
    what: asked.length === 0 ? [] : [hashString(asked.join('\u0001'))],
  };
}

/** A stream and those that it descends from: what they do not bring, it does not. */
function lineOf(stream: Stream, streams: readonly Stream[]): Stream[] {
  const parent = streams.find(({ name }) => name === parentOf(stream));
  return parent ? [stream, ...lineOf(parent, streams)] : [stream];
}

/** Slices as a reach knows them. */
export function digestsOf(slices: readonly Slice[]): number[] {
  const digests = slices.map((slice) => hashString(slice));
  return digests.length <= LIMITS.knownSlices ? digests : [hashString(slices.toSorted().join('\u0001'))];
}

/** Whether who asks for `now` is given all that whoever asked for `before` was. */
export function covers(now: Reach, before: Reach | undefined): boolean {
  if (!before) return true;
  const isEarlier = now.from === null || (before.from !== null && now.from <= before.from);
  const isLater = now.to === null || (before.to !== null && now.to >= before.to);
  return isEarlier && isLater && before.what.every((each) => now.what.includes(each)) && coversSlices(now, before);
}

function coversSlices(now: Reach, { slices = [] }: Reach): boolean {
  const known = new Set(now.slices);
  return now.slices === undefined || slices.every((slice) => known.has(slice));
}

/** Both together. */
export function joined(a: Reach, b: Reach | undefined): Reach {
  if (!b) return a;
  const slices = a.slices || b.slices ? mostOf([...(b.slices ?? []), ...(a.slices ?? [])]) : undefined;
  return {
    from: a.from === null || b.from === null ? null : Math.min(a.from, b.from),
    to: a.to === null || b.to === null ? null : Math.max(a.to, b.to),
    what: [...new Set([...b.what, ...a.what])].slice(0, LIMITS.knownSettings),
    ...(slices ? { slices } : {}),
  };
}

/** A slice that is listed never again: too many were known to keep them all. */
const FORGOTTEN = -1;

function mostOf(slices: number[]): number[] {
  const all = [...new Set(slices)];
  return all.length > 2 * LIMITS.knownSlices ? [FORGOTTEN] : all;
}
