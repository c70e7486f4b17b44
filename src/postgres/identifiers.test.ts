import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ConfigError } from '../base/errors.js';
import { fitIdentifier, quoteIdentifier } from './identifiers.js';

test('quotes cannot be left', () => {
  expect(quoteIdentifier('a"; drop table x; --')).toBe('"a""; drop table x; --"');
  expect(() => quoteIdentifier('a\0b')).toThrow(ConfigError);
  expect(() => quoteIdentifier('')).toThrow(ConfigError);
  expect(() => quoteIdentifier('é'.repeat(32))).toThrow(ConfigError);
});

test('any set of names gets distinct identifiers of at most 63 bytes, equal but for case or after the 63rd byte too', () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(
        fc.oneof(
          fc.string({ maxLength: 90, unit: 'grapheme' }),
          fc.string({ maxLength: 70, unit: 'binary' }),
          fc.constantFrom('\ud800', '\ud801', '\ufffd', '\0', 'a\0', '\0\ud800', '_'),
          fc.constantFrom('a', 'A', 'x'.repeat(70), `${'x'.repeat(70)}y`, `X${'x'.repeat(69)}`),
        ),
        { maxLength: 12 },
      ),
      (names) => {
        const taken = new Set<string>();
        // Also names that look like what others were given.
        for (const name of [...names, ...names.map((name) => fitIdentifier(name, new Set([name.toLowerCase()])))]) {
          const fitted = fitIdentifier(name, taken);
          expect(Buffer.byteLength(fitted)).toBeLessThanOrEqual(63);
          expect(fitted.isWellFormed()).toBe(true);
          expect(taken.has(fitted.toLowerCase())).toBe(false);
          expect(() => quoteIdentifier(fitted)).not.toThrow();
          taken.add(fitted.toLowerCase());
        }
      },
    ),
  );
});
