/** Where the pages of a stream end: why one without rows is believed, or is not. */
import { CursorGoneError, FatalError, SkippableError } from '../../../base/errors.js';
import { stringifyJson } from '../../../base/json.js';
import { isObject } from '../document/read.js';
import type { Evidence } from '../../../base/evidence.js';
import type { Verdict } from '../../../http/request.js';
import type { Sent } from './exchange.js';
import type { Selected } from './records.js';

/** The code of an ignored error past the first page. */
export const IGNORED_MIDWAY = 'ignored_midway';
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

/**
 * Why a page without rows is believed. Amid a walk an ignored error, or an answer without its list, is no end: the walk
 * begins anew, or says what came. On the first page it may mean that there is nothing, which is weak. `isCounted`: a list
 * by numbers or offsets.
 */
export function endOf(
  { response, documents, isIgnored }: Sent,
  selected: Selected,
  isFirst: boolean,
  isCounted: boolean,
  place: string,
): Evidence | undefined {
  if (isIgnored) {
    if (isFirst) return { kind: 'ignored' };
    throw new CursorGoneError('an error that the connector ignores came amid its pages', {
      code: UNKNOWN_PLACE.has(response.status) ? CURSOR_REFUSED : IGNORED_MIDWAY,
      place,
      expected: 'the next page, or the end',
      found: `status ${response.status}`,
      next: 'run again; if it stays, the connector ignores an error that is one',
    });
  }
  const [document] = documents;
  const isFailed = selected.received.length === 0 && saysFailure(document);
  if (!selected.isMissing && !isFailed) return undefined;
  // No content: past the last page of a list by numbers or offsets that is its end.
  if (response.status === 204 && !isFirst) return isCounted ? undefined : { kind: 'stated', doubt: 'empty' };
  // Some write null for a list that has nothing: past the last page it may be that.
  if (selected.isNull && isCounted && !isFirst && !isFailed) return { kind: 'stated', doubt: 'path' };
  const detail = {
    place,
    expected: 'the list of records that the connector reads',
    found: document === undefined ? undefined : stringifyJson(document).slice(0, 160),
  };
  if (saysError(document) || (isFailed && !isFirst))
    throw new FatalError(`the API answered with an error and status ${response.status}`, {
      ...detail,
      code: 'error_envelope',
      next: 'run again later; if it stays, look at the answer',
    });
  if (isFirst) return { kind: 'stated', doubt: isFailed ? 'refused' : 'path' };
  throw new FatalError('a page of the API does not hold its list of records', {
    ...detail,
    code: 'record_path_missing',
    next: 'run again; if it stays, check the record selector of the manifest',
  });
}

const ERROR_FIELDS = ['error', 'errors', 'fault', 'exception'];

/** Fields that say how it went, in words or as a status of HTTP; and parts of an answer that hold such fields. */
const OUTCOMES = [
  'status',
  'code',
  'statusCode',
  'status_code',
  'httpStatus',
  'http_status',
  'result',
  'state',
  'stat',
];
const ABOUT = ['meta', '_meta', 'metadata', 'head', 'header', 'response', 'status', 'result', 'info'];

/** Without those that mean "not here". */
const FAILURES = /^(?:4(?!04|10|16)\d\d|5\d\d)$/;
const FAILED =
  /^(?:errors?|fail|failed|failure|nok|ko|unavailable|timeout|throttled|denied|unauthori[sz]ed|forbidden)$/i;

/** An envelope that tells of a failure, whatever its status. An empty list in it is no list. */
function saysFailure(document: unknown): boolean {
  if (!isObject(document)) return false;
  const failed = (part: Record<string, unknown>) =>
    part['success'] === false ||
    part['ok'] === false ||
    OUTCOMES.some((field) => FAILED.test(textOf(part[field])) || FAILURES.test(textOf(part[field])));
  return (
    saysError(document) ||
    failed(document) ||
    ABOUT.some((field) => isObject(document[field]) && (saysError(document[field]) || failed(document[field])))
  );
}

const textOf = (value: unknown) => (typeof value === 'string' || typeof value === 'number' ? String(value) : '');

function saysError(document: unknown): boolean {
  if (typeof document !== 'object' || document === null) return false;
  return ERROR_FIELDS.some((field) => {
    const value = (document as Record<string, unknown>)[field];
    return typeof value === 'object' && value !== null ? Object.keys(value).length > 0 : Boolean(value);
  });
}
