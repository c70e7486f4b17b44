/** Which streams a configuration asks for. */
import { ConfigError } from '../../base/errors.js';
import type { StripeConfig } from './config.js';
import { fieldNames } from './schemas.js';
import { STREAMS, type StreamDefinition } from './streams.js';
import { listed } from '../../base/nearest.js';

/** The streams that the configuration asks for. */
export function chooseStreams(config: StripeConfig): StreamDefinition[] {
  const chosen = STREAMS.filter(
    (definition) => isAsked(config, definition) && !config.exclude.includes(definition.name),
  );
  if (chosen.length === 0)
    throw new ConfigError('no stream is left to read', {
      code: 'no_streams',
      place: 'source.streams, source.groups, source.exclude',
      expected: 'at least one stream that is not excluded',
      found: 'none',
    });
  return chosen;
}

/** Named by the user, who wants to know each time why it cannot be read. */
export function isNamed({ streams }: StripeConfig, name: string): boolean {
  return streams?.includes(name) ?? false;
}

function isAsked({ streams, groups }: StripeConfig, { name, group, shape, byDefault }: StreamDefinition): boolean {
  if (streams?.some((each) => each === 'all' || each === name)) return true;
  if (groups) return groups.includes(group) && (byDefault || typeof shape !== 'object' || isCheap(shape));
  return streams === undefined && byDefault;
}

/** Parents of which an account has few: their children are read with their group. */
const FEW = new Set(['treasury_financial_accounts', 'financial_connections_accounts', 'radar_value_lists']);
const isCheap = ({ parent }: { parent: string }) => FEW.has(parent);

/** Throws ConfigError where a field is chosen that its stream does not have at this version. */
export function checkFields(config: StripeConfig, version: string): void {
  for (const [stream, fields] of Object.entries(config.fields ?? {})) {
    const known = fieldNames(
      STREAMS.find(({ name }) => name === stream)!,
      version,
    ); // the schema knows the names
    const unknown = fields!.find((field) => !known.includes(field));
    if (unknown !== undefined) {
      throw new ConfigError(`stream ${stream} has no field ${unknown} at version ${version}`, {
        code: 'unknown_field',
        place: `source.fields.${stream}`,
        expected: listed(known),
        found: unknown,
        candidates: known,
      });
    }
  }
}

/** Parents that nobody asked for are read for the sake of their children, and not stored. */
export function unchosenParents(chosen: readonly StreamDefinition[]): StreamDefinition[] {
  const found = new Set<StreamDefinition>();
  const add = ({ shape }: StreamDefinition) => {
    const parent = typeof shape === 'object' ? STREAMS.find(({ name }) => name === shape.parent) : undefined;
    if (!parent || found.has(parent) || chosen.includes(parent)) return;
    found.add(parent);
    add(parent);
  };
  chosen.forEach(add);
  return [...found];
}
