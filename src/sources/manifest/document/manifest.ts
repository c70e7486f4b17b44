/** A manifest of Airbyte's declarative language, read: references resolved, types and parameters in place, checked. */
import path from 'node:path';
import { codeOf, ConfigError, messageOf } from '../../../base/errors.js';
import { InputTooLarge, readInputFile } from '../../../base/input-file.js';
import { LIMITS } from '../../../base/bounds.js';
import { propagateParameters } from './parameters.js';
import { isObject, readManifest, type Json, type JsonObject, type Origins } from './read.js';
import { resolveReferences } from './resolve.js';
import { faultIn } from './validate.js';

export interface Manifest {
  /** `source-intercom`, after the file. */
  name: string;
  file: string;
  root: JsonObject;
  /** Streams that are written wrongly, by name, and why; `root` has their names alone. */
  faults: ReadonlyMap<string, ConfigError>;
  origins: Origins;
}

/** Reads a file. Throws ConfigError that names the file, the path in it and the line. */
export function loadManifest(file: string): Manifest {
  let text: string;
  try {
    text = readInputFile(file, LIMITS.manifestBytes * 2).toString('utf8');
  } catch (error) {
    if (error instanceof InputTooLarge)
      throw new ConfigError('the manifest is too large', {
        code: 'manifest_too_large',
        place: file,
        expected: `at most ${LIMITS.manifestBytes / 1e6} MB`,
        found: error.message,
        next: 'name the manifest itself',
      });
    throw new ConfigError('the manifest cannot be read', {
      code: 'manifest_missing',
      place: file,
      expected: 'a manifest.yaml of a connector',
      found: codeOf(error) ?? messageOf(error),
      next: 'check the path',
    });
  }
  return parseManifest(text, file);
}

export function parseManifest(text: string, file: string): Manifest {
  const source = readManifest(text, file);
  const { root: used, faults } = resolveReferences(source);
  const root = propagateParameters({ ...used, type: used['type'] ?? 'DeclarativeSource' }, source.origins, file);
  const [first] = faults.values();
  for (let fault = faultIn(root, source.origins, file); fault; fault = faultIn(root, source.origins, file)) {
    const streams = root['streams'] as Json[];
    const [faulty] = fault.stream === undefined ? [] : streams.splice(fault.stream, 1);
    const name = isObject(faulty) ? faulty['name'] : undefined;
    if (typeof name !== 'string' || (streams.length === 0 && root['dynamic_streams'] === undefined)) throw fault.error;
    faults.set(name, fault.error);
  }
  if (first && (root['streams'] as Json[]).length === 0 && root['dynamic_streams'] === undefined) throw first;
  for (const name of faults.keys()) (root['streams'] as Json[]).push({ type: 'DeclarativeStream', name });
  return { name: nameOf(file), file, root, faults, origins: source.origins };
}

/** `…/source-x.yaml` and `…/source-x/manifest.yaml` are source-x. */
function nameOf(file: string): string {
  const base = path.basename(file).replace(/\.ya?ml$/i, '');
  const folder = path.basename(path.dirname(path.resolve(file)));
  return base === 'manifest' && folder !== '' ? folder : base;
}

/** Where an object of the manifest was written, for errors. */
export function placeOf(manifest: Manifest, value: unknown): string {
  const origin = isObject(value) || Array.isArray(value) ? manifest.origins.get(value) : undefined;
  return origin ? `${manifest.file}:${origin.line} (${origin.path || 'top'})` : manifest.file;
}
