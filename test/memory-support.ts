/** Syncs of sources that answer from memory, with a clock of their own, into a real database. */
import { systemClock } from '../src/base/clock.js';
import type { JsonSchema, WriteMode } from '../src/base/catalog.js';
import type { PostgresDestination } from '../src/destinations/postgres/destination.js';
import type { RunSummary } from '../src/engine/report/events.js';
import { runSync, type SyncOptions } from '../src/engine/run/sync.js';
import type { Page, PageRequest, Source, Stream } from '../src/sources/contract.js';
import { newRunId } from '../src/wiring/compose.js';
import { query } from './support.js';

export interface MemoryRow extends Record<string, unknown> {
  id: string;
  at: number;
}

const SCHEMA: JsonSchema = { type: 'object', properties: { id: { type: 'string' }, at: { type: 'integer' } } };

/** The server's clock, in seconds; who reads moves it. */
export interface ServerClock {
  now: number;
}

/** A stream of rows with a text key `id` and a position `at`. */
export function memoryStream(
  clock: ServerClock,
  parts: Partial<Stream> & Pick<Stream, 'division' | 'follow'>,
  page: (
    request: PageRequest,
  ) => (Partial<Page> & { records: MemoryRow[] }) | Promise<Partial<Page> & { records: MemoryRow[] }>,
): Stream {
  return {
    name: 'things',
    stored: true,
    endpoint: 'things',
    primaryKey: ['id'],
    schema: SCHEMA,
    page: async (request) => {
      await new Promise((resolve) => setImmediate(resolve));
      const made = await page(request);
      // What was sent does not change any more.
      return structuredClone({ next: null, hasMore: false, serverTimeMs: clock.now * 1000, bytes: 500, ...made });
    },
    ...parts,
  };
}

export interface MemorySync extends Partial<Pick<SyncOptions, 'signal' | 'mode' | 'again' | 'acceptDeletions'>> {
  createdMs?: number;
}

export function syncMemory(
  destination: PostgresDestination,
  connection: string,
  clock: ServerClock,
  streams: Stream[],
  { createdMs, ...more }: MemorySync = {},
): Promise<RunSummary> {
  const source: Source = {
    name: 'memory',
    streams,
    changes: undefined,
    check: async () => ({ id: 'memory', createdMs, serverTimeMs: clock.now * 1000 }),
    close: async () => {},
  };
  return runSync({
    source,
    destination,
    connection,
    runId: newRunId(),
    mode: 'upsert' as WriteMode,
    clock: systemClock,
    signal: new AbortController().signal,
    permits: {
      admit: async () => ({ request: { endpoint: '', cost: 1 } }),
      rateOf: () => Infinity,
      latencyMs: () => 3,
      inFlightBound: () => 16,
    },
    gateStatus: () => ({
      sentPerSecond: 1,
      limitPerSecond: Infinity,
      rejections: 0,
      rejectedFor: {},
      requests: 0,
      waiting: undefined,
      limits: [],
    }),
    ...more,
  });
}

/** Ids of live rows, in order, each as often as it is stored. */
export async function liveIds(destination: PostgresDestination, schema: string, table = 'things'): Promise<string[]> {
  const rows = await query(
    destination,
    `select id from ${schema}.${table} where _headrace_deleted_at is null order by id`,
  );
  return rows.map((row) => row['id'] as string);
}
