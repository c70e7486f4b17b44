/** States of older versions of a connector, brought into the form of this one by its own migrations. */
import type { JsonObject } from '../document/read.js';
import { twinOf } from '../runtime/twins.js';
import type { DeclarativeSource } from '../source.js';

/** Undefined where nothing had to be migrated. */
export function migratedState(source: DeclarativeSource, stream: string, state: JsonObject): JsonObject | undefined {
  const definition = source.definitions.get(stream);
  const migrations = Array.isArray(definition?.['state_migrations'])
    ? (definition['state_migrations'] as JsonObject[])
    : [];
  let current: JsonObject | undefined;
  for (const component of migrations) {
    if (component['type'] !== 'CustomStateMigration') continue;
    const next = twinOf(source.kit, component).migrateState?.(current ?? state, {
      component,
      config: source.kit.config,
    });
    if (next) current = next as JsonObject;
  }
  return current;
}
