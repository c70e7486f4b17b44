/**
 * The library: manifests that were fetched into the data folder, as connectors that go by their names. What is told of
 * them without opening one stands in an index beside them.
 */
import { existsSync, mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { z } from 'zod';
import { LIMITS } from '../../../base/bounds.js';
import { VERSION } from '../../../base/version.js';
import type { Connector, Surveyed } from '../../connector.js';
import { isObject, type Json, type JsonObject } from '../document/read.js';
import { manifestSourceSchema, type ManifestSourceConfig } from '../settings.js';

/** One fetched manifest. */
export interface LibraryEntry {
  /** `zoom`, of `source-zoom`. */
  name: string;
  /** As people call it. */
  title: string;
  version: string | undefined;
  /** What its configuration must be: a JSON schema. */
  specification: JsonObject;
  survey: Surveyed;
}

interface Index {
  format: 1;
  /** Which version of Headrace found out how far they run. */
  headrace: string;
  connectors: LibraryEntry[];
}

const FORMAT = 1;
const COMPONENTS = 'components.headrace.yaml';
const INDEX = 'index.json';
const NAME = /^[a-z0-9][a-z0-9-]{0,59}$/;

export const libraryFolder = (dataDir: string): string => path.join(dataDir, 'connectors');
export const manifestIn = (dataDir: string, name: string): string =>
  path.join(libraryFolder(dataDir), `source-${name}`, 'manifest.yaml');

/** Read once for each version of the file. */
let last: { file: string; stamp: string; index: Index | undefined } | undefined;

/** Undefined: nothing was fetched, or the index is damaged, which the next `--fetch` mends. */
export function readIndex(dataDir: string): Index | undefined {
  const file = path.join(libraryFolder(dataDir), INDEX);
  const stat = statSync(file, { throwIfNoEntry: false });
  if (!stat || stat.size > LIMITS.fetchedBytes) return undefined;
  const stamp = `${stat.mtimeMs} ${stat.size} ${stat.ino}`;
  if (last?.file !== file || last.stamp !== stamp) last = { file, stamp, index: parsed(readFileSync(file, 'utf8')) };
  return last.index;
}

function parsed(text: string): Index | undefined {
  try {
    const found: unknown = JSON.parse(text);
    if (!isObject(found) || found['format'] !== FORMAT || !Array.isArray(found['connectors'])) return undefined;
    // Written by this file alone, under this format.
    return found as unknown as Index;
  } catch {
    return undefined;
  }
}

/** Whole or not at all: who reads it meanwhile sees the former one. */
export function writeIndex(dataDir: string, headrace: string, connectors: LibraryEntry[]): void {
  const file = path.join(libraryFolder(dataDir), INDEX);
  mkdirSync(path.dirname(file), { recursive: true });
  const index: Index = { format: FORMAT, headrace, connectors };
  writeFileSync(`${file}.${process.pid}`, JSON.stringify(index));
  renameSync(`${file}.${process.pid}`, file);
}

const ownSchema = manifestSourceSchema.omit({ manifest: true });

/** `manifest`: the connector that reads any manifest, named in a file. */
export function fetchedConnectors(dataDir: string, manifest: Connector<ManifestSourceConfig>): Connector[] {
  const index = readIndex(dataDir);
  return (index?.connectors ?? [])
    .filter(({ name }) => NAME.test(name) && existsSync(manifestIn(dataDir, name)))
    .map((entry) => {
      const file = manifestIn(dataDir, entry.name);
      const surveyed: Connector['surveyed'] = async ({ code }) =>
        code === undefined &&
        index?.headrace === VERSION &&
        !isNewer(path.join(path.dirname(file), COMPONENTS), dataDir)
          ? entry.survey
          : { ...(await (await import('../tools/survey.js')).surveyWith(file, code)), name: entry.name };
      return { ...fetchedConnector(entry, file, manifest), surveyed };
    });
}

/** Whether a file was written after the index. */
function isNewer(file: string, dataDir: string): boolean {
  const written = statSync(file, { throwIfNoEntry: false })?.mtimeMs;
  return written !== undefined && written > statSync(path.join(libraryFolder(dataDir), INDEX)).mtimeMs;
}

/** It is what `manifest` is, but for the file, which is known. */
function fetchedConnector(
  { name, title, version, specification, survey }: LibraryEntry,
  file: string,
  manifest: Connector<ManifestSourceConfig>,
): Connector {
  // Checked by `schema`, which is the manifest's but for these two.
  const full = (settings: Record<string, unknown>) =>
    ({ ...settings, connector: manifest.name, manifest: file }) as unknown as ManifestSourceConfig;
  const schema = ownSchema.extend({
    connector: z.literal(name).describe(`${title}, read by its manifest.`),
    config: ownSchema.shape.config.meta({ ...withSecrets(specification), title: `Configuration of ${title}` }),
  });
  const { manifest: _, ...places } = manifest.places;
  return {
    name,
    title,
    about: `${title}, by Airbyte's manifest${version === undefined ? '' : ` ${version}`}.`,
    kind: 'manifest',
    // Made of settings without the manifest's name: `full` adds it.
    schema: schema as unknown as Connector['schema'],
    secrets: [],
    environment: {},
    places,
    dialect: undefined,
    configIn: 'config',
    streams: survey.streams,
    start: () => ({ config: beginningOf(specification, name) }),
    limits: () => [],
    app: () => name,
    secretTexts: async (settings) => (await manifest.secretTexts?.(full(settings))) ?? [],
    credential: (settings) => manifest.credential(full(settings)),
    open: (settings, parts) => manifest.open(full(settings), parts),
  };
}

/** What the specification calls secret, in the word that forms know. */
function withSecrets(value: JsonObject): JsonObject {
  const walk = (inner: Json): Json => {
    if (Array.isArray(inner)) return inner.map(walk);
    if (!isObject(inner)) return inner;
    const copy = Object.fromEntries(Object.entries(inner).map(([key, each]) => [key, walk(each)]));
    return inner['airbyte_secret'] === true ? { ...copy, writeOnly: true } : copy;
  };
  return walk(value) as JsonObject;
}

/**
 * A configuration to begin with, of what a specification requires: constants and defaults as they are, all else by
 * reference to the environment. Of several ways, the first.
 */
function beginningOf(schema: JsonObject, prefix: string): JsonObject {
  const begun: JsonObject = {};
  const ways = [schema['oneOf'], schema['anyOf']].find((each) => Array.isArray(each)) as JsonObject[] | undefined;
  const chosen = [schema, ...(ways ? [ways[0]!] : [])].filter(isObject);
  for (const part of chosen) {
    const properties = isObject(part['properties']) ? part['properties'] : {};
    const required = Array.isArray(part['required']) ? part['required'].map(String) : [];
    for (const [field, property] of Object.entries(properties)) {
      if (!isObject(property) || (!required.includes(field) && property['const'] === undefined)) continue;
      const reference = `${prefix}_${field}`.toUpperCase().replaceAll(/[^A-Z0-9]+/g, '_');
      begun[field] =
        property['const'] ??
        (isObject(property['properties']) || Array.isArray(property['oneOf']) || Array.isArray(property['anyOf'])
          ? beginningOf(property, reference)
          : (property['default'] ?? `\${${reference}}`));
    }
  }
  return begun;
}
