/** Lists below an object that are made from the vendor's types alone: for each object none to three rows. */
import { hash32, hashString } from '../../base/random.js';
import { limitOf, missing } from './errors.js';
import type { Rows } from './rows.js';
import { only, prefixOf, typesOf } from './versions.js';

/** The list that has the objects which a parameter names. */
export const COLLECTION_OF_PARAMETER: Record<string, string> = {
  account: 'financial_connections/accounts',
  card: 'issuing/cards',
  customer: 'customers',
  financial_account: 'treasury/financial_accounts',
  payment_record: 'payment_records',
  payout: 'payouts',
  setup_intent: 'setup_intents',
  value_list: 'radar/value_lists',
};
const MOST_ROWS = 4;

const texts = new Map<string, string>();

/** A row as the types have it, with what is known of it. */
export function asTyped(types: string, known: Record<string, unknown>, second: number): Record<string, unknown> {
  const fields = typesOf(types) ?? {};
  let text = texts.get(types);
  if (text === undefined)
    texts.set(
      types,
      (text = JSON.stringify(fields)
        .replaceAll(/"«#(?!created)\w+»"/g, '0')
        .replaceAll(/«(?!iso)[a-z:_]+»/g, '0')),
    );
  const row = JSON.parse(
    text.replaceAll('"«#created»"', String(second)).replaceAll('«iso»', new Date(second * 1000).toISOString()),
  ) as Record<string, unknown>;
  return { ...row, ...only(known, fields) };
}

/** A page of the rows below an object, whose list is at `path` and is typed as `types`. */
export function listLower(
  rows: Rows,
  {
    types,
    id,
    path,
    parameter,
    revision,
  }: { types: string; id: string; path: string; parameter?: string | undefined; revision: number },
  query: URLSearchParams,
): string {
  const index = rows.indexOf(id);
  const isGone = index < 0 || (rows.isDeleted(index) && rows.collection.keepsDeleted !== true);
  if (isGone) throw missing(rows.collection.object, id, parameter ?? 'id');
  const limit = limitOf(query);
  const hash = hash32(index, hashString(types));
  const count = rows.isDeleted(index) ? 0 : (hash + revision) % MOST_ROWS;
  const idOf = (k: number) =>
    `${prefixOf(types)}_${index.toString(36).padStart(8, '0')}${k.toString(36).padStart(6, '0')}`;
  const after = query.get('starting_after');
  const from = after === null ? 0 : Array.from({ length: count }, (_, k) => idOf(k)).indexOf(after) + 1;
  if (after !== null && from === 0) throw missing(types, after, 'starting_after');
  const data = Array.from({ length: Math.min(limit, count - from) }, (_, k) =>
    asTyped(types, { id: idOf(from + k), ...(parameter ? { [parameter]: id } : {}) }, rows.secondOf(index)),
  );
  if (path.startsWith('v2/')) return JSON.stringify({ data, next_page_url: null, previous_page_url: null });
  return JSON.stringify({ object: 'list', data, has_more: from + data.length < count, url: `/v1/${path}` });
}
