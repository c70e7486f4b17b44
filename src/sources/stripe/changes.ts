/** What events tell: the objects that changed, as they are now, and the children that changed with them. */
import type { DataRecord } from '../../base/catalog.js';
import type { NamedObject, PageRequest, RecordGroup } from '../contract.js';
import { TELLS_OF_ACCOUNT, TOLD_BY } from './facts.js';
import { earlier, type Retrieved, type StripeReader } from './reader.js';
import { nameOf, STREAMS, type OfParent, type StreamDefinition } from './streams.js';

interface Parts {
  reader: StripeReader;
  /** Streams that follow by events. */
  followed: readonly StreamDefinition[];
  request: PageRequest;
  objectOf: (event: DataRecord, told: Told) => NamedObject;
}

/** An object that changed: of the list that has it. */
export interface Told {
  definition: StreamDefinition;
  id: string;
  object: DataRecord;
  /** Its address needs a parent, and neither a copy nor an address tells which: nothing is known of it. */
  isUnknown?: boolean;
}

/** Groups of rows, by the names of definitions; each object is read once, however many events name it. */
export async function changedBy(events: DataRecord[], parts: Parts): Promise<RecordGroup[]> {
  const told = new Map<string, Told>();
  const isBrought = (event: DataRecord, each: Told) => parts.request.isBrought?.(parts.objectOf(event, each)) === true;
  for (const event of events)
    for (const each of toldBy(event)) {
      if (each.isUnknown || isBrought(event, each)) continue;
      const key = `${each.definition.name}\u0001${each.id}`;
      if (!told.has(key)) told.set(key, each);
    }
  const groups = new Map<string, RecordGroup>();
  const scoped: RecordGroup[] = [];
  const work: Promise<void>[] = [];
  for (const { definition, id, object } of told.values()) {
    if (parts.followed.includes(definition) && !definition.withParent)
      work.push(
        retrieve(definition, id, object, parts).then((retrieved) => addTo(groups, definition, id, object, retrieved)),
      );
    for (const child of parts.followed)
      if (child.withParent && parentOf(child) === definition.name)
        work.push(childrenOf(child, id, object, parts).then((group) => void scoped.push(group)));
  }
  await Promise.all(work);
  return [...groups.values(), ...scoped];
}

/** The objects that an event tells of, by the lists that have them. */
export function toldBy(event: DataRecord): Told[] {
  const related = event['related_object'] as { id?: unknown; type?: unknown; url?: unknown } | null | undefined;
  // A thin event names its object, and holds no copy of it.
  const object = related
    ? { id: related.id, object: related.type }
    : (event['data'] as { object?: DataRecord } | undefined)?.object;
  if (!object) return [];
  const kind = String(object['object']);
  const found: Told[] = STREAMS.filter(({ objects }) => objects.includes(kind)).flatMap((definition) =>
    typeof object['id'] === 'string'
      ? [{ definition, id: object['id'], ...(related ? thin(definition, object, related.url) : { object }) }]
      : [],
  );
  for (const { of, field } of TOLD_BY[kind] ?? []) found.push(...named(of, object[field]));
  if (typeof event['type'] === 'string' && TELLS_OF_ACCOUNT.test(event['type']))
    found.push(...named('v1/accounts', event['account']));
  return found;
}

/** What a thin event says of its object; where that lies below a parent, the address names it. */
function thin({ shape, list }: StreamDefinition, object: DataRecord, url: unknown): Pick<Told, 'object' | 'isUnknown'> {
  const places = list.retrieve?.match(/\{\w+\}/g)?.length ?? 0;
  if (typeof shape !== 'object' || places < 2) return { object };
  const template = new RegExp(`^/${list.retrieve!.replace(/\{\w+\}/g, '([^/?]+)')}$`);
  const parent = typeof url === 'string' ? template.exec(url)?.[1] : undefined;
  return parent === undefined ? { object, isUnknown: true } : { object: { ...object, [shape.field]: parent } };
}

function named(path: string, id: unknown): Told[] {
  const definition = STREAMS.find(({ name }) => name === nameOf(path))!; // a test holds the table against the lists
  return typeof id === 'string' ? [{ definition, id, object: { id } }] : [];
}

function parentOf({ shape }: StreamDefinition): string | undefined {
  return typeof shape === 'object' ? shape.parent : undefined;
}

function addTo(
  groups: Map<string, RecordGroup>,
  definition: StreamDefinition,
  id: string,
  object: DataRecord,
  { record, serverTimeMs }: Retrieved,
): void {
  let group = groups.get(definition.name);
  if (!group) groups.set(definition.name, (group = { stream: definition.name, records: [], deleted: [] }));
  group.serverTimeMs = earlier(group.serverTimeMs, serverTimeMs);
  const { shape, key } = definition;
  if (record === undefined || record['deleted'] === true) {
    const parts = Object.fromEntries(key.map((field) => [field, field === 'id' ? id : object[field]]));
    if (Object.values(parts).every((part) => typeof part === 'string')) group.deleted!.push(parts);
    return;
  }
  if (typeof shape === 'object' && typeof record[shape.field] !== 'string') record[shape.field] = object[shape.field];
  group.records.push(record);
}

/** An object at its own address; without a record where it is gone, or has no owner any more: it left the list. */
async function retrieve(
  definition: StreamDefinition,
  id: string,
  object: DataRecord,
  { reader, request }: Parts,
): Promise<Retrieved> {
  const template = definition.list.retrieve!; // streams that follow by events have one
  const places = template.match(/\{\w+\}/g)!.length;
  const parent = typeof definition.shape === 'object' ? object[definition.shape.field] : undefined;
  if (places > 1 && typeof parent !== 'string') return {};
  const ids = places > 1 ? [String(parent), id] : [id];
  const path = template.replace(/\{\w+\}/g, () => encodeURIComponent(ids.shift()!));
  const endpoint = template.replace(/^v1\//, '').replace(/\{\w+\}/g, ':id');
  return reader.retrieve(path, endpoint, request);
}

/** Children have no events of their own: those of a changed parent are listed again, and the missing ones are gone. */
async function childrenOf(
  definition: StreamDefinition,
  parent: string,
  object: DataRecord,
  { reader, request }: Parts,
): Promise<RecordGroup> {
  const { field, unless } = definition.shape as OfParent; // only such streams change with a parent
  const [name, value] = unless?.split('=') ?? [];
  const hasNone = name !== undefined && String(object[name]) === value;
  const { records, serverTimeMs } = hasNone
    ? { records: [], serverTimeMs: undefined }
    : await reader.childrenOf(definition, parent, request);
  return { stream: definition.name, records, scope: { field, value: parent }, serverTimeMs };
}

/** What an event tells of an object, where nothing is asked for: the event's own copy has its date. */
export function namedObject(stream: string, event: DataRecord, { definition, id, object }: Told): NamedObject {
  const date = object[definition.position ?? 'created'];
  const { created } = event;
  return {
    stream,
    id,
    position: object['id'] === id && typeof date === 'number' ? date : undefined,
    at: typeof created === 'number' ? created : Number.NaN,
  };
}
