import { expect, test } from 'vitest';
import type { Kit } from '../runtime/kit.js';
import type { Twins } from '../runtime/twin.js';
import { migratedState } from './migrations.js';

const known: Twins = { Known: { migrateState: (state) => ({ ...state, moved: true }) } };
const migration = (name: string) => ({ type: 'CustomStateMigration', class_name: `source_x.components.${name}` });

/** Of the kit, only what a migration looks at. */
function source(...classes: string[]) {
  const kit = {
    twins: known,
    notes: new Set<string>(),
    config: {},
    manifest: { name: 'source-x', origins: new Map() },
  };
  return {
    // Migrations ask a kit for no more.
    kit: kit as unknown as Kit,
    definitions: new Map([['rows', { state_migrations: classes.map(migration) }]]),
  };
}

test('a class without a twin is noted, and those with one do their work', () => {
  const made = source('Unknown', 'Known');
  expect(migratedState(made, 'rows', { u: '2026-01-01' })).toEqual({ u: '2026-01-01', moved: true });
  expect([...made.kit.notes]).toEqual([expect.stringMatching(/Unknown has no twin.*stream rows/)]);
});

test('a state goes on as it is where no class has a twin', () =>
  expect(migratedState(source('Unknown'), 'rows', { u: '2026-01-01' })).toBeUndefined());
