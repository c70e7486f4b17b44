/** headrace connectors: what runs. */
import { existsSync, readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { NATIVE } from '../../wiring/compose.js';
import { coverageOf, loadManifest, twinsWith } from '../../wiring/compose-manifest.js';
import { ConfigError, EXIT, HeadraceError } from '../../base/errors.js';
import { json, out, table } from '../terminal/output.js';

interface Listed {
  name: string;
  kind: 'native' | 'manifest';
  status: 'whole' | 'partly' | 'not';
  streams: number;
  /** Why not whole. */
  reason: string;
  missing: { stream: string; problems: string[] }[];
}

export async function command(
  [folder]: (string | undefined)[],
  flags: { components?: string; json?: boolean },
): Promise<number> {
  const listed: Listed[] = NATIVE.map(({ name, streams }) => ({
    name,
    kind: 'native',
    status: 'whole',
    streams,
    reason: '',
    missing: [],
  }));
  if (folder !== undefined) {
    if (!existsSync(folder) || !statSync(folder).isDirectory())
      throw new ConfigError('there is no such folder', {
        code: 'folder_missing',
        place: folder,
        expected: 'a folder with manifests',
        found: 'none',
      });
    const twins = await twinsWith(flags.components);
    for (const file of manifestsIn(folder)) {
      try {
        const manifest = loadManifest(file);
        const coverage = coverageOf(manifest, twins);
        const missing = coverage.filter(({ problems }) => problems.length > 0);
        const status = missing.length === 0 ? 'whole' : missing.length < coverage.length ? 'partly' : 'not';
        const reason = [...new Set(missing.flatMap(({ problems }) => problems))].join(', ');
        listed.push({
          name: manifest.name,
          kind: 'manifest',
          status,
          streams: coverage.length - missing.length,
          reason: missing.length === 0 ? '' : `${missing.length} of ${coverage.length} streams: ${reason}`,
          missing,
        });
      } catch (error) {
        if (!(error instanceof HeadraceError)) throw error;
        listed.push({
          name: path.basename(file),
          kind: 'manifest',
          status: 'not',
          streams: 0,
          reason: `${error.message} (${error.place ?? file})`,
          missing: [],
        });
      }
    }
  }
  if (flags.json) for (const each of listed) json(each);
  else {
    out(
      table(
        ['connector', 'kind', 'runs', 'streams', 'why not whole'],
        listed.map(({ name, kind, status, streams, reason }) => [
          name,
          kind,
          status,
          streams,
          reason.length > 100 ? `${reason.slice(0, 99)}…` : reason,
        ]),
      ),
    );
    if (folder !== undefined)
      out(
        `\n${listed.filter(({ status }) => status === 'whole').length} whole, ${listed.filter(({ status }) => status === 'partly').length} partly, ${listed.filter(({ status }) => status === 'not').length} not`,
      );
  }
  return EXIT.complete;
}

/** `NAME.yaml` in the folder, and `NAME/manifest.yaml` below it. */
function manifestsIn(folder: string): string[] {
  const found: string[] = [];
  for (const entry of readdirSync(folder, { withFileTypes: true }).toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    const at = path.join(folder, entry.name);
    if (entry.isFile() && /\.ya?ml$/.test(entry.name) && entry.name !== 'metadata.yaml') found.push(at);
    else if (entry.isDirectory() && existsSync(path.join(at, 'manifest.yaml')))
      found.push(path.join(at, 'manifest.yaml'));
  }
  return found;
}
