import { describe, expect, test } from 'vitest';
import { timeLeftMs, type Allowed } from './time-left.js';

const allowed = (more: Partial<Allowed> = {}): Allowed => ({
  total: 100,
  of: () => 25,
  observed: 100,
  latencySeconds: undefined,
  ...more,
});
const part = (endpoint: string, requests: number, serial = false) => ({ endpoint, requests, serial });

describe('time left', () => {
  test.each([
    ['the busiest endpoint binds', [part('a', 1000), part('b', 100)], { observed: 50 }, 40],
    ['all endpoints together bind', ['a', 'b', 'c', 'd', 'e', 'f'].map((name) => part(name, 500)), {}, 30],
    ['streams of one endpoint share it', [part('a', 500), part('a', 500)], { observed: 25 }, 40],
    [
      'a chain that cannot be divided',
      [part('a', 1000, true), part('b', 10)],
      { observed: 5, latencySeconds: 0.2 },
      200.2,
    ],
    ['something else is slow', [part('a', 1000)], { observed: 12.5 }, 80],
    ['nothing limits: the pace of late', [part('a', 1000)], { total: Infinity, of: () => Infinity, observed: 50 }, 20],
    ['nothing remains', [part('a', 0)], {}, 0],
  ] as const)('%s', (_, remaining, more, seconds) => {
    expect(timeLeftMs(remaining, allowed(more))).toBe(seconds * 1000);
  });

  test('a first second promises no hour: a run that starts is not a slow one', () => {
    expect(timeLeftMs([part('a', 1000)], allowed({ observed: 0.1 }))).toBe(400_000);
  });

  test('without a limit and without a pace nothing is promised', () => {
    expect(timeLeftMs([part('a', 1)], allowed({ total: Infinity, of: () => Infinity, observed: 0 }))).toBeUndefined();
  });
});
