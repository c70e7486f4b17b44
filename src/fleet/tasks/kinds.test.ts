import { expect, test } from 'vitest';
import { taskOf } from './kinds.js';

test('what accepts deletions joins nothing that does not, and names streams', () => {
  const plain = taskOf('acme', 'sync');
  const accepting = taskOf('acme', 'sync', { accept_deletions: ['a', 'b'] });
  expect(accepting.payload).toEqual({ accept_deletions: ['a', 'b'] });
  expect(accepting.key).not.toBe(plain.key);
  expect(accepting.key).toBe(taskOf('acme', 'sync', { accept_deletions: ['b', 'a'] }).key);
  expect(accepting.key).not.toBe(taskOf('acme', 'full', { accept_deletions: ['a', 'b'] }).key);
  expect(accepting.key).not.toBe(taskOf('acme', 'sync', { accept_deletions: ['a'] }).key);
  expect(() => taskOf('acme', 'sync', { accept_deletions: [] })).toThrow();
  expect(() => taskOf('acme', 'verify', { accept_deletions: ['a'] })).toThrow();
});
