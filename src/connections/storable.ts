/**
 * Connections of the API: what they may name, and what is secret of them. Who may write one through the API shall not
 * read the machine with it, nor write where it likes, nor run code: no variable of the environment, no module, no
 * folder but those below the data folder, no file but the definitions that were put there for it.
 */
import path from 'node:path';
import { Egress } from '../base/egress.js';
import { ConfigError } from '../base/errors.js';
import type { LoadedConfig } from '../config/load.js';
import type { ConnectionSettings } from '../config/schema.js';
import type { DestinationSettings } from '../destinations/kind.js';
import { DESTINATIONS } from '../destinations/registry.js';
import { CONNECTORS } from '../sources/registry.js';
import { connectionOf, dataDirOf, type ConnectionConfig } from './resolve.js';
import type { ConnectionFlags } from './with-flags.js';
import type { IsSecret } from './secrets.js';

/** Folder below the data folder for destinations that write files. */
const FILES = 'files';

/** A connection as the API may have it. Throws ConfigError that names the setting. */
export function storedConnection(
  name: string,
  { source, destination }: ConnectionSettings,
  loaded: LoadedConfig | undefined,
  flags: ConnectionFlags & { allowPrivateTargets?: boolean | undefined; allowLocalFiles?: boolean | undefined },
  env: NodeJS.ProcessEnv,
): ConnectionConfig {
  const dataDir = dataDirOf(flags, env, loaded);
  const egress = new Egress({
    privateTargets: flags.allowPrivateTargets === true,
    localFiles: flags.allowLocalFiles === true,
  });
  return {
    ...connectionOf(name, confinedSource(source, loaded), confinedDestination(destination, dataDir), dataDir),
    egress,
  };
}

/** What it names is judged when it is written, and again by every connection that is made to it. */
export async function assertTargets({ source, destination, egress }: ConnectionConfig): Promise<void> {
  if (!egress) return;
  const { base_url: base } = source;
  if (base !== undefined) await at('source.base_url', () => egress.assertResolved(new URL(base).hostname));
  const kind = DESTINATIONS.find(destination.type);
  const place = kind?.secrets[0] ?? 'type';
  await at(`destination.${place}`, () => kind?.assertTargets?.(destination, egress));
}

/** The same of who is told of its alerts. */
export async function assertAlerts(alerts: { url: string }[], egress: Egress | undefined): Promise<void> {
  for (const [i, { url }] of alerts.entries())
    await at(`alerts.${i}.url`, () => egress?.assertResolved(new URL(url).hostname));
}

/** What is refused is the fault of this setting. */
async function at(place: string, work: () => Promise<void> | undefined): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const { code, expected, found, next, message } = error;
    throw new ConfigError(message, { code, place, expected, found, next });
  }
}

function refuse(place: string, expected: string, found: string): ConfigError {
  return new ConfigError('a connection of the API cannot have this', {
    code: 'not_storable',
    place,
    expected,
    found,
    next: 'write such a connection in headrace.yaml',
  });
}

function confinedSource(
  source: ConnectionSettings['source'],
  loaded: LoadedConfig | undefined,
): Record<string, unknown> {
  const own: Record<string, unknown> = { ...source };
  const connector = CONNECTORS.find(source.connector);
  if (!connector) throw CONNECTORS.unknown(source.connector, 'source.connector', true);
  for (const [setting, place] of Object.entries(connector.places)) {
    const value = own[setting];
    if (value === undefined) continue;
    if (place === 'code') throw refuse(`source.${setting}`, 'no code', 'a module');
    if (place === 'folder') throw refuse(`source.${setting}`, 'no folder of the machine', 'one');
    if (typeof value !== 'string' || !/^[\w-]+(?:\.ya?ml)?$/.test(value))
      throw refuse(`source.${setting}`, 'the name of a file in manifests_dir', 'another text');
    own[setting] = path.join(definitionsFolder(loaded), /\.ya?ml$/.test(value) ? value : `${value}.yaml`);
  }
  return own;
}

/** Where definitions lie that connections of the API may name. */
export function definitionsFolder(loaded: LoadedConfig | undefined): string {
  return loaded ? path.resolve(path.dirname(loaded.file), loaded.config.manifests_dir) : path.resolve('manifests');
}

/** Names below one another, none of which begins with a dot. */
const BELOW = /^[\w-][\w.-]*(?:\/[\w-][\w.-]*)*$/;

function confinedDestination(destination: DestinationSettings, dataDir: string): DestinationSettings {
  const kind = DESTINATIONS.find(destination.type);
  if (!kind) throw DESTINATIONS.unknown(destination.type, 'destination.type', true);
  const confined: DestinationSettings = { ...destination };
  for (const setting of kind.paths) {
    const value = confined[setting];
    if (value === undefined) continue;
    if (typeof value !== 'string' || !BELOW.test(value))
      throw refuse(
        `destination.${setting}`,
        'a path below the data folder, such as exports/acme or acme.duckdb',
        String(value).slice(0, 80),
      );
    confined[setting] = path.join(dataDir, FILES, value);
  }
  return confined;
}

const NAMES_SECRET = /key|secret|token|password|passwd|dsn|credential/i;
/** Settings of a source that are lists or maps of names, never secrets. */
const NAMES_ONLY = ['streams', 'exclude', 'fields'];

/** What is secret of a connection, by who declares it. */
interface Declared {
  /** Settings of the source, and of the destination. */
  source: ReadonlySet<string>;
  destination: ReadonlySet<string>;
  /** Texts that a definition calls secret. */
  texts: ReadonlySet<string>;
}

/** What is never shown of a connection: what is declared a secret, and what has a secret's name. */
function secretsOf(declared: Declared): IsSecret {
  return (at, value) => {
    const [part, setting = ''] = at;
    if (part === 'webhook_secret') return true;
    if (part === 'alerts') return at.at(-1) === 'url';
    if (part === 'destination') return declared.destination.has(setting) || NAMES_SECRET.test(setting);
    if (part !== 'source' || value === '') return false;
    return (
      declared.texts.has(value) ||
      declared.source.has(setting) ||
      (at.length > 1 && !NAMES_ONLY.includes(setting) && at.slice(1).some((name) => NAMES_SECRET.test(name))) ||
      /\/\/[^/@]*@/.test(value)
    );
  };
}

/** What must not be shown of a connection, told by its connector, its destination and its definition. */
export async function isSecretOf(connection: ConnectionConfig): Promise<IsSecret> {
  const { source, destination, sourceModule, destinationModule } = connection;
  const connector = await CONNECTORS.get(source.connector, sourceModule);
  const kind = await DESTINATIONS.get(destination.type, destinationModule);
  return secretsOf({
    source: new Set(connector.secrets),
    destination: new Set(kind.secrets),
    texts: new Set(await connector.secretTexts?.(source)),
  });
}
