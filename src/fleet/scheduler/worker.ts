/**
 * One worker of a fleet: claims tasks while it has free slots, runs them, and tells how they ended. It keeps its lease
 * with one heartbeat for all its tasks; where that fails for too long it stops them, since others may have them by
 * then. Any worker also does the scheduler's chores: repeated tasks that are due, tasks of the dead, counters.
 */
import type { Clock } from '../../base/clock.js';
import { messageOf, RetriableError } from '../../base/errors.js';
import type { PostgresTarget } from '../../postgres/connect.js';
import type { Random } from '../../base/random.js';
import { choreLoop } from './chores.js';
import { failureOf, type End, type Guest, type Running } from './ending.js';
import type { TaskHandler } from './executor.js';
import { listenOnce } from './listening.js';
import { TASKS_CHANNEL, type Scheduler } from './scheduler.js';
import { LeaseLostError } from './scheduler-errors.js';
import { Strays } from './strays.js';
import type { ClaimedTask, Settlement, Stop, TaskRef, WorkerInfo } from './task.js';
import type { StopReason, WorkerEvent } from './worker-event.js';

export type { TaskContext, TaskHandler } from './executor.js';
export type { StopReason, WorkerEvent } from './worker-event.js';

/** What a worker works with. */
export interface WorkerOptions {
  scheduler: Scheduler;
  /** For the connection that listens for hints. */
  target: PostgresTarget;
  info: Omit<WorkerInfo, 'id' | 'presence'>;
  /** A fresh name for each time it joins. */
  newId: () => string;
  /** The executor of what it claims and adopts: this process's own, or one that hands tasks on (executors/). */
  handle: TaskHandler;
  /** False: it runs only what it adopts. */
  claims?: boolean;
  clock: Clock;
  random: Random;
  leaseMs?: number;
  /** How often it looks for tasks that no hint told of. */
  pollMs?: number;
  observe?: (event: WorkerEvent) => void;
  /** Once a minute, by each worker: what others keep in the same database and somebody has to tidy. */
  housekeeping?: () => Promise<void>;
}

const LEASE_MS = 15_000;
const POLL_MS = 1_000;
/** Heartbeats in a lease, of which several may be lost; and one a second, so that who is gone is noticed soon. */
const BEATS = 5;
const BEAT_MS = 1_000;
/** Of the lease; past this without a heartbeat, tasks are stopped. */
const SAFE_PART = 0.8;
/** Until the session that listens, and proves that this worker lives, is opened again. */
const LISTEN_AGAIN_MS = 300;
/** Between two tries of a database that is away, at most. */
const RETRY_MS = 2_000;
/**
 * Of the time between two looks: after one in vain no hint makes it look sooner. In a large fleet each hint comes to all,
 * and is one worker's.
 */
const QUIET_PART = 0.2;
/** Until it looks again for a free slot for a task that was handed over. */
const ADOPT_AGAIN_MS = 50;
/** Kind of a task that helps another one. */
const PART = 'part';
/** Until a part that came to its own leader may be claimed again. */
const PART_AGAIN_MS = 2_000;

/** Claims tasks, runs them under a lease, and ends them in order. */
export class Worker {
  /** By task and attempt: after a lost lease the same task may come here again before its old attempt has ended. */
  private readonly running = new Map<string, Running>();
  private readonly leaseMs: number;
  private readonly pollMs: number;
  private id: string | undefined;
  private beatMs = -Infinity;
  private stopping = false;
  private adopting = 0;
  /** Tasks that are being asked for, each of which a slot is kept for. */
  private asked = 0;
  private readonly ends: End[] = [];
  private readonly strays = new Strays();
  private isTelling = false;
  private telling: Promise<void> = Promise.resolve();
  private readonly presence: number;
  private wake: () => void = () => {};
  private hinted = false;
  private emptyMs = -Infinity;
  private readonly over = new AbortController();
  private claiming: Promise<void> = Promise.resolve();
  private loops: Promise<unknown> = Promise.resolve();
  private readonly guests = new Set<Guest>();

