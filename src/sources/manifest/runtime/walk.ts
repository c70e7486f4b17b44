/** Where a walk over a stream's pages stands, as its cursor keeps it. */
import type { Doubt } from '../../../base/evidence.js';
import type { Json } from '../document/read.js';

/** The window and its end, and the page token in it. Kept in state, so short. */
export interface Walk {
  t: Json;
  w?: number;
  e?: number;
  /**
   * What the page before held, where its token is the next one's as well: a scroll's is, and that of a pager that
   * stands still.
   */
  h?: number;
  /** Lists whose rows may move: the last row, whether they moved, walks so far, the fullest page, a short one. */
  k?: number | undefined;
  m?: 1 | undefined;
  n?: number | undefined;
  c?: number | undefined;
  s?: 1 | 2 | undefined;
  l?: number | undefined;
  /** Where the parts end of a window that was too long for its API, the next one first. */
  b?: number[] | undefined;
  /** Why what was walked is doubtful. */
  d?: Doubt | undefined;
  /** Pages in a row without a row. */
  z?: number;
  /**
   * Walks by a cursor: pages with this token, and the row that the page before began with, where it claimed the end.
   */
  p?: number | undefined;
  x?: number | undefined;
  /** The page failed after so many rows, which were stored; and their hash. */
  f?: readonly [number, number] | undefined;
}

/** What the walk over a list keeps from page to page. */
export function carried({ k, m, n, c, s, l, d, p, x }: Walk): Partial<Walk> {
  return { k, m, n, c, s, l, d, p, x };
}
