/** What a new version of a manifest changes for who uses the old one. */
import { ConfigError } from '../../../base/errors.js';
import { primaryKeyOf, schemaOf } from '../catalog.js';
import type { Manifest } from '../document/manifest.js';
import { isObject, type JsonObject } from '../document/read.js';
import { dynamicStreams, nameOf, partsOf } from '../streams.js';
import { Templates } from '../templates/template.js';
import { brief, changed, objectsOf, same, type Change } from './diff-changes.js';
import { configChanges } from './diff-config.js';
import { fieldChanges } from './diff-fields.js';
import { plain } from './diff-leaves.js';
import { readingChanges } from './diff-reading.js';

export type { Change } from './diff-changes.js';

/** Throws ConfigError where a stream of one is written wrongly. */
export function compareManifests(old: Manifest, next: Manifest): Change[] {
  for (const fault of [...old.faults.values(), ...next.faults.values()]) throw fault;
  return [...configChanges(old, next), ...streamChanges(old, next), ...otherChanges(old, next)];
}

interface Written {
  stream: JsonObject;
  /** Of streams that only some configurations have. */
  condition: string;
}

function streamChanges(old: Manifest, next: Manifest): Change[] {
  const changes: Change[] = [];
  const [before, after] = [streamsOf(old), streamsOf(next)];
  for (const [name, { stream, condition }] of before) {
    const fresh = after.get(name);
    if (!fresh) {
      changes.push(changed(name, 'stream-gone', 'the stream is gone'));
      continue;
    }
    if (condition !== fresh.condition)
      changes.push(
        changed(
          name,
          'stream-condition',
          `is there where ${fresh.condition || 'always'}, was where ${condition || 'always'}`,
        ),
      );
    changes.push(...partChanges(name, [old, stream], [next, fresh.stream]));
  }
  for (const name of after.keys()) if (!before.has(name)) changes.push(changed(name, 'stream-new', 'a new stream'));
  return changes;
}

type Of = [manifest: Manifest, stream: JsonObject];

/** One that delegates by its state is two, which share what users see. */
function partChanges(name: string, [old, was]: Of, [next, is]: Of): Change[] {
  const [before, after] = [partsOf(was), partsOf(is)];
  if (before.length !== after.length || was['type'] !== is['type'])
    return [changed(name, 'retriever', `was a ${brief(was['type'])}, is a ${brief(is['type'])}`, true)];
  const seen = new Set<string>();
  return before
    .flatMap((part, i) => {
      const fresh = after[i]!;
      const keys = [part, fresh].map((stream) => primaryKeyOf(stream).join(', ')) as [string, string];
      return [
        ...(keys[0] === keys[1]
          ? []
          : [changed(name, 'key', `primary key was ${keys[0] || 'none'}, is ${keys[1] || 'none'}`, true)]),
        ...fieldChanges(name, schemaIn(part, old), schemaIn(fresh, next)),
        ...readingChanges(name, part, fresh),
      ];
    })
    .filter(({ what }) => !seen.has(what) && Boolean(seen.add(what)));
}

/** Of a loader that asks the API, nothing is known here. */
function schemaIn(stream: JsonObject, manifest: Manifest): JsonObject {
  try {
    return schemaOf(stream, { manifest, config: {}, templates: new Templates(() => 0) });
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return {};
  }
}

function streamsOf(manifest: Manifest): Map<string, Written> {
  const found = new Map<string, Written>();
  for (const entry of objectsOf(manifest.root['streams']))
    if (entry['type'] === 'ConditionalStreams')
      for (const stream of objectsOf(entry['streams']))
        found.set(nameOf(stream), { stream, condition: brief(entry['condition']) });
    else found.set(nameOf(entry), { stream: entry, condition: '' });
  dynamicStreams(manifest).forEach((dynamic, i) => {
    const template = isObject(dynamic['stream_template']) ? dynamic['stream_template'] : {};
    const name = String(dynamic['name'] ?? `dynamic stream ${i + 1}`);
    found.set(name, { stream: { ...template, name }, condition: brief(plain(dynamic['components_resolver'] ?? null)) });
  });
  return found;
}

/** What counts for all streams, and breaks nothing. */
function otherChanges(old: Manifest, next: Manifest): Change[] {
  return ['concurrency_level', 'api_budget', 'check', 'max_concurrent_async_job_count']
    .filter((part) => !same(plain(old.root[part] ?? null), plain(next.root[part] ?? null)))
    .map((part) => changed('manifest', 'other', `${part} is another`));
}
