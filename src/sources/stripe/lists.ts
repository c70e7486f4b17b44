/** Lists as Stripe answers them, of both of its APIs, and those that an object holds only the beginning of. */
import type { DataRecord } from '../../base/catalog.js';
import { RetriableError } from '../../base/errors.js';
import { stringifyJson } from '../../base/json.js';

/** A page of rows of the first API. */
export interface List {
  object: 'list';
  data: DataRecord[];
  has_more: boolean;
  url: string;
}

/** A page of rows, and where the next begins. */
export interface ListPage {
  data: DataRecord[];
  next: string | null;
  hasMore: boolean;
}

/** The cursor after which the next page begins; null where there was no row. */
export function lastId(list: List): string | null {
  const last = list.data.at(-1)?.['id'];
  return typeof last === 'string' ? last : null;
}

/** The list that an answer of the first API must be. */
export function asList(body: unknown, path: string): List {
  const list = body as (List & { error?: unknown }) | null;
  const isList = Array.isArray(list?.data) && typeof list.has_more === 'boolean';
  if (list === null || typeof list !== 'object' || !isList || (list.error ?? null) !== null)
    throw notAList(body, path, '{"object":"list","data":[…],"has_more":…}');
  return list;
}

/** A page of either API: the second says where the next page is, and its token goes on from there. */
export function asPage(body: unknown, path: string, api: 1 | 2): ListPage {
  if (api === 1) {
    const list = asList(body, path);
    return { data: list.data, next: lastId(list), hasMore: list.has_more };
  }
  const list = body as { data?: unknown; next_page_url?: unknown; error?: unknown } | null;
  const isList = Array.isArray(list?.data) && list.next_page_url !== undefined;
  if (list === null || typeof list !== 'object' || !isList || (list.error ?? null) !== null)
    throw notAList(body, path, '{"data":[…],"next_page_url":…}');
  const url = list.next_page_url;
  const next = typeof url === 'string' ? (url.split('?')[1] ?? null) : null;
  return { data: list.data as DataRecord[], next, hasMore: next !== null };
}

function notAList(body: unknown, path: string, expected: string): RetriableError {
  return new RetriableError("Stripe's answer is no list", {
    code: 'not_a_list',
    place: `/${path}`,
    expected,
    found: body === undefined ? undefined : stringifyJson(body).slice(0, 120),
    next: 'check base_url',
  });
}

const NONE: List[] = [];

/** Lists among a record's fields of which only the first entries came. */
export function incompleteLists(record: DataRecord): List[] {
  let found = NONE;
  for (const field in record) {
    const list = record[field] as List | null;
    if (typeof list === 'object' && list?.object === 'list' && list.has_more === true && typeof list.url === 'string')
      found = [...found, list];
  }
  return found;
}