  constructor(private readonly options: WorkerOptions) {
    this.leaseMs = options.leaseMs ?? LEASE_MS;
    this.pollMs = options.pollMs ?? POLL_MS;
    this.presence = options.random.integer(2 ** 31) * 2 ** 20 + options.random.integer(2 ** 20);
  }

  start(): void {
    this.claiming = this.claimLoop();
    this.loops = Promise.all([this.claiming, this.beatLoop(), this.chores(), this.keepUp(), this.listenLoop()]);
  }

  /** Under which slots are held for what others keep; undefined while it has none. */
  get lease(): string | undefined {
    return this.stopping ? undefined : this.id;
  }

  /** Tells a guest of the lease when it ends; returns how it leaves. */
  host(guest: Guest): () => void {
    this.guests.add(guest);
    return () => this.guests.delete(guest);
  }

  /** Tasks that it runs now. */
  get tasks(): ClaimedTask[] {
    return [...this.running.values()].map(({ task }) => task);
  }

  /**
   * Runs a task that another admitted and handed over, once a slot is free; resolves when it ended here. False: it is
   * no longer available. Delivered twice, it is run once. Throws RetriableError where this worker stops before it took
   * the task.
   */
  async adopt(task: ClaimedTask): Promise<boolean> {
    const { scheduler, info, clock } = this.options;
    for (let failures = 0; !this.stopping && !this.over.signal.aborted;) {
      const worker = this.id;
      if (worker === undefined || this.running.size + this.adopting >= info.slots) {
        await clock.sleep(ADOPT_AGAIN_MS, this.over.signal);
        continue;
      }
      this.adopting++;
      let mine: ClaimedTask | undefined;
      try {
        mine = await this.strays.asking(() => scheduler.adopt(task, worker));
      } catch (error) {
        if (error instanceof LeaseLostError && this.id === worker) this.lose();
        await clock.sleep(Math.min(RETRY_MS, 50 * 2 ** failures++), this.over.signal);
        continue;
      } finally {
        this.adopting--;
      }
      if (!mine) return false;
      this.begin(mine, worker);
      await this.running.get(`${mine.id}/${mine.attempt}`)?.ended;
      return true;
    }
    throw new RetriableError('this worker stops', { code: 'worker_stops', next: 'deliver the task to another' });
  }

  /** Takes no more tasks, stops those it runs so that others go on with them, and leaves: within `withinMs`. */
  async drain(withinMs: number): Promise<void> {
    this.stopping = true;
    this.wake();
    const { scheduler, clock } = this.options;
    const id = this.id;
    if (id !== undefined) await scheduler.drain(id).catch(() => {});
    for (const each of this.running.values()) each.abort.abort('drain' satisfies StopReason);
    const guests = Promise.all([...this.guests].map((guest) => guest('drain')));
    // The process must not live on for the sake of a timer.
    const waited = new AbortController();
    await Promise.race([
      Promise.all([this.claiming.then(() => this.idle()), guests]),
      clock.sleep(withinMs, waited.signal),
    ]);
    this.over.abort();
    // It may have joined while it was told to stop; and a claim that came after that was refused as one without a lease.
    const last = this.id ?? id;
    if (last !== undefined)
      await Promise.race([scheduler.leave(last).catch(() => {}), clock.sleep(RETRY_MS, waited.signal)]);
    waited.abort();
    await this.loops;
  }

  private async claimLoop(): Promise<void> {
    const { scheduler, info, clock, observe } = this.options;
    let failures = 0;
    while (!this.stopping) {
      try {
        this.id ??= await this.joinFleet();
        const worker = this.id;
        this.hinted = false;
        const tasks = await this.taking(0, async (free) => (free > 0 ? scheduler.claim(worker, free) : []));
        this.accept(tasks, worker);
        failures = 0;
        if (tasks.length === 0) this.emptyMs = clock.monotonic();
        if (tasks.length === 0 || this.running.size >= info.slots) await this.rest();
      } catch (error) {
        if (error instanceof LeaseLostError) this.lose();
        else {
          observe?.({ type: 'trouble', message: messageOf(error) });
          await clock.sleep(Math.min(RETRY_MS, 50 * 2 ** failures++), this.over.signal);
        }
      }
    }
  }

