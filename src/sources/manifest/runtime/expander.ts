/** Records nested in records, each with what it needs of its parent; lists that an answer cuts off are asked for. */
import type { DataRecord } from '../../../base/catalog.js';
import { ConfigError } from '../../../base/errors.js';
import { ExactNumber, stringifyJson } from '../../../base/json.js';
import { placeOf } from '../document/manifest.js';
import { isObject, type Json, type JsonObject } from '../document/read.js';
import { isTrue, type Value } from '../templates/values.js';
import { define, fields, list, setAt, text, unsupported, valueAt, valuesAt, type Kit } from './kit.js';

export interface Expander {
  expand(record: DataRecord): DataRecord[];
  /** Where cut off lists are read whole; undefined: what is embedded is all. */
  whole: JsonObject | undefined;
  /** The answer holds a part of the record's list alone. */
  isCutOff(record: DataRecord): boolean;
  /** From now on the record's list is this one. */
  complete(record: DataRecord, items: DataRecord[]): void;
}

export function expander(kit: Kit, component: JsonObject | undefined): Expander | undefined {
  if (!component) return undefined;
  const path = pathOf(kit, component, 'expand_records_from_field');
  const indicator = pathOf(kit, component, 'truncation_indicator_path');
  const whole = fields(component, 'truncated_list_retriever');
  for (const [name, keys] of [
    ['truncation_indicator_path', indicator],
    ['expand_records_from_field', whole ? path : []],
  ] as const)
    plainPath(kit, component, name, keys);
  if (whole && indicator.length === 0)
    throw unsupported(kit, component, 'truncated_list_retriever', 'declare truncation_indicator_path beside it');
  const inContext = contextOf(kit, component, path);
  const keepsEmpty = component['on_no_records'] === 'emit_parent';
  const known = new WeakMap<DataRecord, DataRecord[]>();
  const isCutOff = (record: DataRecord) => indicator.length > 0 && isTrue(valueAt(record, indicator) as Value);
  return {
    whole,
    isCutOff,
    complete: (record, items) => void known.set(record, items),
    expand(record) {
      if (path.length === 0) return [record];
      const fetched = known.get(record) ?? [];
      const embedded = valuesAt(record, path).filter(Array.isArray).flat() as unknown[];
      if (isCutOff(record) && !whole)
        kit.notes.add(
          `${placeOf(kit.manifest, component)}: lists at ${path.join('.')} are cut off, and not read whole`,
        );
      const items = fetched.length > 0 ? fetched : embedded;
      if (items.length === 0) return keepsEmpty ? [record] : [];
      return inContext(record, items);
    },
  };
}

/** Adds to each item what is wanted of its parent. */
function contextOf(
  kit: Kit,
  component: JsonObject,
  path: string[],
): (record: DataRecord, items: unknown[]) => DataRecord[] {
  const remains = component['remain_original_record'] === true;
  const merges = component['merge_parent'] === true;
  const copies = list(component, 'parent_fields').map((field) => {
    const [from, to] = ['parent_path', 'record_path'].map((name) => {
      const keys = pathOf(kit, field, name);
      plainPath(kit, field, name, keys);
      return keys;
    }) as [string[], string[]];
    return { from, to, place: placeOf(kit.manifest, field) };
  });
  return (record, items) => {
    const base = merges ? without(record, path) : undefined;
    return items.map((item) => {
      const own: DataRecord = isPlain(item) ? item : { value: item };
      const made: DataRecord = base ? { ...(copied(base) as DataRecord), ...own } : { ...own };
      for (const { from, to, place } of copies) {
        assertWritable(made, to, place);
        setAt(made, to, copied(valueAt(record, from) ?? null));
      }
      if (remains) define(made, 'original_record', copied(record));
      return made;
    });
  };
}

const pathOf = (kit: Kit, component: JsonObject, name: string): string[] =>
  ((component[name] ?? []) as Json[]).map((part) => text(kit, component, part)({}));

function plainPath(kit: Kit, component: JsonObject, name: string, keys: readonly string[]): void {
  if (!keys.some((key) => /[*?[]/.test(key))) return;
  throw new ConfigError(`${name} does not name one field`, {
    code: 'bad_path',
    place: placeOf(kit.manifest, component),
    expected: 'a path without *, ? and [',
    found: keys.join('.'),
    next: 'name the field',
  });
}

/** A value that is no object cannot hold another. */
function assertWritable(record: DataRecord, path: string[], place: string): void {
  let at: unknown = record;
  for (const key of path.slice(0, -1)) {
    if (!isObject(at) || !Object.hasOwn(at, key)) return;
    at = at[key];
    if (at === null || typeof at === 'object') continue;
    throw new ConfigError('a field of the parent cannot be written to the item', {
      code: 'bad_path',
      place,
      expected: `an object at ${key}`,
      found: stringifyJson(at).slice(0, 80),
      next: 'change record_path',
    });
  }
}

const isPlain = (value: unknown): value is DataRecord => isObject(value) && !(value instanceof ExactNumber);

function copied(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(copied);
  if (!isPlain(value)) return value;
  const out: DataRecord = {};
  for (const [key, inner] of Object.entries(value)) define(out, key, copied(inner));
  return out;
}

/** The record without the lists at the path; what lies beside them is shared. */
function without(value: DataRecord, path: string[]): DataRecord;
function without(value: unknown, path: string[]): unknown;
function without(value: unknown, path: string[]): unknown {
  const [head, ...rest] = path;
  if (head === undefined || value === null || typeof value !== 'object' || value instanceof ExactNumber) return value;
  const keep = (key: string, inner: unknown): [boolean, unknown] => {
    if (head !== '*' && head !== key) return [true, inner];
    return rest.length === 0 ? [!Array.isArray(inner), inner] : [true, without(inner, rest)];
  };
  const kept = Object.entries(value).flatMap(([key, inner]) => {
    const [stays, left] = keep(key, inner);
    return stays ? [[key, left] as const] : [];
  });
  if (Array.isArray(value)) return kept.map(([, inner]) => inner);
  const out: DataRecord = {};
  for (const [key, inner] of kept) define(out, key, inner);
  return out;
}
