/**
 * What the scheduler's SQL decides, in memory: who is admitted, in which order, and what waits. A million connections
 * fit. `test/simulation/scheduler-model.test.ts` holds it against the real functions, step by step.
 */

/** Times are milliseconds of any clock. */
export interface ModelTask {
  id: number;
  connection: number;
  exclusive: boolean;
  rank: number;
  /** When it was due. */
  dueMs: number;
}

interface Connection {
  partition: number;
  cap: number;
  running: number;
  exclusiveRunning: number;
  paused: boolean;
  /** Queued tasks, the best first: those that may run beside others, and the exclusive ones. */
  beside: ModelTask[];
  alone: ModelTask[];
}

interface Partition {
  cap: number;
  running: number;
  paused: boolean;
  /** Turn at which it was served last: the lowest is next. */
  served: number;
  /** Connections that have tasks queued. */
  waiting: Set<number>;
  /** In the queue of turns, perhaps. */
  queued: boolean;
}

const before = (a: ModelTask, b: ModelTask) => a.rank < b.rank || (a.rank === b.rank && a.id < b.id);

export class SchedulerModel {
  readonly connections: Connection[] = [];
  readonly partitions: Partition[] = [];
  private readonly turns = new Heap<number>((a, b) => this.partitions[a]!.served < this.partitions[b]!.served);
  private turn = 0;
  private ids = 0;

  addPartition(cap: number): number {
    this.partitions.push({ cap, running: 0, paused: false, served: ++this.turn, waiting: new Set(), queued: false });
    return this.partitions.length - 1;
  }

  addConnection(partition: number, cap: number): number {
    const id = this.connections.length;
    this.connections.push({
      partition,
      cap,
      running: 0,
      exclusiveRunning: 0,
      paused: false,
      beside: [],
      alone: [],
    });
    return id;
  }

  enqueue(
    connection: number,
    { dueMs, exclusive, priority }: { dueMs: number; exclusive: boolean; priority: number },
  ): ModelTask {
    const task = { id: ++this.ids, connection, exclusive, rank: dueMs - priority * 60_000, dueMs };
    this.queue(task);
    return task;
  }

  /** Up to `count` tasks: partitions in turn, one task of each, and again while there is room. */
  claim(count: number): ModelTask[] {
    const taken: ModelTask[] = [];
    let parts: number[] = [];
    while (parts.length < count) {
      const next = this.turns.pop();
      if (next === undefined) break;
      this.partitions[next]!.queued = false;
      if (this.isDispatchable(next)) parts.push(next);
    }
    const all = parts;
    while (parts.length > 0 && taken.length < count) {
      const served: number[] = [];
      for (const id of parts) {
        if (taken.length >= count) break;
        const task = this.takeOf(id);
        if (!task) continue;
        taken.push(task);
        served.push(id);
      }
      parts = served;
    }
    for (const id of all) this.offer(id);
    return taken;
  }

  /** `again`: it is queued anew, with the rank that it had. */
  end(task: ModelTask, again: boolean): void {
    const connection = this.connections[task.connection]!;
    connection.running--;
    if (task.exclusive) connection.exclusiveRunning--;
    this.partitions[connection.partition]!.running--;
    if (again) this.queue(task);
    this.offer(connection.partition);
  }

  setCap(partition: number, cap: number): void {
    this.partitions[partition]!.cap = cap;
    this.offer(partition);
  }

  pause(connection: number, paused: boolean): void {
    this.connections[connection]!.paused = paused;
    this.offer(this.connections[connection]!.partition);
  }

  /** Whether a claim would bring something. */
  get hasWork(): boolean {
    for (;;) {
      const next = this.turns.peek();
      if (next === undefined) return false;
      if (this.isDispatchable(next)) return true;
      this.turns.pop();
      this.partitions[next]!.queued = false;
    }
  }

  private queue(task: ModelTask): void {
    const connection = this.connections[task.connection]!;
    const tasks = task.exclusive ? connection.alone : connection.beside;
    let at = tasks.length;
    while (at > 0 && before(task, tasks[at - 1]!)) at--;
    tasks.splice(at, 0, task);
    this.partitions[connection.partition]!.waiting.add(task.connection);
    this.offer(connection.partition);
  }

  /** Back into the queue of turns, at its own. */
  private offer(id: number): void {
    const partition = this.partitions[id]!;
    if (partition.queued || !this.isDispatchable(id)) return;
    partition.queued = true;
    this.turns.push(id);
  }

  private isDispatchable(id: number): boolean {
    const { running, cap, paused } = this.partitions[id]!;
    return running < cap && !paused && this.bestOf(id) !== undefined;
  }

  private headOf({ running, cap, paused, exclusiveRunning, beside, alone }: Connection): ModelTask | undefined {
    if (running >= cap || paused) return undefined;
    const single = exclusiveRunning === 0 ? alone[0] : undefined;
    const other = beside[0];
    if (!single || !other) return single ?? other;
    return before(single, other) ? single : other;
  }

  private bestOf(id: number): ModelTask | undefined {
    let best: ModelTask | undefined;
    for (const each of this.partitions[id]!.waiting) {
      const head = this.headOf(this.connections[each]!);
      if (head && (!best || head.rank < best.rank)) best = head;
    }
    return best;
  }

  private takeOf(id: number): ModelTask | undefined {
    const partition = this.partitions[id]!;
    if (partition.running >= partition.cap) return undefined;
    const task = this.bestOf(id);
    if (!task) return undefined;
    const connection = this.connections[task.connection]!;
    (task.exclusive ? connection.alone : connection.beside).shift();
    if (connection.alone.length + connection.beside.length === 0) partition.waiting.delete(task.connection);
    connection.running++;
    if (task.exclusive) connection.exclusiveRunning++;
    partition.running++;
    partition.served = ++this.turn;
    return task;
  }
}

/** The least first. */
export class Heap<T> {
  private readonly items: T[] = [];
  constructor(private readonly less: (a: T, b: T) => boolean) {}

  get size(): number {
    return this.items.length;
  }

  peek(): T | undefined {
    return this.items[0];
  }

  push(item: T): void {
    const { items, less } = this;
    let at = items.push(item) - 1;
    for (let up = (at - 1) >> 1; at > 0 && less(item, items[up]!); at = up, up = (at - 1) >> 1) items[at] = items[up]!;
    items[at] = item;
  }

  pop(): T | undefined {
    const { items, less } = this;
    const top = items[0];
    const last = items.pop();
    if (last === undefined || items.length === 0) return top;
    let at = 0;
    for (;;) {
      let down = 2 * at + 1;
      if (down >= items.length) break;
      if (down + 1 < items.length && less(items[down + 1]!, items[down]!)) down++;
      if (!less(items[down]!, last)) break;
      items[at] = items[down]!;
      at = down;
    }
    items[at] = last;
    return top;
  }
}
