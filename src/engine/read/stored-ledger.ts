/** The ledger of a stream as it is committed, with the version of each range's entry. */
import { encodeRange, rangeKey } from '../../ledger/checkpoint.js';
import { reduce, type Ledger, type LedgerEvent, type Range } from '../../ledger/ledger.js';
import type { StateWrite } from '../../destinations/contract.js';

export class StoredLedger {
  constructor(
    private readonly stream: string,
    private readonly unit: number,
    private current: Ledger,
    /** By range; a range that was never written has none. */
    readonly versions: Map<number, number>,
  ) {}

  get ledger(): Ledger {
    return this.current;
  }

  has(range: number): boolean {
    return this.versions.has(range);
  }

  /** What makes the entries of `touched` say what `ledger` says, where nobody wrote them since. */
  writes(touched: Iterable<number>, ledger: Ledger): StateWrite[] {
    const writes: StateWrite[] = [];
    for (const id of touched) {
      const range = ledger.ranges.get(id);
      const expect = this.versions.get(id) ?? 0;
      if (range || expect > 0)
        writes.push({ stream: this.stream, key: rangeKey(id), expect, value: range ? encodeRange(range) : null });
    }
    return writes;
  }

  /** The writes of `touched` are committed, and with them these events. */
  committed(events: LedgerEvent[], touched: Iterable<number>): void {
    this.current = this.after(events);
    for (const id of touched) {
      if (this.current.ranges.has(id)) this.versions.set(id, (this.versions.get(id) ?? 0) + 1);
      else this.versions.delete(id);
    }
  }

  /** Commits events by themselves, with what else is to be written; nothing may be under way. */
  async apply(
    events: LedgerEvent[],
    more: StateWrite[],
    write: (writes: StateWrite[]) => Promise<void>,
  ): Promise<void> {
    const before = this.current;
    const after = this.after(events);
    const touched = new Set<number>();
    for (const id of new Set([...before.ranges.keys(), ...after.ranges.keys()]))
      if (before.ranges.get(id) !== after.ranges.get(id)) touched.add(id);
    const writes = [...this.writes(touched, after), ...more];
    if (writes.length > 0) await write(writes);
    this.committed(events, touched);
  }

  /** In the place of a part that another process had: the ranges that it left, as they are stored. */
  replace(id: number, ranges: { range: Range; version: number }[]): void {
    const all = new Map(this.current.ranges);
    all.delete(id);
    this.versions.delete(id);
    for (const { range, version } of ranges) {
      all.set(range.id, range);
      this.versions.set(range.id, version);
    }
    this.current = {
      ...this.current,
      ranges: all,
      nextId: Math.max(this.current.nextId, ...ranges.map(({ range }) => range.id + 1)),
    };
  }

  private after(events: LedgerEvent[]): Ledger {
    return events.reduce((ledger, event) => reduce(ledger, event, this.unit), this.current);
  }
}
