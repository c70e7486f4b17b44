/**
 * The scheduler through thousands of hours that a clock of ours makes: schedules, failures, workers that die and come
 * back, leases, backoff, dead letters, fairness. The SQL is the real one on a real PostgreSQL; only `headrace.now` is
 * ours.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Pool } from '../../src/postgres/pool.js';
import { seededRandom } from '../../src/base/random.js';
import { nextDue, type Cadence } from '../../src/fleet/scheduler/cadence.js';
import { Scheduler } from '../../src/fleet/scheduler/scheduler.js';
import type { ClaimedTask } from '../../src/fleet/scheduler/task.js';
import { LeaseLostError } from '../../src/fleet/scheduler/scheduler-errors.js';
import { freshDatabase } from '../support.js';

const HOUR = 3_600_000;
const HOURS = 2000;
const BEAT = 20 * 60_000;
const LEASE = 90 * 60_000;
const START = Date.parse('2026-02-01T00:00:00Z');

let database: Awaited<ReturnType<typeof freshDatabase>>;
beforeAll(async () => {
  database = await freshDatabase();
  await (await Scheduler.open(database.target)).close();
});
afterAll(() => database?.drop());

interface Started {
  task: ClaimedTask;
  atMs: number;
  worker: string;
}

class Simulation {
  nowMs = START;
  private readonly scheduler: Scheduler;
  private readonly agenda: { atMs: number; seq: number; act: () => Promise<void> }[] = [];
  private seq = 0;
  private names = 0;
  readonly random;
  readonly starts: Started[] = [];
  readonly ends = new Map<string, { atMs: number; state: string }>();
  readonly running = new Map<number, Started>();
  /** When each worker died, by its name. */
  readonly deaths = new Map<string, number>();
  lostWaits: number[] = [];

  constructor(
    private readonly pool: Pool,
    seed: number,
  ) {
    this.scheduler = new Scheduler(pool);
    this.random = seededRandom(seed);
  }

  get api(): Scheduler {
    return this.scheduler;
  }

  at(atMs: number, act: () => Promise<void>): void {
    this.agenda.push({ atMs, seq: this.seq++, act });
  }

  async run(untilMs: number): Promise<void> {
    for (;;) {
      let next = 0;
      for (let i = 1; i < this.agenda.length; i++)
        if (
          this.agenda[i]!.atMs < this.agenda[next]!.atMs ||
          (this.agenda[i]!.atMs === this.agenda[next]!.atMs && this.agenda[i]!.seq < this.agenda[next]!.seq)
        )
          next = i;
      const [entry] = this.agenda.splice(next, 1);
      if (!entry || entry.atMs > untilMs) return;
      this.nowMs = Math.max(this.nowMs, entry.atMs);
      await this.setClock();
      await entry.act();
    }
  }

  async setClock(): Promise<void> {
    await this.pool.query(`select set_config('headrace.now', $1, false)`, [new Date(this.nowMs).toISOString()]);
  }

  async worker(slots: number): Promise<void> {
    const id = `w${++this.names}`;
    await this.scheduler.join({ id, host: 'h', pid: 1, version: 't', slots }, LEASE);
    const own = new Set<number>();
    // About one death in 300 hours.
    const diesAtMs = this.nowMs + this.random.next() * 600 * HOUR;
    const beat = async (): Promise<void> => {
      if (this.nowMs >= diesAtMs) {
        this.deaths.set(id, this.nowMs);
        this.at(this.nowMs + this.random.next() * 2 * HOUR, () => this.worker(slots));
        return;
      }
      try {
        await this.scheduler.heartbeat(id, LEASE);
        if (own.size < slots) {
          for (const task of await this.scheduler.claim(id, slots - own.size)) {
            own.add(task.id);
            this.begin(task, id, diesAtMs, () => own.delete(task.id));
          }
        }
      } catch (error) {
        if (!(error instanceof LeaseLostError)) throw error;
        throw new Error('a worker that beats in time lost its lease', { cause: error });
      }
      this.at(this.nowMs + BEAT, beat);
    };
    await beat();
  }

  private begin(task: ClaimedTask, worker: string, diesAtMs: number, onEnd: () => void): void {
    const before = this.running.get(task.id);
    if (before) {
      // Only what a dead worker left may begin again, and not before its lease ran out.
      const died = this.deaths.get(before.worker);
      expect(died).toBeDefined();
      this.lostWaits.push(this.nowMs - died!);
    }
    const started = { task, atMs: this.nowMs, worker };
    this.starts.push(started);
    this.running.set(task.id, started);
    const { minutes, fails } = task.payload as { minutes?: number; fails?: boolean };
    const endMs = this.nowMs + (minutes ?? 5 + this.random.next() * 50) * 60_000;
    if (endMs >= diesAtMs) return;
    const isFailure = fails === true || this.random.next() < 0.05;
    this.at(endMs, async () => {
      onEnd();
      const [settled] = await this.scheduler.settle([
        {
          ...task,
          settlement: isFailure ? { state: 'failed', error: { code: 'e', message: 'm' } } : { state: 'done' },
        },
      ]);
      expect(settled).toBeDefined();
      this.running.delete(task.id);
      this.ends.set(`${task.id}/${task.attempt}`, { atMs: this.nowMs, state: settled!.state });
    });
  }
}

