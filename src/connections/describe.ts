/**
 * What connectors and destinations are, for who fills in a form: JSON schemas with titles, help, examples and secrets.
 */
import { z } from 'zod';
import type { OwnModule } from '../base/registry.js';
import { messageOf } from '../base/errors.js';
import type { DestinationKind } from '../destinations/kind.js';
import { DESTINATIONS } from '../destinations/registry.js';
import type { Connector } from '../sources/connector.js';
import { CONNECTORS } from '../sources/registry.js';

export interface Description {
  name: string;
  title: string;
  about: string;
  /** `native`, `manifest` or `own` of connectors; `native` or `own` of destinations. */
  kind: string;
  /** A connection made through the API may use it; others are written in headrace.yaml. */
  storable: boolean;
  /** JSON schema of the settings. Secrets are `writeOnly`, and each setting has a title. */
  settings: Record<string, unknown>;
  /** Settings that hold secrets. */
  secrets: string[];
  /** Environment variables that settings are usually taken from. */
  environment: Record<string, string>;
  /** How the API tells of its limits; null: it depends on the settings, or there is no API. */
  dialect: string | null;
  /** It reads by a definition: the settings that name it, null where it is known, and that hold what it asks for. */
  definition: { setting: string | null; config: string } | null;
}

/**
 * Connectors that come with Headrace, those whose definitions were fetched, and those of packages that are installed as
 * seen from a folder.
 */
export async function describeConnectors(folder?: string): Promise<Description[]> {
  return [
    ...[...CONNECTORS.list(), ...CONNECTORS.added()].map((connector) => describeConnector(connector, true)),
    ...(await ownOf(CONNECTORS, folder)).map((connector) => describeConnector(connector, false)),
  ];
}

/** The same of destinations. */
export async function describeDestinations(folder?: string): Promise<Description[]> {
  return [
    ...DESTINATIONS.list().map((kind) => describeDestination(kind, true)),
    ...(await ownOf(DESTINATIONS, folder)).map((kind) => describeDestination(kind, false)),
  ];
}

/** A package that cannot be loaded does not hide the others; whoever names it is told why. */
async function ownOf<T>(
  registry: { installed(folder: string): OwnModule[]; get(name: string, module: OwnModule): Promise<T> },
  folder: string | undefined,
): Promise<T[]> {
  const found: T[] = [];
  for (const module of folder === undefined ? [] : registry.installed(folder)) {
    try {
      found.push(await registry.get(module.name, module));
    } catch (error) {
      process.emitWarning(`${module.name} in ${module.at}: ${messageOf(error)}`);
    }
  }
  return found;
}

function describeConnector(connector: Connector, storable: boolean): Description {
  const {
    name,
    title,
    about,
    kind,
    schema,
    secrets,
    environment,
    dialect = null,
    definition,
    configIn,
    places,
  } = connector;
  const inFilesOnly = Object.keys(places).filter((setting) => places[setting] !== 'definition');
  return {
    name,
    title,
    about,
    kind,
    storable,
    settings: schemaOf(schema, secrets, environment, inFilesOnly),
    secrets: [...secrets],
    environment: { ...environment },
    dialect,
    definition: definition
      ? { setting: definition.setting, config: definition.config }
      : configIn === undefined
        ? null
        : { setting: null, config: configIn },
  };
}

function describeDestination(kind: DestinationKind, storable: boolean): Description {
  const { name, title, about, schema, secrets, environment } = kind;
  return {
    name,
    title,
    about,
    kind: storable ? 'native' : 'own',
    storable,
    settings: schemaOf(schema, secrets, environment),
    secrets: [...secrets],
    environment: { ...environment },
    dialect: null,
    definition: null,
  };
}

interface Property {
  title?: string;
  writeOnly?: boolean;
  'x-environment'?: string;
  /** It names code or a folder of the machine: no connection of the API may have it. */
  'x-file-only'?: boolean;
}

function schemaOf(
  schema: z.ZodObject,
  secrets: readonly string[],
  environment: Readonly<Record<string, string>>,
  inFilesOnly: readonly string[] = [],
): Record<string, unknown> {
  const json = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' });
  for (const [name, property] of Object.entries((json.properties ?? {}) as Record<string, Property>)) {
    property.title ??= titleOf(name);
    if (secrets.includes(name)) property.writeOnly = true;
    if (inFilesOnly.includes(name)) property['x-file-only'] = true;
    if (environment[name] !== undefined) property['x-environment'] = environment[name];
  }
  return json as Record<string, unknown>;
}

const CAPITALS: Record<string, string> = { api: 'API', url: 'URL', id: 'ID' };

/** `api_key` to `API key`. */
function titleOf(name: string): string {
  const words = name.split('_').map((word) => CAPITALS[word] ?? word);
  return [words[0]!.charAt(0).toUpperCase() + words[0]!.slice(1), ...words.slice(1)].join(' ');
}
