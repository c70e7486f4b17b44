/**
 * How a run went over time: samples of its progress, the curves that they make, and what they say of why it took as
 * long as it did. Pure.
 */
import { LIMITS } from '../base/bounds.js';
import type { Progress } from '../engine/report/events.js';

/**
 * One moment of a run. Rows, requests and rejections are of the whole run so far: samples can be left out between
 * others.
 */
export interface Sample {
  elapsedMs: number;
  rows: number;
  requests: number;
  rejections: number;
  bufferedBytes: number;
  /** What the streams that were read might use together, requests a second; null: not known. */
  limitPerSecond: number | null;
  /** By name: used a second, the limit a second (null: being sought), rejections so far. */
  limits: Record<string, [used: number, perSecond: number | null, rejections: number]>;
  /** What was waited for, as people are told. */
  waits: string[];
}

export interface StoredSample {
  at: string;
  sample: Sample;
}

/** Limits of one sample: those that are used most. */
const LIMITS_KEPT = 12;
/** A limit that is used less than this, as a share, does not hold a run up. */
const FULL = 0.85;
/** Memory filled to this share waits for the destination. */
const CONGESTED = 0.75;

export function sampleOf(progress: Progress): Sample {
  const round = (value: number) => Math.round(value * 100) / 100;
  const limits = progress.limits
    .filter(({ usedPerSecond, rejections }) => usedPerSecond > 0 || (rejections ?? 0) > 0)
    .toSorted((a, b) => (b.percent ?? 0) - (a.percent ?? 0) || b.usedPerSecond - a.usedPerSecond)
    .slice(0, LIMITS_KEPT)
    .map(({ name, usedPerSecond, perSecond, rejections }): [string, Sample['limits'][string]] => [
      name,
      [round(usedPerSecond), perSecond === undefined ? null : round(perSecond), rejections ?? 0],
    ]);
  return {
    elapsedMs: Math.round(progress.elapsedMs),
    rows: progress.rows,
    requests: progress.requests,
    rejections: progress.rejections,
    bufferedBytes: progress.bufferedBytes,
    limitPerSecond: progress.limitPerSecond === undefined ? null : round(progress.limitPerSecond),
    limits: Object.fromEntries(limits),
    waits: [...new Set(progress.waits.map(({ reason, limit }) => (limit ? `${reason} (${limit})` : reason)))],
  };
}

/** Which moments are kept: every second at first, half as many whenever there are too many. */
export class Sampler {
  private step = 1;
  private last = -1;
  private pending: { tick: number; at: string; sample: Sample }[] = [];
  private thins = false;

  constructor(private readonly most: number = LIMITS.runSamples) {}

  /** Seconds between samples. */
  get stepSeconds(): number {
    return this.step;
  }

  /** `isLast`: the moment counts, wherever it lies between two. */
  take(progress: Progress, at: string, isLast = false): void {
    const seconds = progress.elapsedMs / 1000;
    const tickOf = () => (isLast ? Math.ceil(seconds / this.step) : Math.floor(seconds / this.step)) * this.step;
    let tick = tickOf();
    if (tick <= this.last) return;
    // On the step that there is then: what thins the others would take this one with them.
    while (tick / this.step >= this.most) {
      this.step *= 2;
      this.thins = true;
      tick = tickOf();
    }
    if (tick > this.last) {
      this.last = tick;
      this.pending.push({ tick, at, sample: sampleOf(progress) });
    }
    this.pending = this.pending.filter(({ tick: each }) => each % this.step === 0 || each === tick).slice(-this.most);
  }

  /** What has to be written; `thinTo`: of what was written, only ticks that it divides stay. */
  drain(): { samples: { tick: number; at: string; sample: Sample }[]; thinTo: number | undefined } {
    const samples = this.pending;
    const thinTo = this.thins ? this.step : undefined;
    this.pending = [];
    this.thins = false;
    return { samples, thinTo };
  }

  /** It could not be written. */
  putBack({ samples, thinTo }: ReturnType<Sampler['drain']>): void {
    this.pending = [...samples, ...this.pending].slice(-this.most);
    this.thins ||= thinTo !== undefined;
  }
}

/** Curves over the time of a run, a value for each sample. */
export interface Series {
  at: string[];
  elapsedMs: number[];
  rows: number[];
  rowsPerSecond: number[];
  requestsPerSecond: number[];
  limitPerSecond: (number | null)[];
  /** Rejections since the sample before. */
  rejections: number[];
  bufferedBytes: number[];
  /** Those that were used most come first. */
  limits: { name: string; used: (number | null)[]; perSecond: (number | null)[]; rejections: number[] }[];
  /** The time that each wait was seen, milliseconds, the longest first. */
  waits: { reason: string; ms: number }[];
}

export function seriesOf(stored: StoredSample[]): Series {
  const samples = stored.map(({ sample }) => sample);
  const before = (i: number): Pick<Sample, 'elapsedMs' | 'rows' | 'requests' | 'rejections'> =>
    samples[i - 1] ?? { elapsedMs: 0, rows: 0, requests: 0, rejections: 0 };
  const since = (of: 'rows' | 'requests' | 'rejections') =>
    samples.map((each, i) => Math.max(0, each[of] - before(i)[of]));
  const ms = samples.map((each, i) => Math.max(1, each.elapsedMs - before(i).elapsedMs));
  const perSecond = (values: number[]) => values.map((value, i) => Math.round((value * 100_000) / ms[i]!) / 100);
  const waits = new Map<string, number>();
  for (const [i, { waits: own }] of samples.entries())
    for (const reason of own) waits.set(reason, (waits.get(reason) ?? 0) + ms[i]!);
  return {
    at: stored.map(({ at }) => at),
    elapsedMs: samples.map((each) => each.elapsedMs),
    rows: samples.map((each) => each.rows),
    rowsPerSecond: perSecond(since('rows')),
    requestsPerSecond: perSecond(since('requests')),
    limitPerSecond: samples.map((each) => each.limitPerSecond),
    rejections: since('rejections'),
    bufferedBytes: samples.map((each) => each.bufferedBytes),
    limits: limitCurves(samples),
    waits: [...waits].map(([reason, each]) => ({ reason, ms: each })).toSorted((a, b) => b.ms - a.ms),
  };
}

