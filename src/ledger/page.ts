/** A page as the planner asks for it, and takes it in. */
import type { Evidence } from '../base/evidence.js';
import type { LedgerEvent, Range } from './ledger.js';

export interface PageRead {
  /** Position of every row, in the order received; NaN for a row that has none. */
  positions: number[];
  /** Primary key of every row as text, or null. */
  keys: (string | null)[];
  hasMore: boolean;
  nextCursor: string | null;
  /** What the source says of the end, where this page is it. */
  end?: Evidence | undefined;
}

export interface RangeRequest {
  range: number;
  cursor: string | null;
  filter: Range['filter'];
}

export interface PageVerdict {
  /** Indexes of the rows that belong to this range; undefined: all of them. */
  keep: number[] | undefined;
  event: Extract<LedgerEvent, { type: 'page' }>;
}
