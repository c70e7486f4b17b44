/** Partition routers: independent parts of a stream, from lists and from the records of parents. */
import { ConfigError } from '../../../base/errors.js';
import type { DataRecord } from '../../../base/catalog.js';
import { parseJson, stringifyJson } from '../../../base/json.js';
import { placeOf } from '../document/manifest.js';
import { isObject, type Json, type JsonObject } from '../document/read.js';
import { plainOf } from '../templates/template.js';
import { isTrue, type Dict, type Value } from '../templates/values.js';
import { condition, fields, list, template, text, unsupported, valueAt, valuesAt, type Kit } from './kit.js';
import { injection, type Inject, type RequestParts } from './options.js';
import { replaced } from './twins.js';

/** One part: what requests are filled in with, and what a child needs of its parent. */
export interface Partition {
  fields: Record<string, unknown>;
  extra: Record<string, unknown>;
}

export interface ParentConfig {
  stream: JsonObject;
  /** Only parents that changed have children to read. */
  incremental: boolean;
  /** What the API would answer to a part's first request, where the parent's record brings it along. */
  firstAnswerIn: ((record: DataRecord) => unknown) | undefined;
  /**
   * Parts that a parent's record opens; none where it lacks the key. `parent`: the part that the record itself came
   * from.
   */
  partitionsOf(record: DataRecord, parent: Partition): Partition[];
}

export type Router =
  | { kind: 'none' }
  | { kind: 'list'; partitions: () => Partition[]; apply: Apply }
  | { kind: 'parents'; parents: ParentConfig[]; apply: Apply }
  /** Every combination. */
  | { kind: 'product'; routers: Router[]; apply: Apply }
  /** One after the other. */
  | { kind: 'union'; routers: Router[]; field: string; apply: Apply }
  | { kind: 'grouped'; of: Router; size: number; unique: boolean; apply: Apply }
  /** Some of another's; a list where that has none. */
  | {
      kind: 'narrowed';
      of: Router;
      keep: (partition: Partition) => boolean;
      otherwise: () => Partition[];
      apply: Apply;
    };

type Apply = (parts: RequestParts, partition: Partition) => void;

export const WHOLE: Partition = { fields: {}, extra: {} };

export function router(kit: Kit, value: Json | undefined): Router {
  const components = value === undefined ? [] : list({ value }, 'value');
  if (components.length === 0) return { kind: 'none' };
  const routers = components.map((component) => single(kit, component));
  if (routers.length === 1) return routers[0]!;
  return {
    kind: 'product',
    routers,
    apply: (parts, partition) => routers.forEach((each) => each.kind !== 'none' && each.apply(parts, partition)),
  };
}

function single(kit: Kit, component: JsonObject): Router {
  const own = replaced(kit, component);
  switch (own['type']) {
    case 'ListPartitionRouter': {
      const field = text(kit, own, own['cursor_field'])({});
      const inject = injection(kit, fields(own, 'request_option'));
      return {
        kind: 'list',
        apply: (parts, partition) => injectFilled(inject, parts, partition.fields[field]),
        partitions: () => listedIn(kit, own, own['values'], field),
      };
    }
    case 'SubstreamPartitionRouter': {
      const parents = list(own, 'parent_stream_configs').map((parent) => parentConfig(kit, replaced(kit, parent)));
      return {
        kind: 'parents',
        parents,
        apply: (parts, partition) => parents.forEach((parent) => parent.apply(parts, partition)),
      };
    }
    case 'UnionPartitionRouter': {
      const routers = list(own, 'partition_routers').map((each) => single(kit, each));
      // Its parts send no options of their own.
      return { kind: 'union', routers, field: text(kit, own, own['partition_field'])({}), apply: () => {} };
    }
    case 'GroupingPartitionRouter': {
      const of = router(kit, own['underlying_partition_router']);
      return {
        kind: 'grouped',
        of,
        size: Number(own['group_size']),
        unique: own['deduplicate'] !== false,
        apply: (parts, partition) => of.kind !== 'none' && of.apply(parts, partition),
      };
    }
    case 'NarrowedPartitionRouter': {
      const of = single(kit, own['underlying_partition_router'] as JsonObject);
      const kept = condition(kit, own, own['keep']);
      const field = String(own['partition_field']);
      return {
        kind: 'narrowed',
        of,
        keep: (partition) =>
          kept?.({ stream_partition: partition.fields as Dict, stream_slice: partition.fields as Dict }) ?? true,
        otherwise: () => (own['otherwise'] === undefined ? [] : listedIn(kit, own, own['otherwise'], field)),
        apply: (parts, partition) => of.kind !== 'none' && of.apply(parts, partition),
      };
    }
    default:
      throw unsupported(
        kit,
        own,
        `the partition router ${String(own['type'])}`,
        'use a list or a substream, or a twin that replaces it',
      );
  }
}

