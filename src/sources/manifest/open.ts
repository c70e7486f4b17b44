/** Opens the source that a connection's manifest describes. */
import { pathToFileURL } from 'node:url';
import path from 'node:path';
import type { Clock } from '../../base/clock.js';
import type { Egress } from '../../base/egress.js';
import { ceilingsOf } from '../ceilings.js';
import { ConfigError, messageOf } from '../../base/errors.js';
import type { AttemptEvent } from '../../http/client.js';
import type { Random } from '../../base/random.js';
import { loadManifest, type Manifest } from './document/manifest.js';
import { isObject, type JsonObject } from './document/read.js';
import { connectorConfig, secretsIn, specificationOf } from './runtime/config.js';
import type { RetrieverParts } from './runtime/exchange.js';
import type { Twins } from './runtime/twin.js';
import type { ManifestSourceConfig } from './settings.js';
import { declarativeSource, type DeclarativeSource, type GateFor, type GatesFor } from './source.js';
import { Templates } from './templates/template.js';
import { declaredBeside, declaredIn } from './twins/declared.js';
import { TWINS } from './twins/registry.js';

export interface ManifestParts {
  gateFor: GateFor;
  gatesFor: GatesFor;
  clock: Clock;
  random: Random;
  egress?: Egress | undefined;
  observe?: ((event: AttemptEvent) => void) | undefined;
  onConfigChange?: ((config: JsonObject) => void) | undefined;
  onExchange?: RetrieverParts['onExchange'];
  /** Streams whose files are fetched; all where it is left out. */
  fileStreams?: string[] | undefined;
  /** False: whoever reads knows no proof, so nothing is asked for its sake alone. Default: true. */
  proves?: boolean | undefined;
}

export interface OpenedManifest {
  source: DeclarativeSource;
  manifest: Manifest;
  /** What the user should know of the configuration. */
  notes: string[];
  /** Texts that tell this credential from others. */
  credential: string[];
}

export async function openManifest(settings: ManifestSourceConfig, parts: ManifestParts): Promise<OpenedManifest> {
  const manifest = loadManifest(settings.manifest);
  const templates = new Templates(() => parts.clock.now());
  const { config, maxConcurrency, notes } = connectorConfig(manifest, settings.config as JsonObject, templates);
  const own = ceilingsOf(settings);
  const ceilings = { ...own, maxConcurrency: own.maxConcurrency ?? maxConcurrency };
  const twins = await twinsFor(settings.manifest, settings.components);
  const files =
    settings.files === undefined ? undefined : { folder: path.resolve(settings.files), streams: parts.fileStreams };
  const source = await declarativeSource({
    manifest,
    config,
    twins,
    baseUrl: settings.base_url,
    streams: settings.streams,
    exclude: settings.exclude,
    ceilings,
    files,
    ...parts,
  });
  if (!files) notes.push(...notesOnFiles(source));
  return { source, manifest, notes, credential: credentialOf(manifest, config) };
}

function notesOnFiles({ definitions }: DeclarativeSource): string[] {
  const streams = [...definitions]
    .filter(([, definition]) => definition['file_uploader'] !== undefined)
    .map(([name]) => name);
  return streams.length === 0
    ? []
    : [
        `records of ${streams.join(', ')} point to files, which are not fetched: name a folder for them (files in headrace.yaml, --files)`,
      ];
}

/**
 * Twins for a manifest: those that come with Headrace, those described beside it, and the user's own, the last first.
 */
export async function twinsFor(manifest: string, components: string | undefined): Promise<Twins> {
  const own = components === undefined ? {} : await loadTwins(components);
  return { ...TWINS, ...declaredBeside(manifest), ...own };
}

/**
 * A file that describes classes, or a module that exports `twins`, or is the twins by name. Runs code of the user's own
 * choice.
 */
export async function loadTwins(file: string): Promise<Twins> {
  if (/\.ya?ml$/i.test(file)) return declaredIn(file);
  const at = path.resolve(file);
  let module: Record<string, unknown>;
  try {
    module = /\.[cm]?ts$/.test(file)
      ? await importTypeScript(at)
      : ((await import(pathToFileURL(at).href)) as Record<string, unknown>);
  } catch (error) {
    throw new ConfigError('the components cannot be loaded', {
      code: 'components_failed',
      place: file,
      expected: 'a module that exports twins',
      found: messageOf(error).slice(0, 200),
      next: 'correct the module',
      cause: error,
    });
  }
  const twins = module['twins'] ?? module['default'];
  if (!isObject(twins))
    throw new ConfigError('the components name no twins', {
      code: 'components_failed',
      place: file,
      expected: 'export const twins = { ClassName: { … } }',
      found: Object.keys(module).join(', ') || 'no exports',
      next: 'see docs/guides/twins.md',
    });
  // Each twin is checked where a manifest names it.
  return twins as unknown as Twins;
}

/** Node 20 runs no TypeScript by itself. */
async function importTypeScript(file: string): Promise<Record<string, unknown>> {
  const { createJiti } = await import('jiti');
  return createJiti(import.meta.url, { fsCache: false }).import(file);
}

/** What the connector's specification calls secret in a configuration. */
export function secretTexts({ manifest, config }: Pick<ManifestSourceConfig, 'manifest' | 'config'>): string[] {
  return secretsIn(config as JsonObject, specificationOf(loadManifest(manifest))).map(([, value]) => value);
}

/** The configuration's secrets; tokens that are renewed tell nothing of who they belong to. */
function credentialOf(manifest: Manifest, config: JsonObject): string[] {
  const found = secretsIn(config, specificationOf(manifest));
  const lasting = found.filter(([name]) => !/^(access|refresh)_token$/.test(name));
  const chosen = lasting.length > 0 ? lasting : found;
  return [manifest.name, ...new Set(chosen.length > 0 ? chosen.map(([, value]) => value) : [JSON.stringify(config)])];
}
