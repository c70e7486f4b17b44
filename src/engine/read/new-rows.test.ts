import { expect, test } from 'vitest';
import type { DataRecord } from '../../base/catalog.js';
import type { Division } from '../../sources/contract.js';
import { NewRows } from './new-rows.js';

const division: Division = {
  kind: 'range',
  unit: 1,
  pageRows: 10,
  order: 'unordered',
  bounded: true,
  position: (record) => Number(record['at']),
};
const row = (id: number, at: number, v = ''): DataRecord => ({ id, at, v });

test('a row at the newest position that came since is added, and the others are not added twice', () => {
  const first = new NewRows(division, undefined, undefined, undefined);
  first.newerIn([row(1, 5), row(2, 9)]);
  first.newerIn([row(3, 9), row(4, 7)]);
  const { edge } = first;
  expect(edge?.at).toBe(9);
  const second = new NewRows(division, 9, 9, edge);
  const listed = [row(4, 7), row(2, 9), row(3, 9, 'changed'), row(5, 9), row(6, 10)];
  const added = second.notAddedBefore(listed);
  expect(added.map(({ id }) => id)).toEqual([3, 5, 6]);
  second.newerIn(added);
  expect(second.edge?.at).toBe(10);
});

test('where nobody knows what was added at the newest position, its rows are added again', () => {
  const rows = new NewRows(division, 9, 9, undefined);
  expect(rows.notAddedBefore([row(1, 8), row(2, 9)]).map(({ id }) => id)).toEqual([2]);
  expect(rows.edge).toBeUndefined();
});

test('rows at the newest position of two runs are all known to the third', () => {
  const first = new NewRows(division, undefined, undefined, undefined);
  first.newerIn([row(1, 9)]);
  const second = new NewRows(division, 9, 9, first.edge);
  second.newerIn(second.notAddedBefore([row(1, 9), row(2, 9)]));
  const third = new NewRows(division, 9, 9, second.edge);
  expect(third.notAddedBefore([row(1, 9), row(2, 9), row(3, 9)]).map(({ id }) => id)).toEqual([3]);
});

test('what another process read is not known', () => {
  const rows = new NewRows(division, undefined, undefined, undefined);
  rows.newerIn([row(1, 9)]);
  rows.lent();
  expect(rows.edge).toBeUndefined();
});
