/** Singer's catalog: what can be read, and what of it was chosen. */
import type { JsonSchema } from '../../base/catalog.js';
import { ConfigError } from '../../base/errors.js';
import type { SingerStream } from './messages.js';
import { singerSchema } from './schema.js';
import { listed } from '../../base/nearest.js';

/** A stream as the catalog tells of it. */
export interface CatalogInput {
  name: string;
  schema: JsonSchema;
  primaryKey: string[];
  /** Later runs bring what changed; else everything is read again. */
  isIncremental: boolean;
}

/** What a catalog chose: streams, and of each the properties that are left out. */
export interface Selection {
  streams: string[];
  without: Map<string, Set<string>>;
}

export function catalogOf(streams: CatalogInput[]): { streams: SingerStream[] } {
  return {
    streams: streams.map(({ name, schema, primaryKey, isIncremental }) => {
      const own = singerSchema(schema, primaryKey);
      return {
        tap_stream_id: name,
        stream: name,
        schema: own,
        key_properties: primaryKey,
        replication_method: isIncremental ? 'INCREMENTAL' : 'FULL_TABLE',
        metadata: [
          {
            breadcrumb: [],
            metadata: {
              inclusion: 'available',
              'selected-by-default': true,
              'table-key-properties': primaryKey,
              'forced-replication-method': isIncremental ? 'INCREMENTAL' : 'FULL_TABLE',
            },
          },
          ...Object.keys(own.properties ?? {}).map((property) => ({
            breadcrumb: ['properties', property],
            metadata: {
              inclusion: primaryKey.includes(property) ? 'automatic' : 'available',
              'selected-by-default': true,
            },
          })),
        ],
      };
    }),
  };
}

/**
 * What the catalog of a file chose. `selected` in the metadata counts, then `selected` in the schema, then
 * `selected-by-default`. Throws ConfigError.
 */
export function selectionOf(catalog: unknown, known: readonly CatalogInput[], place: string): Selection {
  const entries = (catalog as { streams?: unknown } | null)?.streams;
  if (!Array.isArray(entries) || !entries.every(isStream))
    throw new ConfigError('the catalog has no streams', {
      code: 'bad_catalog',
      place,
      expected: '{"streams": [{"tap_stream_id": …, "metadata": […]}]}, as --discover prints it',
      found: JSON.stringify(catalog)?.slice(0, 120) ?? 'nothing',
      next: 'run the same command with --discover and choose in what it prints',
    });
  const without = new Map<string, Set<string>>();
  const streams: string[] = [];
  for (const entry of entries as SingerStream[]) {
    const name = entry.tap_stream_id ?? entry.stream;
    if (!isSelected(entry, [], entry.schema?.selected, false)) continue;
    const stream = known.find((candidate) => candidate.name === name);
    if (!stream)
      throw new ConfigError(`the catalog chooses a stream that there is not: ${name}`, {
        code: 'unknown_stream',
        place,
        expected: listed(known.map((candidate) => candidate.name)),
        found: name,
        candidates: known.map((candidate) => candidate.name),
        next: 'run the same command with --discover: the API may have changed',
      });
    streams.push(name);
    const left = Object.keys(stream.schema.properties ?? {}).filter(
      (property) =>
        !stream.primaryKey.includes(property) && !isSelected(entry, ['properties', property], undefined, true),
    );
    if (left.length > 0) without.set(name, new Set(left));
  }
  return { streams, without };
}

function isStream(value: unknown): boolean {
  const { tap_stream_id, stream, metadata } = (value ?? {}) as Partial<SingerStream>;
  return typeof (tap_stream_id ?? stream) === 'string' && (metadata === undefined || Array.isArray(metadata));
}

function isSelected(
  { metadata = [] }: SingerStream,
  breadcrumb: string[],
  own: boolean | undefined,
  otherwise: boolean,
): boolean {
  const found = metadata.find(
    ({ breadcrumb: at }) => Array.isArray(at) && at.join('\u0001') === breadcrumb.join('\u0001'),
  )?.metadata;
  if (found?.['inclusion'] === 'unsupported') return false;
  const said = found?.['selected'] ?? own ?? found?.['selected-by-default'] ?? otherwise;
  return said === true;
}
