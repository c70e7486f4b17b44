/** Opens a part of a finished stream again, for the next run. */
import type { StateEntry, StateWrite } from '../destination/contract.js';
import type { Stream } from '../source/contract.js';
import { decodeStream } from '../state/checkpoint.js';
import { reopen } from './follow.js';

/** `from` and `before` are positions (unix seconds); what is left out is the span's own end. */
export function resetRange(stream: Stream | undefined, name: string, entries: StateEntry[], from: number | undefined, before: number | undefined): StateWrite[] {
  return reopen(stream, name, decodeStream(entries), from, before).writes;
}
