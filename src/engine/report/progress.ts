/** Where a run stands: pulled as snapshots, computed from what is committed. */
import type { Clock } from '../../base/clock.js';
import type { DestinationSession } from '../../destinations/contract.js';
import type { GateStatus, LimitView } from '../../gate/gate.js';
import { LIMITS } from '../../base/bounds.js';
import { parentOf, type Permits } from '../read/context.js';
import type { LimitUse, Progress, StreamProgress, Wait } from './events.js';
import { timeLeftMs } from './time-left.js';
import type { ByteBudget } from '../read/memory.js';
import type { StreamRun } from '../run/stream-run.js';

/** How far back rates look. */
const MEASURED_MS = 10_000;
const SAMPLE_MS = 500;

export class ProgressMeter {
  private readonly samples: { atMs: number; rows: number }[] = [];
  private stopped = false;

  constructor(
    private readonly runId: string,
    private readonly runs: Map<string, StreamRun>,
    private readonly permits: Permits,
    private readonly gateStatus: () => GateStatus,
    private readonly memory: ByteBudget,
    private readonly clock: Clock,
    private readonly startedMs: number,
    private readonly session: Pick<DestinationSession, 'waits'> = {},
  ) {}

  stop(): void {
    this.stopped = true;
  }

  /** The gate or the destination says what it waits for. */
  isWaiting(): boolean {
    const now = this.clock.monotonic();
    const { waiting } = this.gateStatus();
    return (waiting !== undefined && waiting.untilMs > now) || (this.session.waits?.() ?? []).length > 0;
  }

  snapshot(): Progress {
    const now = this.clock.monotonic();
    const runs = [...this.runs.values()];
    const rows = runs.reduce((sum, run) => sum + run.rows, 0);
    const last = this.samples.at(-1);
    if (!last || now - last.atMs >= SAMPLE_MS) this.samples.push({ atMs: now, rows });
    while (this.samples.length > 2 && this.samples[0]!.atMs < now - MEASURED_MS) this.samples.shift();
    const first = this.samples[0]!;
    const seconds = Math.max(0.001, (now - first.atMs) / 1000);
    const gate = this.gateStatus();
    const streams = runs.map((run) => ({ ...run.progress(), limit: bindingLimit(run, gate) }));
    return {
      runId: this.runId,
      elapsedMs: now - this.startedMs,
      rows,
      rowsPerSecond: now === first.atMs ? 0 : (rows - first.rows) / seconds,
      requests: gate.requests,
      rejections: gate.rejections,
      rejectedFor: gate.rejectedFor,
      requestsPerSecond: gate.sentPerSecond,
      limitPerSecond: this.usable(runs, gate),
      limits: gate.limits.map(useOf),
      waits: this.waits(gate, now),
      leftMs: this.stopped ? 0 : this.left(runs, streams, gate),
      leftAtLeast: streams.some((stream) => stream.expectedGuessed === true),
      bufferedBytes: this.memory.inUse,
      streams,
    };
  }

  /** One endpoint cannot use what the others have: of the whole limit, what the streams that are read could use. */
  private usable(runs: StreamRun[], gate: GateStatus): number | undefined {
    const endpoints = new Set(runs.filter(({ status }) => status === 'reading').map(({ stream }) => stream.endpoint));
    const together = [...endpoints].reduce((sum, endpoint) => sum + this.permits.rateOf(endpoint), 0);
    const limit = Math.min(gate.limitPerSecond, endpoints.size === 0 ? Infinity : together);
    return Number.isFinite(limit) ? limit : undefined;
  }

  private waits(gate: GateStatus, now: number): Wait[] {
    const waits: Wait[] = [];
    if (gate.waiting) {
      const { reason, limit, sinceMs, untilMs } = gate.waiting;
      if (Math.max(untilMs - now, now - sinceMs) > LIMITS.visibleWaitMs)
        waits.push({ reason, limit, ms: Math.max(0, untilMs - now), forMs: Math.max(0, now - sinceMs) });
    }
    for (const { reason, sinceMs, untilMs } of this.permits.waits?.() ?? [])
      if (now - sinceMs > LIMITS.quietMs)
        waits.push({ reason, ms: Math.max(0, (untilMs ?? now) - now), forMs: now - sinceMs });
    const destination = this.session.waits?.() ?? [];
    for (const { reason, sinceMs, untilMs } of destination)
      waits.push({ reason, ms: Math.max(0, (untilMs ?? now) - now), forMs: now - sinceMs });
    if (this.memory.full) waits.push({ reason: 'destination', ms: 0 });
    return waits;
  }

  private left(runs: StreamRun[], streams: StreamProgress[], gate: GateStatus): number | undefined {
    if (streams.some((stream) => stream.status === 'waiting')) return undefined;
    const remaining = runs.map((run, i) => ({
      endpoint: run.stream.endpoint,
      requests: streams[i]!.expectedPages + childrenToCome(run, streams),
      serial: run.stream.division.kind === 'chain',
    }));
    const latencyMs = this.permits.latencyMs();
    return timeLeftMs(remaining, {
      total: gate.limitPerSecond,
      of: (endpoint) => this.permits.rateOf(endpoint),
      observed: gate.sentPerSecond,
      latencySeconds: latencyMs === undefined ? undefined : latencyMs / 1000,
    });
  }
}

/** Slices that the rest of a stream's parents will open, as those did that were read. */
function childrenToCome(run: StreamRun, streams: StreamProgress[]): number {
  const parent = streams.find((stream) => stream.name === parentOf(run.stream));
  const own = streams.find((stream) => stream.name === run.stream.name);
  if (!parent || !own || parent.pages === 0) return 0;
  return ((own.pages + own.openSlices) / parent.pages) * parent.expectedPages;
}

/** A limit of one endpoint goes before one of all that is used as much. */
function bindingLimit({ status, stream }: StreamRun, gate: GateStatus): StreamProgress['limit'] {
  if (status !== 'reading') return undefined;
  const own = gate.limits.find(({ endpoint }) => endpoint === stream.endpoint)?.usedPerSecond;
  const uses = gate.limits
    .filter(({ endpoint, knownBy }) => (endpoint ?? stream.endpoint) === stream.endpoint && knownBy !== 'searching')
    .filter(({ perSecond }) => Number.isFinite(perSecond) && perSecond > 0)
    .map(({ name, endpoint, scope, perSecond, usedPerSecond }) => {
      const perEndpoint = endpoint === undefined && scope === 'endpoint';
      return {
        name: endpoint === undefined ? name : name.slice(0, -endpoint.length - 1),
        perSecond,
        usedPerSecond: perEndpoint ? (own ?? 0) : usedPerSecond,
      };
    });
  const share = (use: (typeof uses)[number]) => Math.round((100 * use.usedPerSecond) / use.perSecond);
  return uses.toSorted((a, b) => share(b) - share(a) || a.perSecond - b.perSecond)[0];
}

function useOf(limit: LimitView): LimitUse {
  const known = Number.isFinite(limit.perSecond) && limit.knownBy !== 'searching';
  const { name, usedPerSecond, remaining, quota, knownBy, rejections } = limit;
  // A budget is used up over its window, whatever the rate of now.
  const percent = !known
    ? undefined
    : remaining !== undefined && quota !== undefined
      ? (100 * (quota - remaining)) / quota
      : (100 * usedPerSecond) / limit.perSecond;
  return {
    name,
    perSecond: known ? limit.perSecond : undefined,
    usedPerSecond,
    percent: percent === undefined ? undefined : Math.min(100, Math.round(percent)),
    remaining,
    quota,
    knownBy,
    rejections,
  };
}
