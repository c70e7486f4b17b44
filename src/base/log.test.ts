import { expect, test } from 'vitest';
import { redact, registerSecret } from './log.js';

test('registered secrets, keys and credentials in URLs never come through (invariant 8)', () => {
  registerSecret('p@ss/word 1');
  const key = ['sk', 'live', 'abcdefghijklmnop'].join('_');
  const text = redact(
    `${key} postgres://bob:hunter22@db/x p@ss/word 1 ${encodeURIComponent('p@ss/word 1')} Authorization: Bearer abcdefghijkl`,
  );
  for (const secret of ['abcdefghijklmnop', 'hunter22', 'p@ss/word', 'p%40ss', 'abcdefghijkl'])
    expect(text).not.toContain(secret);
  expect(text).toContain('postgres://bob:***@db/x');
});

test('short values are left alone', () => {
  registerSecret('abc');
  expect(redact('abc')).toBe('abc');
});
