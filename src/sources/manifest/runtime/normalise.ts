/**
 * `schema_normalization: Default`: values take the types of the stream's schema, as Python's `str`, `int`, `float` and
 * `bool` make them; what those refuse stays as it is.
 */
import type { DataRecord } from '../../../base/catalog.js';
import { ExactNumber, parseJson } from '../../../base/json.js';
import { isObject, type JsonObject } from '../document/read.js';
import { floatFrom, integerFrom } from '../templates/numbers.js';
import { isDict, isTrue, textOf, truncated, type Value } from '../templates/values.js';
import { define, unsupported, type Kit } from './kit.js';
import { replaced, twinInput, twinOf } from './twins.js';

export function normaliser(
  kit: Kit,
  selector: JsonObject,
  schema: () => JsonObject,
): ((record: DataRecord) => DataRecord) | undefined {
  const asked = selector['schema_normalization'];
  if (asked === undefined || asked === null || asked === 'None') return undefined;
  if (isObject(asked)) {
    const own = replaced(kit, asked);
    const { transform } = twinOf(kit, own);
    if (!transform) throw unsupported(kit, own, 'a twin without transform', 'give the twin a transform function');
    return (record) => transform(record, { ...twinInput(kit, own), slice: {} });
  }
  let known: JsonObject | undefined;
  return (record) => descend(record, (known ??= schema())) as DataRecord;
}

const SIMPLE = new Set<unknown>(['string', 'number', 'integer', 'boolean', 'null']);
const TRUE = /^\s*(true|yes|y|on|t|1)\s*$/i;
const FALSE = /^\s*(false|no|n|off|f|0)\s*$/i;
const JSON_NUMBER = /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/;

/** The value of one field, and all that lies in it. */
const cast = (value: unknown, schema: unknown): unknown =>
  isObject(schema) ? descend(converted(value, schema), schema) : value;

/** Fields and items, whatever type the schema gives to what holds them. */
function descend(value: unknown, { properties, items }: JsonObject): unknown {
  if (Array.isArray(value)) return isObject(items) ? value.map((item) => cast(item, items)) : value;
  if (!isDict(value) || !isObject(properties)) return value;
  const out: Record<string, unknown> = {};
  for (const [key, inner] of Object.entries(value))
    define(out, key, Object.hasOwn(properties, key) ? cast(inner, properties[key]) : inner);
  return out;
}

function converted(value: unknown, schema: JsonObject): unknown {
  const types = (Array.isArray(schema['type']) ? schema['type'] : [schema['type']]).filter((type) => type !== 'null');
  if (value === null || value === undefined || types.length !== 1) return value;
  switch (types[0]) {
    case 'string':
      return textOf(value as Value);
    case 'integer':
      return toInteger(value);
    case 'number':
      return toNumber(value);
    case 'boolean':
      if (typeof value !== 'string') return isTrue(value as Value);
      return TRUE.test(value) ? true : FALSE.test(value) ? false : value;
    case 'array':
      return isListOfSimple(schema['items']) && !Array.isArray(value) && !isDict(value) ? [value] : value;
    default:
      return value;
  }
}

/** A single value becomes a list of it only where the types of the items are a list, or not told: as in Airbyte. */
function isListOfSimple(items: unknown): boolean {
  const types = isObject(items) ? items['type'] : undefined;
  return types === undefined || (Array.isArray(types) && types.every((type) => SIMPLE.has(type)));
}

function toInteger(value: unknown): unknown {
  if (typeof value === 'string') return integerFrom(value) ?? value;
  if (typeof value === 'boolean') return Number(value);
  if (value instanceof ExactNumber) {
    const whole = /^-?\d+(?=\.\d+$)/.exec(value.digits);
    return whole ? integerFrom(whole[0]) : truncated(Number(value));
  }
  return typeof value === 'number' && Number.isFinite(value) ? truncated(value) : value;
}

function toNumber(value: unknown): unknown {
  if (typeof value === 'boolean') return Number(value);
  if (typeof value !== 'string') return value;
  const digits = value.trim();
  // With every digit, where it is written as JSON has it.
  if (JSON_NUMBER.test(digits)) return parseJson(digits);
  const number = floatFrom(value);
  return number !== undefined && Number.isFinite(number) ? number : value;
}
