/**
 * Writes down what a run tells, in the coordination database, for whoever shows it. Trades detail for load: commits are
 * folded into snapshots, and a run that nobody watches writes one every few seconds. A recorder that cannot write never
 * holds the run up.
 */
import type { Clock } from '../base/clock.js';
import { HeadraceError, messageOf } from '../base/errors.js';
import { redact } from '../base/log.js';
import { LIMITS } from '../base/bounds.js';
import type { Progress, RunEvent, RunSummary } from '../engine/report/events.js';
import type { Pool } from '../postgres/pool.js';
import { Sampler } from './samples.js';

/** Why a run ended without a summary. */
export interface Reason {
  message: string;
  code?: string | undefined;
  next?: string | undefined;
}

export function reasonOf(error: unknown): Reason {
  const { code, next } = error instanceof HeadraceError ? error : {};
  return { message: messageOf(error), code, next };
}

export interface RunIdentity {
  connection: string;
  kind: string;
  task: number | undefined;
  attempt: number | undefined;
  worker: string | undefined;
}

/** A snapshot's period while somebody watches, and while nobody does. */
const WATCHED_MS = 500;
const UNWATCHED_MS = 5_000;
/** The least time between two samples. */
const SAMPLE_MS = 1_000;
/** How a run ended is worth a second try. */
const LAST_TRIES = 4;
/** The same wait is told again after this long. */
const WAIT_AGAIN_MS = 15_000;
/** Parts of a span drawn for a stream: more cannot be told apart on a screen. */
const PARTS_SHOWN = 100;

/** What is kept of an event; `committed` and `split` are in the snapshots. */
type KeptEvent =
  | Exclude<RunEvent, { type: 'committed' | 'split' | 'finished' }>
  | { type: 'finished'; outcome: string }
  | { type: 'retries'; endpoint: string; reason: string; status: number; count: number };

export class RunRecorder {
  private run: string | undefined;
  private startedMs = 0;
  private snapshot: (() => Progress) | undefined;
  private pending: { at: string; event: KeptEvent }[] = [];
  private retries = new Map<string, Extract<KeptEvent, { type: 'retries' }>>();
  private readonly toldWaits = new Map<string, number>();
  private events = 0;
  private summary: RunSummary | undefined;
  private told = { rows: 0, requests: 0, rejections: 0 };
  private timer: (() => void) | undefined;
  private readonly sampler = new Sampler();
  private sampling: (() => void) | undefined;
  private reason: Reason | undefined;
  private writing: Promise<void> = Promise.resolve();
  private closed = false;

  constructor(
    private readonly pool: Pool,
    private readonly identity: RunIdentity,
    private readonly clock: Clock,
  ) {}

  /** Snapshots are taken from here on. */
  watch(snapshot: () => Progress): void {
    this.snapshot = snapshot;
    this.sample();
  }

  take(event: RunEvent): void {
    switch (event.type) {
      case 'started':
        this.run = event.runId;
        this.startedMs = this.clock.now();
        this.keep(event);
        this.writing = this.open();
        this.schedule(WATCHED_MS);
        return;
      case 'committed':
      case 'split':
        return;
      case 'retry': {
        const key = `${event.endpoint} ${event.status} ${event.reason}`;
        const known = this.retries.get(key);
        if (known) known.count++;
        else if (this.retries.size < LIMITS.runEventsKept)
          this.retries.set(key, { ...event, type: 'retries', count: 1 });
        return;
      }
      case 'wait': {
        const key = `${event.reason} ${event.limit ?? ''}`;
        if (this.clock.monotonic() - (this.toldWaits.get(key) ?? -Infinity) < WAIT_AGAIN_MS) return;
        this.toldWaits.set(key, this.clock.monotonic());
        return this.keep(event);
      }
      case 'finished':
        this.summary = event.summary;
        return this.keep({ type: 'finished', outcome: event.summary.outcome });
      default:
        return this.keep(event);
    }
  }

