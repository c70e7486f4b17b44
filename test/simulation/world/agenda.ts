/**
 * Virtual time. Whatever happens in the world is an entry of one agenda, and between two entries all promises settle.
 * So a world is one thread without chance: the same seed takes the same steps.
 */
import { seededRandom, type Random } from '../../../src/base/random.js';

/** Who an entry belongs to. */
export interface Owner {
  /** Nothing more of it happens. */
  dead: boolean;
  /** Until then it stands still: what is due for it comes late. */
  stillUntilMs: number;
}

interface Entry {
  atMs: number;
  order: number;
  act: (() => void) | undefined;
  of: Owner | undefined;
}

const before = (a: Entry, b: Entry) => a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);

export class Agenda {
  nowMs = 0;
  /** Entries carried out so far: where a failing seed stopped. */
  steps = 0;
  /** Whose entry is carried out now: what is thrown and caught by nobody is its end. */
  current: Owner | undefined;
  readonly random: Random;
  private readonly heap: Entry[] = [];
  private order = 0;
  /** What an entry threw: a timer's callback that throws ends its process. */
  onThrow: (error: unknown) => void = (error) => {
    throw error;
  };
  private readonly held = new Set<Promise<unknown>>();
  private readonly lines: string[] = [];
  /** A digest of everything that was noted: two runs of a seed must agree on it. */
  digest = 0x811c9dc5;

  constructor(
    seed: number,
    private readonly keepsHistory: boolean,
  ) {
    this.random = seededRandom(seed);
  }

  /** Calls back after `ms`, unless its owner is dead by then; the returned function cancels it. */
  in(ms: number, act: () => void, of?: Owner): () => void {
    const entry: Entry = { atMs: this.nowMs + Math.max(0, ms), order: this.order++, act, of };
    this.push(entry);
    return () => (entry.act = undefined);
  }

  between(least: number, most: number): number {
    return least + (most - least) * this.random.next();
  }

  chance(share: number): boolean {
    return this.random.next() < share;
  }

  pick<T>(from: readonly T[]): T {
    return from[this.random.integer(from.length)]!;
  }

  /** Remembers what happened; `tell` is called only where somebody will read it. */
  note(kind: string, number: number, tell: () => string): void {
    for (let i = 0; i < kind.length; i++) this.digest = Math.imul(this.digest ^ kind.charCodeAt(i), 0x01000193);
    this.digest = Math.imul(this.digest ^ Math.round(number + this.nowMs * 8), 0x01000193);
    if (this.keepsHistory)
      this.lines.push(
        `${String(this.steps).padStart(6)} ${(this.nowMs / 1000).toFixed(3).padStart(10)} ${kind} ${tell()}`,
      );
  }

  get history(): readonly string[] {
    return this.lines;
  }

  /** Time stands still until this work of the real world is done. */
  async holding<T>(work: Promise<T>): Promise<T> {
    this.held.add(work);
    try {
      return await work;
    } finally {
      this.held.delete(work);
    }
  }

  /** Goes on until `isOver`, or until nothing is left to happen. */
  async run(isOver: () => boolean): Promise<void> {
    while (!isOver()) {
      const entry = this.heap[0];
      if (entry === undefined) return;
      this.pop();
      const { of, act } = entry;
      if (act === undefined || of?.dead) continue;
      if (of && of.stillUntilMs > entry.atMs) {
        this.push({ ...entry, atMs: of.stillUntilMs, order: entry.order });
        continue;
      }
      this.nowMs = entry.atMs;
      this.steps++;
      this.current = of;
      try {
        act();
      } catch (error) {
        this.onThrow(error);
      }
      await new Promise(setImmediate);
      while (this.held.size > 0) {
        await Promise.race(this.held).catch(() => {});
        await new Promise(setImmediate);
      }
      this.current = undefined;
    }
  }

  private push(entry: Entry): void {
    const { heap } = this;
    let i = heap.push(entry) - 1;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (!before(heap[i]!, heap[parent]!)) break;
      [heap[i], heap[parent]] = [heap[parent]!, heap[i]!];
      i = parent;
    }
  }

  private pop(): void {
    const { heap } = this;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    heap[0] = last;
    for (let i = 0; ;) {
      let child = 2 * i + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child++;
      if (!before(heap[child]!, heap[i]!)) break;
      [heap[i], heap[child]] = [heap[child]!, heap[i]!];
      i = child;
    }
  }
}
