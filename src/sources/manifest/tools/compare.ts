/** What a new version of a manifest changes for who uses the old one. */
import { specificationOf } from '../runtime/config.js';
import { primaryKeyOf } from '../catalog.js';
import type { Manifest } from '../document/manifest.js';
import { isObject, type Json, type JsonObject } from '../document/read.js';
import { nameOf, writtenStreams } from '../streams.js';

export interface Change {
  /** `config`, or the stream. */
  where: string;
  kind: 'breaking' | 'compatible';
  what: string;
  /** A connection that ran the new version and goes back to the old one: it fails, or reads wrongly. */
  blocksReturn: boolean;
}

export function compareManifests(old: Manifest, next: Manifest): Change[] {
  return [...configChanges(specificationOf(old), specificationOf(next), 'config'), ...streamChanges(old, next)];
}

const breaking = (where: string, what: string, blocksReturn = false): Change => ({
  where,
  kind: 'breaking',
  what,
  blocksReturn,
});
const compatible = (where: string, what: string, blocksReturn = false): Change => ({
  where,
  kind: 'compatible',
  what,
  blocksReturn,
});

function configChanges(old: JsonObject, next: JsonObject, where: string): Change[] {
  const changes: Change[] = [];
  const before = propertiesOf(old);
  const after = propertiesOf(next);
  const wasRequired = new Set(stringsOf(old['required']));
  const isRequired = new Set(stringsOf(next['required']));
  const isClosed = (schema: JsonObject) => schema['additionalProperties'] === false;
  for (const [name, property] of Object.entries(before)) {
    const at = `${where}.${name}`;
    const fresh = after[name];
    if (!fresh) {
      changes.push(
        isClosed(next)
          ? breaking(at, 'removed, and unknown fields are refused', wasRequired.has(name))
          : wasRequired.has(name)
            ? compatible(at, 'removed; the old version requires it', true)
            : compatible(at, 'removed'),
      );
      continue;
    }
    if (!wasRequired.has(name) && isRequired.has(name)) changes.push(breaking(at, 'is required now'));
    if (wasRequired.has(name) && !isRequired.has(name))
      changes.push(compatible(at, 'is optional now; the old version requires it', true));
    const types = [typesOf(property), typesOf(fresh)] as const;
    if (types[0] !== types[1])
      changes.push(breaking(at, `type ${types[0] || 'any'} became ${types[1] || 'any'}`, true));
    for (const [word, narrows] of [
      ['minimum', (a: number, b: number) => b > a],
      ['maximum', (a: number, b: number) => b < a],
    ] as const) {
      const [a, b] = [property[word], fresh[word]];
      if (typeof b === 'number' && (typeof a !== 'number' || narrows(a, b)))
        changes.push(breaking(at, `${word} is ${b} now${typeof a === 'number' ? `, was ${a}` : ''}`));
      else if (typeof a === 'number' && a !== b)
        changes.push(compatible(at, `${word} was ${a}${typeof b === 'number' ? `, is ${b}` : ', is gone'}`, true));
    }
    if (property['pattern'] !== fresh['pattern'] && fresh['pattern'] !== undefined)
      changes.push(breaking(at, `pattern is ${String(fresh['pattern'])} now`));
    const words = stringsOf(property['enum']);
    const fewer = words.filter((word) => Array.isArray(fresh['enum']) && !stringsOf(fresh['enum']).includes(word));
    if (fewer.length > 0) changes.push(breaking(at, `no longer takes ${fewer.join(', ')}`));
    if (isObject(property['properties']) || isObject(fresh['properties']))
      changes.push(...configChanges(property, fresh, at));
  }
  for (const name of Object.keys(after)) {
    if (before[name]) continue;
    changes.push(
      isRequired.has(name)
        ? breaking(`${where}.${name}`, 'is new and required', isClosed(old))
        : compatible(`${where}.${name}`, 'is new and optional', isClosed(old)),
    );
  }
  return changes;
}