  /** Writes the last time. `reason`: the run ended without a summary. */
  async close(reason?: Reason): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    this.timer?.();
    this.sampling?.();
    await this.writing;
    if (this.run === undefined) return;
    if (reason !== undefined) this.keep({ type: 'note', message: reason.message }, true);
    this.reason = reason;
    if (this.snapshot) this.sampler.take(this.snapshot(), new Date(this.clock.now()).toISOString(), true);
    for (let tries = 0; tries < LAST_TRIES && !(await this.write(true)); tries++) await this.clock.sleep(WATCHED_MS);
  }

  private keep(event: KeptEvent, always = false): void {
    const ends = event.type === 'finished' || event.type === 'stream';
    if (!always && !ends && this.events >= LIMITS.runEventsKept) return;
    if (++this.events === LIMITS.runEventsKept)
      event = {
        type: 'note',
        message: 'this run tells more than is kept; from here on only what becomes of its streams',
      };
    this.pending.push({ at: new Date(this.clock.now()).toISOString(), event });
  }

  private sample(): void {
    if (this.closed || !this.snapshot) return;
    this.sampler.take(this.snapshot(), new Date(this.clock.now()).toISOString());
    this.sampling?.();
    this.sampling = this.clock.after(SAMPLE_MS * this.sampler.stepSeconds, () => this.sample());
  }

  private schedule(ms: number): void {
    if (this.closed) return;
    this.timer = this.clock.after(ms, () => {
      this.writing = this.writing.then(async () => void (await this.write(false)));
    });
  }

  private async open(): Promise<void> {
    const { connection, kind, task, attempt, worker } = this.identity;
    // What an earlier attempt left open ended without a word.
    await this.pool
      .query(
        `update _headrace.run_record set finished_at = clock_timestamp(), updated_at = clock_timestamp(),
          outcome = 'killed' where connection_id = $1 and finished_at is null
          and started_at < to_timestamp($2::float8 / 1000)`,
        [connection, this.startedMs],
      )
      .then(() =>
        this.pool.query(
          `insert into _headrace.run_record (id, connection_id, task_id, attempt, kind, worker, started_at)
            values ($1, $2, $3, $4, $5, $6, to_timestamp($7::float8 / 1000)) on conflict do nothing`,
          [this.run, connection, task ?? null, attempt ?? null, kind, worker ?? null, this.startedMs],
        ),
      )
      .catch(() => {});
  }

  /** False: it could not be written. */
  private async write(last: boolean): Promise<boolean> {
    const progress = this.snapshot && shown(this.snapshot());
    for (const event of this.retries.values()) this.keep(event);
    this.retries.clear();
    const events = this.pending;
    this.pending = [];
    const drained = this.sampler.drain();
    const sums = this.summary ?? progress ?? this.told;
    const since = (of: 'rows' | 'requests' | 'rejections') => Math.round(sums[of] - this.told[of]);
    const delta = { rows: since('rows'), requests: since('requests'), rejections: since('rejections') };
    try {
      const [row] = await this.pool.query<{ watched: boolean }>(
        `with events as (insert into _headrace.run_event (run_id, at, event) select $1, (e->>'at')::timestamptz,
          e->'event' from jsonb_array_elements($2::jsonb) e returning 1),
         samples as (insert into _headrace.run_sample (run_id, tick, at, sample) select $1, (s->>'tick')::int,
           (s->>'at')::timestamptz, s->'sample' from jsonb_array_elements($12::jsonb) s on conflict do nothing
           returning 1),
         ended as (select case when $8 = 'paused'
           and exists (select 1 from _headrace.task t where t.id = $14 and t.stop = 'cancel') then 'cancelled' else $8
           end as outcome),
         total as (
           insert into _headrace.connection_total as t (connection_id, runs, rows, requests, rejections, last_run_id,
             last_outcome, fresh_as_of) values ($3, $7::int, $4, $5, $6, $1, (select outcome from ended), case
             when $8 = 'complete' then to_timestamp($9::float8 / 1000) end)
           on conflict (connection_id) do update set runs = t.runs + $7::int, rows = t.rows + $4,
             requests = t.requests + $5, rejections = t.rejections + $6, last_run_id = $1,
             last_outcome = coalesce(excluded.last_outcome, t.last_outcome),
               fresh_as_of = coalesce(excluded.fresh_as_of, t.fresh_as_of) returning 1)
         update _headrace.run_record set updated_at = clock_timestamp(), progress = coalesce($10::jsonb, progress),
           summary = $11::jsonb, reason = $13::jsonb, outcome = (select outcome from ended), finished_at = case
           when $7::int = 1 then clock_timestamp() end
         where id = $1 returning coalesce(watched_until > now(), false) as watched`,
        [
          this.run,
          redact(JSON.stringify(events)),
          this.identity.connection,
          delta.rows,
          delta.requests,
          delta.rejections,
          last ? 1 : 0,
          last ? (this.summary?.outcome ?? 'failed') : null,
          this.startedMs,
          progress === undefined ? null : redact(JSON.stringify(progress)),
          this.summary === undefined ? null : redact(JSON.stringify(this.summary)),
          redact(JSON.stringify(drained.samples)),
          this.reason === undefined ? null : redact(JSON.stringify(this.reason)),
          this.identity.task ?? null,
        ],
      );
      if (drained.thinTo !== undefined)
        await this.pool.query('delete from _headrace.run_sample where run_id = $1 and tick % $2 <> 0', [
          this.run,
          drained.thinTo,
        ]);
      this.told = { rows: sums.rows, requests: sums.requests, rejections: sums.rejections };
      this.schedule(
        row?.watched ? WATCHED_MS : Math.min(UNWATCHED_MS, Math.max(WATCHED_MS, this.clock.now() - this.startedMs)),
      );
      return true;
    } catch {
      // The run goes on; what could not be told is told next time, as far as there is room.
      this.pending = [...events, ...this.pending].slice(-LIMITS.runEventsKept);
      this.sampler.putBack(drained);
      this.schedule(UNWATCHED_MS);
      return false;
    }
  }
}

/** A snapshot as small as a screen needs it. */
function shown(progress: Progress): Progress {
  const round = (value: number) => Math.round(value * 1000) / 1000;
  return {
    ...progress,
    elapsedMs: Math.round(progress.elapsedMs),
    rowsPerSecond: Math.round(progress.rowsPerSecond * 10) / 10,
    requestsPerSecond: round(progress.requestsPerSecond),
    streams: progress.streams.map((stream) => ({
      ...stream,
      expectedPages: Math.ceil(stream.expectedPages),
      done: merged(stream.done).map(({ from, to }) => ({ from: round(from), to: round(to) })),
    })),
  };
}

/** Neighbours become one, the nearest first, until there are few enough. */
function merged(parts: Progress['streams'][number]['done']): Progress['streams'][number]['done'] {
  const out = parts.toSorted((a, b) => a.from - b.from).filter(({ from, to }) => to > from);
  const gapTo = (i: number) => out[i + 1]!.from - out[i]!.to;
  for (let least = 0.0005; ; least *= 2) {
    for (let i = out.length - 2; i >= 0; i--)
      if (gapTo(i) <= least) out.splice(i, 2, { from: out[i]!.from, to: Math.max(out[i]!.to, out[i + 1]!.to) });
    if (out.length <= PARTS_SHOWN) return out;
  }
}
