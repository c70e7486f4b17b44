/**
 * What an answer says of rows that it does not hold: that there are more, how many there are, that it is a part of what
 * was asked for. Field names are those that common APIs use; no connector names them.
 */
import type { ApiResponse } from '../../../http/request.js';
import { isObject } from '../document/read.js';

export interface Claims {
  /** More rows follow. */
  more: boolean;
  /** Rows that there are, with those of other pages. */
  total: number | undefined;
  /** The answer is not all of what was asked for. */
  isPart: boolean;
}

/** A field beside the rows, and the part of the answer that it stands in; undefined: the answer itself. */
interface EnvelopeField {
  field: string;
  value: unknown;
  within: string | undefined;
}

/** Parts of an answer that tell of it. */
export const ABOUT = ['meta', '_meta', 'metadata', 'head', 'header', 'response', 'status', 'result', 'info'];
const AROUND = ['paging', 'pagination', 'page', 'pages', 'page_info', 'pageInfo', 'cursor', 'links', 'additional_data'];
/** Parts whose plain `total` counts pages. */
const OF_PAGES = new Set(['page', 'pages']);

const MORE = /^(?:has[_-]?(?:more|next)\w*|more(?:_?(?:records|items|results|rows|pages|data)\w*)?)$/i;
/** False on a page that is not the last one. */
const LAST = /^(?:is_?last(?:_?page)?|last|done|end_?of_?(?:stream|records|results|list))$/i;
const PART = /^(?:incomplete\w*|(?:is_?)?partial(?:_?results?)?)$/i;
const TOTAL =
  /^total(?:_?(?:count|results?|records?|items?|rows?|elements|hits|entries|size|number))?$|^record_?count$/i;

/** Accepted and not done; of several outcomes, of which some may have failed. */
const PART_STATUSES = new Set([202, 207]);

export const textOf = (value: unknown): string =>
  typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? String(value).trim() : '';

export function envelopeOf(document: Record<string, unknown>): EnvelopeField[] {
  const fieldsOf = (part: Record<string, unknown>, within?: string) =>
    Object.entries(part).map(([field, value]) => ({ field, value, within }));
  const around = (holder: Record<string, unknown>, depth: number): EnvelopeField[] =>
    [...ABOUT, ...AROUND].flatMap((name) => {
      const part = Object.hasOwn(holder, name) ? holder[name] : undefined;
      if (!isObject(part)) return [];
      return [...fieldsOf(part, name), ...(depth < 2 ? around(part, depth + 1) : [])];
    });
  return [...fieldsOf(document), ...around(document, 1)];
}

export function claimsIn(fields: EnvelopeField[]): Claims {
  const says = (name: RegExp, means: RegExp) =>
    fields.some(({ field, value }) => name.test(field) && means.test(textOf(value)));
  const totals = fields
    .filter(({ field, within }) => TOTAL.test(field) && !(within && OF_PAGES.has(within) && /^total$/i.test(field)))
    .map(({ value }) => (textOf(value) === '' ? Number.NaN : Number(textOf(value))))
    .filter((total) => Number.isSafeInteger(total) && total >= 0);
  return {
    more: says(MORE, /^(?:true|yes|1)$/i) || fields.some(({ field, value }) => LAST.test(field) && value === false),
    // Of two the smaller is taken: the other may count more than this list.
    total: totals.length === 0 ? undefined : Math.min(...totals),
    isPart: says(PART, /^(?:true|yes|1)$/i),
  };
}

/**
 * Undefined: the answer says nothing of the kind. `path`: to the list of rows, undefined where nobody knows; what stands
 * around it at each step tells of it. `rows`: whether what is counted are the rows that are taken.
 */
export function claimsOf(
  documents: unknown[],
  { status, headers }: ApiResponse,
  path: readonly string[] | undefined,
  rows = false,
): Claims | undefined {
  const [document] = documents;
  const holders = documents.length === 1 ? holdersOf(document, path) : [];
  const said = claimsIn(holders.flatMap(envelopeOf));
  const claims = { ...said, isPart: said.isPart || PART_STATUSES.has(status) };
  if (!rows) claims.total = undefined;
  if (status === 206 && !reachesEnd(headers['content-range'])) claims.isPart = true;
  return claims.more || claims.isPart || claims.total !== undefined ? claims : undefined;
}

/** The answer, and the objects in it that the list of rows lies within. */
function holdersOf(document: unknown, path: readonly string[] | undefined): Record<string, unknown>[] {
  if (path === undefined) return isObject(document) ? [document] : [];
  const holders: Record<string, unknown>[] = [];
  let at = document;
  // What the last of them leads to are the rows themselves.
  for (const key of path) {
    if (!isObject(at)) break;
    holders.push(at);
    at = Object.hasOwn(at, key) ? at[key] : undefined;
  }
  return holders;
}

/** RFC 9110, 14.4: `UNIT FIRST-LAST/LENGTH`. */
function reachesEnd(header: unknown): boolean {
  const [, last, length] = /^\S+\s+\d+-(\d+)\/(\d+)$/.exec(String(header ?? '')) ?? [];
  return last !== undefined && Number(last) + 1 >= Number(length);
}
