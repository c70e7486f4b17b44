import { ConfigError } from '../../base/errors.js';
import type { StripeConfig } from './config.js';
import { fieldNames } from './schemas.js';
import { STREAMS, type StreamDefinition } from './streams.js';

/** The streams that the configuration asks for. */
export function chooseStreams(config: StripeConfig): StreamDefinition[] {
  for (const [stream, fields] of Object.entries(config.fields ?? {})) {
    const unknown = fields!.find((field) => !fieldNames(stream).includes(field));
    if (unknown !== undefined) {
      throw new ConfigError(`stream ${stream} has no field ${unknown}`, {
        code: 'unknown_field',
        place: `source.fields.${stream}`,
        expected: fieldNames(stream).join(', '),
        found: unknown,
        candidates: fieldNames(stream),
      });
    }
  }
  const chosen = STREAMS.filter(
    ({ name }) => (config.streams?.includes(name) ?? true) && !config.exclude.includes(name),
  );
  if (chosen.length === 0)
    throw new ConfigError('no stream is left to read', {
      code: 'no_streams',
      place: 'source.streams, source.exclude',
      expected: 'at least one stream that is not excluded',
      found: 'none',
    });
  return chosen;
}

/** Parents that nobody asked for are read for the sake of their children, and not stored. */
export function unchosenParents(chosen: StreamDefinition[]): StreamDefinition[] {
  const wanted = new Set(chosen.flatMap(({ shape }) => (typeof shape === 'object' ? [shape.parent] : [])));
  return STREAMS.filter((definition) => wanted.has(definition.name) && !chosen.includes(definition));
}
