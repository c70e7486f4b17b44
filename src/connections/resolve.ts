/** Finds what a command or a task works on: one connection, from flags, environment and file. */
import path from 'node:path';
import type { Egress } from '../base/egress.js';
import { ConfigError } from '../base/errors.js';
import { isModulePath, type OwnModule } from '../base/registry.js';
import { DEFAULT_FILE, readConfig, validate, type LoadedConfig } from '../config/load.js';
import { readConfigFile } from '../config/connector-file.js';
import { DEFAULT_DESTINATION } from '../config/schema.js';
import type { DestinationSettings } from '../destinations/kind.js';
import { DESTINATIONS } from '../destinations/registry.js';
import type { Connector, Exchange, SourceSettings } from '../sources/connector.js';
import { CONNECTORS } from '../sources/registry.js';
import { listed } from '../base/nearest.js';
import { standIn, withStandIns } from './stand-ins.js';
import { destinationWith, fitting, placeWithFlags, withFlags, type ConnectionFlags } from './with-flags.js';

/** What a command works on: one connection, checked. */
export interface ConnectionConfig {
  name: string;
  source: SourceSettings;
  destination: DestinationSettings;
  /** The code of a connector that does not come with Headrace. Connections of the API have none. */
  sourceModule?: OwnModule | undefined;
  /** The same of the destination. */
  destinationModule?: OwnModule | undefined;
  /** Where a renewed configuration of the connector is written back to. */
  sourceConfigFile?: string | undefined;
  /** Streams whose files are fetched; all that have files where it is left out. */
  fileStreams?: string[] | undefined;
  /** False: whoever reads knows no proof, so nothing is asked for its sake alone. Default: true. */
  proves?: boolean | undefined;
  /** Told of a renewed configuration as well. */
  onConfigChange?: ((config: Record<string, unknown>) => void) | undefined;
  /** Sees each request of the connector and its answer, secrets and all. */
  onExchange?: ((exchange: Exchange) => void) | undefined;
  /** Folder of the embedded database, absolute. */
  dataDir: string;
  /** Where it may lead, where somebody else wrote it; everywhere where it is left out. */
  egress?: Egress | undefined;
  /** Settings of the source are not there, for its streams alone are asked for: what to tell where that is not enough. */
  incomplete?: ConfigError | undefined;
}

/**
 * What of a connection is used, and therefore which secrets have to be there: `all`, its `streams` without a request to
 * the API, or where it `lands` alone.
 */
export type Need = 'all' | 'streams' | 'lands';

type Env = NodeJS.ProcessEnv;
type PlaceOf = LoadedConfig['placeOf'];

/** A source and a destination as they were written, and from where paths in them are meant. */
interface Written {
  name: string | undefined;
  source: Record<string, unknown>;
  destination: DestinationSettings;
  /** Path of `source` in what was written, for errors. */
  base: string[];
  placeOf: PlaceOf;
  folder: string;
  dataDir: string;
  need: Need;
  /** The first setting of the source that is not there, where none but its streams are needed. */
  incomplete?: ConfigError | undefined;
}

/**
 * Finds a connection: by its name in headrace.yaml, else a connector by name or by its module with the environment, so
 * that nothing needs a file. Without a name, the file's only connection. Precedence: flag, environment, file, default.
 */
export async function resolveConnection(
  name: string | undefined,
  flags: ConnectionFlags,
  env: Env,
  need: Need = 'all',
): Promise<ConnectionConfig> {
  knowFetched(flags, env);
  if (flags.manifest !== undefined) return fromDefinition(name, flags.manifest, flags, env, need);
  if (name !== undefined && isDefinition(name)) return fromDefinition(undefined, name, flags, env, need);
  const connector = name !== undefined && leadsToConnector(name) ? name : undefined;
  const loaded = fileOf(flags, env, connector === undefined ? (name ?? '') : undefined);
  if (loaded) {
    const names = Object.keys(loaded.config.connections);
    const chosen = name ?? (names.length === 1 ? names[0] : undefined);
    if (chosen !== undefined && Object.hasOwn(loaded.config.connections, chosen))
      return fromFile(chosen, loaded, flags, env, need);
    if (connector === undefined) {
      throw new ConfigError(name === undefined ? 'which connection?' : `there is no connection ${name}`, {
        code: 'unknown_connection',
        place: loaded.file,
        expected: listed(names) || 'at least one connection',
        found: name ?? 'no name',
        candidates: [...names, ...connectorNames()],
        next: 'name one of them',
      });
    }
  }
  return fromEnvironment(connector!, flags, env, dataDirOf(flags, env, loaded), need);
}

/**
 * Connectors whose definitions were fetched into the data folder go by their names from here on. Tells which folder
 * that is; a file that is faulty is told of when it is read for its connections.
 */
