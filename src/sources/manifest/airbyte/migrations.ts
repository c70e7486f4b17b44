/** States of older versions of a connector, brought into the form of this one by its own migrations. */
import { ConfigError } from '../../../base/errors.js';
import type { JsonObject } from '../document/read.js';
import type { Kit } from '../runtime/kit.js';
import type { Twin } from '../runtime/twin.js';
import { twinOf } from '../runtime/twins.js';
import type { DeclarativeSource } from '../source.js';

/** Undefined where nothing had to be migrated. A class without a twin is noted: a state that needs none goes on. */
export function migratedState(
  source: Pick<DeclarativeSource, 'definitions' | 'kit'>,
  stream: string,
  state: JsonObject,
): JsonObject | undefined {
  const definition = source.definitions.get(stream);
  const migrations = Array.isArray(definition?.['state_migrations'])
    ? (definition['state_migrations'] as JsonObject[])
    : [];
  let current: JsonObject | undefined;
  for (const component of migrations) {
    if (component['type'] !== 'CustomStateMigration') continue;
    const next = twinWhereKnown(source.kit, component, stream)?.migrateState?.(current ?? state, {
      component,
      config: source.kit.config,
    });
    if (next) current = next as JsonObject;
  }
  return current;
}

function twinWhereKnown(kit: Kit, component: JsonObject, stream: string): Twin | undefined {
  try {
    return twinOf(kit, component);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    kit.notes.add(`${error.message}: an older state of stream ${stream} that needs it is not taken over`);
    return undefined;
  }
}
