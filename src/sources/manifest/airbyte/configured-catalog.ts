/** The catalog that a platform configured, checked. */
import { ConfigError } from '../../../base/errors.js';
import type { ConfiguredCatalog, ConfiguredStream } from './messages.js';

const SYNC_MODES = ['full_refresh', 'incremental'];

/** Throws ConfigError that names the stream. An empty one is nothing to do. */
export function parseConfiguredCatalog(found: unknown, place: string): ConfiguredCatalog {
  const streams = (found as { streams?: unknown } | null)?.streams;
  if (!Array.isArray(streams))
    throw new ConfigError('the catalog has no streams', {
      code: 'bad_catalog',
      place,
      expected: '{"streams": [{"stream": …, "sync_mode": …}]}',
      found: Object.keys(found ?? {}).join(', ') || 'nothing',
    });
  const seen = new Set<string>();
  for (const [at, entry] of streams.entries()) {
    const { stream, sync_mode: mode } = (entry ?? {}) as Partial<ConfiguredStream>;
    if (typeof stream?.name !== 'string') throw faultAt(place, `streams[${at}].stream`, '{"name": …}', stream);
    if (!SYNC_MODES.includes(String(mode)))
      throw faultAt(place, `streams[${at}].sync_mode of ${stream.name}`, SYNC_MODES.join(' or '), mode);
    if (seen.has(stream.name)) throw faultAt(place, `streams[${at}].stream.name`, 'each stream once', stream.name);
    seen.add(stream.name);
  }
  return { streams: streams as ConfiguredStream[] };
}

function faultAt(place: string, at: string, expected: string, found: unknown): ConfigError {
  return new ConfigError('the catalog is wrong', {
    code: 'bad_catalog',
    place: `${place}: ${at}`,
    expected,
    found: JSON.stringify(found)?.slice(0, 120) ?? 'nothing',
    next: 'configure the catalog that discover prints',
  });
}
