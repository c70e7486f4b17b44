/** Where the pages of a stream end: why one without rows is believed, or is not. */
import { CursorGoneError, FatalError } from '../../../base/errors.js';
import { stringifyJson } from '../../../base/json.js';
import { isObject } from '../document/read.js';
import type { Doubt, Evidence } from '../../../base/evidence.js';
import { ABOUT, claimsIn, envelopeOf, textOf } from './answer-claims.js';
import { isListless } from './decoders.js';
import type { Sent } from './exchange.js';
import type { Selected } from './records.js';
import { CURSOR_REFUSED, UNKNOWN_PLACE } from './refused-place.js';

/** The code of an ignored error past the first page. */
export const IGNORED_MIDWAY = 'ignored_midway';
/**
 * Why a page without rows is believed. Amid a walk an ignored error, or an answer without its list, is no end: the walk
 * begins anew, or says what came. On the first page it may mean that there is nothing, which is weak. `isCounted`: a
 * list by numbers or offsets.
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
  if (isListless(documents)) return { kind: 'stated', doubt: 'path' };
  if (documents.length === 0 && response.bytes === 0 && isFirst) return { kind: 'stated', doubt: 'empty' };
  const isFailed = selected.received.length === 0 && saysFailure(document);
  if (!selected.isMissing && !isFailed) {
    const doubt = selected.received.length === 0 ? doubtOf(document, isFirst) : undefined;
    return doubt && { kind: 'stated', doubt };
  }
  // No content: past the last page of a list by numbers or offsets that is its end.
  if (response.status === 204 && !isFirst) return isCounted ? undefined : { kind: 'stated', doubt: 'empty' };
  // Some write null, or an empty object, for a list that has nothing: past the last page it may be that.
  if (selected.isBlank && isCounted && !isFirst && !isFailed) return { kind: 'stated', doubt: 'path' };
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

/** Without those that mean "not here". */
const FAILURES = /^(?:4(?!04|10|16)\d\d|5\d\d)$/;
const FAILED =
  /^(?:errors?|fail|failed|failure|nok|ko|unavailable|timeout|throttled|denied|unauthori[sz]ed|forbidden)$/i;

/** An envelope that tells of a failure, whatever its status. An empty list in it is no list. */
function saysFailure(document: unknown): boolean {
  if (!isObject(document)) return false;
  const failed = (part: Record<string, unknown>) =>
    NOT.test(textOf(part['success'])) ||
    NOT.test(textOf(part['ok'])) ||
    OUTCOMES.some((field) => FAILED.test(textOf(part[field])) || FAILURES.test(textOf(part[field])));
  return (
    saysError(document) ||
    failed(document) ||
    ABOUT.some((field) => isObject(document[field]) && (saysError(document[field]) || failed(document[field])))
  );
}

/** Fields that hold something where an answer failed; some tell with them that there is nothing more. */
const TROUBLE = /^(?:has|is)_?errors?$|^failed$|^error_?(?:messages?|codes?|descriptions?|texts?)$/i;
const NOT = /^(?:false|0|no)$/i;
const NO_TROUBLE = /^(?:|0+|200|false|no|none|null|ok|success|no[ _]?errors?)$/i;

/** What is said in words or numbers of an answer's own, of which most tell that all is well. */
const WORDS = /^(?:message|msg|detail|reason|description|status_?text|warnings?|notice)$/i;
const TROUBLE_WORDS =
  /(?<!\bno )\b(?:errors?|fail\w*|denied|unauthori[sz]ed|forbidden|too many|limit\w*|timed? ?out|unavailable|exceeded|expired|maintenance|overload\w*|busy|try again|retry)\b/i;
const NUMBERS = /^(?:code|err_?(?:code|no|num)|ret(?:_?code)?|(?:return|result|response)_?code)$/i;
/** Among them those that mean "not here". */
const FINE_NUMBERS = /^(?:0+|1|2\d\d|404|410|416|1000|10000|100000|20000|200000)$/;
/** Why an answer whose list is empty may not hold all there is. */
function doubtOf(document: unknown, isFirst: boolean): Doubt | undefined {
  if (!isObject(document)) return undefined;
  const fields = envelopeOf(document);
  const says = (name: RegExp, means: (value: unknown) => boolean) =>
    fields.some(({ field, value }) => name.test(field) && means(value));
  if (says(TROUBLE, isTrouble) || says(WORDS, isTroubleInWords)) return 'refused';
  if (says(NUMBERS, (value) => /^-?\d+$/.test(textOf(value)) && !FINE_NUMBERS.test(textOf(value)))) return 'refused';
  const claims = claimsIn(fields);
  if (isFirst && (claims.more || claims.isPart)) return 'empty';
  return isFirst && (claims.total ?? 0) > 0 ? 'uncounted' : undefined;
}

function isTroubleInWords(value: unknown): boolean {
  if (Array.isArray(value)) return value.some(isTroubleInWords);
  return TROUBLE_WORDS.test(textOf(value));
}

function isTrouble(value: unknown): boolean {
  if (typeof value === 'object' && value !== null) return Object.keys(value).length > 0;
  return !NO_TROUBLE.test(textOf(value));
}

function saysError(document: unknown): boolean {
  if (typeof document !== 'object' || document === null) return false;
  return ERROR_FIELDS.some((field) => {
    const value = (document as Record<string, unknown>)[field];
    return typeof value === 'object' && value !== null ? Object.keys(value).length > 0 : Boolean(value);
  });
}
