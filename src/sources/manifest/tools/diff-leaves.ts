/** A stream as its values by their paths, so that the same thing written otherwise is the same. */
import { isObject, type Json, type JsonObject } from '../document/read.js';
import { same, stable } from './diff-changes.js';

/** What a stream says of itself elsewhere, or people read. */
export const SILENT = new Set([
  '$parameters',
  'name',
  'primary_key',
  'schema_loader',
  'description',
  'title',
  'type_comment',
]);
/** Parts that are compared by rules of their own. */
const APART = /^(?:transformations|state_migrations|incremental_sync|retriever\.partition_router)(?:\.|$)/;

/** What a component does where it does not say. */
const DEFAULTS: JsonObject = { http_method: 'GET', use_cache: false };

/** A text that stands for a value, as Python writes it: a body may be written either way. */
function literalOf(value: Json): Json {
  if (typeof value !== 'string' || !/^\s*\{\s*'[^{}%]*\}\s*$/.test(value)) return value;
  try {
    return JSON.parse(value.replaceAll("'", '"')) as Json;
  } catch {
    return value;
  }
}

/** Each value of a component by its path, as text; parameters of templates filled in. */
export function leavesOf(stream: JsonObject): Map<string, string> {
  const leaves = new Map<string, string>();
  const walk = (value: Json, path: string, parameters: JsonObject): void => {
    if (APART.test(path)) return;
    if (isObject(value)) {
      const own = isObject(value['$parameters']) ? value['$parameters'] : parameters;
      for (const [key, inner] of Object.entries(value))
        if (!SILENT.has(key)) walk(inner, path === '' ? key : `${path}.${key}`, own);
    } else {
      const literal = literalOf(value);
      if (isObject(literal)) walk(literal, path, parameters);
      else if (value !== null && !same(value, DEFAULTS[path.split('.').at(-1)!]))
        leaves.set(path, Array.isArray(value) ? stable(plain(value)) : filled(value, parameters));
    }
  };
  walk(stream, '', {});
  return leaves;
}

/** Without what was handed down, and what is only read by people. */
export function plain(value: Json): Json {
  if (Array.isArray(value)) return value.map(plain);
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key]) => key !== '$parameters' && key !== 'description')
      .map(([key, inner]) => [key, plain(inner)]),
  );
}

/** A parameter that a template names counts as what it is. */
export function filled(value: Json, parameters: JsonObject): string {
  if (typeof value !== 'string') return stable(value);
  return value.replaceAll(
    /(\{\{\s*)?parameters(?:\.get\(\s*['"](\w+)['"][^)]*\)|\[\s*['"](\w+)['"]\s*\]|\.(\w+))(\s*\}\})?/g,
    (whole, open: string | undefined, a?: string, b?: string, c?: string, close?: string) => {
      const found = parameters[(a ?? b ?? c)!];
      if (found === undefined) return whole;
      const text = typeof found === 'string' ? found : stable(found);
      return open !== undefined && close !== undefined ? text : `${open ?? ''}${JSON.stringify(text)}${close ?? ''}`;
    },
  );
}
