/** A user's configuration of a connector, checked against the connector's own specification. */
import { Ajv, type ErrorObject } from 'ajv';
import { ConfigError, messageOf } from '../../../base/errors.js';
import { registerSecret } from '../../../base/log.js';
import { placeOf, type Manifest } from '../document/manifest.js';
import { isObject, type Json, type JsonObject } from '../document/read.js';
import { plainOf, Templates } from '../templates/template.js';
import { numberOf, type Dict, type Value } from '../templates/values.js';
import { assertValid } from './config-validations.js';
import { setAt, valueAt } from './kit.js';

export interface ConnectorConfig {
  config: JsonObject;
  /** What the user allows at once, where a knob of the connector says so. */
  maxConcurrency: number | undefined;
  notes: string[];
}

/** Settings that earlier versions of connectors had, and that the gate has made needless. */
const OLD_KNOB = /^(?:.*_)?(?:concurrency|num_workers|workers|parallelism|max_concurrent.*)$/i;

export function specificationOf(manifest: Manifest): JsonObject {
  const spec = manifest.root['spec'];
  const found = isObject(spec) ? spec['connection_specification'] : undefined;
  return isObject(found) ? found : { type: 'object', properties: {} };
}

/** Throws ConfigError that names the field, its bound and what was found. */
export function connectorConfig(manifest: Manifest, given: JsonObject, templates: Templates): ConnectorConfig {
  const specification = specificationOf(manifest);
  const notes: string[] = [];
  const config = migrated(manifest, structuredClone(given), templates);
  const properties = isObject(specification['properties']) ? specification['properties'] : {};
  const knobs = concurrencyKnobs(manifest);
  for (const knob of knobs) {
    const value = config[knob];
    if (typeof value === 'string' && /^\s*\d+\s*$/.test(value)) {
      notes.push(`config.${knob} is the text "${value}"; it is taken as the number ${Number(value)}`);
      config[knob] = Number(value);
    }
  }
  for (const [, secret] of secretsIn(config, specification)) registerSecret(secret);
  check(manifest, config, specification);
  assertValid(manifest, config, templates);
  for (const name of Object.keys(config)) {
    if (OLD_KNOB.test(name) && !Object.hasOwn(properties, name) && !knobs.includes(name))
      notes.push(
        `config.${name} no longer does anything: Headrace finds out by itself how much the API takes; remove it, or set max_concurrency`,
      );
  }
  return { config, maxConcurrency: ceilingOf(manifest, config, knobs, templates), notes };
}

