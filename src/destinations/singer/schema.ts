/**
 * The schema of a stream as a Singer target is told it. Targets refuse a record that does not fit its schema, and drop
 * what the schema does not name; an API's schema is often no more than a hint. So it is widened by what comes: a value
 * of another type adds its type, a property that nobody named is named, and null is always allowed.
 */
import type { DataRecord, JsonSchema, JsonType } from '../../base/catalog.js';
import { ExactNumber } from '../../base/json.js';

/** RFC 3339, as JSON schema's `date-time` has it, `T` and zone included. */
const DATE_TIME = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$/;
const DATE = /^\d{4}-\d\d-\d\d$/;
const FORMATS: Record<string, RegExp> = { 'date-time': DATE_TIME, date: DATE };

/** Set where an object is known to be gone, as Singer's tools know it. */
export const DELETED_AT = '_sdc_deleted_at';

/** The schema to begin with: nothing is required but keys, everything may be null but keys. */
export function singerSchema(schema: JsonSchema, primaryKey: readonly string[]): JsonSchema {
  const named = Object.entries(schema.properties ?? {});
  const unnamed = primaryKey.filter((name) => !named.some(([own]) => own === name));
  const properties = Object.fromEntries([
    ...named.map(([name, property]) => [name, relaxed(property, !primaryKey.includes(name))] as const),
    ...unnamed.map((name) => [name, { type: 'string' } as JsonSchema] as const),
  ]);
  return { type: 'object', properties };
}

/** A property whose parts may all be missing or null. Formats that are not checked here are left out. */
function relaxed(schema: JsonSchema, isNullable: boolean): JsonSchema {
  const own = typesOf(schema);
  const types = isNullable && own.length > 0 && !own.includes('null') ? ['null' as const, ...own] : own;
  const { properties, items, format, description } = schema;
  return {
    ...(types.length === 0 ? {} : { type: types.length === 1 ? types[0]! : types }),
    ...(format !== undefined && format in FORMATS ? { format } : {}),
    ...(description === undefined ? {} : { description }),
    ...(properties === undefined || !types.includes('object')
      ? {}
      : {
          properties: Object.fromEntries(Object.entries(properties).map(([name, part]) => [name, relaxed(part, true)])),
        }),
    ...(items === undefined || !types.includes('array') ? {} : { items: relaxed(items, true) }),
  };
}

function typesOf({ type }: JsonSchema): JsonType[] {
  return type === undefined ? [] : Array.isArray(type) ? type : [type];
}

/** The schema that the record fits as well; the same object where it fits already. */
export function widened(schema: JsonSchema, record: DataRecord): JsonSchema {
  let properties = schema.properties ?? {};
  for (const [name, value] of Object.entries(record)) {
    if (value === undefined) continue;
    const own = Object.hasOwn(properties, name) ? properties[name]! : undefined;
    const next = own === undefined ? described(value) : widenedBy(own, value);
    if (next !== own) properties = { ...properties, [name]: next };
  }
  return properties === schema.properties ? schema : { ...schema, properties };
}

function widenedBy(schema: JsonSchema, value: unknown): JsonSchema {
  const typed = typedBy(schema, typeOf(value));
  const next = typeof value === 'string' ? formattedBy(typed, value) : typed;
  if (next.properties !== undefined && typeOf(value) === 'object') return widenedNested(next, value as DataRecord);
  return next.items !== undefined && Array.isArray(value) ? widenedItems(next, next.items, value) : next;
}

/** Without types a schema allows all. */
function typedBy(schema: JsonSchema, found: JsonType): JsonSchema {
  const types = typesOf(schema);
  if (types.length === 0 || types.includes(found) || (found === 'integer' && types.includes('number'))) return schema;
  return { ...schema, type: [...types.filter((type) => found !== 'number' || type !== 'integer'), found] };
}

function formattedBy(schema: JsonSchema, value: string): JsonSchema {
  if (schema.format === undefined || isOfFormat(schema.format, value)) return schema;
  const { format: _, ...rest } = schema;
  return rest;
}

/** Nested objects keep what they name; what they do not name is allowed anyway. */
function widenedNested(schema: JsonSchema, value: DataRecord): JsonSchema {
  let properties = schema.properties!;
  for (const [name, part] of Object.entries(properties)) {
    if (!Object.hasOwn(value, name) || value[name] === undefined) continue;
    const next = widenedBy(part, value[name]);
    if (next !== part) properties = { ...properties, [name]: next };
  }
  return properties === schema.properties ? schema : { ...schema, properties };
}

function widenedItems(schema: JsonSchema, items: JsonSchema, values: unknown[]): JsonSchema {
  let next = items;
  for (const value of values) next = widenedBy(next, value);
  return next === items ? schema : { ...schema, items: next };
}

/** A property that the schema does not name, by its first value. Null tells nothing: it may be anything. */
function described(value: unknown): JsonSchema {
  const type = typeOf(value);
  return type === 'null' ? {} : { type: ['null', type] };
}

function typeOf(value: unknown): JsonType {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  if (typeof value === 'bigint') return 'integer';
  if (value instanceof ExactNumber) return 'number';
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'number';
  return typeof value === 'object' ? 'object' : (typeof value as 'string' | 'boolean');
}

function isOfFormat(format: string, value: string): boolean {
  return FORMATS[format]!.test(value) && !Number.isNaN(Date.parse(value));
}
