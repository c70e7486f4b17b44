/** DynamicSchemaLoader: a schema that the API itself describes. */
import { isObject, type Json, type JsonObject } from '../document/read.js';
import type { Dict } from '../templates/values.js';
import { condition, fields, list, text, valueAt, type Kit } from './kit.js';
import { transformation } from './transformations.js';

const TYPES: Record<string, JsonObject> = {
  string: { type: ['null', 'string'] },
  boolean: { type: ['null', 'boolean'] },
  integer: { type: ['null', 'integer'] },
  number: { type: ['null', 'number'] },
  date: { type: ['null', 'string'], format: 'date' },
  timestamp_without_timezone: {
    type: ['null', 'string'],
    format: 'date-time',
    airbyte_type: 'timestamp_without_timezone',
  },
  timestamp_with_timezone: { type: ['null', 'string'], format: 'date-time', airbyte_type: 'timestamp_with_timezone' },
  time_with_timezone: { type: ['null', 'string'], format: 'time', airbyte_type: 'time_with_timezone' },
  time_without_timezone: { type: ['null', 'string'], format: 'time', airbyte_type: 'time_without_timezone' },
  object: { type: ['null', 'object'] },
  array: { type: ['null', 'array'] },
};

export async function dynamicSchema(
  kit: Kit,
  loader: JsonObject,
  fetch: () => Promise<JsonObject[]>,
): Promise<JsonObject> {
  const identifier = fields(loader, 'schema_type_identifier') ?? {};
  const path = (value: Json | undefined) =>
    Array.isArray(value) ? value.map((part) => text(kit, identifier, String(part))({})) : [];
  const pointer = path(identifier['schema_pointer']);
  const keyPath = path(identifier['key_pointer']);
  const typePath = path(identifier['type_pointer']);
  const steps = list(loader, 'schema_transformations').map((step) => transformation(kit, step));
  const keep = isObject(loader['schema_filter'])
    ? condition(kit, loader['schema_filter'], loader['schema_filter']['condition'])
    : undefined;
  const properties: JsonObject = {};
  const [first] = await fetch();
  const described = pointer.length === 0 ? first : valueAt(first, pointer);
  for (const entry of Array.isArray(described) ? described : [described]) {
    if (!isObject(entry)) continue;
    const name = valueAt(entry, keyPath);
    if (typeof name !== 'string') continue;
    const raw = typePath.length === 0 ? 'string' : valueAt(entry, typePath);
    properties[name] = typeOf(kit, identifier, raw, entry);
  }
  let kept = properties;
  for (const step of steps) kept = step({ ...kept }, {}) as JsonObject;
  if (keep)
    kept = Object.fromEntries(
      Object.entries(kept).filter(([name, value]) => keep({ record: { [name]: value } as Dict })),
    );
  return {
    $schema: 'https://json-schema.org/draft-07/schema#',
    type: 'object',
    additionalProperties: true,
    properties: kept,
  };
}

function typeOf(kit: Kit, identifier: JsonObject, raw: unknown, entry: JsonObject): JsonObject {
  for (const map of list(identifier, 'types_mapping')) {
    if (
      map['current_type'] !== raw &&
      !(Array.isArray(map['current_type']) && JSON.stringify(map['current_type']) === JSON.stringify(raw))
    )
      continue;
    const when = condition(kit, map, map['condition']);
    if (when && !when({ raw_schema: entry as Dict })) continue;
    return shape(map['target_type']);
  }
  return shape(Array.isArray(raw) ? (raw as Json[]) : String(raw ?? 'string'));
}

function shape(target: Json | undefined): JsonObject {
  if (isObject(target))
    return {
      ...TYPES[String(target['field_type'])],
      ...(target['items'] === undefined ? {} : { items: shape(target['items']) }),
    };
  if (Array.isArray(target)) return { oneOf: target.map((each) => shape(each)) };
  return TYPES[String(target)] ?? TYPES['string']!;
}