function streamChanges(old: Manifest, next: Manifest): Change[] {
  const changes: Change[] = [];
  const before = streamsOf(old);
  const after = streamsOf(next);
  for (const [name, stream] of before) {
    const fresh = after.get(name);
    if (!fresh) {
      changes.push(breaking(name, 'the stream is gone'));
      continue;
    }
    const keys = [primaryKeyOf(stream).join(', '), primaryKeyOf(fresh).join(', ')] as const;
    if (keys[0] !== keys[1])
      changes.push(breaking(name, `primary key was ${keys[0] || 'none'}, is ${keys[1] || 'none'}`, true));
    const cursors = [cursorOf(stream), cursorOf(fresh)] as const;
    if (cursors[0].field !== cursors[1].field)
      changes.push(breaking(name, `cursor was ${cursors[0].field || 'none'}, is ${cursors[1].field || 'none'}`, true));
    else if (cursors[0].format !== cursors[1].format)
      changes.push(
        breaking(
          name,
          `state has the date format ${cursors[1].format}, was ${cursors[0].format}`,
          !cursors[1].reads.includes(cursors[0].format) || !cursors[0].reads.includes(cursors[1].format),
        ),
      );
    const partitions = [partitionsOf(stream), partitionsOf(fresh)] as const;
    if (partitions[0] !== partitions[1])
      changes.push(
        breaking(
          name,
          `state is kept by ${partitions[1] || 'the stream'}, was by ${partitions[0] || 'the stream'}`,
          true,
        ),
      );
    changes.push(...fieldChanges(name, schemaIn(stream), schemaIn(fresh)));
  }
  for (const name of after.keys()) if (!before.has(name)) changes.push(compatible(name, 'a new stream'));
  return changes;
}

function fieldChanges(stream: string, old: JsonObject, next: JsonObject): Change[] {
  const changes: Change[] = [];
  const after = propertiesOf(next);
  for (const [field, property] of Object.entries(propertiesOf(old))) {
    const fresh = after[field];
    if (!fresh) changes.push(breaking(stream, `field ${field} is gone`));
    else if (typesOf(property) !== typesOf(fresh))
      changes.push(
        breaking(stream, `field ${field} was ${typesOf(property) || 'any'}, is ${typesOf(fresh) || 'any'}`, true),
      );
  }
  const known = propertiesOf(old);
  for (const field of Object.keys(after)) if (!known[field]) changes.push(compatible(stream, `field ${field} is new`));
  return changes;
}

function streamsOf(manifest: Manifest): Map<string, JsonObject> {
  return new Map(writtenStreams(manifest).map((stream) => [nameOf(stream), stream]));
}

function schemaIn(stream: JsonObject): JsonObject {
  const loader = stream['schema_loader'];
  return isObject(loader) && isObject(loader['schema']) ? loader['schema'] : {};
}

function cursorOf(stream: JsonObject): { field: string; format: string; reads: string[] } {
  const sync = stream['incremental_sync'];
  if (!isObject(sync)) return { field: '', format: '', reads: [] };
  const format = String(sync['datetime_format'] ?? '');
  return {
    field: String(sync['cursor_field'] ?? ''),
    format,
    reads: [format, ...stringsOf(sync['cursor_datetime_formats'])],
  };
}

function partitionsOf(stream: JsonObject): string {
  const retriever = stream['retriever'];
  const router = isObject(retriever) ? retriever['partition_router'] : undefined;
  const routers = Array.isArray(router) ? router.filter(isObject) : isObject(router) ? [router] : [];
  return routers
    .flatMap((each) =>
      Array.isArray(each['parent_stream_configs'])
        ? each['parent_stream_configs'].filter(isObject).map((parent) => String(parent['partition_field']))
        : [String(each['cursor_field'] ?? each['type'])],
    )
    .join(', ');
}

function propertiesOf(schema: JsonObject): Record<string, JsonObject> {
  const { properties } = schema;
  return isObject(properties)
    ? (Object.fromEntries(Object.entries(properties).filter(([, value]) => isObject(value))) as Record<
        string,
        JsonObject
      >)
    : {};
}

function typesOf(schema: JsonObject): string {
  const { type } = schema;
  return (Array.isArray(type) ? type : type === undefined ? [] : [type])
    .filter((each) => each !== 'null')
    .map(String)
    .toSorted()
    .join(' or ');
}

function stringsOf(value: Json | undefined): string[] {
  return Array.isArray(value) ? value.map(String) : [];
}
