/**
 * What Headrace knows of connectors that a manifest describes, before the manifest is read. Its code is loaded late.
 */
import path from 'node:path';
import type { Connector } from '../connector.js';
import { fetchedConnectors } from './library/library.js';
import { manifestSourceSchema, type ManifestSourceConfig } from './settings.js';

export const manifestConnector: Connector<ManifestSourceConfig> = {
  name: 'manifest',
  title: 'Manifest',
  about: "Any API that a manifest of Airbyte's declarative language describes.",
  kind: 'manifest',
  schema: manifestSourceSchema,
  secrets: [],
  environment: {},
  places: { manifest: 'definition', components: 'code', files: 'folder' },
  dialect: undefined,
  definition: {
    setting: 'manifest',
    config: 'config',
    nameOf: (file) => connectorOf(file).replaceAll(/[^a-z0-9_-]/g, '_') || 'source',
    specification: async (file) => (await import('./specification.js')).specificationOfFile(file),
  },
  survey: async (folder, { code }) => (await import('./tools/survey.js')).surveyManifests(folder, code),
  fetched: (dataDir) => fetchedConnectors(dataDir, manifestConnector),
  fetch: async (from, dataDir, parts) => (await import('./library/fetch.js')).fetchManifests(from, dataDir, parts),
  limits: () => [],
  app: ({ manifest }) => connectorOf(manifest),
  secretTexts: async (settings) => (await import('./open.js')).secretTexts(settings),
  credential: ({ base_url, config }) => [base_url, JSON.stringify(config)],
  async open(settings, parts) {
    const { openManifest } = await import('./open.js');
    const { source, notes, credential } = await openManifest(settings, parts);
    return { source, client: source.client, notes, credential: [settings.base_url, ...credential] };
  },
};

/** The connector's name, of `source-NAME.yaml` or `source-NAME/manifest.yaml`. */
function connectorOf(manifest: string): string {
  const base = path.basename(manifest).replace(/\.ya?ml$/i, '');
  return (base === 'manifest' ? path.basename(path.dirname(path.resolve(manifest))) : base)
    .replace(/^source-/, '')
    .toLowerCase();
}
