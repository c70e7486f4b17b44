/** From a decoded response to records: extracted, expanded, filtered, transformed, normalised. */
import type { DataRecord } from '../../../base/catalog.js';
import { SkippableError } from '../../../base/errors.js';
import { identityText } from '../../../base/json.js';
import { primaryKeyOf } from '../catalog.js';
import { placeOf } from '../document/manifest.js';
import { isObject, type JsonObject } from '../document/read.js';
import { isTrue, type Dict, type Value } from '../templates/values.js';
import { Asks } from './asks.js';
import { expander } from './expander.js';
import { condition, define, fields, list, text, unsupported, valueAt, valuesAt, type Kit, type Scope } from './kit.js';
import { normaliser } from './normalise.js';
import { chained, transformation } from './transformations.js';
import { replaced, twinInput, twinOf } from './twins.js';

export interface Selected {
  /** What the stream stores. */
  records: DataRecord[];
  /** What the server sent, before any filter. */
  received: DataRecord[];
  /** No answer held the list that records are taken from: `data` that is absent is not `data: []`. */
  isMissing?: boolean | undefined;
  /** In its place is null, or another value that holds nothing: `{}`, an empty text, false. */
  isBlank?: boolean | undefined;
  /** The first row that was sent made the first record. */
  isFirstKept?: boolean | undefined;
  /** What the row after the last of these failed with: the rest of the answer is not among them. */
  failure?: unknown;
}

export type Select = ((documents: unknown[], scope: Scope) => Selected) & {
  lists?: CutOffLists | undefined;
  /** Each row that the answer holds is a record: what it counts are records. */
  isWhole?: boolean | undefined;
  /** Names that lead to the list of rows, as far as they are the same for every row. */
  path?: ((scope: Scope) => string[]) | undefined;
  /** Its transformations make requests, and want a scope of Asks. */
  asks?: boolean | undefined;
};

/** Lists within records that an answer holds a part of alone. */
export interface CutOffLists {
  /** Reads one of them whole. */
  retriever: JsonObject;
  /** Records whose list is cut off. */
  of(documents: unknown[], scope: Scope): DataRecord[];
  complete(record: DataRecord, items: DataRecord[]): void;
}

export function selector(kit: Kit, component: JsonObject, stream: JsonObject, schema: () => JsonObject): Select {
  const own = replaced(kit, component);
  const rows = fields(own, 'extractor') ?? { type: 'DpathExtractor', field_path: [] };
  const extract = extractor(kit, rows, 'parts');
  const isMissing = listMissing(kit, fields(own, 'extractor'));
  const keep = recordFilter(kit, fields(own, 'record_filter'));
  const steps = [...list(own, 'twin_steps'), ...list(stream, 'transformations')];
  const change = chained(steps.map((each) => transformation(kit, each, schema)));
  const normalise = normaliser(kit, own, schema);
  const transformFirst = own['transform_before_filtering'] === true;
  const isKeyed = kit.proves && primaryKeyOf(stream).length > 0;
  /** Undefined: the row is none of the stream's. */
  const selected = (raw: DataRecord, scope: Scope): DataRecord | undefined => {
    let record = raw;
    if (!transformFirst && keep && !keep({ ...scope, record: record as Dict })) return undefined;
    if (steps.length > 0) record = change({ ...record }, scope);
    if (transformFirst && keep && !keep({ ...scope, record: record as Dict })) return undefined;
    return normalise ? normalise(record) : record;
  };
  const select: Select = (documents, scope) => {
    const received: DataRecord[] = [];
    const records: DataRecord[] = [];
    const missing = new Set(documents.map((each) => isMissing(each, scope)));
    const told = { isMissing: missing.size > 0 && !missing.has(undefined), isBlank: missing.has('blank') };
    let isFirstKept = false;
    try {
      const found = documents.flatMap((document) => extract(document, scope));
      const setsAside = isKeyed && found.some(isObject);
      for (const raw of found) {
        if (setsAside && !isObject(raw) && raw !== null) {
          received.push(asRow(raw));
          records.push(received.at(-1)!);
          continue;
        }
        if (!isRecord(kit, rows, raw)) continue;
        Asks.of(scope)?.begin(received.length);
        received.push(raw);
        const record = selected(raw, scope);
        if (record !== undefined) records.push(record);
        isFirstKept ||= received.length === 1 && records.length === 1;
      }
    } catch (failure) {
      return { records, received, isFirstKept, ...told, failure };
    }
    return { records, received, isFirstKept, ...told };
  };
  return Object.assign(select, {
    lists: extract.lists,
    asks: change.asks,
    isWhole: isOneList(rows),
    path: pathTo(kit, rows),
  });
}

