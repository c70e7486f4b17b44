/** Transformations of records, as the language has them. */
import type { DataRecord } from '../../../base/catalog.js';
import { isObject, type Json, type JsonObject } from '../document/read.js';
import { parametersOf } from '../streams.js';
import { plainOf } from '../templates/template.js';
import { numberOf, type Dict, type Value } from '../templates/values.js';
import { Asks, type Ask } from './asks.js';
import {
  condition,
  define,
  fields,
  list,
  parameter,
  setAt,
  template,
  text,
  unsupported,
  valueAt,
  valuesAt,
  type Kit,
  type Scope,
} from './kit.js';
import { replaced, twinInput, twinOf } from './twins.js';

/**
 * Changes its argument, a copy of the record's first level, or returns another. `asks`: it makes requests for a record,
 * and may have to wait for an answer.
 */
export type Transform = ((record: DataRecord, scope: Scope) => DataRecord) & { asks?: boolean };

/** One step after the other, up to one that waits for an answer. */
export function chained(steps: Transform[]): Transform {
  const change = (record: DataRecord, scope: Scope) => {
    let changed = record;
    for (const step of steps) {
      changed = step(changed, scope);
      if (step.asks && Asks.of(scope)?.waits) break;
    }
    return changed;
  };
  return Object.assign(change, { asks: steps.some(({ asks }) => asks) });
}

export function transformation(kit: Kit, component: JsonObject, schema?: () => JsonObject): Transform {
  const own = replaced(kit, component);
  switch (own['type']) {
    case 'AddFields':
      return addFields(kit, own);
    case 'RemoveFields':
      return removeFields(kit, own);
    case 'KeysToLower':
      return (record) => renamed(record, (key) => key.toLowerCase(), false);
    case 'KeysToSnakeCase':
      return (record) => renamed(record, snakeCase, true);
    case 'KeysReplace': {
      const from = text(kit, own, own['old']);
      const to = text(kit, own, own['new']);
      return (record, scope) => {
        const seen = { ...scope, record: record as Dict };
        const old = from(seen);
        const fresh = to(seen);
        return renamed(record, (key) => key.replaceAll(old, () => fresh), true);
      };
    }
    case 'FlattenFields':
      return (record) => flattened(record, own['flatten_lists'] !== false);
    case 'DpathFlattenFields':
      return dpathFlatten(kit, own);
    case 'AskTransformation':
      return asking(kit, own);
    case 'CustomTransformation': {
      const { transform, steps } = twinOf(kit, own);
      if (steps) {
        return chained(steps(own).map((step) => transformation(kit, step, schema)));
      }
      if (!transform) throw unsupported(kit, own, 'a twin without transform', 'give the twin a transform function');
      const input = twinInput(kit, own);
      return (record, scope) =>
        transform(record, { ...input, schema, slice: (scope['stream_slice'] ?? {}) as Record<string, unknown> });
    }
    default:
      throw unsupported(kit, own, `the transformation ${String(own['type'])}`, 'use a transformation of the language');
  }
}

/** A request for the record, of which the answer brings fields. */
function asking(kit: Kit, own: JsonObject): Transform {
  const ask: Ask = { requester: own['requester'] as JsonObject };
  const when = condition(kit, own, own['if']);
  const renders = (name: string) =>
    Object.entries(fields(own, name) ?? {}).map(([key, value]) => [key, template(kit, own, value)] as const);
  const [add, slice] = [renders('add'), renders('slice')];
  const merge = Array.isArray(own['merge']) ? own['merge'].map(String) : undefined;
  const change = (record: DataRecord, scope: Scope): DataRecord => {
    const seen: Scope = { ...scope, record: record as Dict };
    if (when && !when(seen)) return record;
    const asks = Asks.of(scope);
    if (!asks) throw unsupported(kit, own, 'a request for each record here', 'use it in a SimpleRetriever');
    const part = {
      ...(scope['stream_slice'] as Dict),
      ...Object.fromEntries(slice.map(([key, of]) => [key, of(seen)])),
    };
    const found = asks.answer(ask, { ...seen, stream_slice: part });
    if (!found) return record;
    const answered = { ...seen, response: found.answer as Value };
    for (const [name, value] of add) define(record, name, plainOf(value(answered)));
    for (const more of merge ? valuesAt(found.answer, merge).flat() : [])
      if (isObject(more)) for (const [name, value] of Object.entries(more)) define(record, name, value);
    return record;
  };
  return Object.assign(change, { asks: true });
}

function addFields(kit: Kit, component: JsonObject): Transform {
  const when = condition(kit, component, component['condition']);
  const added = list(component, 'fields').map((field) => {
    const owner = { ...field, $parameters: { ...parametersOf(component), ...parametersOf(field) } as JsonObject };
    const accepts = TYPES[String(field['value_type'])];
    // A number that is written out is the text of a template like any other: a declared type decides what it is.
    const written = typeof field['value'] === 'number' ? String(field['value']) : field['value'];
    return {
      path: (field['path'] as Json[]).map(String),
      value: accepts ? parameter(kit, owner, written, accepts) : template(kit, owner, field['value']),
    };
  });
  return (record, scope) => {
    for (const { path, value } of added) {
      const seen = { ...scope, record: record as Dict };
      const found = plainOf(value(seen));
      if (when && !when({ ...seen, value: found as Value, path })) continue;
      if (path.length > 1) copyPath(record, path);
      setAt(record, path, found);
    }
    return record;
  };
}

