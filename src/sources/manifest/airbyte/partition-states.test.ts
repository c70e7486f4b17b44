/** What is told of partitions: each goes on at its newest row, and only once the whole stream was read. */
import { expect, test } from 'vitest';
import type { Interval } from '../runtime/interval.js';
import { partitionCursors } from './partition-cursors.js';
import { PartitionStates } from './partition-states.js';

type Noted = NonNullable<Interval['noted']>;

/** Days as seconds; the start is day 1. */
function told(state: Record<string, unknown> = {}, cursor?: number) {
  const interval = { field: 'u', start: () => 1, format: (at: number) => `day ${at}` } as unknown as Interval;
  const states = new PartitionStates(interval);
  const read = (value: unknown) => (typeof value === 'string' ? Number(value.slice(4)) : undefined);
  states.goOn(state as never, partitionCursors(state as never, 'u', read), cursor);
  return { interval, states, note: interval.noted as Noted };
}
const of = (k: string, at: number) => ({ partition: { k }, cursor: { u: `day ${at}` } });

test('a partition stands at its newest row, one without a row at the start', () => {
  const { states, note } = told();
  note({ k: 'a' }, 3, false);
  note({ k: 'a' }, 2, true);
  note({ k: 'b' }, undefined, true);
  expect(states.states(true)).toEqual({ states: [of('a', 3), of('b', 1)], hasRows: true });
});

test('until the stream is read, nothing of this run counts', () => {
  const { states, note } = told({ states: [of('a', 3)] });
  note({ k: 'a' }, 9, true);
  note({ k: 'b' }, 9, true);
  expect(states.states(false)).toEqual({ states: [of('a', 3)], hasRows: true });
  note({ k: 'c' }, 9, false);
  expect(states.states(true)?.states).toEqual([of('a', 9), of('b', 9)]);
});

test('partitions that are not visited stay where they were', () => {
  const { states, note } = told({ states: [of('a', 3), of('b', 4)] });
  note({ k: 'a' }, undefined, true);
  expect(states.states(true)?.states).toEqual([of('a', 3), of('b', 4)]);
});

test.each<[string, Record<string, unknown>, number | undefined, string, number | undefined]>([
  ['a known one at its own cursor', { states: [of('a', 3)] }, 5, 'a', 3],
  ['a new one where the rest stands', { states: [of('a', 3)] }, 5, 'b', undefined],
  ['a new one at the start where there is no cursor for all', { states: [of('a', 3)] }, undefined, 'b', 1],
  ['all of them at the start where none was seen', { states: [] }, undefined, 'b', 1],
])('goes on: %s', (_, state, cursor, k, at) => {
  expect(told(state, cursor).interval.known?.({ k })).toBe(at);
});

test('one cursor for all stays one, and so do more partitions than a state can hold', () => {
  const global = told({ use_global_cursor: true, state: { u: 'day 5' }, states: [] }, 5);
  global.note({ k: 'a' }, 9, true);
  expect(global.states.states(true)).toBeUndefined();
  expect(global.interval.known).toBeUndefined();
  const { states, note } = told();
  for (let k = 0; k <= 10_000; k++) note({ k }, 2, true);
  expect(states.states(true)).toBeUndefined();
});