export function knowFetched(flags: Pick<ConnectionFlags, 'config' | 'dataDir'>, env: Env): { dataDir: string } {
  let loaded: LoadedConfig | undefined;
  try {
    loaded = readConfig(flags.config ?? (env['HEADRACE_CONFIG'] || DEFAULT_FILE), env);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
  }
  const dataDir = dataDirOf(flags, env, loaded);
  CONNECTORS.extend(() => CONNECTORS.list().flatMap((connector) => connector.fetched?.(dataDir) ?? []));
  return { dataDir };
}

/** A file of definitions where a connection's name may stand. */
const isDefinition = (name: string): boolean => /\.ya?ml$/i.test(name);

/** A connector by its name, or by a module or a package as seen from here. */
function leadsToConnector(name: string): boolean {
  return CONNECTORS.find(name) !== undefined || CONNECTORS.locate(name, process.cwd()) !== undefined;
}

/** `wanted`: the name of a connection that only a file can have. */
function fileOf(flags: ConnectionFlags, env: Env, wanted: string | undefined): LoadedConfig | undefined {
  const file = flags.config ?? (env['HEADRACE_CONFIG'] || undefined);
  try {
    return readConfig(file ?? DEFAULT_FILE, env);
  } catch (error) {
    const missing = file === undefined && error instanceof ConfigError && error.code === 'config_missing';
    if (!missing || wanted === '') throw error;
    if (wanted === undefined) return undefined;
    throw new ConfigError(`there is no connector ${wanted}, and no ${DEFAULT_FILE} that has such a connection`, {
      code: 'unknown_connection',
      place: path.resolve(DEFAULT_FILE),
      expected: CONNECTORS.expectation(),
      found: wanted,
      candidates: connectorNames(),
      next: 'run headrace init, name a file with --config, or fetch manifests with headrace connectors --fetch',
    });
  }
}

const connectorNames = () => [...CONNECTORS.list(), ...CONNECTORS.added()].map(({ name }) => name);

async function fromFile(
  chosen: string,
  loaded: LoadedConfig,
  flags: ConnectionFlags,
  env: Env,
  need: Need,
): Promise<ConnectionConfig> {
  const { source, destination } = loaded.config.connections[chosen]!;
  const { unset } = loaded;
  if (need === 'all') unset.assertNone(['connections', chosen, 'source']);
  if (flags.to === undefined) unset.assertNone(['connections', chosen, 'destination']);
  return finish(
    {
      name: chosen,
      source: await withStandIns(source, chosen, loaded),
      need,
      incomplete: unset.faultOf(['connections', chosen, 'source']),
      destination,
      base: ['connections', chosen],
      placeOf: loaded.placeOf,
      folder: path.dirname(path.resolve(loaded.file)),
      dataDir: dataDirOf(flags, env, loaded),
    },
    flags,
  );
}

/** Nothing but the connector and the environment is needed, and its own configuration where it is given one. */
async function fromEnvironment(
  connector: string,
  flags: ConnectionFlags,
  env: Env,
  dataDir: string,
  need: Need,
): Promise<ConnectionConfig> {
  const folder = process.cwd();
  const known = await CONNECTORS.get(connector, CONNECTORS.locate(connector, folder));
  const given = flags.sourceConfig === undefined ? {} : readConfigFile(flags.sourceConfig);
  const source: Record<string, unknown> = {
    connector,
    ...(known.configIn === undefined ? given : { [known.configIn]: given }),
    ...definitionFlags(flags, known),
  };
  let incomplete: ConfigError | undefined;
  for (const [setting, variable] of Object.entries(known.environment)) {
    if (env[variable]) source[setting] = env[variable];
    else if (source[setting] === undefined && known.schema.shape[setting]?.safeParse(undefined).success === false) {
      incomplete ??= variableMissing(known, setting, variable);
      source[setting] = standIn(known, setting) ?? variable;
    }
  }
  if (incomplete && need === 'all') throw incomplete;
  const connection = await finish(
    {
      name: nameOf(connector, known),
      source,
      destination: { type: DEFAULT_DESTINATION, mode: 'upsert' },
      base: [],
      placeOf: (at) => `${at.join('.')} (from flags and environment)`,
      folder,
      dataDir,
      need,
      incomplete,
    },
    flags,
  );
  return known.configIn === undefined ? connection : { ...connection, sourceConfigFile: flags.sourceConfig };
}

/** Flags that only a connector which is read by a definition takes. */
function definitionFlags(flags: ConnectionFlags, { places }: Connector): Record<string, string> {
  const given: Record<string, string> = {};
  for (const setting of ['components', 'files'] as const) {
    const value = flags[setting];
    if (value !== undefined && places[setting] !== undefined) given[setting] = value;
  }
  return given;
}

