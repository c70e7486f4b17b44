/** What stands for settings that are not there, where a source is asked for its streams alone. */
import path from 'node:path';
import type { LoadedConfig } from '../config/load.js';
import type { Connector } from '../sources/connector.js';
import { CONNECTORS } from '../sources/registry.js';

/** Of what is not set, something of the right form, so that a source tells its streams. It is never sent anywhere. */
export async function withStandIns(
  source: Record<string, unknown>,
  name: string,
  { unset, file }: LoadedConfig,
): Promise<Record<string, unknown>> {
  const missing = unset.below(['connections', name, 'source']);
  if (missing.length === 0) return source;
  const folder = path.dirname(path.resolve(file));
  const connector = String(source['connector']);
  const own = CONNECTORS.locate(connector, folder);
  const known = own || CONNECTORS.find(connector) ? await CONNECTORS.get(connector, own) : undefined;
  const given = { ...source };
  for (const { at } of missing) {
    const setting = String(at[3]);
    const example = at.length === 4 && known ? standIn(known, setting) : undefined;
    if (example !== undefined) given[setting] = example;
  }
  return given;
}

/** An example of the connector's own. */
export function standIn({ example, schema }: Connector, setting: string): unknown {
  const { examples } = (schema.shape[setting]?.meta() ?? {}) as { examples?: unknown[] };
  return example?.[setting] ?? examples?.[0];
}
