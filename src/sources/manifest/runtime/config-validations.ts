/** What a manifest asks of a configuration beside its schema: `config_normalization_rules.validations`. */
import { Ajv } from 'ajv';
import { ConfigError } from '../../../base/errors.js';
import { placeOf, type Manifest } from '../document/manifest.js';
import { isObject, type Json, type JsonObject } from '../document/read.js';
import { plainOf, type Templates } from '../templates/template.js';
import type { Dict } from '../templates/values.js';
import { valuesAt } from './kit.js';

/** Throws ConfigError where a value does not adhere to the schema that is asked for. Classes of Python are left out. */
export function assertValid(manifest: Manifest, config: JsonObject, templates: Templates): void {
  const spec = manifest.root['spec'];
  const rules = isObject(spec) ? spec['config_normalization_rules'] : undefined;
  const validations = isObject(rules) && Array.isArray(rules['validations']) ? rules['validations'] : [];
  const context = { config: config as Dict, parameters: {} };
  const rendered = (value: Json) =>
    typeof value === 'string' ? (plainOf(templates.string(value, context)) as Json) : value;
  for (const each of validations.filter(isObject)) {
    const strategy = each['validation_strategy'];
    if (!isObject(strategy) || strategy['type'] !== 'ValidateAdheresToSchema') continue;
    const path = (Array.isArray(each['field_path']) ? each['field_path'] : []).map((part) => String(rendered(part)));
    const values =
      each['type'] === 'DpathValidator' ? valuesAt(config, path) : [rendered(each['value'] ?? null) as unknown];
    for (const value of values) assertAdheres(manifest, each, strategy['base_schema'], value, path);
  }
}

function assertAdheres(
  manifest: Manifest,
  validation: JsonObject,
  base: Json | undefined,
  value: unknown,
  path: string[],
): void {
  const fault = faultOf(base, value);
  if (fault === undefined) return;
  throw new ConfigError(`the configuration of ${manifest.name} is not what the connector asks for`, {
    code: 'config_invalid',
    place: path.length > 0 ? `config.${path.join('.')}` : placeOf(manifest, validation),
    expected: fault,
    found: typeof value === 'string' ? 'a text that does not' : `${value === null ? 'nothing' : typeof value}`,
    next: 'correct the configuration',
  });
}

/** A text is read as JSON, as Airbyte reads it. */
function faultOf(base: Json | undefined, value: unknown): string | undefined {
  try {
    const { $schema: _, ...schema } = (typeof base === 'string' ? JSON.parse(base) : (base ?? {})) as JsonObject;
    const validate = new Ajv({ strict: false, validateFormats: false, unicodeRegExp: false, logger: false }).compile(
      schema,
    );
    if (validate(typeof value === 'string' ? JSON.parse(value) : value)) return undefined;
    return validate.errors![0]!.message ?? 'what the schema says';
  } catch {
    // What was found may be a secret: the parser's message would show a part of it.
    return 'JSON that adheres to the schema, which must be one';
  }
}
