/** Flags of the command line before what is written of a connection. */
import type { WriteMode } from '../base/catalog.js';
import type { LoadedConfig } from '../config/load.js';
import type { DestinationSettings } from '../destinations/kind.js';
import { destinationOfText } from '../destinations/registry.js';

/** Flags of the command line that choose a connection, or take the place of its settings. */
export interface ConnectionFlags {
  config?: string | undefined;
  to?: string | undefined;
  schema?: string | undefined;
  mode?: WriteMode | undefined;
  streams?: string[] | undefined;
  exclude?: string[] | undefined;
  startDate?: string | undefined;
  baseUrl?: string | undefined;
  dataDir?: string | undefined;
  maxRate?: number | undefined;
  maxEndpointRate?: number | undefined;
  maxConcurrency?: number | undefined;
  share?: string | undefined;
  manifest?: string | undefined;
  sourceConfig?: string | undefined;
  components?: string | undefined;
  files?: string | undefined;
}

type PlaceOf = LoadedConfig['placeOf'];

/** Settings of a source that flags give, by their names. */
const FLAGS: Partial<Record<keyof ConnectionFlags, string>> = {
  baseUrl: 'base_url',
  streams: 'streams',
  exclude: 'exclude',
  startDate: 'start_date',
  maxRate: 'max_rate',
  maxEndpointRate: 'max_endpoint_rate',
  maxConcurrency: 'max_concurrency',
  share: 'share',
};

/** What a flag gave is the flag's fault, not that of a line of the file. */
export function placeWithFlags(
  { base, placeOf }: { base: string[]; placeOf: PlaceOf },
  flags: ConnectionFlags,
): PlaceOf {
  const given = new Map(
    [...Object.entries(FLAGS).map(([flag, setting]) => [flag, `source.${setting}`]), ...DESTINATION_FLAGS].flatMap(
      ([flag, setting]) =>
        flags[flag as keyof ConnectionFlags] === undefined
          ? []
          : [[setting!, `--${flag!.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`]],
    ) as [string, string][],
  );
  return (at) => {
    const [part, setting] = at.slice(base.length);
    return (
      given.get(`${String(part)}.${String(setting)}`) ??
      (part === 'destination' ? given.get('destination') : undefined) ??
      placeOf(at)
    );
  };
}

const DESTINATION_FLAGS = [
  ['schema', 'destination.schema'],
  ['mode', 'destination.mode'],
  ['to', 'destination'],
];

export function withFlags(source: Record<string, unknown>, flags: ConnectionFlags): Record<string, unknown> {
  const raw = { ...source };
  for (const [flag, setting] of Object.entries(FLAGS) as [keyof ConnectionFlags, string][])
    if (flags[flag] !== undefined) raw[setting] = flags[flag];
  return raw;
}

/** Flags before what is configured. `--schema` and `--mode` count for the destination that `--to` names as well. */
export async function destinationWith(
  configured: DestinationSettings,
  flags: ConnectionFlags,
  folder: string,
): Promise<DestinationSettings> {
  const mode = flags.mode ?? configured.mode;
  const schema = flags.schema ?? configured.schema;
  const base = flags.to === undefined ? configured : await destinationOfText(flags.to, folder);
  return { ...base, mode, ...(schema === undefined ? {} : { schema }) } as DestinationSettings;
}

/** A kind without schemas is not told of one. */
export function fitting(settings: DestinationSettings, shape: Record<string, unknown>): DestinationSettings {
  const { schema: _, ...rest } = settings;
  return 'schema' in shape ? settings : (rest as DestinationSettings);
}
