/** Where a walk over a stream's pages stands, as its cursor keeps it. */
import type { Doubt } from '../../../base/evidence.js';
import type { Json } from '../document/read.js';
import type { PageOutput } from './retriever.js';

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
  /** Rows of this walk so far, where its API says how many there are. */
  r?: number | undefined;
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

/**
 * What the answers of a walk say, against what came of it: `isFirst`, on its first page; `isAnew`, where it begins once
 * more after this one.
 */
export function heard(
  walk: Walk,
  { claims, received, next, end, isCutOff }: PageOutput,
  at: WalkPlace,
): Pick<Walk, 'r' | 'd'> {
  const counts = at.isFirst ? claims?.total !== undefined : walk.r !== undefined;
  const r = counts ? (at.isFirst ? 0 : walk.r!) + received.length : undefined;
  if (at.isAnew) return { r: undefined };
  if (isCutOff) return { r, d: 'capped' };
  if (claims?.isPart) return { r, d: 'incomplete' };
  if (next !== null || end?.doubt !== undefined) return { r };
  const isShort = r !== undefined && claims?.total !== undefined && claims.total > r;
  return isShort || (claims?.more && received.length > 0) ? { r, d: 'uncounted' } : { r };
}

export interface WalkPlace {
  isFirst: boolean;
  isAnew: boolean;
}

/** What the walk over a list keeps from page to page. */
export function carried({ k, m, n, c, s, l, d, p, x, r }: Walk): Partial<Walk> {
  return { k, m, n, c, s, l, d, p, x, r };
}