function limitCurves(samples: Sample[]): Series['limits'] {
  const names = [...new Set(samples.flatMap((each) => Object.keys(each.limits)))];
  const curves = names.map((name) => {
    let told = 0;
    return {
      name,
      used: samples.map((each) => each.limits[name]?.[0] ?? null),
      perSecond: samples.map((each) => each.limits[name]?.[1] ?? null),
      rejections: samples.map((each) => {
        const sum = each.limits[name]?.[2] ?? told;
        const since = Math.max(0, sum - told);
        told = Math.max(told, sum);
        return since;
      }),
    };
  });
  const use = new Map(curves.map((curve) => [curve.name, fullness(curve)]));
  return curves.toSorted((a, b) => use.get(b.name)! - use.get(a.name)!);
}

/** How full a limit was, on average. */
function fullness({ used, perSecond }: Pick<Series['limits'][number], 'used' | 'perSecond'>): number {
  const shares = used.map((value, i) => (perSecond[i] ? (value ?? 0) / perSecond[i] : 0));
  return shares.reduce((sum, share) => sum + share, 0) / Math.max(1, shares.length);
}

/** What a run's time went into. */
export interface Slowness {
  what: string;
  ms: number;
  /** Of the whole run, 0 to 1. Shares overlap: a limit can be full while the destination is behind. */
  share: number;
}

/** What held the run up, the longest first; what held it for less than a twentieth is left out. */
export function slownessOf(series: Series): Slowness[] {
  const ms = series.elapsedMs.map((each, i) => each - (series.elapsedMs[i - 1] ?? 0));
  const total = ms.reduce((sum, each) => sum + each, 0);
  const during = (test: (i: number) => boolean) => ms.reduce((sum, each, i) => sum + (test(i) ? each : 0), 0);
  const limits = series.limits.map(({ name, used, perSecond }) => ({
    what: `the limit ${name} was full`,
    ms: during((i) => Boolean(perSecond[i]) && (used[i] ?? 0) >= FULL * perSecond[i]!),
  }));
  const isHeld = (i: number) =>
    series.limits.some(({ used, perSecond }) => Boolean(perSecond[i]) && (used[i] ?? 0) >= FULL * perSecond[i]!);
  const isBehind = (i: number) => series.bufferedBytes[i]! >= CONGESTED * LIMITS.bufferedBytes;
  return [
    ...limits,
    ...series.waits.map(({ reason, ms: each }) => ({ what: `it waited: ${reason}`, ms: each })),
    { what: 'the destination was behind: pages waited for their commit', ms: during(isBehind) },
    {
      what: 'no limit was full: the answers themselves took the time, or few pages could be asked for at once',
      ms: during((i) => !isHeld(i) && !isBehind(i)),
    },
  ]
    .map((each) => ({ ...each, share: total === 0 ? 0 : Math.min(1, each.ms / total) }))
    .filter(({ share }) => share >= 0.05)
    .toSorted((a, b) => b.ms - a.ms);
}

/** The last hour of a partition's limits: a value for each minute, null where nothing was known. */
export interface LastHour {
  minutes: string[];
  limits: { name: string; used: number[]; perSecond: (number | null)[]; rejections: number[] }[];
}

const MINUTE_MS = 60_000;
const HOUR_MINUTES = 60;
/** More limits are told of nowhere: those that were used most stay. */
const HOUR_LIMITS = 30;

export function lastHourOf(
  rows: { name: string; minute: string; used: number; perSecond: number | null; rejections: number }[],
  nowMs: number,
): LastHour {
  const last = Math.floor(nowMs / MINUTE_MS);
  const first = last - HOUR_MINUTES + 1;
  const found = new Map<string, LastHour['limits'][number]>();
  for (const { name, minute, used, perSecond, rejections } of rows) {
    const at = Math.floor(Date.parse(minute) / MINUTE_MS) - first;
    if (at < 0 || at >= HOUR_MINUTES) continue;
    let limit = found.get(name);
    if (!limit) {
      const zeros = () => Array.from({ length: HOUR_MINUTES }, () => 0);
      limit = { name, used: zeros(), perSecond: zeros().map(() => null), rejections: zeros() };
      found.set(name, limit);
    }
    limit.used[at] = used;
    limit.perSecond[at] = perSecond;
    limit.rejections[at] = rejections;
  }
  const sum = (values: number[]) => values.reduce((total, value) => total + value, 0);
  return {
    minutes: Array.from({ length: HOUR_MINUTES }, (_, i) => new Date((first + i) * MINUTE_MS).toISOString()),
    limits: [...found.values()]
      .toSorted((a, b) => sum(b.rejections) - sum(a.rejections) || sum(b.used) - sum(a.used))
      .slice(0, HOUR_LIMITS),
  };
}
