/** What a connection's destination knows of its streams and limits, and how a stream is read again. */
import type { Clock } from '../../base/clock.js';
import type { DestinationSession, StreamTarget } from '../../destinations/contract.js';
import { ConfigError } from '../../base/errors.js';
import type { LimitView } from '../../gate/gate.js';
import { storedLimits } from '../../engine/run/limit-memory.js';
import { isStreamState } from '../../engine/run/source-memory.js';
import { resetStream } from '../../engine/run/reset.js';
import { evidenceView, STATED } from '../../base/evidence.js';
import { decodeStream, endOf, META_KEY } from '../../ledger/checkpoint.js';
import type { ConnectionAccess } from './access.js';

export interface StreamLedger {
  stream: string;
  generation: number;
  mode: string;
  /** Everything of this generation is committed and proven. */
  complete: boolean;
  /** Positions; unix seconds where the stream is divided by time. */
  span: { gte: number; lt: number };
  rows: number;
  pages: number;
  /** Why it is believed to be read to its end, and what makes that weak; null while it is not. */
  evidence: string | null;
  doubt: string | null;
  ranges: {
    id: number;
    gte: number;
    lt: number;
    open: boolean;
    rows: number;
    pages: number;
    evidence: string | null;
    doubt: string | null;
  }[];
  /** Children that are still to be read. */
  openSlices: number;
}

export async function readLedger(access: ConnectionAccess, clock: Clock): Promise<StreamLedger[]> {
  const entries = (await withSession(access, clock, true, (session) => session.loadState())) ?? [];
  const streams = [...new Set(entries.map(({ stream }) => stream))].filter(
    (stream) => isStreamState(stream) && entries.some((entry) => entry.stream === stream && entry.key === META_KEY),
  );
  return streams.toSorted().map((stream) => {
    const state = decodeStream(entries.filter((entry) => entry.stream === stream))!;
    const { meta, ledger, slices } = state;
    const ranges = [...ledger.ranges.values()]
      .toSorted((a, b) => a.gte - b.gte)
      .map(({ id, gte, lt, open, rows, pages, evidence = STATED }) => ({
        id,
        gte,
        lt,
        open,
        rows,
        pages,
        ...evidenceView(open ? undefined : evidence),
      }));
    const sum = (of: (range: (typeof ranges)[number]) => number) =>
      ranges.reduce((total, range) => total + of(range), 0);
    return {
      stream,
      generation: meta.generation,
      mode: meta.mode,
      complete: meta.complete,
      span: meta.span,
      ...evidenceView(endOf(state)),
      rows: sum(({ rows }) => rows),
      pages: sum(({ pages }) => pages),
      ranges,
      openSlices: [...slices.values()].reduce((total, { open }) => total + open.length, 0),
    };
  });
}

/** What the last run knew of the credential's limits; what the connector starts from where there was none. */
export async function readLimits(
  access: ConnectionAccess,
  clock: Clock,
): Promise<{ savedAt: string | null; limits: LimitView[] }> {
  const { source, gateStatus, limits } = await access.openSource();
  try {
    const entries = (await withSession(access, clock, true, (session) => session.loadState())) ?? [];
    const stored = storedLimits(entries).get(limits.fingerprint);
    return { savedAt: stored?.savedAt ?? null, limits: stored?.views ?? gateStatus().limits };
  } finally {
    await source.close();
  }
}

/** A stream is read from the start by the next run, or a part of it; its rows stay. Throws ConfigError. */
export async function resetStreamOf(
  access: ConnectionAccess,
  name: string,
  part: { from?: number | undefined; before?: number | undefined },
  clock: Clock,
): Promise<void> {
  const { source } = await access.openSource();
  try {
    await withSession(access, clock, false, async (session) => {
      await resetStream(session, source.streams, name, part.from, part.before);
      await session.finishRun('state', {});
    });
  } finally {
    await source.close();
  }
}

/** One request to the API, and one transaction of the destination that is taken back. */
export async function probe(
  access: ConnectionAccess,
  signal: AbortSignal,
): Promise<{ account: string; destination: string; streams: string[] }> {
  const { source } = await access.openSource();
  try {
    const account = await source.check(signal);
    const destination = await access.openDestination();
    try {
      await destination.check();
      return {
        account: account.id,
        destination: destination.description,
        streams: source.streams.filter((stream) => stream.stored).map((stream) => stream.name),
      };
    } finally {
      await destination.close();
    }
  } finally {
    await source.close();
  }
}

/** Undefined where nothing was ever written there. */
export async function withSession<T>(
  access: ConnectionAccess,
  clock: Clock,
  readOnly: boolean,
  work: (session: DestinationSession) => Promise<T>,
  streams: StreamTarget[] = [],
): Promise<T | undefined> {
  const destination = await access.openDestination();
  try {
    const session = await destination.open({
      connection: access.name,
      runId: access.newRunId(),
      streams,
      readOnly,
      startedMs: clock.now(),
    });
    try {
      return await work(session);
    } finally {
      await session.close();
    }
  } catch (error) {
    if (readOnly && error instanceof ConfigError && error.code === 'no_state') return undefined;
    throw error;
  } finally {
    await destination.close();
  }
}
