import { expect, test } from 'vitest';
import { claimsOf } from './answer-claims.js';

const of = (document: unknown, status = 200, headers: Record<string, string> = {}) =>
  claimsOf([document], { status, headers } as never, ['data'], true);
const rows = [{ id: 1, total: 99, has_more: true, partial: true }];

test.each([
  [{ has_more: true }],
  [{ hasMore: 'true' }],
  [{ 'has-more': 1 }],
  [{ meta: { has_more: true } }],
  [{ pageInfo: { hasNextPage: true, hasPreviousPage: false } }],
  [{ pagination: { more: true } }],
  [{ done: false }],
  [{ isLast: false }],
  [{ is_last_page: false }],
  [{ last: false }],
  [{ end_of_stream: false }],
  [{ info: { more_records: true } }],
  [{ additional_data: { pagination: { more_items_in_collection: true } } }],
])('%j: more rows follow', (envelope) => {
  expect(of({ data: rows, ...envelope })).toMatchObject({ more: true, total: undefined, isPart: false });
});

test.each([
  [{ total: 57 }, 57],
  [{ total_count: '57' }, 57],
  [{ meta: { totalResults: 57 } }, 57],
  [{ pagination: { total: 57, total_pages: 6 } }, 57],
  [{ page: { size: 10, totalElements: 57, totalPages: 6, number: 0 } }, 57],
  [{ recordCount: 57 }, 57],
  [{ total: 900, meta: { total_count: 57 } }, 57],
  // Pages, amounts, parts of a whole: no count of rows.
  [{ pages: { total: 6 } }, undefined],
  [{ total_pages: 6 }, undefined],
  [{ total: 12.5 }, undefined],
  [{ total: null }, undefined],
  [{ total: '' }, undefined],
  [{ total: -1 }, undefined],
  [{ total: { value: 57 } }, undefined],
  [{ count: 10 }, undefined],
])('%j: so many rows', (envelope, total) => {
  expect(of({ data: rows, ...envelope })?.total).toBe(total);
});

test.each([[{ incomplete_results: true }], [{ partial: true }], [{ isPartial: true }], [{ partialResults: 'true' }]])(
  '%j: not all that was asked for',
  (envelope) => {
    expect(of({ data: rows, ...envelope })).toMatchObject({ isPart: true });
  },
);

test.each([
  [202, {}, true],
  [207, {}, true],
  [206, {}, true],
  [206, { 'content-range': 'items 50-56/57' }, undefined],
  [206, { 'content-range': 'items 0-49/57' }, true],
  [206, { 'content-range': 'items 0-49/*' }, true],
  [200, {}, undefined],
  [201, {}, undefined],
])('status %i %j', (status, headers, isPart) => {
  expect(of({ data: rows }, status, headers as Record<string, string>)?.isPart).toBe(isPart);
});

test.each([
  [{ has_more: false, done: true, last: true, incomplete_results: false, partial: 0, total: null }],
  [{ done: 'false', last: 0, more: null, has_more: '' }],
  [{ next: null, items: 3, moreover: true, lastName: false }],
])('%j says nothing', (envelope) => {
  expect(of({ data: rows, ...envelope })).toBeUndefined();
});

test('rows say nothing of their answer, nor do several documents', () => {
  expect(of(rows)).toBeUndefined();
  expect(
    claimsOf([{ has_more: true }, { has_more: true }], { status: 200, headers: {} } as never, [], true),
  ).toBeUndefined();
});

test.each([
  [{ data: { items: [{ id: 1 }], has_more: true } }, { more: true }],
  [{ data: { items: [{ id: 1 }], page_info: { total_number: 57, total_page: 6 } } }, { total: 57 }],
  [{ data: { items: [{ id: 1, has_more: true, total: 9 }] }, has_more: false }, undefined],
  [{ data: { others: { has_more: true }, items: [] } }, undefined],
])('beside a list within: %j', (document, claims) => {
  const found = claimsOf([document], { status: 200, headers: {} } as never, ['data', 'items'], true);
  if (claims === undefined) expect(found).toBeUndefined();
  else expect(found).toMatchObject(claims);
});

test('a record that is the whole answer says nothing of others; an answer whose list nobody knows may', () => {
  const answer = [{ id: 1, total: 99, has_more: true }];
  const response = { status: 200, headers: {} } as never;
  expect(claimsOf(answer, response, [], true)).toBeUndefined();
  expect(claimsOf(answer, response, undefined, false)).toMatchObject({ more: true, total: undefined });
});
