/** Lists as Stripe answers them, and those that an object holds only the beginning of. */
import type { DataRecord } from '../../base/catalog.js';
import { RetriableError } from '../../base/errors.js';

/** A page of rows. */
export interface List {
  object: 'list';
  data: DataRecord[];
  has_more: boolean;
  url: string;
}

/** The cursor after which the next page begins; null where there was no row. */
export function lastId(list: List): string | null {
  const last = list.data.at(-1)?.['id'];
  return typeof last === 'string' ? last : null;
}

/** The list that an answer must be. */
export function asList(body: unknown, path: string): List {
  const list = body as List | null;
  if (list === null || typeof list !== 'object' || !Array.isArray(list.data) || typeof list.has_more !== 'boolean') {
    throw new RetriableError("Stripe's answer is no list", {
      code: 'not_a_list',
      place: `/v1/${path}`,
      expected: '{"object":"list","data":[…],"has_more":…}',
      found: JSON.stringify(body)?.slice(0, 120),
      next: 'check base_url',
    });
  }
  return list;
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
