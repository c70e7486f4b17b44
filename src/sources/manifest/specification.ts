/** What a manifest asks of its user: as Airbyte's `spec` prints it, and for forms. */
import type { Specification } from '../connector.js';
import { isObject, type JsonObject } from './document/read.js';
import { loadManifest, type Manifest } from './document/manifest.js';
import { specificationOf } from './runtime/config.js';

export function airbyteSpecification(manifest: Manifest): JsonObject {
  const spec = isObject(manifest.root['spec']) ? manifest.root['spec'] : {};
  const { documentation_url: documentation, advanced_auth: auth } = spec;
  return {
    connectionSpecification: specificationOf(manifest),
    ...(typeof documentation === 'string' ? { documentationUrl: documentation } : {}),
    ...(isObject(auth) ? { advanced_auth: auth } : {}),
  };
}

/** For forms: what the manifest in a file asks for. Throws ConfigError where it cannot be read. */
export function specificationOfFile(file: string): Specification {
  const manifest = loadManifest(file);
  const spec = isObject(manifest.root['spec']) ? manifest.root['spec'] : {};
  const { documentation_url: documentation } = spec;
  const settings = plain(specificationOf(manifest));
  const title = typeof settings['title'] === 'string' ? settings['title'].replace(/ (?:source )?spec$/i, '') : '';
  return {
    title: title || titleOf(manifest.name),
    settings,
    ...(typeof documentation === 'string' && /^https?:\/\//.test(documentation) ? { documentation } : {}),
  };
}

/** Objects of a manifest remember their lines; what is handed out does not. */
const plain = (value: JsonObject) => JSON.parse(JSON.stringify(value)) as Record<string, unknown>;

/** `source-google-ads` is Google ads. */
function titleOf(name: string): string {
  const words = name.replace(/^source-/, '').replaceAll('-', ' ');
  return words.charAt(0).toUpperCase() + words.slice(1);
}
