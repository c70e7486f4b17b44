/** The destinations that Headrace knows. A new one is a folder with its descriptor, and its line here. */
import { ConfigError } from '../base/errors.js';
import { Registry } from '../base/registry.js';
import { duckdbKind } from './duckdb/descriptor.js';
import type { Ability, DestinationKind } from './kind.js';
import { ndjsonKind } from './ndjson/descriptor.js';
import { parquetKind, s3Kind } from './parquet/descriptor.js';
import { embeddedKind, postgresKind } from './postgres/descriptor.js';

/** Names that settings have which hold paths. */
const NAMES_PATH = /(^|_)(path|file|folder|dir|directory)$/i;

export const DESTINATIONS = new Registry<DestinationKind>({
  kind: 'destination',
  word: 'destination',
  builtIn: [embeddedKind, postgresKind, duckdbKind, parquetKind, s3Kind, ndjsonKind],
  entry: () => import('./index.js'),
  define: 'defineDestination({ … })',
  isOne: isKind,
  // A path that nobody declared would not be confined.
  fault: ({ schema, paths }) => {
    const forgotten = Object.keys(schema.shape).find((name) => NAMES_PATH.test(name) && !paths.includes(name));
    return forgotten === undefined ? undefined : `setting ${forgotten} names a path that paths does not list`;
  },
});

function isKind(value: unknown): value is DestinationKind {
  if (typeof value !== 'object' || value === null) return false;
  const { name, schema, paths, fromText, open } = value as Partial<DestinationKind>;
  return (
    typeof name === 'string' &&
    typeof schema === 'object' &&
    Array.isArray(paths) &&
    typeof fromText === 'function' &&
    typeof open === 'function'
  );
}

/**
 * The destination that a text of `--to` names. `NAME:…` may be that of an installed package, as seen from a folder.
 * Throws ConfigError.
 */
export async function destinationOfText(text: string, folder: string): Promise<Record<string, unknown>> {
  const scheme = /^([a-z][a-z0-9_-]*):/.exec(text)?.[1];
  const own = scheme === undefined ? undefined : DESTINATIONS.locate(scheme, folder);
  const kinds = own ? [...DESTINATIONS.list(), await DESTINATIONS.get(own.name, own)] : DESTINATIONS.list();
  for (const kind of kinds) {
    const settings = kind.fromText(text);
    if (settings) return settings;
  }
  throw new ConfigError('--to names no destination', {
    code: 'bad_destination',
    place: '--to',
    expected: toHelp(),
    found: text.replace(/:[^:@/]*@/, ':***@'),
  });
}

/** What `--to` may hold; with an ability, of destinations that have it. */
export function toHelp(ability?: Ability): string {
  const all = DESTINATIONS.list()
    .filter(({ can = [] }) => ability === undefined || can.includes(ability))
    .map(({ to }) => to);
  return `${all.slice(0, -1).join(', ')} or ${all.at(-1)}`;
}