/** What a connection without a file is called, and so its schema. It may not change: its state goes by it. */
function nameOf(connector: string, known: Connector): string {
  if (isModulePath(connector)) return known.name;
  return known.configIn === undefined ? connector : known.name.replaceAll('-', '_');
}

function variableMissing({ schema }: Connector, setting: string, variable: string): ConfigError {
  const { title, examples } = (schema.shape[setting]?.meta() ?? {}) as { title?: string; examples?: string[] };
  return new ConfigError(`environment variable ${variable} is not set`, {
    code: 'env_missing',
    expected: title ?? `a value for ${setting}`,
    found: 'none',
    next: `export ${variable}=${examples?.[0] ?? '…'} and run again`,
  });
}

/** `--manifest`: nothing but the definition and its configuration is needed. */
async function fromDefinition(
  name: string | undefined,
  file: string,
  flags: ConnectionFlags,
  env: Env,
  need: Need,
): Promise<ConnectionConfig> {
  // One of those that come with Headrace reads definitions.
  const known = CONNECTORS.list().find(({ definition }) => definition !== undefined)!;
  const { setting, config, nameOf } = known.definition!;
  const source: Record<string, unknown> = {
    connector: known.name,
    [setting]: file,
    [config]: flags.sourceConfig === undefined ? {} : readConfigFile(flags.sourceConfig),
  };
  Object.assign(source, definitionFlags(flags, known));
  const connection = await finish(
    {
      name: name ?? nameOf(file),
      source,
      destination: { type: DEFAULT_DESTINATION, mode: 'upsert' },
      base: [],
      placeOf: (at) => `${at.join('.')} (from flags)`,
      folder: process.cwd(),
      dataDir: dataDirOf(flags, env, undefined),
      need,
    },
    flags,
  );
  return { ...connection, sourceConfigFile: flags.sourceConfig };
}

/** Folder of the embedded database, absolute. */
export function dataDirOf(flags: ConnectionFlags, env: Env, loaded: LoadedConfig | undefined): string {
  const given = flags.dataDir ?? (env['HEADRACE_DATA_DIR'] || undefined);
  if (given === undefined) loaded?.unset.assertNone(['data_dir']);
  return path.resolve(given ?? (loaded ? path.join(path.dirname(loaded.file), loaded.config.data_dir) : '.headrace'));
}

/**
 * A connection whose settings come from elsewhere than a file: the API. It names what comes with Headrace, and no code
 * is loaded for it.
 */
export function connectionOf(
  name: string,
  source: Record<string, unknown>,
  destination: DestinationSettings,
  dataDir: string,
): ConnectionConfig {
  const known = CONNECTORS.find(String(source['connector']));
  if (!known) throw CONNECTORS.unknown(String(source['connector']), 'source.connector', true);
  return {
    name,
    source: validate(known.schema, source, ['source'], (at) => at.join('.')),
    destination,
    dataDir,
  };
}

async function finish(written: Written, flags: ConnectionFlags): Promise<ConnectionConfig> {
  const { base, folder, dataDir } = written;
  const placeOf = placeWithFlags(written, flags);
  const raw = withFlags(written.source, flags);
  const connector = String(raw['connector']);
  const sourceModule = CONNECTORS.locate(connector, folder);
  if (!sourceModule && !CONNECTORS.find(connector))
    throw CONNECTORS.unknown(connector, placeOf([...base, 'source', 'connector']));
  const known = await CONNECTORS.get(connector, sourceModule);
  // Paths are meant as seen from the file that names them.
  for (const setting of Object.keys(known.places)) {
    const value = raw[setting];
    if (typeof value === 'string') raw[setting] = path.resolve(folder, value);
  }
  const source = checkedSource(written, raw, known, placeOf);
  const wanted = await destinationWith(written.destination, flags, folder);
  const destinationModule = DESTINATIONS.locate(wanted.type, folder);
  const kind = await DESTINATIONS.get(wanted.type, destinationModule);
  const destination = validate(kind.schema, fitting(wanted, kind.schema.shape), [...base, 'destination'], placeOf);
  const { name = known.name, incomplete } = written;
  return { name, source, destination, sourceModule, destinationModule, dataDir, incomplete };
}

/** Where the rows land is known without the source; where a secret is not set, that is what is wrong with it. */
function checkedSource(
  { base, need, incomplete }: Written,
  raw: Record<string, unknown>,
  { schema }: Connector,
  placeOf: PlaceOf,
): SourceSettings {
  if (need === 'lands') return raw as SourceSettings;
  try {
    return validate(schema, raw, [...base, 'source'], placeOf);
  } catch (error) {
    throw incomplete ?? error;
  }
}
