import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { widthOf, wrap } from './fit.js';

describe('lines broken between words', () => {
  test('as a person would', () => {
    expect(wrap('Complete: 5 streams, gaps 0', 14)).toBe('Complete: 5\n  streams,\n  gaps 0');
    expect(wrap('  found: status 401: no', 16)).toBe('  found: status\n    401: no');
    expect(wrap('short\n\n  at: x', 10)).toBe('short\n\n  at: x');
    const command = 'Continue with: headrace sync stripe --streams customers';
    expect(wrap(command, 20)).toBe(command);
  });

  test('nothing is lost, and no line is longer than the terminal but for a word that is', () => {
    const words = fc.array(fc.stringMatching(/^[a-z顧客é]{1,12}$/u), { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(words, fc.integer({ min: 15, max: 60 }), (given, columns) => {
        const text = given.join(' ');
        const wrapped = wrap(text, columns);
        expect(wrapped.split(/\s+/).join(' ')).toBe(text);
        for (const line of wrapped.split('\n'))
          expect(widthOf(line) <= columns || !line.trim().includes(' ')).toBe(true);
      }),
    );
  });
});
