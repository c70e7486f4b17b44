/**
 * What it means that an API refuses the place that a walk goes on at: a cursor that expired, or a page that there is
 * not.
 */
import { CursorGoneError, SkippableError } from '../../../base/errors.js';
import type { Verdict } from '../../../http/request.js';

/** The code of a page past the first whose place the API refused, also where the connector ignores that. */
export const CURSOR_REFUSED = 'cursor_refused';
/** Statuses that an API answers a cursor with that it does not know any more, or a place past the end. */
export const UNKNOWN_PLACE = new Set([400, 404, 410, 416, 422]);
/** The code of a page whose number the API says there is not. */
export const NO_SUCH_PAGE = 'no_such_page';
/** With any other status it may not give what is there. */
const NOT_THERE = new Set([404, 410, 416, 422]);

/**
 * The verdict on the place that was asked for, where the API refuses it: of a cursor, which may have expired, the walk
 * begins anew, and says what was refused if that does not help; of a page by number, that there is no such page.
 */
export function refusedPlace(verdict: Verdict, status: number, by: 'cursor' | 'number' | undefined): Verdict {
  if (verdict.kind !== 'error' || by === undefined || !UNKNOWN_PLACE.has(status)) return verdict;
  const { message, place, expected, found, next } = verdict.error;
  const detail = { place, expected, found, next, cause: verdict.error };
  if (by === 'cursor')
    return { kind: 'error', error: new CursorGoneError(message, { ...detail, code: CURSOR_REFUSED }) };
  return NOT_THERE.has(status)
    ? { kind: 'error', error: new SkippableError(message, { ...detail, code: NO_SUCH_PAGE }) }
    : verdict;
}
