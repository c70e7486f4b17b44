/**
 * What happens, for those who watch. One poll of the database serves all of them, and none is made while nobody
 * watches. Each watcher has a bounded queue: one that is too slow is told to look again instead of holding up the rest.
 */
import type { Clock } from '../base/clock.js';
import { LIMITS } from '../base/bounds.js';
import type { Pool } from '../postgres/pool.js';
import type { RunDetail, RunStore, StoredEvent } from '../runs/run-store.js';
import { changedTasks, type TaskChange } from '../fleet/scheduler/overview.js';

export type FeedItem =
  | { event: 'run'; id?: undefined; data: RunDetail }
  | { event: 'event'; id: number; data: StoredEvent }
  | { event: 'task'; id?: undefined; data: TaskChange }
  | { event: 'resync'; id?: undefined; data: Record<string, never> };

export const FEED_KINDS = ['run', 'event', 'task'] as const;
export type FeedKind = (typeof FEED_KINDS)[number];

export interface Filter {
  run?: string | undefined;
  connection?: string | undefined;
  /** Undefined: all. */
  kinds?: FeedKind[] | undefined;
}

const wants = ({ kinds }: Filter, kind: FeedKind) => kinds === undefined || kinds.includes(kind);

export interface Watcher extends AsyncIterable<FeedItem | undefined> {
  leave(): void;
}

const POLL_MS = 500;
/** Rows become visible this much later than their time says: they are looked for once more, and told once. */
const OVERLAP_MS = 3_000;
/** Silence after which a watcher is told that all is well. */
const ALIVE_MS = 15_000;

export class Feed {
  private readonly watchers = new Set<QueueWatcher>();
  private polling: Promise<void> | undefined;
  private readonly over = new AbortController();

  constructor(
    private readonly pool: Pool,
    private readonly runs: RunStore,
    private readonly clock: Clock,
    private readonly onError: (error: unknown) => void,
  ) {}

  /** Undefined: too many watch already. */
  join(filter: Filter): Watcher | undefined {
    if (this.watchers.size >= LIMITS.watchers || this.over.signal.aborted) return undefined;
    const watcher = new QueueWatcher(filter, this.clock, () => this.watchers.delete(watcher));
    this.watchers.add(watcher);
    this.polling ??= this.poll().finally(() => (this.polling = undefined));
    return watcher;
  }

  async close(): Promise<void> {
    this.over.abort();
    for (const watcher of this.watchers) watcher.leave();
    await this.polling;
  }

  private async poll(): Promise<void> {
    let sinceMs = await this.databaseNow().catch(() => this.clock.now());
    const told = {
      events: new Map<number, number>(),
      runs: new Map<string, string>(),
      tasks: undefined as Map<number, string> | undefined,
    };
    let failing = false;
    // Who comes while others watch already is told of everything that runs, as the first ones are.
    while (this.watchers.size > 0 && !this.over.signal.aborted) {
      try {
        const now = await this.databaseNow();
        const isWanted = (kind: FeedKind) => [...this.watchers].some(({ filter }) => wants(filter, kind));
        if (isWanted('run')) await this.tellRuns(told.runs, sinceMs - OVERLAP_MS);
        if (isWanted('event')) await this.tellEvents(told.events, sinceMs - OVERLAP_MS);
        if (isWanted('task')) told.tasks = await this.tellTasks(told.tasks);
        for (const [id, at] of told.events) if (at < sinceMs - 2 * OVERLAP_MS) told.events.delete(id);
        sinceMs = now;
        failing = false;
      } catch (error) {
        if (!failing) this.onError(error);
        failing = true;
      }
      await this.clock.sleep(POLL_MS, this.over.signal);
    }
  }

  private async databaseNow(): Promise<number> {
    return (
      await this.pool.query<{ now: number }>('select (extract(epoch from clock_timestamp()) * 1000)::float8 as now')
    )[0]!.now;
  }

  private async tellRuns(told: Map<string, string>, sinceMs: number): Promise<void> {
    const all = [...this.watchers].filter(({ filter }) => wants(filter, 'run'));
    const named = all.every(({ filter }) => filter.run !== undefined)
      ? all.map(({ filter }) => filter.run!)
      : undefined;
    for (const run of await this.runs.watch(named, sinceMs)) {
      if (told.get(run.id) === run.updatedAt) continue;
      told.set(run.id, run.updatedAt);
      if (run.finishedAt !== null && told.size > LIMITS.watcherEvents) told.delete(run.id);
      this.tell({ event: 'run', data: run }, run.id, run.connection);
    }
  }

  private async tellEvents(told: Map<number, number>, sinceMs: number): Promise<void> {
    for (const event of await this.runs.eventsSince(sinceMs)) {
      if (told.has(event.id)) continue;
      told.set(event.id, this.clock.now());
      this.tell({ event: 'event', id: event.id, data: event }, event.run, event.connection);
    }
  }

  /** The first look tells nothing: what runs is not news. Returns what the next one compares with. */
  private async tellTasks(told: Map<number, string> | undefined): Promise<Map<number, string>> {
    const now = new Map<number, string>();
    for (const task of await changedTasks(this.pool)) {
      const state = `${task.state}/${task.attempt}`;
      now.set(task.id, state);
      if (told && told.get(task.id) !== state) this.tell({ event: 'task', data: task }, undefined, task.connection);
    }
    return now;
  }

  private tell(item: FeedItem, run: string | undefined, connection: string): void {
    for (const watcher of this.watchers) {
      const { filter } = watcher;
      if (
        item.event !== 'resync' &&
        wants(filter, item.event) &&
        (filter.run === undefined || filter.run === run) &&
        (filter.connection === undefined || filter.connection === connection)
      )
        watcher.push(item);
    }
  }
}

class QueueWatcher implements Watcher {
  private queue: FeedItem[] = [];
  private left = false;
  private wake: () => void = () => {};

  constructor(
    readonly filter: Filter,
    private readonly clock: Clock,
    private readonly onLeave: () => void,
  ) {}

  push(item: FeedItem): void {
    // Of a run, the latest snapshot says all.
    if (item.event === 'run')
      this.queue = this.queue.filter((waiting) => waiting.event !== 'run' || waiting.data.id !== item.data.id);
    if (this.queue.length >= LIMITS.watcherEvents) this.queue = [{ event: 'resync', data: {} }];
    this.queue.push(item);
    this.wake();
  }

  leave(): void {
    this.left = true;
    this.onLeave();
    this.wake();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<FeedItem | undefined> {
    while (!this.left) {
      const item = this.queue.shift();
      if (item) yield item;
      else if (!(await this.news())) yield undefined;
    }
  }

  /** False: none came for a while. */
  private news(): Promise<boolean> {
    return new Promise((resolve) => {
      const cancel = this.clock.after(ALIVE_MS, () => resolve(false));
      this.wake = () => {
        cancel();
        resolve(true);
      };
    });
  }
}
