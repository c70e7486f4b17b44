import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { connectionSchema } from '../config/schema.js';
import { schemaFault } from './schema-fault.js';

const faultOf = (schema: z.ZodType, value: unknown) => schemaFault(schema.safeParse(value).error!, value);

describe('what was expected and what was found, in words', () => {
  test.each([
    ['a number below the least', z.int().min(1), 0, 'at least 1', '0'],
    ['a number above the most', z.int().max(9), 10, 'at most 9', '10'],
    ['a fraction', z.int(), 1.5, 'a whole number', '1.5'],
    ['a short text', z.string().min(9), 'abc', 'at least 9 characters', '"abc"'],
    ['a long list', z.array(z.int()).max(1), [1, 2], 'at most 1 item', 'a list of 2'],
    ['another type', z.object({}), 4, 'an object', '4'],
    ['nothing', z.object({}), undefined, 'an object', 'nothing'],
    ['none of the options', z.enum(['a', 'b']), 'c', 'one of a, b', '"c"'],
    [
      'words of the schema',
      z.string().regex(/^a/, 'a text that begins with a'),
      'b',
      'a text that begins with a',
      '"b"',
    ],
    [
      'a key that is none',
      z.record(z.string().regex(/^a/, 'a name that begins with a'), z.int()),
      { b: 1 },
      'a name that begins with a',
      'b',
    ],
    ['neither of two', z.union([z.string(), z.int()]), null, 'a text, or a number', 'null'],
    [
      'another kind',
      z.discriminatedUnion('type', [z.object({ type: z.literal('x') }), z.object({ type: z.literal('y') })]),
      { type: 'q' },
      'one of x, y',
      '"q"',
    ],
  ])('%s', (_, schema, value, expected, found) => {
    expect(faultOf(schema, value)).toMatchObject({ expected, found });
  });

  test('an unknown setting is named, and where it is', () => {
    expect(faultOf(z.object({ inner: z.strictObject({}) }), { inner: { colour: 1 } })).toMatchObject({
      path: ['inner'],
      unknown: ['colour'],
      found: 'colour',
    });
  });

  test('no value that may be secret is shown', () => {
    const source = { connector: 'stripe' };
    const shown = [
      faultOf(connectionSchema, { source, webhook_secret: 'abc' }),
      faultOf(connectionSchema, { source, destination: { type: 'postgres', url: '', password: 'hunter22' } }),
      faultOf(connectionSchema, { source: 'hunter22' }),
      faultOf(connectionSchema, { source, destination: { url: 'postgres://me:hunter22@db/x' } }),
      faultOf(connectionSchema, { source, schedule: ['hunter22'] }),
    ];
    expect(JSON.stringify(shown)).not.toMatch(/hunter22|"abc"/);
    expect(shown.map(({ found }) => found)).toEqual([
      'a text of 3 characters',
      'a text of 0 characters',
      'a text of 8 characters',
      'nothing',
      'a list of 1',
    ]);
  });
});