  /** Room for tasks, kept for as long as `work` asks for some. `ending`: slots that come free with the same. */
  private async taking<T>(ending: number, work: (free: number) => Promise<T>): Promise<T> {
    const { claims, info } = this.options;
    const isOpen = claims !== false && !this.stopping;
    const free = isOpen ? Math.max(0, info.slots - this.running.size - this.asked + ending) : 0;
    this.asked += free;
    return this.strays.asking(() => work(free)).finally(() => (this.asked -= free));
  }

  private accept(tasks: ClaimedTask[], worker: string): void {
    const runAt = new Date(this.options.clock.now() + PART_AGAIN_MS);
    for (const task of tasks) {
      if (this.leads(task)) void this.settle(task, { state: 'again', runAt }, worker);
      else this.begin(task, worker);
    }
  }

  /** A part of a run that this very process leads: reading it here would only take a slot. */
  private leads({ kind, parent }: ClaimedTask): boolean {
    return kind === PART && [...this.running.values()].some(({ task }) => task.id === parent);
  }

  /** Until a slot is free, a hint comes, or it is time to look; not at once after it looked in vain. */
  private async rest(): Promise<void> {
    const { clock, random } = this.options;
    if (!this.hinted && !this.stopping) await this.wait(this.pollMs * (0.75 + random.next() / 2));
    const quietMs = this.emptyMs + this.pollMs * QUIET_PART - clock.monotonic();
    while (!this.stopping && this.emptyMs + this.pollMs * QUIET_PART > clock.monotonic()) await this.wait(quietMs);
  }

  private wait(ms: number): Promise<void> {
    return new Promise<void>((resolve) => {
      const cancel = this.options.clock.after(ms, resolve);
      this.wake = () => {
        cancel();
        resolve();
      };
    });
  }

  private hint(): void {
    this.hinted = true;
    this.wake();
  }

  private async joinFleet(): Promise<string> {
    const { scheduler, info, newId, clock, observe } = this.options;
    const id = newId();
    await scheduler.join({ ...info, id, presence: this.presence }, this.leaseMs);
    this.beatMs = clock.monotonic();
    observe?.({ type: 'joined', worker: id });
    return id;
  }

  private begin(task: ClaimedTask, worker: string): void {
    const abort = new AbortController();
    this.options.observe?.({ type: 'task_started', task });
    const ended = this.runTask(task, abort, worker).finally(() => {
      this.running.delete(`${task.id}/${task.attempt}`);
      this.hint();
    });
    this.running.set(`${task.id}/${task.attempt}`, { task, abort, ended });
    // A claim that was under way when the worker was told to stop.
    if (this.stopping) abort.abort('drain' satisfies StopReason);
  }

  private async runTask(task: ClaimedTask, abort: AbortController, worker: string): Promise<void> {
    const { handle, observe } = this.options;
    let settlement: Settlement | 'settled';
    try {
      settlement = await handle(task, { signal: abort.signal });
    } catch (error) {
      settlement = failureOf(error, abort.signal, this.options.clock.now());
    }
    if (settlement === 'settled') return;
    const state = await this.settle(task, settlement, worker);
    observe?.({
      type: 'task_settled',
      task,
      state: state ?? 'taken over',
      ...('error' in settlement ? { error: settlement.error.message } : {}),
      ...('result' in settlement ? { result: settlement.result } : {}),
    });
  }

  /** Until the database took it, or the lease is gone: whoever has the task by then says how it ended. */
  private settle({ id, attempt }: TaskRef, settlement: Settlement, worker: string): Promise<string | undefined> {
    return new Promise((resolve) => {
      this.ends.push({ id, attempt, settlement, worker, resolve });
      if (!this.isTelling) this.telling = this.tellEnds();
    });
  }

