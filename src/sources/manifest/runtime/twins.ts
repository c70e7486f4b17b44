/**
 * Twins: TypeScript for the classes of Python that a manifest names. A twin is found by the class name alone, the last
 * part of `source_declarative_manifest.components.Name`, or by `source-name/Name` where several connectors use one
 * name.
 */
import { ConfigError } from '../../../base/errors.js';
import { placeOf } from '../document/manifest.js';
import type { JsonObject } from '../document/read.js';
import { plainOf } from '../templates/template.js';
import { template, type Kit, type Scope } from './kit.js';
import type { Twin, TwinInput } from './twin.js';

/** Throws ConfigError that names the class and what to do; the streams that do not need it run. */
export function twinOf(kit: Kit, component: JsonObject): Twin {
  const className = String(component['class_name'] ?? '');
  const name = className.split('.').at(-1)!;
  const { twins } = kit;
  const found = foundTwin(kit, component);
  if (found) return found;
  throw new ConfigError(`the class ${name} has no twin`, {
    code: 'twin_missing',
    place: placeOf(kit.manifest, component),
    expected: `a TypeScript twin of ${className}`,
    found: Object.keys(twins).length === 0 ? 'no twins at all' : `twins of ${Object.keys(twins).join(', ')}`,
    next: `describe it in components.headrace.yaml beside the manifest, or write one and name its file with --components (docs/guides/twins.md); streams that do not use ${name} run without it`,
  });
}

/** The twin of a component's class, where there is one. */
export function foundTwin(
  { manifest, twins }: Pick<Kit, 'manifest' | 'twins'>,
  component: JsonObject,
): Twin | undefined {
  const name = String(component['class_name'] ?? '')
    .split('.')
    .at(-1)!;
  const qualified = `${connectorName(manifest.name)}/${name}`;
  return [qualified, name].map((each) => (Object.hasOwn(twins, each) ? twins[each] : undefined)).find(Boolean);
}

/** `source-zoom`, however the file or its folder writes it. */
function connectorName(manifest: string): string {
  const plain = manifest.toLowerCase().replaceAll('_', '-');
  return plain.startsWith('source-') ? plain : `source-${plain}`;
}

/** A component, or the standard one that its twin makes of it. `schema`: of the stream whose requester it is. */
export function replaced(kit: Kit, component: JsonObject, schema?: () => JsonObject): JsonObject {
  if (!String(component['type']).startsWith('Custom')) return component;
  const { evaluate } = twinInput(kit, component);
  const made = twinOf(kit, component).replace?.(component, kit.config, { evaluate, schema });
  if (!made) return component;
  const origin = kit.manifest.origins.get(component);
  if (origin) kit.manifest.origins.set(made, origin);
  return made;
}

/** What the twin of a component is told. */
export function twinInput(kit: Kit, component: JsonObject): TwinInput {
  return {
    component,
    config: kit.config,
    evaluate: (source, scope = {}) => plainOf(template(kit, component, source)(scope as Scope)),
  };
}