/** Settings that `concurrency_level` reads. */
export function concurrencyKnobs(manifest: Manifest): string[] {
  const level = manifest.root['concurrency_level'];
  const template = isObject(level) ? level['default_concurrency'] : undefined;
  if (typeof template !== 'string') return [];
  return [...template.matchAll(/config(?:\.get\(\s*|\[\s*)['"](\w+)['"]|config\.(?!get\b)(\w+)/g)].map(
    (match) => (match[1] ?? match[2])!,
  );
}

/** What a user set is a ceiling; a default alone is a hint that the gate does not need. */
function ceilingOf(manifest: Manifest, config: JsonObject, knobs: string[], templates: Templates): number | undefined {
  const level = manifest.root['concurrency_level'];
  if (!isObject(level)) return undefined;
  const source = level['default_concurrency'];
  const most = level['max_concurrency'];
  if (typeof source === 'string' && source.includes('config') && typeof most !== 'number') {
    throw new ConfigError('concurrency_level has no max_concurrency', {
      code: 'concurrency_level',
      place: `${manifest.file} (concurrency_level)`,
      expected: 'max_concurrency, since default_concurrency depends on the configuration',
      found: 'none',
      next: 'add max_concurrency to the manifest',
    });
  }
  if (most !== undefined && (typeof most !== 'number' || !Number.isInteger(most) || most < 1))
    throw new ConfigError('max_concurrency is no number of workers', {
      code: 'concurrency_level',
      place: placeOf(manifest, level),
      expected: 'an integer from 1',
      found: JSON.stringify(most),
      next: 'correct the manifest',
    });
  const value = typeof source === 'string' ? evaluated(manifest, level, source, config, templates) : source;
  const number = numberOf(value as Value);
  const set = knobs.find((knob) => config[knob] !== undefined && config[knob] !== null);
  if (number === undefined || !Number.isInteger(number) || number < 1) {
    throw new ConfigError('the number of workers is no number of workers', {
      code: 'concurrency_level',
      place: set === undefined ? `${manifest.file} (concurrency_level.default_concurrency)` : `config.${set}`,
      expected: `an integer from 1${typeof most === 'number' ? ` to ${most}` : ''}`,
      found: JSON.stringify(set === undefined ? value : config[set]),
      next: 'correct it, or leave it out: Headrace finds out by itself',
    });
  }
  return set === undefined ? undefined : typeof most === 'number' ? Math.min(number, most) : number;
}

function evaluated(
  manifest: Manifest,
  level: JsonObject,
  source: string,
  config: JsonObject,
  templates: Templates,
): unknown {
  try {
    return plainOf(templates.string(source, { config: config as Dict, parameters: {} }));
  } catch (error) {
    throw new ConfigError('default_concurrency cannot be evaluated', {
      code: 'template_failed',
      place: placeOf(manifest, level),
      expected: 'a template that the configuration satisfies',
      found: `${source.slice(0, 120)}: ${messageOf(error)}`,
      next: 'correct the manifest',
      cause: error,
    });
  }
}

function check(manifest: Manifest, config: JsonObject, specification: JsonObject): void {
  let validate;
  try {
    const { $schema: _, ...schema } = specification;
    validate = new Ajv({
      strict: false,
      validateFormats: false,
      allErrors: false,
      unicodeRegExp: false,
      logger: false,
    }).compile(schema);
  } catch (error) {
    throw new ConfigError('the specification of the connector is no JSON schema', {
      code: 'manifest_invalid',
      place: `${manifest.file} (spec.connection_specification)`,
      expected: 'a JSON schema',
      found: (error as Error).message.slice(0, 160),
      next: 'correct the manifest',
    });
  }
  if (validate(config)) return;
  const [fault] = validate.errors!;
  const at = placeIn(fault!);
  const path = at.split('.').filter(Boolean);
  const value = valueAt(config, path);
  const isSecret = (schemaAt(specification, path) as JsonObject | undefined)?.['airbyte_secret'] === true;
  throw new ConfigError(`the configuration of ${manifest.name} is wrong at ${at || 'its top'}`, {
    code: 'config_invalid',
    place: `config${at ? `.${at}` : ''}`,
    expected: fault!.message ?? 'what the specification asks for',
    found: value === undefined ? 'nothing' : isSecret ? `a ${typeof value}` : JSON.stringify(value).slice(0, 80),
    next: `headrace airbyte spec --manifest ${manifest.file} shows what it asks for`,
  });
}

function placeIn(fault: ErrorObject): string {
  const path = fault.instancePath
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));
  if (fault.keyword === 'required') path.push(String((fault.params as { missingProperty: string }).missingProperty));
  return path.join('.');
}

function schemaAt(schema: Json, path: string[]): Json | undefined {
  return path.reduce<Json | undefined>(
    (at, key) => (isObject(at) && isObject(at['properties']) ? at['properties'][key] : undefined),
    schema,
  );
}

/** Every text that the specification calls a secret, wherever it stands, with the name of its field. */
export function secretsIn(config: Json, schema: Json, name = ''): [name: string, secret: string][] {
  if (!isObject(schema)) return [];
  const found: [string, string][] =
    schema['airbyte_secret'] === true && typeof config === 'string' && config !== '' ? [[name, config]] : [];
  if (isObject(config) && isObject(schema['properties']))
    for (const [key, inner] of Object.entries(schema['properties']))
      if (config[key] !== undefined) found.push(...secretsIn(config[key], inner, key));
  for (const word of ['oneOf', 'anyOf', 'allOf'])
    if (Array.isArray(schema[word])) for (const option of schema[word]) found.push(...secretsIn(config, option, name));
  return found;
}

/** `config_normalization_rules`: settings of earlier versions moved to where they are now. */
function migrated(manifest: Manifest, config: JsonObject, templates: Templates): JsonObject {
  const spec = manifest.root['spec'];
  const rules = isObject(spec) ? spec['config_normalization_rules'] : undefined;
  if (!isObject(rules)) return config;
  const migrations = (Array.isArray(rules['config_migrations']) ? rules['config_migrations'] : [])
    .filter(isObject)
    .flatMap((migration) => (Array.isArray(migration['transformations']) ? migration['transformations'] : []));
  const transformations = Array.isArray(rules['transformations']) ? rules['transformations'] : [];
  for (const step of [...migrations, ...transformations].filter(isObject)) transform(config, step, templates);
  return config;
}

function transform(config: JsonObject, step: JsonObject, templates: Templates): void {
  const context = { config: config as Dict, parameters: {} };
  if (
    typeof step['condition'] === 'string' &&
    step['condition'] !== '' &&
    !templates.condition(step['condition'], context)
  )
    return;
  const path = (value: Json | undefined) =>
    Array.isArray(value) ? value.map((part) => String(plainOf(templates.string(String(part), context)))) : [];
  switch (step['type']) {
    case 'ConfigAddFields':
      for (const field of (step['fields'] as Json[]).filter(isObject))
        setAt(config, path(field['path']), plainOf(templates.string(String(field['value']), context)));
      return;
    case 'ConfigRemoveFields':
      for (const pointer of step['field_pointers'] as Json[]) {
        const keys = path(pointer);
        const holder = keys.length > 1 ? valueAt(config, keys.slice(0, -1)) : config;
        if (isObject(holder)) delete holder[keys.at(-1)!];
      }
      return;
    case 'ConfigRemapField': {
      const keys = path(step['field_path']);
      const current = valueAt(config, keys);
      const map = step['map'];
      if (isObject(map) && typeof current === 'string' && Object.hasOwn(map, current))
        setAt(config, keys, map[current]);
      return;
    }
    default:
  }
}
