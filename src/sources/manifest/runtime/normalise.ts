/** `schema_normalization: Default`: values take the types of the stream's schema, where they can without loss. */
import type { DataRecord } from '../../../base/catalog.js';
import { isObject, type JsonObject } from '../document/read.js';
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
  return (record) => cast(record, (known ??= schema())) as DataRecord;
}

function cast(value: unknown, schema: unknown): unknown {
  if (!isObject(schema)) return value;
  const types = (Array.isArray(schema['type']) ? schema['type'] : [schema['type']]).filter((type) => type !== 'null');
  if (value === null || value === undefined || types.length !== 1) return value;
  switch (types[0]) {
    case 'object': {
      const { properties } = schema;
      if (!isObject(value) || !isObject(properties)) return value;
      const out: Record<string, unknown> = {};
      for (const [key, inner] of Object.entries(value))
        define(out, key, cast(inner, Object.hasOwn(properties, key) ? properties[key] : undefined));
      return out;
    }
    case 'array':
      return (Array.isArray(value) ? value : [value]).map((item) => cast(item, schema['items']));
    case 'string':
      return typeof value === 'object'
        ? JSON.stringify(value)
        : typeof value === 'boolean'
          ? value
            ? 'True'
            : 'False'
          : String(value);
    case 'integer':
      return toNumber(value, /^\s*[+-]?\d+\s*$/, (number) => Number.isInteger(number));
    case 'number':
      return toNumber(value, /^\s*[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?\s*$/, () => true);
    case 'boolean':
      return typeof value === 'string'
        ? /^(true|yes|y|on|t|1)$/i.test(value)
          ? true
          : /^(false|no|n|off|f|0)$/i.test(value)
            ? false
            : value
        : typeof value === 'number' && (value === 0 || value === 1)
          ? value === 1
          : value;
    default:
      return value;
  }
}

function toNumber(value: unknown, form: RegExp, fits: (number: number) => boolean): unknown {
  if (typeof value === 'boolean') return Number(value);
  if (typeof value !== 'string' || !form.test(value)) return value;
  const number = Number(value);
  return fits(number) && (!Number.isInteger(number) || Number.isSafeInteger(number)) ? number : value;
}
