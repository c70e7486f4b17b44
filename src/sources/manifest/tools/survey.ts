/** Which manifests in a folder run, whole or in part, and why not. */
import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { HeadraceError } from '../../../base/errors.js';
import type { Surveyed } from '../../connector.js';
import { loadManifest } from '../document/manifest.js';
import { loadTwins } from '../open.js';
import { declaredBeside } from '../twins/declared.js';
import { TWINS } from '../twins/registry.js';
import type { Twins } from '../runtime/twin.js';
import { coverageOf } from './coverage.js';

/** `code`: a module with twins, or a file that describes them. */
export async function surveyManifests(folder: string, code: string | undefined): Promise<Surveyed[]> {
  const own = code === undefined ? {} : await loadTwins(code);
  return manifestsIn(folder).map((file) => surveyManifest(file, own));
}

/** How far the manifest in one file runs. */
export async function surveyWith(file: string, code: string | undefined): Promise<Surveyed> {
  return surveyManifest(file, code === undefined ? {} : await loadTwins(code));
}

/** How far one runs, with twins of the user's own. A faulty one does not, and the reason says why. */
export function surveyManifest(file: string, own: Twins = {}): Surveyed {
  try {
    const manifest = loadManifest(file);
    const coverage = coverageOf(manifest, { ...TWINS, ...declaredBeside(file), ...own });
    const missing = coverage.filter(({ problems }) => problems.length > 0);
    const reason = [...new Set(missing.flatMap(({ problems }) => problems))].join(', ');
    return {
      name: manifest.name,
      kind: 'manifest',
      status: missing.length === 0 ? 'whole' : missing.length < coverage.length ? 'partly' : 'not',
      streams: coverage.length - missing.length,
      reason: missing.length === 0 ? '' : `${missing.length} of ${coverage.length} streams: ${reason}`,
      missing,
    };
  } catch (error) {
    if (!(error instanceof HeadraceError)) throw error;
    return {
      name: path.basename(file),
      kind: 'manifest',
      status: 'not',
      streams: 0,
      reason: `${error.message} (${error.place ?? file})`,
      missing: [],
    };
  }
}

/** Files of other kinds. */
const BESIDE = new Set(['metadata.yaml', 'components.headrace.yaml']);

/** `NAME.yaml` in the folder, and `NAME/manifest.yaml` below it. */
function manifestsIn(folder: string): string[] {
  const found: string[] = [];
  for (const entry of readdirSync(folder, { withFileTypes: true }).toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    const at = path.join(folder, entry.name);
    if (entry.isFile() && /\.ya?ml$/.test(entry.name) && !BESIDE.has(entry.name)) found.push(at);
    else if (entry.isDirectory() && existsSync(path.join(at, 'manifest.yaml')))
      found.push(path.join(at, 'manifest.yaml'));
  }
  return found;
}
