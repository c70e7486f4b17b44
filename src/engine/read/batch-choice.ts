/** Which of the pages and splits that wait make up the next batch: a pure choice. */
import { reduce, type Ledger, type LedgerEvent } from '../../ledger/ledger.js';

export interface Waiting {
  kind: 'page' | 'split';
  event: Extract<LedgerEvent, { type: 'page' | 'split' }>;
  bytes: number;
}

export interface BatchLimits {
  unit: number;
  maxBytes: number;
  mostRanges: number;
  /** Ranges whose entries a commit under way is writing. */
  locked: ReadonlySet<number>;
}

export interface BatchChoice<Item> {
  taken: Item[];
  left: Item[];
  events: LedgerEvent[];
  /** The ledger once the batch is committed. */
  ledger: Ledger;
  touched: Set<number>;
  bytes: number;
}

/** The ranges whose entries an item changes. */
export function rangesOf({ event }: Waiting): number[] {
  return event.type === 'page' ? [event.range] : [event.victim, event.thief];
}

/**
 * The longest run of waiting items, in order, whose ranges no other commit is writing. A split is in the same
 * transaction as, or an earlier one than, its thief's first page. The first item always fits.
 */
export function chooseBatch<Item extends Waiting>(
  queue: Item[],
  ledger: Ledger,
  limits: BatchLimits,
): BatchChoice<Item> {
  const { unit, maxBytes, mostRanges, locked } = limits;
  const blocked = new Set<number>();
  const choice: BatchChoice<Item> = { taken: [], left: [], events: [], ledger, touched: new Set(), bytes: 0 };
  for (const item of queue) {
    const ranges = rangesOf(item);
    const fits =
      (choice.bytes === 0 || choice.bytes + item.bytes <= maxBytes) &&
      (choice.touched.size < mostRanges || ranges.every((id) => choice.touched.has(id)));
    if (!fits || ranges.some((id) => locked.has(id) || blocked.has(id))) {
      for (const id of ranges) blocked.add(id);
      choice.left.push(item);
      continue;
    }
    choice.ledger = reduce(choice.ledger, item.event, unit);
    choice.events.push(item.event);
    for (const id of ranges) choice.touched.add(id);
    choice.taken.push(item);
    choice.bytes += item.bytes;
  }
  return choice;
}
