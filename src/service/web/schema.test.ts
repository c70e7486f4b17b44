/** Which field a schema becomes, what it begins with, and how its variants are told apart. */
import { describe, expect, test } from 'vitest';
import {
  exampleOf,
  fieldsOf,
  helpOf,
  kindOf,
  plain,
  startOf,
  variantOf,
  variantsOf,
  withField,
  type Schema,
} from './schema.js';

const AUTH: Schema = {
  title: 'Authentication',
  oneOf: [
    {
      title: 'OAuth',
      type: 'object',
      required: ['auth_type', 'client_id'],
      properties: { auth_type: { type: 'string', const: 'oauth' }, client_id: { type: 'string' } },
    },
    {
      title: 'Token',
      type: 'object',
      required: ['auth_type', 'token'],
      properties: { auth_type: { type: 'string', const: 'token' }, token: { type: 'string', airbyte_secret: true } },
    },
  ],
};

test.each<[string, Schema, string]>([
  ['a constant', { const: 'x' }, 'fixed'],
  ['what a definition hides', { type: 'string', airbyte_hidden: true }, 'fixed'],
  ['what the API does not take', { type: 'string', 'x-file-only': true }, 'fixed'],
  ['a text', { type: 'string' }, 'text'],
  ['a text or null', { type: ['null', 'string'] }, 'text'],
  ['a secret of ours', { type: 'string', writeOnly: true }, 'secret'],
  ['a secret of a definition', { type: 'string', airbyte_secret: true }, 'secret'],
  ['a day', { type: 'string', format: 'date' }, 'date'],
  ['a number', { type: 'integer' }, 'number'],
  ['a flag', { type: 'boolean' }, 'flag'],
  ['one of a list', { type: 'string', enum: ['a', 'b'] }, 'choice'],
  ['some of a list', { type: 'array', items: { type: 'string', enum: ['a', 'b'] } }, 'choices'],
  ['texts', { type: 'array', items: { type: 'string' } }, 'lines'],
  ['objects in a list', { type: 'array', items: { type: 'object' } }, 'json'],
  ['an object', { type: 'object', properties: { a: {} } }, 'group'],
  ['a map', { type: 'object' }, 'json'],
  ['a text or a number', { anyOf: [{ type: 'string' }, { type: 'number' }] }, 'scalar'],
  ['objects to choose from', AUTH, 'variants'],
  ['an object or a text', { oneOf: [{ type: 'object', properties: {} }, { type: 'string' }] }, 'json'],
])('%s', (_, schema, kind) => {
  expect(kindOf(plain(schema))).toBe(kind);
});

test('allOf counts as if it stood there, and an option that may be null is that option', () => {
  expect(
    plain({ allOf: [{ required: ['a'], properties: { a: {} } }], required: ['b'], properties: { b: {} } }),
  ).toMatchObject({ required: ['a', 'b'], properties: { a: {}, b: {} } });
  expect(plain({ title: 'T', anyOf: [{ type: 'integer' }, { type: 'null' }] })).toEqual({
    type: 'integer',
    title: 'T',
  });
});

describe('variants', () => {
  const variants = variantsOf(AUTH);
  test('are told apart by what is fixed in each', () => {
    expect(variants.map(({ title, fixed }) => [title, fixed])).toEqual([
      ['OAuth', { auth_type: 'oauth' }],
      ['Token', { auth_type: 'token' }],
    ]);
    expect(variantOf(variants, { auth_type: 'token' })).toBe(1);
    expect(variantOf(variants, undefined)).toBe(0);
  });
  test('without anything fixed are told apart by the fields that there are', () => {
    const open = variantsOf({
      oneOf: [{ properties: { a: {} } }, { properties: { b: {} } }],
    });
    expect(variantOf(open, { b: 1 })).toBe(1);
  });
});

test('what is required and has a default, or can only be one thing, is filled in; nothing else', () => {
  expect(
    startOf({
      required: ['region', 'token', 'auth'],
      properties: {
        connector: { const: 'x' },
        region: { type: 'string', default: 'eu' },
        token: { type: 'string' },
        limit: { type: 'integer', default: 5 },
        auth: AUTH,
      },
    }),
  ).toEqual({ connector: 'x', region: 'eu', auth: { auth_type: 'oauth' } });
});

test('what is required comes first, then in the order that the definition gives', () => {
  const schema: Schema = {
    required: ['late'],
    properties: {
      b: { type: 'string', order: 2 },
      a: { type: 'string', order: 1 },
      late: { type: 'string', order: 9 },
      kind: { const: 'x' },
      hidden: { type: 'string' },
    },
  };
  expect(fieldsOf(schema, ['hidden']).map(([name, , required]) => [name, required])).toEqual([
    ['late', true],
    ['a', false],
    ['b', false],
  ]);
});

test('help is plain text without hints for files; examples refer to no environment', () => {
  expect(helpOf({ description: 'See <a href="https://x">the docs</a>.', pattern_descriptor: 'YYYY' })).toBe(
    'See the docs. Form: YYYY.',
  );
  expect(helpOf({ description: 'Secret key; write it as ${KEY}.', default: 'x' })).toBe('Secret key. Default: x.');
  expect(helpOf({})).toBeUndefined();
  expect(exampleOf({ examples: ['postgres://u:${PGPASSWORD}@h/db'] })).toBe('postgres://u:…@h/db');
});

test('a field is set in a copy, and taken out by undefined', () => {
  const before = { a: 1, b: 2 };
  expect(withField(before, 'a', undefined)).toEqual({ b: 2 });
  expect(withField(undefined, 'a', 3)).toEqual({ a: 3 });
  expect(before).toEqual({ a: 1, b: 2 });
});
