import { Ajv2020 } from 'ajv/dist/2020.js';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { JsonSchema } from '../../base/catalog.js';
import { singerSchema, widened } from './schema.js';

const ajv = new Ajv2020({
  strict: false,
  ownProperties: true,
  formats: {
    'date-time': (text: string) => /^\d{4}-\d\d-\d\dT.*(Z|[+-]\d\d:\d\d)$/.test(text),
    date: /^\d{4}-\d\d-\d\d$/,
  },
});

const name = fc.constantFrom('a', 'b', 'c', 'd', 'made', '__proto__', 'toString');
const { schema, value } = fc.letrec<{ schema: JsonSchema; value: unknown }>((tie) => ({
  schema: fc.record(
    {
      type: fc.oneof(
        fc.constantFrom('string', 'integer', 'number', 'boolean', 'object', 'array', 'null'),
        fc.uniqueArray(fc.constantFrom('string', 'integer', 'number', 'object', 'array', 'null'), { minLength: 1 }),
      ),
      format: fc.constantFrom('date-time', 'date', 'uuid'),
      properties: fc.dictionary(name, tie('schema'), { maxKeys: 3, depthIdentifier: 's' }),
      items: tie('schema'),
      additionalProperties: fc.boolean(),
      required: fc.uniqueArray(name),
    },
    { requiredKeys: [] },
  ) as fc.Arbitrary<JsonSchema>,
  value: fc.oneof(
    { depthIdentifier: 'v', maxDepth: 3 },
    fc.constantFrom(null, true, 1, 1.5, 'text', '2026-01-01T00:00:00Z', '2026-02-31', 9007199254740993n.toString()),
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(name, tie('value'), { maxKeys: 3 }),
  ),
}));

test('after widening, every record so far fits, and no property of one is unnamed', () => {
  fc.assert(
    fc.property(
      fc.dictionary(name, schema, { maxKeys: 4 }),
      fc.array(fc.dictionary(name, value, { maxKeys: 5 }), { minLength: 1, maxLength: 6 }),
      (properties, records) => {
        let known = singerSchema({ type: 'object', properties, required: ['a'] }, []);
        for (const record of records) known = widened(known, record);
        const fits = ajv.compile(JSON.parse(JSON.stringify(known)) as object);
        for (const record of records) {
          expect(fits(record), `${ajv.errorsText(fits.errors)} ${JSON.stringify(known)}`).toBe(true);
          for (const field of Object.keys(record)) expect(Object.hasOwn(known.properties!, field)).toBe(true);
        }
        // Nothing more to learn: the target is not told again.
        for (const record of records) expect(widened(known, record)).toBe(known);
      },
    ),
    { numRuns: 500 },
  );
});

test('keys may not be null, everything else may', () => {
  const { properties } = singerSchema(
    { properties: { id: { type: 'integer' }, size: { type: 'integer' } }, required: ['size'] },
    ['id'],
  );
  expect(properties).toEqual({ id: { type: 'integer' }, size: { type: ['null', 'integer'] } });
});
