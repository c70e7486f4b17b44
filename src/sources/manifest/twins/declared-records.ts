/** Records of an answer, as a described class takes them out of it. */
import type { DataRecord } from '../../../base/catalog.js';
import { isObject, type Json, type JsonObject } from '../document/read.js';
import { define, valuesAt } from '../runtime/kit.js';
import type { TwinSliceInput } from '../runtime/twin.js';
import type { Records } from './declared-schema.js';
import { dated } from './declared-steps.js';

/** What was found, and under which name in its mapping. */
interface Found {
  value: unknown;
  key: string | undefined;
}

export function recordsOf(known: Records): (body: unknown, input: TwinSliceInput) => DataRecord[] {
  return (body, input) => {
    const { component, evaluate, slice } = input;
    const raw = known.paths ?? [listed(component['field_path'])];
    const paths = raw.map((path) => path.map((part) => String(evaluate(part))));
    const leading = paths.map((path) => valuesAt(body, path)).filter((values) => values.some(isThere));
    const found = (known.all ? leading.flat() : (leading[0] ?? []))
      .filter(isThere)
      .flatMap((value) => partsOf(value, known));
    const along = known.included === undefined ? [] : valuesAt(body, [known.included]).flat().filter(isObject);
    const field = (value: Records['unwrap'] | Records['key']) =>
      typeof value === 'object'
        ? String(component[value.from] ?? value.otherwise ?? '')
        : value === undefined
          ? ''
          : String(value);
    const [unwrap, keyField] = [field(known.unwrap), field(known.key)];
    return found.flatMap(({ value, key }) => {
      const whole = known.as === undefined ? value : { [known.as]: value };
      if (!isObject(whole)) return [];
      const inner = unwrap === '' ? whole : whole[unwrap];
      const record = isObject(inner) ? inner : unwrap !== '' && known.if_null === 'parent' ? whole : undefined;
      if (record === undefined) return [];
      const base: DataRecord = known.included === undefined ? { ...record } : filled(record, along);
      if (keyField !== '' && key !== undefined) define(base, keyField, key);
      const scope = { record: whole as JsonObject, response: body, key: key ?? null, stream_slice: slice };
      return nested([base], known.inside ?? [], evaluate).map((made) => {
        for (const [name, template] of Object.entries(known.add ?? {})) define(made, name, evaluate(template, scope));
        for (const [name, ids] of relationsIn(whole, known.relations)) define(made, name, ids);
        return known.dates ? dated(made, known.dates) : made;
      });
    });
  };
}

/** A record of JSON:API with what it is related to, where that came along: its attributes and its own relations. */
function filled(record: DataRecord, along: JsonObject[]): DataRecord {
  const made = structuredClone(record);
  const relations = made['relationships'];
  for (const relation of isObject(relations) ? Object.values(relations) : [])
    for (const related of isObject(relation) ? [relation['data']].flat().filter(isObject) : [])
      for (const { type, id, attributes, relationships } of along) {
        if (type !== related['type'] || id !== related['id']) continue;
        if (isObject(attributes)) for (const [name, value] of Object.entries(attributes)) define(related, name, value);
        if (relationships !== undefined) related['relationships'] = relationships;
      }
  return made;
}

/** What a record of JSON:API is related to: the ids, by the name of the relation. */
function relationsIn(record: Record<string, unknown>, field: string | undefined): [string, unknown[]][] {
  const relations = field === undefined ? undefined : record[field];
  if (!isObject(relations)) return [];
  return Object.entries(relations).flatMap(([name, relation]): [string, unknown[]][] => {
    const found: unknown = isObject(relation) ? relation['data'] : undefined;
    const related = Array.isArray(found) ? found : isObject(found) && Object.keys(found).length > 0 ? [found] : [];
    return related.length === 0 ? [] : [[name, related.map((each) => (isObject(each) ? (each['id'] ?? null) : null))]];
  });
}

/** The records of lists within records, each with what it is given of its parents. */
function nested(
  records: DataRecord[],
  levels: NonNullable<Records['inside']>,
  evaluate: TwinSliceInput['evaluate'],
  given: Record<string, unknown> = {},
): DataRecord[] {
  const [level, ...rest] = levels;
  if (!level) return records.map((record) => ({ ...given, ...record }));
  return records.flatMap((parent) => {
    const list = parent[level.field];
    const { [level.field]: _, ...others } = parent;
    const added = Object.entries(level.add ?? {}).map(([name, template]) => [name, evaluate(template, { parent })]);
    return nested(
      (Array.isArray(list) ? list : []).filter((each): each is DataRecord => isObject(each)),
      rest,
      evaluate,
      { ...given, ...(level.whole ? others : {}), ...(Object.fromEntries(added) as Record<string, unknown>) },
    );
  });
}

const isThere = (value: unknown): boolean => value !== undefined && value !== null;

function partsOf(value: unknown, { entries }: Records): Found[] {
  if (Array.isArray(value)) return value.filter(isThere).map((each: unknown) => ({ value: each, key: undefined }));
  if (entries && isObject(value))
    return Object.entries(value)
      .filter(([, each]) => isThere(each))
      .map(([key, each]) => ({ value: each, key }));
  return [{ value, key: undefined }];
}

function listed(value: Json | undefined): string[] {
  return Array.isArray(value) ? value.map(String) : [];
}
