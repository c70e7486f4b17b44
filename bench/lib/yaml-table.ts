/** Values of YAML with their kinds, from both sides in one form. */
import type { Json } from '../../src/sources/manifest/document/read.js';

const byKey = (a: [string, unknown], b: [string, unknown]) => (a[0] < b[0] ? -1 : 1);

/** Of what Headrace read. */
export function ofHeadrace(value: Json): unknown {
  if (Array.isArray(value)) return ['l', value.map(ofHeadrace)];
  if (value === null || typeof value !== 'object') return value;
  const entries = Object.entries(value).map(([key, inner]): [string, unknown] => [key, ofHeadrace(inner)]);
  return ['d', entries.toSorted(byKey)];
}

/** Of what yaml-cdk.py wrote: one kind of number, keys as JSON has them. */
export function ofPython(value: unknown): unknown {
  if (!Array.isArray(value)) return value;
  const [kind, inner] = value as [string, unknown];
  if (kind === 'i' || kind === 'f') return Number(String(inner).replace('inf', 'Infinity'));
  if (kind === 'l') return ['l', (inner as unknown[]).map(ofPython)];
  if (kind !== 'd') return value;
  const entries = (inner as [string, unknown][]).map(([key, item]): [string, unknown] => [
    String(ofPython(JSON.parse(key))),
    ofPython(item),
  ]);
  return ['d', entries.toSorted(byKey)];
}
