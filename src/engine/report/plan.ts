/**
 * A dry run: a few probes a stream tell how many rows, requests and seconds a sync would take. Nothing is stored. Once
 * the signal aborts, what is not told yet is unknown.
 */
import { setMaxListeners } from 'node:events';
import { LIMITS } from '../../base/bounds.js';
import { SkippableError } from '../../base/errors.js';
import type { Page, Source, Stream } from '../../sources/contract.js';
import { isOneWay } from '../read/axes.js';
import type { Permits } from '../read/context.js';
import { SpanEstimate } from './span-estimate.js';

export interface StreamPlan {
  stream: string;
  /** Undefined where nothing can tell: a chain with more than one page. */
  rows: number | undefined;
  /** Where the probes cannot tell a number, the rows lie between these. */
  range?: { low: number; high: number };
  requests: number | undefined;
  /** The number is exact, not estimated. */
  exact: boolean;
  probes: number;
  error?: string;
}

export interface Plan {
  streams: StreamPlan[];
  requests: number;
  /** At the limit: all requests over the global rate, or the busiest endpoint, whichever is longer. */
  seconds: number;
}

/** Measured cost of dividing (bench segments). */
const DIVISION_COST = 1.03;
/** A range of rows wider than this, as a factor, is told in place of a number. */
const TOLD_AS_RANGE = 1.35;

export async function planSync(
  source: Source,
  permits: Permits,
  globalRate: number,
  signal: AbortSignal,
  mostProbes: number = LIMITS.planProbes,
): Promise<Plan> {
  setMaxListeners(0, signal); // every stream asks by itself
  const account = await source.check(signal);
  const lt = Math.floor(account.serverTimeMs / 1000);
  const gte = account.createdMs === undefined ? lt - 10 * 365 * 86_400 : Math.floor(account.createdMs / 1000);
  const plans = new Map<string, StreamPlan>();
  const roots = source.streams.filter((stream) => stream.division.kind !== 'slices');
  await Promise.all(
    roots.map(async (stream) => {
      plans.set(
        stream.name,
        await planOne(stream, { gte, lt }, mostProbes, signal).catch((error) => {
          if (!(error instanceof SkippableError) && !signal.aborted) throw error;
          return {
            stream: stream.name,
            rows: undefined,
            requests: undefined,
            exact: false,
            probes: 1,
            error: signal.aborted ? 'it could not be told in time' : error.message,
          };
        }),
      );
    }),
  );
  for (const stream of source.streams) {
    if (stream.division.kind !== 'slices' || !('parent' in stream.division.of)) continue;
    const parent = plans.get(stream.division.of.parent);
    plans.set(stream.name, {
      stream: stream.name,
      rows: undefined,
      requests: parent?.rows,
      exact: parent?.exact ?? false,
      probes: 0,
      ...(parent?.error ? { error: 'its parent cannot be read' } : {}),
    });
  }
  const streams = source.streams
    .filter((stream) => stream.stored || plans.get(stream.name)?.requests)
    .map((stream) => plans.get(stream.name)!);
  const requests = streams.reduce((sum, plan) => sum + (plan.requests ?? 1), 0);
  const slowest = Math.max(
    0,
    ...source.streams.map((stream) => (plans.get(stream.name)?.requests ?? 0) / permits.rateOf(stream.endpoint)),
  );
  return {
    streams,
    requests: Math.ceil(requests),
    seconds: Math.max(slowest, Number.isFinite(globalRate) ? requests / globalRate : 0),
  };
}

async function planOne(
  stream: Stream,
  span: { gte: number; lt: number },
  mostProbes: number,
  signal: AbortSignal,
): Promise<StreamPlan> {
  const ask = (lt: number | null): Promise<Page> =>
    stream.page({
      gte: null,
      lt,
      cursor: null,
      ...(stream.division.kind === 'numbered' ? { number: 0 } : {}),
      signal,
      weight: () => 0,
    });
  const { division } = stream;
  const first = await ask(division.kind === 'range' && !isOneWay(division) ? span.lt : null);
  if (!first.hasMore) return { stream: stream.name, rows: first.records.length, requests: 1, exact: true, probes: 1 };
  if (first.total !== undefined)
    return {
      stream: stream.name,
      rows: first.total,
      requests: Math.ceil(first.total / division.pageRows),
      exact: true,
      probes: 1,
    };
  if (division.kind !== 'range' || isOneWay(division))
    return { stream: stream.name, rows: undefined, requests: undefined, exact: false, probes: 1 };
  const estimate = new SpanEstimate(span, division.unit, division.pageRows);
  let probes = 0;
  for (let at = estimate.next(); at !== undefined && probes < mostProbes; at = estimate.next()) {
    // Out of time, what the pages so far tell is told.
    const page = probes === 0 ? first : await ask(at).catch((error) => (signal.aborted ? undefined : thrown(error)));
    if (!page) break;
    const positions = page.records.map(division.position).filter((position) => !Number.isNaN(position));
    estimate.add(at, positions, page.hasMore);
    probes++;
  }
  const { rows, low, high, exact } = estimate.estimate();
  return {
    stream: stream.name,
    rows,
    ...(high > low * TOLD_AS_RANGE ? { range: { low, high } } : {}),
    requests: Math.ceil((rows / division.pageRows) * DIVISION_COST),
    exact,
    probes,
  };
}

function thrown(error: unknown): never {
  throw error;
}
