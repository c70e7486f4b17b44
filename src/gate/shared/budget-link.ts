/** A process's connection to the row of a shared gate: locked, made again where it was lost, and its clock followed. */
import type { Clock } from '../../base/clock.js';
import type { BudgetRow, LockedRow } from './budget-store.js';
import type { DatabaseClock } from './database-clock.js';

const CLOCK_SAMPLES = 3;
const REOPEN_GAP_MS = 250;

export interface BudgetLinkOptions {
  open: () => Promise<BudgetRow>;
  /** This process's name among those that share. */
  member: string;
  onError: (error: unknown) => void;
  /** How long a store that is lost is waited for. */
  waitMs: number;
  clock: Clock;
  database: DatabaseClock;
  /** The database's clock was set, by so many milliseconds. */
  onClockSet: (nowMs: number, byMs: number) => void;
}

export class BudgetLink {
  private constructor(
    readonly options: BudgetLinkOptions,
    private current: BudgetRow,
  ) {}

  static async open(options: BudgetLinkOptions): Promise<BudgetLink> {
    return new BudgetLink(options, await options.open());
  }

  get store(): BudgetRow {
    return this.current;
  }

  get member(): string {
    return this.options.member;
  }

  async lock(): Promise<LockedRow> {
    const sentMs = this.options.clock.monotonic();
    const row = await this.current.lock(sentMs);
    this.observe(row.nowMs, sentMs);
    return row;
  }

  /** A grant's time must be right from the first one on, and the first row may come late. */
  async synchronise(): Promise<void> {
    for (let i = 0; i < CLOCK_SAMPLES; i++) {
      const sentMs = this.options.clock.monotonic();
      this.observe(await this.current.clock(), sentMs);
    }
  }

  /** Opens the store again, until `endMs`; false where it did not come back, or nobody wants it any more. */
  async reopen(endMs: number, isWanted: () => boolean): Promise<boolean> {
    const { clock, open } = this.options;
    while (isWanted()) {
      try {
        this.current = await open();
        await this.synchronise();
        return true;
      } catch {
        if (clock.monotonic() + REOPEN_GAP_MS > endMs) break;
        await clock.sleep(REOPEN_GAP_MS);
      }
    }
    return false;
  }

  private observe(nowMs: number, sentMs: number): void {
    const { database, clock, onClockSet } = this.options;
    const byMs = database.observe(nowMs, sentMs, clock.monotonic());
    if (byMs !== 0) onClockSet(nowMs, byMs);
  }
}