const notObjects = new WeakSet<DataRecord>();

/** What stands among the objects of a list and is none becomes a row without its key, which the destination sets aside. */
function asRow(value: unknown): DataRecord {
  const row = { value };
  notObjects.add(row);
  return row;
}

/** Whether it came as an object. */
export const isFromObject = (record: DataRecord): boolean => !notObjects.has(record);

/** Records are the entries of one list, none of them made of several and none left out. */
function isOneList({ type, field_path: path, record_expander: expander }: JsonObject): boolean {
  return (
    type === 'DpathExtractor' && !expander && Array.isArray(path) && !path.some((part) => String(part).includes('*'))
  );
}

function pathTo(kit: Kit, own: JsonObject): ((scope: Scope) => string[]) | undefined {
  if (own['type'] !== 'DpathExtractor') return undefined;
  const raw = Array.isArray(own['field_path']) ? own['field_path'] : [];
  const any = raw.findIndex((part) => String(part).includes('*'));
  const parts = (any < 0 ? raw : raw.slice(0, any)).map((part) => text(kit, own, String(part)));
  return (scope) => parts.map((part) => part(scope));
}

/** Whether an answer lacks the field that records are taken from, or holds nothing there that is no list. */
function listMissing(
  kit: Kit,
  component: JsonObject | undefined,
): (document: unknown, scope: Scope) => 'absent' | 'blank' | undefined {
  const own = replaced(kit, component ?? {});
  const raw = own['type'] === 'DpathExtractor' && Array.isArray(own['field_path']) ? own['field_path'] : [];
  const path = raw.map((part) => text(kit, own, typeof part === 'number' ? String(part) : part));
  return (document, scope) => {
    const keys = path.map((part) => part(scope));
    const any = keys.findIndex((key) => key === '*' || key === '**');
    // What an empty body is decoded to.
    if (isEmptyObject(document)) return 'absent';
    const found = valueAt(document, any < 0 ? keys : keys.slice(0, any));
    if (found === undefined) return 'absent';
    return isBlank(found, any >= 0) ? 'blank' : undefined;
  };
}

const isEmptyObject = (value: unknown) => isObject(value) && Object.keys(value).length === 0;

/** Neither a list, nor a record; `isMap`: nor an object whose values are records. */
function isBlank(found: unknown, isMap: boolean): boolean {
  if (Array.isArray(found)) return found.length > 0 && found.every((each) => each === null);
  return typeof found === 'object' && found !== null ? isEmptyObject(found) && !isMap : isEmptyValue(found);
}

const isEmptyValue = (found: unknown) => found === null || found === '' || found === false || found === 0;

export type Extract = ((document: unknown, scope: Scope) => DataRecord[]) & { lists?: CutOffLists | undefined };

/**
 * What an extractor is asked for: rows are checked; else what is found counts whatever it is, `values`, a status or an
 * address, and `parts`, of an extractor that looks at them itself.
 */
type As = 'rows' | 'values' | 'parts';

