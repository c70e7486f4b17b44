/** Rows and configurations that fit a manifest's schemas, for a server that stands in for its API. */
import type { Json, JsonObject } from '../../src/sources/manifest/document/read.js';
import { isObject } from '../../src/sources/manifest/document/read.js';

const DAY_MS = 86_400_000;

/** The time that row `i` bears. The day lies a week back, so that windows up to now are few. */
export const timeOf = (i: number): number =>
  FIRST_DAY + Math.min(i, HOURLY) * 3_600_000 + Math.max(0, i - HOURLY) * 60_000;
/** Rows after so many lie a minute apart: none is ahead of now. */
const HOURLY = 72;
export const FIRST_DAY = Math.floor(Date.now() / DAY_MS - 6) * DAY_MS;
/** Where configurations begin. */
const START = FIRST_DAY - DAY_MS;

/** A value that a schema allows. */
export function valueOf(name: string, schema: Json | undefined, i: number, depth = 0): Json {
  if (!isObject(schema)) return `v${i}`;
  if (Array.isArray(schema['enum']) && schema['enum'].length > 0) return schema['enum'][0]!;
  if (schema['const'] !== undefined) return schema['const'];
  for (const key of ['oneOf', 'anyOf', 'allOf']) {
    const each = schema[key];
    if (Array.isArray(each) && each.length > 0) return valueOf(name, each[0], i, depth);
  }
  const types = [schema['type']].flat().filter((type) => type !== 'null');
  const isId = /id$/i.test(name);
  switch (types[0]) {
    case 'object':
      return depth < 3 && isObject(schema['properties'])
        ? Object.fromEntries(
            Object.entries(schema['properties'])
              .slice(0, 20)
              .map(([key, inner]) => [key, valueOf(key, inner, i, depth + 1)]),
          )
        : {};
    case 'array':
      return depth < 3 && isObject(schema['items']) ? [valueOf(name, schema['items'], i, depth + 1)] : [];
    case 'integer':
      return isId ? 1000 + i : i + 1;
    case 'number':
      return isId ? 1000 + i : i + 0.5;
    case 'boolean':
      return i % 2 === 0;
    default: {
      const at = new Date(timeOf(i)).toISOString();
      if (schema['format'] === 'date-time') return at.replace('.000', '');
      if (schema['format'] === 'date') return at.slice(0, 10);
      return isId || ['key', 'uuid', 'sid', 'slug'].includes(name) ? `id${1000 + i}` : `${name}-${i}`;
    }
  }
}

/** Sets a value at a path, and makes the objects on the way to it. */
export function setIn(target: JsonObject, path: readonly string[], value: Json): void {
  let at = target;
  for (const key of path.slice(0, -1)) {
    if (!isObject(at[key])) at[key] = {};
    at = at[key] as JsonObject;
  }
  at[path.at(-1)!] = value;
}

/** A configuration whose dates lie where the rows do, in the form that they had. */
export function nearRows(config: Json, name = ''): Json {
  if (Array.isArray(config)) return config.map((each) => nearRows(each, name));
  if (isObject(config))
    return Object.fromEntries(Object.entries(config).map(([key, value]) => [key, nearRows(value, key)]));
  const isDate = typeof config === 'string' && /^\d{4}-\d\d-\d\d([T ]\d\d:\d\d:\d\d(\.\d+)?Z?)?$/.test(config);
  if (!isDate) return config;
  const at = new Date(/end|until|(^|_)to($|_)/i.test(name) ? FIRST_DAY + 5 * DAY_MS : START).toISOString();
  const full = at.slice(0, 19) + (/\.\d+/.exec(config)?.[0] ?? '') + (config.endsWith('Z') ? 'Z' : '');
  return config.length === 10 ? at.slice(0, 10) : config.includes('T') ? full : full.replace('T', ' ');
}
