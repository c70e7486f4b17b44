/** What every compiled component of one source shares. */
import type { Clock } from '../../../base/clock.js';
import { ConfigError } from '../../../base/errors.js';
import { placeOf, type Manifest } from '../document/manifest.js';
import { isObject, type Json, type JsonObject } from '../document/read.js';
import { parametersOf } from '../streams.js';
import { plainOf, type Context, type Templates } from '../templates/template.js';
import { Tuple, TemplateError, textOf, type Dict, type Value } from '../templates/values.js';
import type { Twins } from './twin.js';

export interface Kit {
  manifest: Manifest;
  config: JsonObject;
  templates: Templates;
  clock: Clock;
  /** Where the API is, instead of the manifest's own address: a proxy or a testbed. */
  baseUrl: string | undefined;
  /** Stand-ins for classes of Python. */
  twins: Twins;
  /** Called when a source changed its own configuration: a refresh token that is good for one use. */
  onConfigChange: (config: JsonObject) => void;
  /** What came up that the user should know; each once. */
  notes: Set<string>;
  /** Names of properties that the API was asked for, by the component that asks. */
  propertyLists: Map<JsonObject, string[]>;
  /** Whether anything is asked for the sake of the proof alone. */
  proves: boolean;
}

/**
 * What a request, a page or a record is seen with: everything that a template may name beside config and parameters.
 */
export type Scope = Context;

export type Render = (scope: Scope) => Value;
export type RenderText = (scope: Scope) => string;

/**
 * A template of a component's field. `fallback`: as of Airbyte's InterpolatedString, the text itself where nothing
 * comes out.
 */
export function template(kit: Kit, component: JsonObject, value: Json | undefined, fallback?: string): Render {
  return rendered(kit, component, value, (source, context) => kit.templates.string(source, context, fallback));
}

/** The same, where only a text or a list makes sense: `"10"` stays a text. Null where nothing comes out. */
export function parameter(
  kit: Kit,
  component: JsonObject,
  value: Json | undefined,
  accepts: (value: Value) => boolean = isTextOrList,
): Render {
  return rendered(kit, component, value, (source, context) => kit.templates.accepted(source, context, accepts));
}

/** Compiled now, so that a fault shows before anything is read; what is no text stands for itself. */
function rendered(
  kit: Kit,
  component: JsonObject,
  value: Json | undefined,
  evaluate: (source: string, context: Context) => Value,
): Render {
  if (typeof value !== 'string') {
    const plain = (value ?? null) as Value;
    return () => plain;
  }
  const parameters = parametersOf(component);
  const config = kit.config as Dict;
  try {
    kit.templates.compile(value);
  } catch (error) {
    throw badTemplate(kit, component, value, error);
  }
  return (scope) => {
    try {
      return evaluate(value, { config, parameters, ...scope });
    } catch (error) {
      throw badTemplate(kit, component, value, error);
    }
  };
}

const isTextOrList = (value: Value) => typeof value === 'string' || (Array.isArray(value) && !(value instanceof Tuple));

/** The same, where only a text makes sense; null is the empty one. */
export function text(kit: Kit, component: JsonObject, value: Json | undefined): RenderText {
  const render = template(kit, component, value);
  return (scope) => {
    const found = render(scope);
    return found === null || found === undefined ? '' : textOf(found);
  };
}

/** A template that config alone decides. */
export function now(kit: Kit, component: JsonObject, value: Json | undefined): unknown {
  return plainOf(template(kit, component, value)({}));
}

export function condition(
  kit: Kit,
  component: JsonObject,
  value: Json | undefined,
): ((scope: Scope) => boolean) | undefined {
  if (value === undefined || value === null || value === '') return undefined;
  const parameters = parametersOf(component);
  const config = kit.config as Dict;
  return (scope) => {
    try {
      return kit.templates.condition(value as string | boolean, { config, parameters, ...scope });
    } catch (error) {
      throw badTemplate(kit, component, String(value), error);
    }
  };
}

function badTemplate(kit: Kit, component: JsonObject, value: string, error: unknown): unknown {
  if (!(error instanceof TemplateError)) return error;
  return new ConfigError('a template of the manifest cannot be evaluated', {
    code: 'template_failed',
    place: placeOf(kit.manifest, component),
    expected: 'a template that the values at hand satisfy',
    found: `${value.slice(0, 120)}: ${error.message}`,
    next: 'check the template, and the configuration that it uses',
    cause: error,
  });
}

/** Something of the language that Headrace does not run. */
export function unsupported(kit: Kit, component: JsonObject, what: string, next: string): ConfigError {
  return new ConfigError(`${what} is not supported`, {
    code: 'unsupported_component',
    place: placeOf(kit.manifest, component),
    expected: 'a component that Headrace runs',
    found: String(component['type']),
    next,
  });
}

export function fields(component: JsonObject, name: string): JsonObject | undefined {
  const value = component[name];
  return isObject(value) ? value : undefined;
}

export function list(component: JsonObject, name: string): JsonObject[] {
  const value = component[name];
  return Array.isArray(value) ? value.filter(isObject) : isObject(value) ? [value] : [];
}

/** Values at a path; `*` and `**` stand for any key, any depth. */
export function valuesAt(value: unknown, path: readonly string[]): unknown[] {
  const [head, ...rest] = path;
  if (head === undefined) return [value];
  if (value === null || typeof value !== 'object') return [];
  if (head === '**')
    return [...valuesAt(value, rest), ...Object.values(value).flatMap((inner) => valuesAt(inner, path))];
  if (head === '*') return Object.values(value).flatMap((inner) => valuesAt(inner, rest));
  if (Array.isArray(value)) {
    const index = Number(head);
    return Number.isInteger(index) && Math.abs(index) <= value.length ? valuesAt(value.at(index), rest) : [];
  }
  return Object.hasOwn(value, head) ? valuesAt((value as Record<string, unknown>)[head], rest) : [];
}

/** The value at a path of plain keys; undefined where there is none. */
export function valueAt(value: unknown, path: readonly string[]): unknown {
  return valuesAt(value, path)[0];
}

/** Sets a value, making the objects on the way to it. */
export function setAt(target: Record<string, unknown>, path: readonly string[], value: unknown): void {
  let at = target;
  for (const key of path.slice(0, -1)) {
    const inner = Object.hasOwn(at, key) ? at[key] : undefined;
    if (inner === null || typeof inner !== 'object') define(at, key, {});
    at = at[key] as Record<string, unknown>;
  }
  define(at, path.at(-1)!, value);
}

export function define(target: Record<string, unknown>, key: string, value: unknown): void {
  if (key === '__proto__')
    Object.defineProperty(target, key, { value, enumerable: true, writable: true, configurable: true });
  else target[key] = value;
}
