/**
 * Brings manifests of Airbyte's layout into the data folder: `source-NAME/manifest.yaml` or `source-NAME/source_NAME/
 * manifest.yaml`, with what stands beside it, or `source-NAME.yaml`. Python is kept to be read by people, and never
 * run.
 */
import {
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { parse as parseYaml } from 'yaml';
import { LIMITS } from '../../../base/bounds.js';
import { ConfigError, HeadraceError, messageOf } from '../../../base/errors.js';
import { makeFolder } from '../../../base/folder.js';
import { VERSION } from '../../../base/version.js';
import type { FetchParts, FetchResult } from '../../connector.js';
import { loadManifest } from '../document/manifest.js';
import { isObject, type JsonObject } from '../document/read.js';
import { specificationOf } from '../runtime/config.js';
import { surveyManifest } from '../tools/survey.js';
import { Downloads, namesIn, refusal, webFolder } from './download.js';
import { libraryFolder, readIndex, writeIndex, type LibraryEntry } from './library.js';

/** A folder of a connector. Nothing else of a listing is looked at. */
const CONNECTOR = /^source-[a-z0-9][a-z0-9-]{0,59}$/;
const FILE = /^(source-[a-z0-9][a-z0-9-]{0,59})\.ya?ml$/;
const SCHEMA = /^[\w.-]{1,120}\.json$/;
/** What goes with a manifest, where it is there. */
const BESIDE = ['metadata.yaml', 'components.py', 'components.headrace.yaml'];
/** A file of UTF-8 is larger than its text. */
const MANIFEST_BYTES = LIMITS.manifestBytes * 2;
/** Where a copy of Airbyte's repository has its connectors. */
const IN_REPOSITORY = path.join('airbyte-integrations', 'connectors');
/** How often one is told how far it is. */
const TOLD_EVERY = 50;

/** What one run brings into a folder of its own, before any of it counts. */
interface Staging extends Pick<FetchParts, 'tell'> {
  folder: string;
  staged: string[];
  refused: FetchResult['refused'];
  without: string[];
}

export async function fetchManifests(from: string, dataDir: string, parts: FetchParts): Promise<FetchResult> {
  const library = libraryFolder(dataDir);
  makeFolder(library);
  const folder = mkdtempSync(path.join(library, '.fetching-'));
  const staging: Staging = { folder, staged: [], refused: [], without: [], tell: parts.tell };
  try {
    if (/^https?:\/\//i.test(from)) await stageAddress(from, staging, parts);
    else stageFolder(from, staging);
    const stored = adopt(staging, dataDir);
    return { stored, refused: staging.refused, without: staging.without };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** One that cannot be had is told, and stops no other. */
function refuseOne(staging: Staging, name: string, error: unknown): void {
  if (!(error instanceof HeadraceError)) throw error;
  staging.refused.push({ name, reason: `${error.message}: ${error.place ?? ''} ${error.found ?? ''}`.trim() });
}

function tooMany(from: string): ConfigError {
  return new ConfigError('there are too many connectors', {
    code: 'too_many_connectors',
    place: from,
    expected: `at most ${LIMITS.fetchedConnectors}`,
    found: 'more',
  });
}

function stageFolder(given: string, staging: Staging): void {
  const at = path.resolve(given);
  if (lstatSync(at, { throwIfNoEntry: false })?.isDirectory() !== true)
    throw new ConfigError('there is no such folder', {
      code: 'folder_missing',
      place: given,
      expected: 'a folder with source-NAME/manifest.yaml, or an address',
      found: existsSync(at) ? 'something else' : 'nothing',
      next: 'check the path',
    });
  const inside = existsSync(path.join(at, IN_REPOSITORY)) ? path.join(at, IN_REPOSITORY) : at;
  const isOne = CONNECTOR.test(path.basename(inside)) && manifestBelow(inside) !== undefined;
  const root = isOne ? path.dirname(inside) : inside;
  const names = isOne ? [path.basename(inside)] : readdirSync(root).toSorted();
  const connectors = names.filter((name) => CONNECTOR.test(name) || FILE.test(name));
  if (connectors.length > LIMITS.fetchedConnectors) throw tooMany(given);
  if (connectors.length === 0) throw nothingThere(given);
  for (const name of connectors) {
    try {
      stageOne(root, name, staging);
    } catch (error) {
      refuseOne(staging, FILE.exec(name)?.[1] ?? name, isSystemError(error) ? refusal(name, messageOf(error)) : error);
    }
  }
}

const isSystemError = (error: unknown): boolean => (error as NodeJS.ErrnoException).syscall !== undefined;

function nothingThere(place: string): ConfigError {
  return new ConfigError('there are no manifests here', {
    code: 'no_manifests',
    place,
    expected: 'source-NAME/manifest.yaml, source-NAME/source_NAME/manifest.yaml or source-NAME.yaml',
    found: 'none',
    next: "name a folder of Airbyte's layout, such as airbyte-integrations/connectors of its repository",
  });
}

function stageOne(root: string, name: string, staging: Staging): void {
  const at = path.join(root, name);
  const [, flat] = FILE.exec(name) ?? [];
  if (flat !== undefined) {
    copyBounded(at, path.join(place(staging, flat), 'manifest.yaml'), MANIFEST_BYTES);
    staging.staged.push(flat);
    return;
  }
  if (!lstatSync(at).isDirectory()) return;
  const manifest = manifestBelow(at);
  if (manifest === undefined) {
    staging.without.push(name);
    return;
  }
  const to = place(staging, name);
  copyBounded(manifest, path.join(to, 'manifest.yaml'), MANIFEST_BYTES);
  for (const folder of new Set([at, path.dirname(manifest)])) {
    for (const beside of BESIDE)
      if (isFile(path.join(folder, beside)))
        copyBounded(path.join(folder, beside), path.join(to, beside), LIMITS.configBytes);
    copySchemas(path.join(folder, 'schemas'), path.join(to, 'schemas'));
  }
  staging.staged.push(name);
}

/** A file of the folder itself: links lead elsewhere, and are not followed. */
const isFile = (at: string): boolean => lstatSync(at, { throwIfNoEntry: false })?.isFile() === true;

function manifestBelow(folder: string): string | undefined {
  const inner = path.basename(folder).replaceAll('-', '_');
  return [path.join(folder, 'manifest.yaml'), path.join(folder, inner, 'manifest.yaml')].find(isFile);
}

function place(staging: Staging, name: string): string {
  const at = path.join(staging.folder, name);
  mkdirSync(at, { recursive: true });
  return at;
}

function copyBounded(from: string, to: string, mostBytes: number): void {
  if (!isFile(from)) throw refusal(from, 'no plain file');
  const { size } = lstatSync(from);
  if (size > mostBytes) throw refusal(from, `${size} bytes, where at most ${mostBytes} are taken`);
  copyFileSync(from, to);
}

function copySchemas(from: string, to: string): void {
  if (lstatSync(from, { throwIfNoEntry: false })?.isDirectory() !== true) return;
  let files = 0;
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    if (entry.isDirectory() && entry.name === 'shared') copySchemas(path.join(from, 'shared'), path.join(to, 'shared'));
    if (!entry.isFile() || !SCHEMA.test(entry.name)) continue;
    if (++files > LIMITS.fetchedFiles) throw refusal(from, `more than ${LIMITS.fetchedFiles} schemas`);
    mkdirSync(to, { recursive: true });
    copyBounded(path.join(from, entry.name), path.join(to, entry.name), LIMITS.configBytes);
  }
}

async function stageAddress(address: string, staging: Staging, { clock, signal }: FetchParts): Promise<void> {
  if (!URL.canParse(address)) throw refusal(address, 'no address');
  const deadline = new AbortController();
  const cancel = clock.after(LIMITS.fetchMs, () =>
    deadline.abort(refusal(address, `no end after ${LIMITS.fetchMs / 1000} s`)),
  );
  const { list, files } = webFolder(address);
  const downloads = await Downloads.of(list, AbortSignal.any([signal, deadline.signal]));
  try {
    const [own] = /source-[a-z0-9-]+(?=\/$)/.exec(files) ?? [];
    if (own !== undefined && (await stageDownload(downloads, files, own, staging))) return;
    const listing = await downloads.get(list, LIMITS.responseBytes);
    if (!listing) throw nothingThere(address);
    const names = [...new Set(namesIn(listing.body, listing.type))].filter(
      (name) => CONNECTOR.test(name) || FILE.test(name),
    );
    if (names.length > LIMITS.fetchedConnectors) throw tooMany(address);
    if (names.length === 0) throw nothingThere(address);
    for (const [index, name] of names.toSorted().entries()) {
      if (index > 0 && index % TOLD_EVERY === 0) staging.tell(`${index} of ${names.length} connectors were looked at`);
      const flat = FILE.exec(name)?.[1];
      try {
        if (flat !== undefined) await stageFile(downloads, `${files}${name}`, flat, staging);
        else if (!(await stageDownload(downloads, `${files}${name}/`, name, staging))) staging.without.push(name);
      } catch (error) {
        if (signal.aborted || deadline.signal.aborted) throw error;
        refuseOne(staging, flat ?? name, error);
      }
    }
  } finally {
    cancel();
    await downloads.close();
  }
}

async function stageFile(downloads: Downloads, address: string, name: string, staging: Staging): Promise<boolean> {
  const found = await downloads.get(address, MANIFEST_BYTES);
  // A server that has a page for everything has no manifest.
  if (!found || /html/.test(found.type)) return false;
  writeFileSync(path.join(place(staging, name), 'manifest.yaml'), found.body);
  staging.staged.push(name);
  return true;
}

/** Whether there is one. */
async function stageDownload(downloads: Downloads, base: string, name: string, staging: Staging): Promise<boolean> {
  const inner = `${base}${name.replaceAll('-', '_')}/`;
  const folder = (await stageFile(downloads, `${base}manifest.yaml`, name, staging))
    ? base
    : (await stageFile(downloads, `${inner}manifest.yaml`, name, staging))
      ? inner
      : undefined;
  if (folder === undefined) return false;
  const to = place(staging, name);
  for (const beside of BESIDE) {
    const found = await downloads.get(`${base}${beside}`, LIMITS.configBytes);
    if (found && !/html/.test(found.type)) writeFileSync(path.join(to, beside), found.body);
  }
  if (/\bJsonFileSchemaLoader\b/.test(readFileSync(path.join(to, 'manifest.yaml'), 'utf8')))
    await stageSchemas(downloads, folder, to);
  return true;
}

/** Schemas in files of their own are listed by the folder that they are in. */
async function stageSchemas(downloads: Downloads, folder: string, to: string): Promise<void> {
  const { list, files } = listed(`${folder}schemas/`);
  const listing = await downloads.get(list, LIMITS.responseBytes);
  const names = [...new Set(listing ? namesIn(listing.body, listing.type) : [])].filter((name) => SCHEMA.test(name));
  for (const name of names.slice(0, LIMITS.fetchedFiles)) {
    const found = await downloads.get(`${files}${name}`, LIMITS.configBytes);
    if (!found) continue;
    mkdirSync(path.join(to, 'schemas'), { recursive: true });
    writeFileSync(path.join(to, 'schemas', name), found.body);
  }
}

/** GitHub lists folders at another address than its files have. */
function listed(files: string): { list: string; files: string } {
  const [, owner, repository, branch, below] =
    /^https:\/\/raw\.githubusercontent\.com\/([^/]+)\/([^/]+)\/([^/]+)\/(.+?)\/?$/.exec(files) ?? [];
  return owner === undefined
    ? { list: files, files }
    : webFolder(`https://github.com/${owner}/${repository}/tree/${branch}/${below}`);
}

/** Each takes the place of the one that was there in one step; the index follows. */
function adopt(staging: Staging, dataDir: string): FetchResult['stored'] {
  const entries = new Map((readIndex(dataDir)?.connectors ?? []).map((entry) => [entry.name, entry]));
  const stored: FetchResult['stored'] = [];
  for (const folderName of new Set(staging.staged)) {
    const at = path.join(staging.folder, folderName);
    const to = path.join(libraryFolder(dataDir), folderName);
    // What the user wrote beside it stays.
    const own = path.join(to, 'components.headrace.yaml');
    if (isFile(own) && !existsSync(path.join(at, path.basename(own))))
      copyFileSync(own, path.join(at, path.basename(own)));
    rmSync(to, { recursive: true, force: true });
    renameSync(at, to);
    // What is wrong with it is told by the place where it stays.
    const entry = entryOf(to, folderName);
    entries.set(entry.name, entry);
    stored.push(entry.survey);
  }
  writeIndex(
    dataDir,
    VERSION,
    [...entries.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1)),
  );
  return stored;
}

function entryOf(folder: string, folderName: string): LibraryEntry {
  const name = folderName.slice('source-'.length);
  const file = path.join(folder, 'manifest.yaml');
  const metadata = metadataOf(path.join(folder, 'metadata.yaml'));
  let specification: JsonObject = { type: 'object', properties: {} };
  try {
    specification = specificationOf(loadManifest(file));
  } catch (error) {
    // The survey tells what is wrong with it.
    if (!(error instanceof HeadraceError)) throw error;
  }
  const survey = surveyManifest(file);
  return {
    name,
    title: String(metadata['name'] ?? titled(name)).slice(0, 80),
    version: metadata['dockerImageTag'] === undefined ? undefined : String(metadata['dockerImageTag']).slice(0, 40),
    specification,
    survey: { ...survey, name },
  };
}

const titled = (name: string): string =>
  name
    .split('-')
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
    .join(' ');

/** A faulty one is as good as none: it only says how the connector is called. */
function metadataOf(file: string): JsonObject {
  if (!existsSync(file)) return {};
  try {
    const found: unknown = parseYaml(readFileSync(file, 'utf8'), { maxAliasCount: 100 });
    return isObject(found) && isObject(found['data']) ? found['data'] : {};
  } catch {
    return {};
  }
}
