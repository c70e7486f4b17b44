/** How long a run still takes, from what remains of each stream and what its limits allow. */

export interface Remaining {
  endpoint: string;
  /** Requests that remain, as far as is known. */
  requests: number;
  /** A stream whose pages can only come one after the other. */
  serial: boolean;
}

export interface Allowed {
  /** Requests a second over all endpoints; Infinity where nothing is known. */
  total: number;
  /** Requests a second of one endpoint; Infinity where nothing is known. */
  of: (endpoint: string) => number;
  /** Requests a second that were answered of late, over all. */
  observed: number;
  /** Seconds that one request takes, once one was answered. */
  latencySeconds: number | undefined;
}

/** A run that uses less than this of what it may is taken to be starting, not to be slow. */
const LEAST_SHARE = 0.1;

/**
 * Milliseconds until everything is read: the longest of all requests at the whole limit, those of one endpoint at its
 * own, and a chain that cannot be divided at its latency; longer where something else than the limits holds the run up,
 * as the pace of late shows; and the last request's way. Undefined before a first request tells the pace.
 */
export function timeLeftMs(remaining: readonly Remaining[], allowed: Allowed): number | undefined {
  const byEndpoint = new Map<string, number>();
  let requests = 0;
  let chain = 0;
  for (const part of remaining) {
    requests += part.requests;
    byEndpoint.set(part.endpoint, (byEndpoint.get(part.endpoint) ?? 0) + part.requests);
    if (part.serial) chain = Math.max(chain, part.requests * (allowed.latencySeconds ?? 0));
  }
  if (requests === 0) return 0;
  const rates = [...byEndpoint].map(([endpoint, wanted]) => ({ wanted, rate: allowed.of(endpoint) }));
  const usable = Math.min(
    allowed.total,
    rates.reduce((sum, { rate }) => sum + rate, 0),
  );
  if (!Number.isFinite(usable))
    return allowed.observed > 0 ? Math.max(chain, requests / allowed.observed) * 1000 : undefined;
  const atLimit = Math.max(chain, requests / usable, ...rates.map(({ wanted, rate }) => wanted / rate));
  const share = Math.min(1, Math.max(LEAST_SHARE, allowed.observed / usable));
  // A chain alone leaves the limit idle: that is no sign of something slow.
  const seconds = Math.max(atLimit, Math.min(requests / (usable * share), chain > 0 ? chain : Infinity));
  return (seconds + (allowed.latencySeconds ?? 0)) * 1000;
}
