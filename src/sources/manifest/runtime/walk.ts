/** Where a walk over a stream's pages stands, as its cursor keeps it. */
import { LIMITS } from '../../../base/bounds.js';
import { FatalError } from '../../../base/errors.js';
import type { Doubt } from '../../../base/evidence.js';
import { identityText, stringifyJson } from '../../../base/json.js';
import { hashString } from '../../../base/random.js';
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
  /**
   * Lists whose rows may move: the last row, whether they moved, walks so far, the fullest page, a short one; that its
   * front is looked at once more, that another process began it, and which rows came twice in the walk before.
   */
  k?: number | undefined;
  m?: 1 | undefined;
  n?: number | undefined;
  c?: number | undefined;
  s?: 1 | 2 | undefined;
  l?: number | undefined;
  v?: 1 | undefined;
  o?: 1 | undefined;
  q?: number | undefined;
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

/** What shows that pages come without end. Throws FatalError where they do. */
export function goesOn(output: PageOutput, walk: Walk, endpoint: string): Pick<Walk, 'h' | 'z'> {
  return { ...standing(output, walk, endpoint), ...silence(output, walk, endpoint) };
}

/** An API that goes on for ever without a row. */
function silence(output: PageOutput, walk: Walk, endpoint: string): Pick<Walk, 'z'> {
  if (output.received.length > 0 || output.isStep) return {};
  const z = (walk.z ?? 0) + 1;
  if (z < LIMITS.stalePages) return { z };
  throw new FatalError('the pages of the API do not come to an end', {
    code: 'pages_repeat',
    place: endpoint,
    expected: 'a page with rows, or the end',
    found: `${z} pages in a row without a row, each of which says that more follow`,
    next: 'check the paginator of the manifest: its stop condition does not end it',
  });
}

function standing(output: PageOutput, walk: Walk, endpoint: string): Pick<Walk, 'h'> {
  if (walk.t === null || stringifyJson(output.next) !== stringifyJson(walk.t)) return {};
  const held = hashString(identityText([output.received.length, output.received[0]]));
  if (held !== walk.h) return { h: held };
  throw new FatalError('the pages of the API do not go on', {
    code: 'pages_stand_still',
    place: endpoint,
    expected: 'another page, or the end',
    found: `the same page again for ${stringifyJson(walk.t).slice(0, 80)}`,
    next: 'check the paginator of the manifest: its stop condition does not end it',
  });
}

/** Tells one walk over pages from another: by its slice, and where its window begins. */
export const placeOf = (slice: string | undefined, from: number | undefined) => `${slice ?? ''}\u0001${from ?? ''}`;

/** What the walk over a list keeps from page to page. */
export function carried({ k, m, n, c, s, l, v, o, q, d, p, x, r }: Walk): Partial<Walk> {
  return { k, m, n, c, s, l, v, o, q, d, p, x, r };
}
