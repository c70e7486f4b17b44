/** What a first run would read, told by a few requests a stream before anything is stored. */
import { LIMITS } from '../../base/bounds.js';
import { planSync } from '../../engine/report/plan.js';
import type { Destination } from '../../destinations/contract.js';
import type { Follow } from '../../sources/contract.js';
import type { ConnectionAccess, OpenedSource } from './access.js';

export interface StreamEstimate {
  stream: string;
  /** Null: nothing can tell before it is read. Where no number can be told, the rows lie between `low` and `high`. */
  rows: number | null;
  low: number | null;
  high: number | null;
  requests: number | null;
  exact: boolean;
  key: string[];
  follows: Follow['kind'];
  divided: string;
  error?: string | undefined;
}

export interface Estimate {
  account: string;
  requests: number;
  /** What they take at the limit. */
  seconds: number;
  streams: StreamEstimate[];
}

/**
 * Estimates the rows of each stream. What is not told within a bound is unknown. Throws what the source throws where
 * its credential does not work.
 */
export async function estimate(access: ConnectionAccess): Promise<Estimate> {
  const opened = await access.openSource();
  const { source, permits, gateStatus } = opened;
  try {
    const account = await source.check(AbortSignal.timeout(LIMITS.probeMs));
    const leave = await shared(opened, access);
    try {
      const { limitPerSecond } = gateStatus();
      const over = AbortSignal.timeout(LIMITS.estimateMs);
      const plan = await planSync(source, permits, limitPerSecond, over, LIMITS.estimateProbes);
      const streams = new Map(source.streams.map((stream) => [stream.name, stream]));
      return {
        account: account.id,
        requests: plan.requests,
        seconds: plan.seconds,
        streams: plan.streams.flatMap(({ stream: name, rows, range, requests, exact, error }) => {
          const stream = streams.get(name);
          if (!stream?.stored) return [];
          const { primaryKey: key, follow, division } = stream;
          return [
            {
              stream: name,
              rows: rows ?? null,
              low: range?.low ?? null,
              high: range?.high ?? null,
              requests: requests ?? null,
              exact,
              key,
              follows: follow.kind,
              divided: division.kind,
              error,
            },
          ];
        }),
      };
    } finally {
      await leave();
    }
  } finally {
    await source.close();
  }
}

/** A run that uses the same credential now shares its limit with these requests, where both can meet. */
async function shared({ shareBudget }: OpenedSource, access: ConnectionAccess): Promise<() => Promise<void>> {
  let destination: Destination | undefined;
  try {
    destination = await access.openDestination();
    const leave = await shareBudget(destination, () => {});
    const own = destination;
    return async () => {
      await leave();
      await own.close();
    };
  } catch {
    // The destination is tested by itself; the estimate does not need it.
    await destination?.close();
    return async () => {};
  }
}
