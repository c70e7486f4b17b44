import { describe, expect, test } from 'vitest';
import { slicesOf, wholeRecord } from '../../base/bytes/sliced-record.js';
import { ListSlicer } from './sliced-page.js';
import { STREAMS } from './streams.js';

const customers = STREAMS.find(({ name }) => name === 'customers')!;

function pageOf(rows: string[], wanted?: ReadonlySet<string>, rest = '"has_more":true') {
  const slicer = new ListSlicer(customers, wanted);
  const body = slicer.slice(Buffer.from(`{"object":"list","url":"/v1/customers","data":[${rows.join(',')}],${rest}}`));
  expect(body).toBeDefined();
  return slicer.page(body, 'v1/customers');
}

test('rows know their key, their date and whether they were deleted; the page where the next begins', () => {
  const rows = ['{"id":"cus_1","created":5,"email":"a@b.c"}', '{"id":"cus_2","created":4,"deleted":true,"x":{}}'];
  const page = pageOf(rows);
  expect(page).toMatchObject({ next: 'cus_2', hasMore: true });
  expect(page.data.map((record) => Object.entries(record))).toEqual([
    [
      ['id', 'cus_1'],
      ['created', 5],
    ],
    [
      ['id', 'cus_2'],
      ['created', 4],
      ['deleted', true],
    ],
  ]);
  expect(page.data.map(wholeRecord)).toEqual(rows.map((row) => JSON.parse(row) as unknown));
  expect(pageOf([], undefined, '"has_more":false')).toEqual({ data: [], next: null, hasMore: false });
});

describe('a row that holds the beginning of a list only is a whole object, to be completed', () => {
  const list = (more: string) => `{"id":"cus_2","sources":{"object":"list","data":[],${more},"url":"/v1/x"}}`;
  test.each<[string, boolean]>([
    [list('"has_more":true'), true],
    [list('"has_more" :\n true'), true],
    [list('"\\u0068as_more":true'), true],
    [list('"has\\u005fmore":true'), true],
    [list('"has_more":false,"has_more":true'), true],
    [list('"has_more":true,"has_more":false'), false],
    [list('"has_more":false'), false],
    ['{"id":"cus_2","sources":{"object":"list","has_more":true}}', false],
    ['{"id":"cus_2","name":"\\"has_more\\":true \\u0061"}', false],
    ['{"name":"without a key"}', true],
    ['{"id":null}', true],
  ])('%s', (row, isWhole) => {
    const others = ['{"id":"cus_1","sources":{"object":"list","has_more":false}}', '{"id":"cus_3"}'];
    const { data } = pageOf([others[0]!, row, others[1]!]);
    expect(data.map((record) => slicesOf(record) === undefined)).toEqual([false, isWhole, false]);
    expect(wholeRecord(data[1]!)).toEqual(JSON.parse(row));
  });
});

test('fields that are not wanted are none of the rows', () => {
  const { data } = pageOf(
    ['{"id":"cus_1","created":5,"email":"a@b.c","name":"A"}'],
    new Set(['id', 'created', 'name']),
  );
  expect(wholeRecord(data[0]!)).toEqual({ id: 'cus_1', created: 5, name: 'A' });
});

test('what is no list is told as before', () => {
  const slicer = new ListSlicer(customers, undefined);
  expect(slicer.slice(Buffer.from('{"object":"list","data":{}}'))).toBeUndefined();
  expect(() => slicer.page(slicer.slice(Buffer.from('{"data":[{"id":"cus_1"}]}')), 'v1/customers')).toThrow('no list');
});