  /**
   * One statement after the other: what ends meanwhile goes with the next, and each brings the tasks that come then.
   */
  private async tellEnds(): Promise<void> {
    const { scheduler, clock } = this.options;
    this.isTelling = true;
    for (let failures = 0; this.ends.length > 0;) {
      // What the database does not take shall not hold up the others.
      const batch = this.ends.splice(0, failures > 0 ? 1 : this.ends.length);
      const worker = this.over.signal.aborted ? undefined : this.id;
      for (const each of batch) if (each.worker !== worker) each.resolve(undefined);
      const mine = batch.filter((each) => each.worker === worker);
      if (worker === undefined || mine.length === 0) continue;
      try {
        const ending = mine.filter(({ id, attempt }) => this.running.has(`${id}/${attempt}`)).length;
        const { ended, taken } = await this.taking(ending, (free) => scheduler.exchange(worker, mine, free));
        failures = 0;
        for (const each of mine) each.resolve(ended.get(each.id));
        this.accept(taken, worker);
      } catch {
        this.ends.push(...mine);
        await clock.sleep(Math.min(RETRY_MS, 50 * 2 ** failures++), this.over.signal);
      }
    }
    this.isTelling = false; // at once: what ends from now on finds nobody who tells it
  }

  /** Nothing runs here any more, and the database knows of it. */
  private async idle(): Promise<void> {
    while (this.running.size > 0 || this.isTelling)
      await Promise.all([...[...this.running.values()].map((each) => each.ended), this.telling]);
  }

  private async beatLoop(): Promise<void> {
    const { scheduler, clock } = this.options;
    for (;;) {
      await clock.sleep(Math.min(BEAT_MS, this.leaseMs / BEATS), this.over.signal);
      if (this.over.signal.aborted) return;
      const worker = this.id;
      if (worker === undefined) continue;
      try {
        const askedMs = clock.monotonic();
        const mine = await scheduler.heartbeat(worker, this.leaseMs);
        this.beatMs = askedMs;
        if (worker !== this.id) continue;
        this.obey(new Map(mine.map((each) => [each.id, each])));
        for (const stray of this.strays.among(mine, (key) => this.running.has(key)))
          void this.settle(stray, { state: 'again' }, worker);
      } catch (error) {
        const isLost = error instanceof LeaseLostError || clock.monotonic() - this.beatMs > this.leaseMs * SAFE_PART;
        if (isLost && worker === this.id) this.lose();
      }
    }
  }

  private obey(mine: Map<number, { attempt: number; stop: Stop | null }>): void {
    for (const { task, abort } of this.running.values()) {
      const known = mine.get(task.id);
      if (known?.attempt === task.attempt && known.stop !== null) abort.abort(known.stop satisfies StopReason);
    }
  }

  /** The lease is gone or may be: what runs here belongs to others. The next claim joins anew. */
  private lose(): void {
    this.id = undefined;
    for (const each of this.running.values()) each.abort.abort('lost' satisfies StopReason);
    for (const guest of this.guests) void guest('lost');
  }

  private chores(): Promise<void> {
    const { pollMs, leaseMs } = this;
    return choreLoop({ ...this.options, pollMs, leaseMs, over: this.over.signal, isStopping: () => this.stopping });
  }

  private keepUp(): Promise<void> {
    const { scheduler, clock, random, housekeeping } = this.options;
    return scheduler.upkeep.loop(clock, random, this.over.signal, housekeeping);
  }

  private async listenLoop(): Promise<void> {
    const { target, clock } = this.options;
    while (!this.over.signal.aborted) {
      // Without it, polling goes on without hints.
      await listenOnce(
        target,
        { presence: this.presence, channel: TASKS_CHANNEL },
        () => this.hint(),
        this.over.signal,
      ).catch(() => {});
      await clock.sleep(LISTEN_AGAIN_MS, this.over.signal);
    }
  }
}