// Long because it is one history: what is set up in its first hour is asked about in its last.
test(`${HOURS} hours of schedules, failures and deaths`, async () => {
  const pool = new Pool(database.target, 'simulation', 1);
  const simulation = new Simulation(pool, 7);
  const { api } = simulation;
  await simulation.setClock();
  const cadences: Record<string, Cadence> = {
    hourly: { everySeconds: 4 * 3600 },
    nightly: { cron: '0 3 * * *', timeZone: 'Europe/Berlin' },
    weekly: { cron: '30 9 * * 1', timeZone: 'America/New_York' },
    slow: { everySeconds: 12 * 3600 },
  };
  for (const id of Object.keys(cadences))
    await api.define({
      id,
      partition: id === 'slow' ? 'hourly' : id,
      app: id === 'slow' ? 'hourly' : id,
      limit: { requests: 4, frequencySeconds: 1 },
      maxConcurrent: 2,
    });
  for (const id of ['batch', 'small', 'broken'])
    await api.define({ id, partition: id, app: id, limit: { requests: 4, frequencySeconds: 1 }, maxConcurrent: 2 });
  for (const [id, cadence] of Object.entries(cadences))
    await api.repeat(id, 'sync', cadence, { payload: id === 'slow' ? { minutes: 600 } : {} });
  for (let n = 0; n < 3; n++) await simulation.worker(4);
  const chores = async (): Promise<void> => {
    await api.reap();
    await api.tick();
    simulation.at(simulation.nowMs + BEAT, chores);
  };
  simulation.at(START, chores);
  const broken: number[] = [];
  simulation.at(START + HOUR, async () => {
    await api.enqueue(
      Array.from({ length: 400 }, () => ({ connection: 'batch', kind: 'k', payload: { minutes: 30 } })),
    );
    broken.push(
      (
        await api.enqueue([{ connection: 'broken', kind: 'k', payload: { fails: true, minutes: 1 }, maxAttempts: 5 }])
      )[0]!.id,
    );
  });
  const small: { id: number; atMs: number }[] = [];
  for (let n = 0; n < 40; n++)
    simulation.at(
      START + (2 + n * 2) * HOUR,
      async () =>
        void small.push({
          id: (await api.enqueue([{ connection: 'small', kind: 'k', payload: { minutes: 10 } }]))[0]!.id,
          atMs: simulation.nowMs,
        }),
    );
  await simulation.run(START + HOURS * HOUR);

  // Each due time brought one task, and none began before its time.
  for (const [id, cadence] of Object.entries(cadences)) {
    const times: number[] = [];
    const begin = 'cron' in cadence ? nextDue(cadence, START, START) : START;
    for (let due = begin; due < simulation.nowMs - 3 * HOUR; due = nextDue(cadence, due, due)) times.push(due);
    const first = simulation.starts.filter((start) => start.task.connection === id && start.task.attempt === 1);
    expect(first.length, id).toBeLessThanOrEqual(times.length + 1);
    expect(first.length, id).toBeGreaterThan(times.length * 0.75);
    if (!('cron' in cadence)) continue;
    for (const { atMs } of first) {
      const due = times.findLast((time) => time <= atMs);
      expect(due, `${id} at ${new Date(atMs).toISOString()}`).toBeDefined();
      expect(atMs - due!).toBeLessThan(3 * HOUR);
    }
  }
  // One run at a time for each connection, although its caps allow two.
  for (const id of ['hourly', 'nightly', 'weekly', 'slow']) {
    const spans = simulation.starts
      .filter((start) => start.task.connection === id)
      .map((start) => ({
        from: start.atMs,
        to:
          simulation.ends.get(`${start.task.id}/${start.task.attempt}`)?.atMs ??
          simulation.deaths.get(start.worker) ??
          Infinity,
      }));
    spans.sort((a, b) => a.from - b.from);
    for (let i = 1; i < spans.length; i++) expect(spans[i]!.from, id).toBeGreaterThanOrEqual(spans[i - 1]!.to);
  }
  // The dead are noticed after their lease and before long; what fails for ever ends as a dead letter, later and later.
  expect(simulation.lostWaits.length).toBeGreaterThan(3);
  expect(Math.min(...simulation.lostWaits)).toBeGreaterThanOrEqual(LEASE - BEAT);
  expect(Math.max(...simulation.lostWaits)).toBeLessThan(LEASE + 3 * HOUR);
  const attempts = simulation.starts.filter((start) => start.task.id === broken[0]);
  expect(attempts).toHaveLength(5);
  const gaps = attempts.slice(1).map((start, i) => start.atMs - attempts[i]!.atMs);
  for (let i = 1; i < gaps.length; i++) expect(gaps[i]!).toBeGreaterThanOrEqual(gaps[i - 1]! - BEAT);
  expect(simulation.ends.get(`${broken[0]}/${attempts.at(-1)!.task.attempt}`)?.state).toBe('dead');
  // A partition with little to do does not wait for one with much.
  for (const { id, atMs } of small) {
    const start = simulation.starts.find((each) => each.task.id === id);
    expect(start).toBeDefined();
    if (![...simulation.deaths.values()].some((death) => Math.abs(death - atMs) < 3 * HOUR))
      expect(start!.atMs - atMs).toBeLessThan(HOUR);
  }
  expect(await api.upkeep.reconcile()).toBe(0);
  const left = await pool.query(
    `select count(*) as n from _headrace.task where connection_id in ('batch', 'small') and state <> 'done'
      and not (state = 'dead' and failures >= 8)`,
  );
  expect(left).toEqual([{ n: 0 }]);
  await pool.close();
});
