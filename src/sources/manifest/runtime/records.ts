/** From a decoded response to records: extracted, expanded, filtered, transformed, normalised. */
import type { DataRecord } from '../../../base/catalog.js';
import { SkippableError } from '../../../base/errors.js';
import { stringifyJson } from '../../../base/json.js';
import { placeOf } from '../document/manifest.js';
import { isObject, type Json, type JsonObject } from '../document/read.js';
import type { Dict } from '../templates/values.js';
import {
  condition,
  define,
  fields,
  list,
  setAt,
  text,
  unsupported,
  valueAt,
  valuesAt,
  type Kit,
  type Scope,
} from './kit.js';
import { normaliser } from './normalise.js';
import { transformation } from './transformations.js';
import { replaced, twinInput, twinOf } from './twins.js';

export interface Selected {
  /** What the stream stores. */
  records: DataRecord[];
  /** What the server sent, before any filter. */
  received: DataRecord[];
  /** No answer held the list that records are taken from: `data` that is absent is not `data: []`. */
  isMissing?: boolean | undefined;
}

export type Select = (documents: unknown[], scope: Scope) => Selected;

export function selector(kit: Kit, component: JsonObject, stream: JsonObject, schema: () => JsonObject): Select {
  const own = replaced(kit, component);
  const extract = extractor(kit, fields(own, 'extractor') ?? { type: 'DpathExtractor', field_path: [] });
  const isMissing = listMissing(kit, fields(own, 'extractor'));
  const keep = recordFilter(kit, fields(own, 'record_filter'));
  const steps = list(stream, 'transformations').map((each) => transformation(kit, each));
  const normalise = normaliser(kit, own, schema);
  const transformFirst = own['transform_before_filtering'] === true;
  return (documents, scope) => {
    const received = documents.flatMap((document) => extract(document, scope));
    const records: DataRecord[] = [];
    for (const raw of received) {
      let record = raw;
      if (!transformFirst && keep && !keep({ ...scope, record: record as Dict })) continue;
      if (steps.length > 0) {
        record = { ...record };
        for (const step of steps) record = step(record, scope);
      }
      if (transformFirst && keep && !keep({ ...scope, record: record as Dict })) continue;
      records.push(normalise ? normalise(record) : record);
    }
    return { records, received, isMissing: documents.length > 0 && documents.every((each) => isMissing(each, scope)) };
  };
}

/** Whether an answer lacks the field that records are taken from. */
function listMissing(kit: Kit, component: JsonObject | undefined): (document: unknown, scope: Scope) => boolean {
  const own = replaced(kit, component ?? {});
  const raw = own['type'] === 'DpathExtractor' && Array.isArray(own['field_path']) ? own['field_path'] : [];
  const path = raw.map((part) => text(kit, own, typeof part === 'number' ? String(part) : part));
  return (document, scope) => {
    const keys = path.map((part) => part(scope));
    if (keys.length === 0 || keys.some((key) => key === '*' || key === '**')) return false;
    const found = valueAt(document, keys);
    return found === undefined || found === null;
  };
}

export type Extract = (document: unknown, scope: Scope) => DataRecord[];

