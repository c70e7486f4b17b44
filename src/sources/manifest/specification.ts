/** The specification of a connector as Airbyte's `spec` prints it. */
import { isObject, type JsonObject } from './document/read.js';
import type { Manifest } from './document/manifest.js';
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
