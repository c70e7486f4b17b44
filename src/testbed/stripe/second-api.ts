/** Lists of Stripe's second API: newest first, pages by a token in an address, times as text. */
import { StripeError } from './errors.js';
import type { Rows } from './rows.js';

const MOST_ROWS = 20;

/** A page of a list. */
export function listSecond(rows: Rows, query: URLSearchParams): string {
  const limit = Math.min(Number(query.get('limit') ?? MOST_ROWS), MOST_ROWS);
  if (!Number.isInteger(limit) || limit < 1) throw new StripeError(400, 'invalid_request_error', 'Invalid limit');
  const second = (name: string) => {
    const text = query.get(name);
    return text === null ? undefined : Math.floor(Date.parse(text) / 1000);
  };
  const gte = second('created[gte]');
  const lt = second('created[lt]');
  const low = gte === undefined ? 0 : rows.countBefore(gte);
  const end = lt === undefined ? rows.size : rows.countBefore(lt);
  const token = query.get('page');
  const high = token === null ? end : Math.min(end, Number.parseInt(token, 36));
  const found: number[] = [];
  for (let i = high - 1; i >= low && found.length <= limit; i--) if (!rows.isDeleted(i)) found.push(i);
  const next = found.length > limit ? found.pop() : undefined;
  const more = new URLSearchParams(query);
  if (next !== undefined) more.set('page', (next + 1).toString(36));
  return JSON.stringify({
    data: found.map((index) => JSON.parse(rows.render(index, 'newest')) as unknown),
    next_page_url: next === undefined ? null : `/${rows.collection.path}?${more}`,
    previous_page_url: null,
  });
}