export function extractor(kit: Kit, component: JsonObject, as: As = 'rows'): Extract {
  const own = replaced(kit, component);
  switch (own['type']) {
    case 'DpathExtractor':
      return byPath(kit, own, as);
    case 'CombinedExtractor':
      return combined(kit, own, as);
    case 'ResponseToFileExtractor':
      return (document) => (isObject(document) ? [document] : []);
    case 'KeyValueExtractor':
      return byNames(kit, own);
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

/** Values in the order of their names, as many to a record as there are names; a record that is not whole is the end. */
function byNames(kit: Kit, own: JsonObject): Extract {
  const keys = extractor(kit, own['keys_extractor'] as JsonObject, 'values');
  const values = extractor(kit, own['values_extractor'] as JsonObject, 'values');
  return (document, scope) => {
    const names = keys(document, scope).map(String);
    const cells: unknown[] = values(document, scope);
    const out: DataRecord[] = [];
    for (let at = 0; names.length > 0 && at + names.length <= cells.length; at += names.length) {
      const chunk = cells.slice(at, at + names.length);
      if (chunk.some((cell) => cell === null || cell === undefined)) break;
      const made: DataRecord = {};
      for (const [k, name] of names.entries()) define(made, name, chunk[k]);
      out.push(made);
    }
    return out;
  };
}

function byPath(kit: Kit, own: JsonObject, as: As): Extract {
  const path = (Array.isArray(own['field_path']) ? own['field_path'] : []).map((part) =>
    text(kit, own, typeof part === 'number' ? String(part) : part),
  );
  const expand = expander(kit, fields(own, 'record_expander'));
  const extracted = (document: unknown, scope: Scope) => {
    const keys = path.map((part) => part(scope));
    const found = keys.some((key) => key === '*' || key === '**') ? valuesAt(document, keys) : valueAt(document, keys);
    const records = Array.isArray(found)
      ? found
      : found !== undefined && !isEmptyValue(found) && !isEmptyObject(found)
        ? [found]
        : [];
    if (as !== 'rows') return records as DataRecord[];
    return records.filter((record) => isRecord(kit, own, record));
  };
  if (!expand || as === 'values') return extracted;
  const lists: CutOffLists | undefined = expand.whole && {
    retriever: expand.whole,
    of: (documents, scope) => documents.flatMap((each) => extracted(each, scope)).filter(expand.isCutOff),
    complete: expand.complete,
  };
  return Object.assign(
    (document: unknown, scope: Scope) =>
      extracted(document, scope).flatMap((record) => (isObject(record) ? expand.expand(record) : [record])),
    { lists },
  );
}

/** All records of its extractors, or those of the first that finds any. */
function combined(kit: Kit, own: JsonObject, as: As): Extract {
  const extractors = list(own, 'extractors').map((each) => extractor(kit, each, as === 'values' ? 'values' : 'parts'));
  const isFirst = own['mode'] === 'first_match';
  const isJoined = own['mode'] === 'side_by_side';
  const skips = own['skip_empty_records'] === true;
  const extract = (document: unknown, scope: Scope) => {
    if (isJoined) return sideBySide(extractors.map((each) => each(document, scope)));
    const out: DataRecord[] = [];
    for (const each of extractors) {
      const found = each(document, scope).filter((record) => !skips || isTrue(record as Value));
      out.push(...found);
      if (isFirst && found.length > 0) break;
    }
    return as === 'rows' ? out.filter((record) => isRecord(kit, own, record)) : out;
  };
  return Object.assign(extract, { lists: extractors.map(({ lists }) => lists).find(Boolean) });
}

/** Records that lists hold at the same place as one; a list without any, of columns that were not asked for, adds none. */
function sideBySide(lists: DataRecord[][]): DataRecord[] {
  const filled = lists.filter(({ length }) => length > 0);
  const rows = filled.length === 0 ? 0 : Math.min(...filled.map(({ length }) => length));
  return Array.from({ length: rows }, (_, row) => {
    const made: DataRecord = {};
    for (const list of filled) for (const [name, value] of Object.entries(list[row]!)) define(made, name, value);
    return made;
  });
}

/**
 * Nothing is not a record; a value that is not an object is not one either, and shows that the path leads elsewhere.
 */
function isRecord(kit: Kit, own: JsonObject, record: unknown): record is DataRecord {
  if (record === null) return false;
  if (isObject(record)) return true;
  const path = Array.isArray(own['field_path']) ? own['field_path'].join('.') : '';
  throw new SkippableError('the API sent something else where records should be', {
    code: 'no_records',
    place: placeOf(kit.manifest, own),
    expected: `objects at ${path || 'the top of the answer'}`,
    found: Array.isArray(record)
      ? 'a list in the list'
      : `${typeof record} ${record === undefined ? '' : identityText(record).slice(0, 60)}`,
    next: 'correct the field_path of the extractor',
  });
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
