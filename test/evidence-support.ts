/** Streams in memory whose answers a test writes, synced into a destination of its own. */
import { afterEach, beforeEach } from 'vitest';
import type { PostgresDestination } from '../src/destinations/postgres/destination.js';
import { CursorGoneError } from '../src/base/errors.js';
import type { RunSummary } from '../src/engine/report/events.js';
import type { Division, Follow, PageRequest, Stream } from '../src/sources/contract.js';
import { liveIds, memoryStream, syncMemory, type MemoryRow, type MemorySync } from './memory-support.js';
import { testDatabase, uniqueName } from './support.js';

export const T0 = 1_795_000_000;
export const PAGE = 10;
export const clock = { now: T0 };

export let destination: PostgresDestination;
export let name: string;

export const rows = (count: number, at: (i: number) => number = (i) => T0 - 90_000 + i * 37): MemoryRow[] =>
  Array.from({ length: count }, (_, i) => ({ id: `r${String(i).padStart(4, '0')}`, at: at(i) }));
export const ids = (list: MemoryRow[]) => list.map((row) => row.id).toSorted();
export const sync = (stream: Stream, more: MemorySync = {}): Promise<RunSummary> =>
  syncMemory(destination, name, clock, [stream], { createdMs: (T0 - 100_000) * 1000, ...more });
export const live = () => liveIds(destination, name);

export const RANGE: Division = {
  kind: 'range',
  unit: 1,
  order: 'descending',
  pageRows: PAGE,
  position: (row) => Number(row['at']),
};
export const CHAIN: Division = { kind: 'chain', pageRows: PAGE };
export const reread: Follow = { kind: 'reread' };
export type Answer = Parameters<typeof memoryStream>[2];
export const stream = (division: Division, page: Answer, follow: Follow = reread, more: Partial<Stream> = {}) =>
  memoryStream(clock, { division, follow, ...more }, page);

/** A list with both bounds, newest first. */
export function listed(all: MemoryRow[], { gte, lt, cursor }: PageRequest) {
  const found = all
    .filter((row) => row.at >= (gte ?? -Infinity) && row.at < (lt ?? Infinity))
    .toSorted((a, b) => b.at - a.at || (a.id < b.id ? -1 : 1));
  const start = cursor === null ? 0 : found.findIndex((row) => row.id === cursor) + 1;
  if (cursor !== null && start === 0) throw new CursorGoneError('gone', { code: 'cursor_gone' });
  const records = found.slice(start, start + PAGE);
  return { records, hasMore: start + PAGE < found.length, next: records.at(-1)?.id ?? null };
}

export function chained(all: MemoryRow[], { cursor }: PageRequest) {
  const start = Number(cursor ?? 0);
  return {
    records: all.slice(start, start + PAGE),
    next: String(start + PAGE),
    hasMore: start + PAGE < all.length,
  };
}

/** A destination, and a name of its own in it, for each test of a file. */
export function inDestination(): void {
  beforeEach(async () => {
    name = uniqueName();
    destination = await testDatabase(name);
  });
  afterEach(() => destination.close());
}
