/** Which streams of a manifest run, told without a configuration. */
import type { Manifest } from '../document/manifest.js';
import { COMPONENTS } from '../document/vocabulary.js';
import { isObject, type Json } from '../document/read.js';
import type { Twins } from '../runtime/twin.js';
import { twinOf } from '../runtime/twins.js';
import type { Kit } from '../runtime/kit.js';
import { dynamicStreams, nameOf, writtenStreams } from '../streams.js';

export interface StreamCoverage {
  stream: string;
  /** Why it does not run; empty where it does. */
  problems: string[];
}

/** Classes that only translate an older state: without a twin, such a state is not taken over, and the stream runs. */
const OPTIONAL = new Set(['CustomStateMigration']);

export function coverageOf(manifest: Manifest, twins: Twins): StreamCoverage[] {
  const streams = [...writtenStreams(manifest), ...dynamicStreams(manifest)];
  return streams.map((stream) => {
    const problems = new Set<string>();
    const fault = manifest.faults.get(nameOf(stream));
    if (fault) problems.add(fault.message);
    find(stream, manifest, twins, problems);
    return {
      stream:
        stream['type'] === 'DynamicDeclarativeStream'
          ? `${String(stream['name'] ?? 'dynamic')} (made by configuration)`
          : nameOf(stream),
      problems: [...problems],
    };
  });
}

function find(value: Json, manifest: Manifest, twins: Twins, problems: Set<string>): void {
  if (Array.isArray(value)) for (const item of value) find(item, manifest, twins, problems);
  if (!isObject(value)) return;
  const type = String(value['type'] ?? '');
  if (type.startsWith('Custom') && !OPTIONAL.has(type)) {
    try {
      twinOf({ manifest, twins } as Kit, value);
    } catch {
      problems.add(`class ${String(value['class_name']).split('.').at(-1)} has no twin`);
    }
  }
  // What stands in a field that the component has not is never made.
  const words = type.startsWith('Custom') ? undefined : COMPONENTS.get(type);
  for (const [key, inner] of Object.entries(value))
    if (key !== '$parameters' && key !== 'schema' && inner !== null && (words?.fields.has(key) ?? true))
      find(inner, manifest, twins, problems);
}