/** `plain`: what is found counts whatever it is, a status or an address. */
export function extractor(kit: Kit, component: JsonObject, plain = false): Extract {
  const own = replaced(kit, component);
  switch (own['type']) {
    case 'DpathExtractor': {
      const path = (Array.isArray(own['field_path']) ? own['field_path'] : []).map((part) =>
        text(kit, own, typeof part === 'number' ? String(part) : part),
      );
      const expand = expander(kit, fields(own, 'record_expander'));
      return (document, scope) => {
        const keys = path.map((part) => part(scope));
        const found = keys.some((key) => key === '*' || key === '**')
          ? valuesAt(document, keys)
          : valueAt(document, keys);
        const records = Array.isArray(found)
          ? found
          : found !== undefined &&
              found !== null &&
              found !== '' &&
              found !== false &&
              found !== 0 &&
              !(isObject(found) && Object.keys(found).length === 0)
            ? [found]
            : [];
        if (plain) return records as DataRecord[];
        const objects = records.filter((record) => isRecord(kit, own, keys, record));
        return expand ? objects.flatMap(expand) : objects;
      };
    }
    case 'ResponseToFileExtractor':
      return (document) => (isObject(document) ? [document] : []);
    case 'KeyValueExtractor': {
      const keys = extractor(kit, own['keys_extractor'] as JsonObject);
      const values = extractor(kit, own['values_extractor'] as JsonObject);
      return (document, scope) => {
        const names = keys(document, scope).map(String);
        const cells = values(document, scope);
        const out: DataRecord[] = [];
        for (let i = 0; i < cells.length; i += Math.max(1, names.length))
          out.push(Object.fromEntries(names.map((name, k) => [name, cells[i + k]])));
        return out;
      };
    }
    case 'CustomRecordExtractor': {
      const { extract } = twinOf(kit, own);
      if (!extract) throw unsupported(kit, own, 'a twin without extract', 'give the twin an extract function');
      const input = twinInput(kit, own);
      return (document, scope) => extract(document, { ...input, slice: sliceOf(scope) });
    }
    default:
      throw unsupported(kit, own, `the extractor ${String(own['type'])}`, 'use DpathExtractor');
  }
}

/** Nothing is not a record; a value that is not an object is not one either, and shows that the path leads elsewhere. */
function isRecord(kit: Kit, own: JsonObject, path: string[], record: unknown): record is DataRecord {
  if (record === null) return false;
  if (isObject(record)) return true;
  throw new SkippableError('the API sent something else where records should be', {
    code: 'no_records',
    place: placeOf(kit.manifest, own),
    expected: `objects at ${path.join('.') || 'the top of the answer'}`,
    found: Array.isArray(record)
      ? 'a list in the list'
      : `${typeof record} ${record === undefined ? '' : stringifyJson(record).slice(0, 60)}`,
    next: 'correct the field_path of the extractor',
  });
}

/** Records nested in records, each with what it needs of its parent. */
function expander(kit: Kit, component: JsonObject | undefined): ((record: DataRecord) => DataRecord[]) | undefined {
  if (!component) return undefined;
  const path = (component['expand_records_from_field'] as Json[]).map((part) => text(kit, component, part)({}));
  const keepsEmpty = component['on_no_records'] === 'emit_parent';
  const remains = component['remain_original_record'] === true;
  const parents = list(component, 'parent_fields').map((field) => ({
    from: (field['source_field_path'] as Json[]).map((part) => text(kit, field, part)({})),
    to: (field['target_field_path'] as Json[] | undefined)?.map((part) => text(kit, field, part)({})) ?? [
      text(kit, field, field['target_field'] ?? '')({}),
    ],
  }));
  return (record) => {
    const nested = valuesAt(record, path)
      .flatMap((value) => (Array.isArray(value) ? value : [value]))
      .filter((value) => value !== undefined && value !== null);
    if (nested.length === 0) return keepsEmpty ? [record] : [];
    return nested.map((value) => {
      const made: DataRecord = isObject(value) ? { ...value } : { value };
      if (remains) define(made, 'original_record', record);
      for (const { from, to } of parents) setAt(made, to, valueAt(record, from) ?? null);
      return made;
    });
  };
}

function recordFilter(kit: Kit, component: JsonObject | undefined): ((scope: Scope) => boolean) | undefined {
  if (!component) return undefined;
  const own = replaced(kit, component);
  if (own['type'] !== 'CustomRecordFilter') return condition(kit, own, own['condition']);
  const { keep } = twinOf(kit, own);
  if (!keep) throw unsupported(kit, own, 'a twin without keep', 'give the twin a keep function');
  const input = twinInput(kit, own);
  return (scope) => keep(scope['record'] as DataRecord, { ...input, slice: sliceOf(scope) });
}

const sliceOf = (scope: Scope) => (scope['stream_slice'] ?? {}) as Record<string, unknown>;
