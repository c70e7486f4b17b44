import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ConfigError } from './errors.js';
import { listed, nearest } from './nearest.js';

const NAMES = ['customers', 'charges', 'max_rate', 'connections', 'stripe', 'acme', 'start_date'];

test.each([
  ['custmers', 'customers'],
  ['chragse', 'charges'],
  ['max_rte', 'max_rate'],
  ['max-rate', 'max_rate'],
  ['conections', 'connections'],
  ['strip', 'stripe'],
  ['strpe', 'stripe'],
  ['acm', 'acme'],
  ['ACME', 'acme'],
  ['startdate', 'start_date'],
  ['invoices', undefined],
  ['x', undefined],
  ['', undefined],
])('%s: %s', (typed, meant) => {
  expect(nearest(typed, NAMES)).toBe(meant);
});

test('one letter too many, too few or another is always found, whatever the name', () => {
  fc.assert(
    fc.property(
      fc.stringMatching(/^[a-z]{5,20}$/),
      fc.nat(),
      fc.constantFrom('drop', 'double', 'change'),
      (name, n, how) => {
        const at = n % name.length;
        const typed =
          name.slice(0, at) +
          (how === 'drop' ? '' : how === 'double' ? name[at]! + name[at]! : '0') +
          name.slice(at + 1);
        expect(nearest(typed, [name, '9999'])).toBe(name);
      },
    ),
  );
});

test('a text as long as a file takes no time', () => {
  expect(nearest('x'.repeat(1_000_000), NAMES)).toBeUndefined();
});

test('an error proposes what was meant, before what else can be done', () => {
  const error = (found: string) =>
    new ConfigError('m', { code: 'c', found, candidates: NAMES, next: 'see the reference' }).next;
  expect(error('"custmers"')).toBe('did you mean customers? Otherwise see the reference');
  expect(error('nothing like it')).toBe('see the reference');
});

test('names are listed up to a length that is read', () => {
  const names = Array.from({ length: 131 }, (_, i) => `stream_${i}`);
  expect(listed(names.slice(0, 3))).toBe('stream_0, stream_1, stream_2');
  expect(listed(names)).toMatch(/^stream_0, .*, stream_19 and 111 more$/);
  expect(listed([])).toBe('');
});
