/** Lists below an object: by their own address, and nested in it. */
import { hash32, hashString } from '../../base/random.js';
import { CHILDREN } from './children.js';
import { FIRST_VERSION } from './collection.js';
import { asTyped } from './lower-lists.js';
import { limitOf, missing } from './errors.js';
import type { Rows } from './rows.js';

const MAX_NESTED = 10;

/** What a list below an object holds. */
export interface ChildList {
  child: keyof typeof CHILDREN;
  /** The list in the vendor's types. */
  types: string;
  prefix: string;
  /** The fewest that an object has; it has up to three more. */
  least: number;
  /** Names the parent, where the address does not. */
  parameter?: string;
}

/** The lists below an object, by what they hold. */
export const LISTS = {
  payment_method: { child: 'payment_method', types: 'customers/{id}/payment_methods', prefix: 'pm', least: 0 },
  tax_id: { child: 'tax_id', types: 'customers/{id}/tax_ids', prefix: 'txi', least: -2 },
  line_item: { child: 'line_item', types: 'invoices/{id}/lines', prefix: 'il', least: 1 },
  subscription_item: {
    child: 'subscription_item',
    types: 'subscription_items',
    prefix: 'si',
    least: 1,
    parameter: 'subscription',
  },
} as const satisfies Record<string, ChildList>;

const NESTED: Record<string, { list: ChildList; url: (id: string) => string }> = {
  invoices: { list: LISTS.line_item, url: (id) => `invoices/${id}/lines` },
  credit_notes: { list: LISTS.line_item, url: (id) => `credit_notes/${id}/lines` },
  subscriptions: { list: LISTS.subscription_item, url: () => 'subscription_items' },
};

/** Whether objects of this collection hold a list. */
export const hasNested = (collection: string): boolean => NESTED[collection] !== undefined;

/** A row with the list nested in it: its first ten entries. */
export function withNested(rows: Rows, seed: number, index: number, version = FIRST_VERSION): string {
  const json = rows.render(index, version);
  const nested = NESTED[rows.collection.path];
  if (!nested) return json;
  const query = new URLSearchParams({ limit: String(MAX_NESTED) });
  const id = rows.idOf(index);
  const list = listChildren(rows, seed, id, nested.list, nested.url(id), query, version);
  return json.replace(/\{"object":"list","data":\[\],"has_more":false,"url":"[^"]*"\}/, () => list);
}

/** A page of the objects below one. */
export function listChildren(
  rows: Rows,
  seed: number,
  id: string,
  { child, types, prefix, least, parameter }: ChildList,
  path: string,
  query: URLSearchParams,
  version = FIRST_VERSION,
): string {
  const index = rows.indexOf(id);
  if (index < 0) throw missing(rows.collection.object, id, parameter ?? 'id');
  const limit = limitOf(query);
  const hash = hash32(index, hashString(child, seed));
  // One object in fifty has more than a page of children, so that nested lists must be completed.
  const count = rows.isDeleted(index)
    ? 0
    : child === 'line_item' && hash % 50 === 0
      ? 25
      : Math.max(0, least + (hash % 4));
  const idOf = (k: number) =>
    `${prefix}_${index.toString(36).padStart(6, '0')}${k.toString(36).padStart(2, '0')}${(hash >>> 8).toString(36).padStart(6, '0').slice(0, 6)}`;
  const after = query.get('starting_after');
  let from = 0;
  if (after !== null) {
    from = Array.from({ length: count }, (_, k) => idOf(k)).indexOf(after) + 1;
    if (from === 0) throw missing(child, after, 'starting_after');
  }
  const second = rows.secondOf(index);
  const data = Array.from({ length: Math.min(limit, count - from) }, (_, k) => {
    const row = CHILDREN[child](idOf(from + k), id, second);
    return version === FIRST_VERSION ? row : asTyped(types, row, second);
  });
  return JSON.stringify({
    object: 'list',
    data,
    has_more: from + data.length < count,
    url: parameter ? `/v1/${path}?${parameter}=${id}` : `/v1/${path}`,
  });
}