/** Values that are written out stay as they are; only a template as a whole is evaluated. */
function listedIn(kit: Kit, own: JsonObject, given: Json | undefined, field: string): Partition[] {
  const values: unknown = Array.isArray(given) ? given : listed(plainOf(template(kit, own, given)({})));
  if (Array.isArray(values)) return values.map((value) => ({ fields: { [field]: value }, extra: {} }));
  throw new ConfigError('the values of a list partition are no list', {
    code: 'bad_partition',
    place: placeOf(kit.manifest, own),
    expected: 'a list',
    found: values === undefined ? 'nothing' : stringifyJson(values).slice(0, 80),
    next: 'check the configuration that it is made from',
  });
}

/** What Python walks over: the characters of a text, the keys of an object. */
function listed(value: unknown): unknown {
  if (typeof value === 'string') return [...value];
  return isObject(value) ? Object.keys(value) : value;
}

/** A value that is empty or nothing sends no option, as in Airbyte. */
function injectFilled(inject: Inject | undefined, parts: RequestParts, value: unknown): void {
  if (isTrue(value as Value)) inject?.(parts, value);
}

function parentConfig(kit: Kit, own: JsonObject): ParentConfig & { apply: Apply } {
  const key = text(kit, own, own['parent_key'])({});
  const field = text(kit, own, own['partition_field'])({});
  const inject = injection(kit, fields(own, 'request_option'));
  const extraPaths = (Array.isArray(own['extra_fields']) ? own['extra_fields'] : []).map((path) =>
    (path as Json[]).map((part) => text(kit, own, part)({})),
  );
  const path = key.split('/');
  const valuesIn = itemsOf(kit, own);
  const pointer = Array.isArray(own['lazy_read_pointer'])
    ? own['lazy_read_pointer'].map((part) => text(kit, own, part)({}))
    : [];
  return {
    stream: own['stream'] as JsonObject,
    incremental: own['incremental_dependency'] === true,
    firstAnswerIn: pointer.length === 0 ? undefined : (record) => valueAt(record, pointer),
    apply: (parts, partition) => injectFilled(inject, parts, partition.fields[field]),
    partitionsOf(record, parent) {
      const value = Object.hasOwn(record, key) ? record[key] : valueAt(record, path);
      const values = (valuesIn?.(record) ?? [value]).filter((each) => each !== undefined && each !== null);
      if (values.length === 0) return [];
      const extra = Object.fromEntries(
        extraPaths.map((extraPath) => [extraPath.join('.'), valueAt(record, extraPath) ?? null]),
      );
      return values.map((each) => ({ fields: { [field]: each, parent_slice: parent.fields }, extra }));
    },
  };
}

/** Of a described router: the items of a list in a record, or what a template makes of each. */
function itemsOf(kit: Kit, own: JsonObject): ((record: DataRecord) => unknown[]) | undefined {
  if (own['each'] === undefined && own['each_value'] === undefined) return undefined;
  const path = Array.isArray(own['each']) ? own['each'].map(String) : undefined;
  const made = own['each_value'] === undefined ? undefined : template(kit, own, own['each_value']);
  return (record) => {
    const items = path === undefined ? [record] : valuesAt(record, path).flat();
    return made ? items.map((item) => plainOf(made({ item: item as Value, record: record as Dict }))) : items;
  };
}

/** A partition as the text that the ledger keeps, and back. */
export function sliceText(partition: Partition): string {
  const { fields: own, extra } = partition;
  return stringifyJson(Object.keys(extra).length > 0 ? [own, extra] : [own]);
}

export function partitionOf(slice: string | undefined): Partition {
  if (slice === undefined) return WHOLE;
  const [own, extra = {}] = parseJson(slice) as [Record<string, unknown>, Record<string, unknown>?];
  return { fields: own, extra };
}

/** Extra fields are asked for by name; a slice that is written out as a whole shows its own alone. */
export function withExtras(slice: Dict, extras: Value): Dict {
  return Object.defineProperty(slice, 'extra_fields', { value: extras, enumerable: false }) as Dict;
}

/** What templates see of a partition. */
export function scopeOf(partition: Partition): Dict {
  return withExtras({ ...(partition.fields as Dict) }, partition.extra as Value);
}

/** A field that both have is the first one's, as in Airbyte. */
export function merged(a: Partition, b: Partition): Partition {
  return { fields: { ...b.fields, ...a.fields }, extra: { ...b.extra, ...a.extra } };
}

/** The same partition under one name, whichever router it came from; of the rest of its fields, extras. */
export function unified({ fields: own, extra }: Partition, field: string): Partition {
  const { [field]: value, ...others } = own;
  return { fields: { [field]: value }, extra: { ...extra, ...others } };
}

/** Groups of partitions as one, each field a list. */
export function grouped(partitions: Partition[], size: number): Partition[] {
  const groups: Partition[] = [];
  for (let at = 0; at < partitions.length; at += size) {
    const part = partitions.slice(at, at + size);
    const names = Object.keys(part[0]!.fields).filter((name) => name !== 'parent_slice');
    const extras = Object.keys(part[0]!.extra);
    groups.push({
      fields: Object.fromEntries(names.map((name) => [name, part.map((each) => each.fields[name])])),
      extra: Object.fromEntries(extras.map((name) => [name, part.map((each) => each.extra[name])])),
    });
  }
  return groups;
}
