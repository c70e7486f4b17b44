/** Where a walk goes on after a page, or what failed amid it. */
import type { ApiResponse } from '../../../http/request.js';
import type { DataRecord } from '../../../base/catalog.js';
import type { Json } from '../document/read.js';
import type { Dict } from '../templates/values.js';
import { headerDict } from './answer-headers.js';
import type { Paginator } from './paginator.js';
import { isFromObject, type Selected } from './records.js';

/** Half of what was asked for is not taken for all of it. */
export function throwFailure({ failure }: Pick<Selected, 'failure'>): void {
  if (failure !== undefined) throw failure;
}

export interface Onwards {
  /** Null: no more pages. */
  next: Json;
  /** The token past this page, whether or not it claims to be the last; of walks by a cursor. */
  after?: Json | undefined;
  failure?: unknown;
}

/** Where the walk goes on after an answer, or what a row or the next page's template failed with. */
export function onwards(...[pages, document, headers, selected, ...rest]: Parameters<typeof nextOf>): Onwards {
  if (selected.failure !== undefined) return { next: null, failure: selected.failure };
  try {
    return nextOf(pages, document, headers, selected, ...rest);
  } catch (failure) {
    return { next: null, failure };
  }
}

/** The next page as the paginator sees it. */
function nextOf(
  pages: Paginator,
  document: unknown,
  headers: ApiResponse['headers'],
  selected: Selected,
  token: Json,
  slice: Dict,
  pageSize?: number,
): Onwards {
  const seen = {
    document,
    headers: headerDict(headers),
    size: selected.received.length,
    lastRecord: lastOf(selected),
    token,
    slice,
    pageSize,
  };
  const next = pages.next(seen);
  return pages.after ? { next, after: next ?? pages.after(seen) } : { next };
}

/** The last record as the stream stores it, or as the server sent it where a filter dropped it. */
function lastOf({ records, received }: Selected): DataRecord | undefined {
  return records.findLast(isFromObject) ?? received.findLast(isFromObject);
}
