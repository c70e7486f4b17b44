/** Commits what readers have ready: several batches side by side, each one transaction. */
import type { Batch, CommitReceipt, DestinationSession } from '../../destinations/contract.js';
import type { Clock } from '../../base/clock.js';
import { LIMITS } from '../../base/bounds.js';
import type { ByteBudget } from '../read/memory.js';

export interface TakenBatch {
  batch: Batch;
  bytes: number;
  done(receipt: CommitReceipt): void;
  failed(error: unknown): void;
}

/** A reader with pages that wait for their commit. */
export interface Pending {
  pendingBytes(): number;
  /** Monotonic milliseconds since which the oldest waits; undefined: nothing waits. */
  oldestMs(): number | undefined;
  /** No more pages will come: do not wait for a fuller batch. */
  draining(): boolean;
  /** Takes what may be committed now; undefined where all of it waits for a commit under way. */
  take(maxBytes: number): TakenBatch | undefined;
}

export class Writer {
  private readonly sources = new Set<Pending>();
  private active = 0;
  private scheduled = false;
  /** Nothing was committed yet: whoever waits for the first rows shall not wait for more of them. */
  private isFirst = true;
  private cancelTimer: (() => void) | undefined;

  constructor(
    private readonly session: DestinationSession,
    private readonly memory: ByteBudget,
    private readonly clock: Clock,
  ) {}

  add(source: Pending): void {
    this.sources.add(source);
  }

  remove(source: Pending): void {
    this.sources.delete(source);
  }

  /** Commits under way. */
  get committing(): number {
    return this.active;
  }

  /** Something changed: look again, once per turn. */
  kick(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    queueMicrotask(() => {
      this.scheduled = false;
      this.look();
    });
  }

  private look(): void {
    this.cancelTimer?.();
    this.cancelTimer = undefined;
    const now = this.clock.monotonic();
    let nextMs = Infinity;
    const due: Pending[] = [];
    for (const source of this.sources) {
      const oldest = source.oldestMs();
      if (oldest === undefined) continue;
      const waitMs = oldest + LIMITS.batchDelayMs - now;
      if (
        waitMs <= 0 ||
        this.isFirst ||
        source.draining() ||
        this.memory.full ||
        source.pendingBytes() >= LIMITS.batchEagerBytes
      )
        due.push(source);
      else nextMs = Math.min(nextMs, waitMs);
    }
    due.sort((a, b) => b.pendingBytes() - a.pendingBytes());
    for (const source of due) {
      while (this.active < LIMITS.writers) {
        const taken = source.take(LIMITS.batchBytes);
        if (!taken) break;
        void this.commit(taken);
      }
    }
    if (nextMs < Infinity) this.cancelTimer = this.clock.after(nextMs, () => this.look());
  }

  private async commit(taken: TakenBatch): Promise<void> {
    this.active++;
    this.isFirst = false;
    try {
      taken.done(await this.session.commit(taken.batch));
    } catch (error) {
      taken.failed(error);
    } finally {
      this.active--;
      this.memory.release(taken.bytes);
      this.kick();
    }
  }
}
