/** Cursors of single partitions in the forms that Airbyte's CDK has written. */
import { expect, test } from 'vitest';
import type { JsonObject } from '../document/read.js';
import { partitionCursors } from './partition-cursors.js';

const cursors = (state: JsonObject) =>
  partitionCursors(state, 'u', (value) => (typeof value === 'string' ? Date.parse(value) / 1000 : undefined));
const at = (day: string) => Date.parse(day) / 1000;

test('each partition has its own; one that the state does not name has none, and so begins at the start', () => {
  const found = cursors({
    states: [
      { partition: { pid: 1, parent_slice: { org: 'x' } }, cursor: { u: '2026-01-10' } },
      { partition: { parent_slice: { org: 'y' }, pid: 1 }, cursor: { u: '2026-01-12' } },
      { partition: { pid: 2, parent_slice: {} }, cursor: {} },
    ],
  })!;
  expect(found({ pid: 1, parent_slice: { org: 'x' } })).toBe(at('2026-01-10'));
  expect(found({ pid: 1, parent_slice: { org: 'y' } })).toBe(at('2026-01-12'));
  expect(found({ pid: '1', parent_slice: { org: 'x' } })).toBeUndefined();
  expect(found({ pid: 2, parent_slice: {} })).toBeUndefined();
  expect(found({ pid: 3, parent_slice: {} })).toBeUndefined();
});

test('the oldest form names partitions by their value', () => {
  const found = cursors({ '1': { u: '2026-01-10' }, b: { u: '2026-01-12' } })!;
  expect(found({ pid: 1, parent_slice: {} })).toBe(at('2026-01-10'));
  expect(found({ parent_slice: {}, k: 'b' })).toBe(at('2026-01-12'));
  expect(found({ k: 'c' })).toBeUndefined();
});

test('a state for all partitions has none', () => {
  for (const state of [
    { u: '2026-01-10' },
    {
      use_global_cursor: true,
      state: { u: '2026-01-10' },
      states: [{ partition: { k: 1 }, cursor: { u: '2026-01-09' } }],
    },
    { state: { u: '2026-01-10' } },
    { states: [] },
    {},
  ] as JsonObject[])
    expect(cursors(state)).toBeUndefined();
});