/** A declared type takes only literals of its kind; anything else stays the text that was rendered. */
const TYPES: Record<string, (value: Value) => boolean> = {
  string: (value) => typeof value === 'string',
  boolean: (value) => typeof value === 'boolean',
  integer: (value) => typeof value === 'number' && Number.isInteger(value),
  number: (value) => typeof value !== 'boolean' && numberOf(value) !== undefined,
};

/** The objects on the way to a nested field belong to the response: they are copied before they change. */
function copyPath(record: DataRecord, path: readonly string[]): void {
  let at: Record<string, unknown> = record;
  for (const key of path.slice(0, -1)) {
    const inner = Object.hasOwn(at, key) ? at[key] : undefined;
    if (inner === null || typeof inner !== 'object') return;
    define(at, key, Array.isArray(inner) ? [...(inner as unknown[])] : { ...inner });
    at = at[key] as Record<string, unknown>;
  }
}

function removeFields(kit: Kit, component: JsonObject): Transform {
  const pointers = (component['field_pointers'] as Json[]).map((pointer) => (pointer as Json[]).map(String));
  const when = condition(kit, component, component['condition']);
  const remove = (at: unknown, [head, ...rest]: string[]): void => {
    if (head === undefined || at === null || typeof at !== 'object') return;
    const target = at as Record<string, unknown>;
    if (head === '**') {
      if (rest.length > 0) remove(target, rest);
      for (const key of Object.keys(target)) {
        if (rest.length === 0) drop(target, key);
        else remove(own(target, key), [head, ...rest]);
      }
      return;
    }
    for (const key of head === '*' ? Object.keys(target) : Object.hasOwn(target, head) ? [head] : []) {
      if (rest.length > 0) remove(own(target, key), rest);
      else drop(target, key);
    }
  };
  const drop = (target: Record<string, unknown>, key: string) => {
    if (when && !when({ property: target[key] as Value })) return;
    if (Array.isArray(target)) target[Number(key)] = null;
    else delete target[key];
  };
  return (record) => {
    for (const pointer of pointers) remove(record, pointer);
    return record;
  };
}

/** A copy of what lies below, so that the response itself stays as it was. */
function own(target: Record<string, unknown>, key: string): unknown {
  const inner = target[key];
  if (inner === null || typeof inner !== 'object') return inner;
  const copy = Array.isArray(inner) ? [...(inner as unknown[])] : { ...inner };
  define(target, key, copy);
  return copy;
}

function renamed(record: DataRecord, rename: (key: string) => string, deep: boolean): DataRecord {
  const out: DataRecord = {};
  for (const [key, value] of Object.entries(record))
    define(out, rename(key), deep && isObject(value) ? renamed(value, rename, true) : value);
  return out;
}

function snakeCase(key: string): string {
  const ascii = key.normalize('NFKD').replaceAll(/[\u0300-\u036f]/g, '');
  let tokens = [...ascii.matchAll(/[A-Z]+[a-z]*|[a-z]+|\d+|([^a-zA-Z\d]+)/g)].map((match) =>
    match[1] === undefined ? match[0] : '',
  );
  if (tokens.length >= 3) tokens = [tokens[0]!, ...tokens.slice(1, -1).filter((token) => token !== ''), tokens.at(-1)!];
  if (/^\d+$/.test(tokens[0] ?? '')) tokens.unshift('');
  return tokens.join('_').toLowerCase();
}

function flattened(record: DataRecord, lists: boolean): DataRecord {
  const out: DataRecord = {};
  const stack: [unknown, string][] = [[record, '_']];
  let withParent = false;
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    const [value, name] = next;
    if (isObject(value))
      for (const [key, inner] of Object.entries(value))
        stack.push([inner, Object.hasOwn(out, key) || withParent ? `${name}.${key}` : key]);
    else if (Array.isArray(value) && lists) {
      withParent ||= value.length > 0;
      for (const [index, inner] of value.entries()) stack.push([inner, `${name}.${index}`]);
    } else define(out, name, value);
  }
  return out;
}

function dpathFlatten(kit: Kit, component: JsonObject): Transform {
  const path = (component['field_path'] as Json[]).map((part) => text(kit, component, part)({}));
  const change = isObject(component['key_transformation']) ? component['key_transformation'] : undefined;
  const prefix = change?.['prefix'] === undefined ? '' : text(kit, change, change['prefix'])({});
  const suffix = change?.['suffix'] === undefined ? '' : text(kit, change, change['suffix'])({});
  return (record) => {
    const found = path.includes('*') ? valuesAt(record, path)[0] : valueAt(record, path);
    if (!isObject(found)) return record;
    const extracted = Object.fromEntries(
      Object.entries(found).map(([key, value]) => [`${prefix}${key}${suffix}`, value]),
    );
    if (component['replace_record'] === true && Object.keys(extracted).length > 0) return extracted;
    if (Object.keys(extracted).some((key) => Object.hasOwn(record, key))) return record;
    if (component['delete_origin_value'] === true) {
      if (path.length > 1) copyPath(record, path);
      const holder = path.length > 1 ? valueAt(record, path.slice(0, -1)) : record;
      if (isObject(holder)) delete holder[path.at(-1)!];
    }
    return Object.assign(record, extracted);
  };
}
