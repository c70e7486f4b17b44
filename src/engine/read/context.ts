/** What the parts of one run share. */
import type { Clock } from '../../base/clock.js';
import type { DestinationSession, DestinationWait, StreamTarget } from '../../destinations/contract.js';
import type { Ticket } from '../../gate/gate.js';
import type { CursorGoneError } from '../../base/errors.js';
import { LIMITS } from '../../base/bounds.js';
import type { WriteMode } from '../../base/catalog.js';
import type { Stream } from '../../sources/contract.js';
import type { RunEvent } from '../report/events.js';
import type { Demand } from './demand.js';
import type { ByteBudget } from './memory.js';

/** The way to the rate limit: the engine takes its permits before it chooses which page to ask for. */
export interface Permits {
  /** Resolves when a request to the endpoint may leave; it must leave at once. */
  admit(endpoint: string, weight: () => number, signal: AbortSignal): Promise<Ticket>;
  /** Takes a permit back that no request was sent with; of one that was used it does nothing. */
  giveBack?(ticket: Ticket): void;
  /** Requests a second that the endpoint may take; Infinity where nothing is known. */
  rateOf(endpoint: string): number;
  /** The same over all endpoints. */
  wholeRate?(): number;
  /** Milliseconds of a request, once one was answered. */
  latencyMs(): number | undefined;
  /** More requests in flight than this would only queue at the server, or here. */
  inFlightBound(): number;
  /** What requests wait for that have left, or that pause before they are tried again. */
  waits?(): DestinationWait[];
}

export interface RunContext {
  session: DestinationSession;
  permits: Permits;
  memory: ByteBudget;
  clock: Clock;
  /** Aborts when the run pauses. */
  signal: AbortSignal;
  emit: (event: RunEvent) => void;
  /** Something can be committed: the writer looks again. */
  kick: () => void;
  planner: 'adaptive' | 'uniform';
  /** What the readers of the run have left; undefined: this one reads alone. */
  demand?: Demand | undefined;
  /** Streams whose missing rows are deleted, however many they are. */
  acceptDeletions: string[];
  /** Rows that are appended are there twice if they are read twice. */
  mode: WriteMode;
  /** Notes for the summary. */
  note: (message: string) => void;
}

/**
 * More chains than rate x latency, for the spread of latencies (measured: fewer idle the limit, more cost requests).
 */
const CHAIN_MARGIN = 1.25;

/**
 * Little's law: as many chains as keep the endpoint's limit busy, no more. `pace`: requests a second that are enough,
 * where others have their part of the limit.
 */
export function chainsFor(
  stream: Stream,
  context: RunContext,
  unlimited: number,
  most: number,
  pace = Infinity,
): number {
  const rate = context.permits.rateOf(stream.endpoint);
  if (!Number.isFinite(rate)) return unlimited;
  const latencyMs = context.permits.latencyMs() ?? LIMITS.firstLatencyMs;
  const chains = (perSecond: number) => Math.ceil((perSecond * latencyMs * CHAIN_MARGIN) / 1000);
  return Math.min(most, context.permits.inFlightBound(), chains(rate) + 1, Math.max(1, chains(pace)));
}

/** What the destination is told of the streams that are stored. */
export function targetsOf(streams: Stream[], mode: WriteMode): StreamTarget[] {
  return streams
    .filter((stream) => stream.stored)
    .map(({ name, schema, schemaIsHint, primaryKey, part }) => ({
      name,
      schema,
      schemaIsHint,
      primaryKey,
      mode,
      ...(part ? { part } : {}),
    }));
}

/** Rows that have no key, or are appended, are there twice if they are read twice. */
export function isOnlyAdded(stream: Stream, mode: WriteMode): boolean {
  return stream.primaryKey.length === 0 || mode === 'append';
}

/** Codes of cursors that are lost for a reason which a new walk may meet again. */
const MET_AGAIN = new Set(['ignored_midway', 'cursor_refused']);

/** Whether a walk that lost its cursor so often is not begun anew once more. */
export function isGivenUp({ code }: CursorGoneError, restarts: number): boolean {
  return MET_AGAIN.has(code) && restarts > LIMITS.listWalks;
}

/** The stream whose rows open this one's slices. */
export function parentOf(stream: Stream): string | undefined {
  return stream.division.kind === 'slices' && 'parent' in stream.division.of ? stream.division.of.parent : undefined;
}

/** The primary key as one text; null where a part is missing. */
export function keyOf(stream: Stream, record: Record<string, unknown>): string | null {
  let key = '';
  for (const field of stream.primaryKey) {
    const value = record?.[field];
    if (value === null || value === undefined) return null;
    key += `${String(value)}\u0001`;
  }
  return key === '' ? null : key;
}
