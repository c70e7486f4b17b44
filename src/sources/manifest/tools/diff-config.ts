/** What a new version asks of a configuration that the old one took. */
import { isObject, type Json, type JsonObject } from '../document/read.js';
import type { Manifest } from '../document/manifest.js';
import { specificationOf } from '../runtime/config.js';
import {
  allowsNull,
  brief,
  changed,
  isWider,
  objectsOf,
  propertiesOf,
  same,
  stable,
  stringsOf,
  typesOf,
  typeText,
  type Change,
} from './diff-changes.js';
import { isLooser } from './diff-patterns.js';

export function configChanges(old: Manifest, next: Manifest): Change[] {
  const specs = [old, next].map(({ root }) => (isObject(root['spec']) ? root['spec'] : {})) as [JsonObject, JsonObject];
  return [
    ...schemaChanges(specificationOf(old), specificationOf(next), 'config'),
    ...oauthChanges(specs[0]['advanced_auth'], specs[1]['advanced_auth']),
    ...ruleChanges(specs[0]['config_normalization_rules'], specs[1]['config_normalization_rules']),
  ];
}

const isClosed = (schema: JsonObject) => schema['additionalProperties'] === false;

function schemaChanges(old: JsonObject, next: JsonObject, where: string): Change[] {
  const changes: Change[] = [];
  const before = propertiesOf(old);
  const after = propertiesOf(next);
  const wasRequired = new Set(stringsOf(old['required']));
  const isRequired = new Set(stringsOf(next['required']));
  if (!isClosed(old) && isClosed(next))
    changes.push(changed(where, 'config-refused', 'unknown fields are refused now'));
  for (const [name, property] of Object.entries(before)) {
    const at = `${where}.${name}`;
    const fresh = after[name];
    if (!fresh) {
      changes.push(
        isClosed(next)
          ? changed(at, 'config-refused', 'removed, and unknown fields are refused', wasRequired.has(name))
          : wasRequired.has(name)
            ? changed(at, 'config-removed', 'removed; the old version requires it', true)
            : changed(at, 'config-removed', 'removed'),
      );
      continue;
    }
    if (!wasRequired.has(name) && isRequired.has(name)) changes.push(changed(at, 'config-required', 'is required now'));
    if (wasRequired.has(name) && !isRequired.has(name))
      changes.push(changed(at, 'config-optional', 'is optional now; the old version requires it', true));
    changes.push(...propertyChanges(property, fresh, at));
  }
  for (const name of Object.keys(after))
    if (!before[name])
      changes.push(
        isRequired.has(name)
          ? changed(`${where}.${name}`, 'config-new-required', 'is new and required', isClosed(old))
          : changed(`${where}.${name}`, 'config-new', 'is new and optional', isClosed(old)),
      );
  // Required, and described nowhere.
  for (const name of isRequired)
    if (!wasRequired.has(name) && !before[name] && !after[name])
      changes.push(changed(`${where}.${name}`, 'config-new-required', 'is new and required'));
  changes.push(...wayChanges(old, next, where));
  return changes;
}

function propertyChanges(old: JsonObject, next: JsonObject, at: string): Change[] {
  const changes = [
    ...typeChanges(old, next, at),
    ...boundChanges(old, next, at),
    ...textChanges(old, next, at),
    ...choiceChanges(old, next, at),
  ];
  const [was, is] = [old['airbyte_secret'] === true, next['airbyte_secret'] === true];
  if (was && !is) changes.push(changed(at, 'config-secret', 'is no secret any more'));
  if (!was && is) changes.push(changed(at, 'config-secret-new', 'is a secret now', true));
  if (!same(old['default'], next['default']))
    changes.push(
      old['default'] === undefined
        ? changed(at, 'config-default-new', `has the default ${brief(next['default'])}`)
        : changed(at, 'config-default', `its default was ${brief(old['default'])}, is ${brief(next['default'])}`),
    );
  changes.push(...schemaChanges(old, next, at));
  if (isObject(old['items']) && isObject(next['items']))
    changes.push(...propertyChanges(old['items'], next['items'], `${at}[]`));
  else if (isObject(next['items']) && old['items'] === undefined)
    changes.push(changed(at, 'config-type', 'its items have to be of a kind now'));
  return changes;
}

function typeChanges(old: JsonObject, next: JsonObject, at: string): Change[] {
  const [was, is] = [typesOf(old), typesOf(next)];
  const changes: Change[] = [];
  if (stable(was) !== stable(is)) {
    const what = `type ${typeText(was)} became ${typeText(is)}`;
    changes.push(changed(at, isWider(was, is) ? 'config-type-wider' : 'config-type', what, true));
  }
  const nulls = [old, next].map((schema) => typesOf(schema).length > 0 && allowsNull(schema));
  if (nulls[0] && !nulls[1] && next['type'] !== undefined)
    changes.push(changed(at, 'config-null', 'may not be null any more'));
  return changes;
}

/** Bounds, by whether a larger one is narrower. */
const BOUNDS: readonly (readonly [word: string, isLeast: boolean])[] = [
  ['minimum', true],
  ['exclusiveMinimum', true],
  ['minLength', true],
  ['minItems', true],
  ['minProperties', true],
  ['maximum', false],
  ['exclusiveMaximum', false],
  ['maxLength', false],
  ['maxItems', false],
  ['maxProperties', false],
];

function boundChanges(old: JsonObject, next: JsonObject, at: string): Change[] {
  const changes: Change[] = [];
  for (const [word, isLeast] of BOUNDS) {
    const [was, is] = [old[word], next[word]];
    if (was === is) continue;
    const narrower = typeof is === 'number' && (typeof was !== 'number' || (isLeast ? is > was : is < was));
    const told = typeof was === 'number' ? `, was ${was}` : '';
    if (narrower) changes.push(changed(at, 'config-bound', `${word} is ${is} now${told}`));
    else if (typeof was === 'number')
      changes.push(
        changed(
          at,
          'config-bound-wider',
          `${word} was ${was}${typeof is === 'number' ? `, is ${is}` : ', is gone'}`,
          true,
        ),
      );
  }
  for (const word of ['multipleOf', 'uniqueItems'] as const)
    if (next[word] !== undefined && next[word] !== false && !same(old[word], next[word]))
      changes.push(changed(at, 'config-bound', `${word} is ${brief(next[word])} now`));
  return changes;
}

function textChanges(old: JsonObject, next: JsonObject, at: string): Change[] {
  const changes: Change[] = [];
  const [was, is] = [old['pattern'], next['pattern']];
  if (was !== is) {
    const looser = is === undefined || (typeof was === 'string' && typeof is === 'string' && isLooser(was, is));
    changes.push(
      looser
        ? changed(at, 'config-pattern-looser', `pattern was ${brief(was)}, is ${brief(is)}`, true)
        : changed(at, 'config-pattern', `pattern is ${brief(is)} now`),
    );
  }
  if (!same(old['format'], next['format']))
    changes.push(
      next['format'] === undefined
        ? changed(at, 'config-pattern-looser', `format ${brief(old['format'])} is gone`, true)
        : changed(at, 'config-format', `format was ${brief(old['format'])}, is ${brief(next['format'])}`),
    );
  return changes;
}

function choiceChanges(old: JsonObject, next: JsonObject, at: string): Change[] {
  const changes: Change[] = [];
  const [was, is] = [old['enum'], next['enum']];
  const words = stringsOf(was);
  if (Array.isArray(is)) {
    const fewer = words.filter((word) => !stringsOf(is).includes(word));
    if (!Array.isArray(was)) changes.push(changed(at, 'config-enum', `takes only ${brief(is)} now`));
    else if (fewer.length > 0) changes.push(changed(at, 'config-enum', `no longer takes ${fewer.join(', ')}`));
    const more = stringsOf(is).filter((word) => Array.isArray(was) && !words.includes(word));
    if (more.length > 0) changes.push(changed(at, 'config-enum-wider', `takes ${more.join(', ')} too`, true));
  } else if (Array.isArray(was)) changes.push(changed(at, 'config-enum-wider', 'takes any value', true));
  if (!same(old['const'], next['const']) && next['const'] !== undefined)
    changes.push(changed(at, 'config-const', `must be ${brief(next['const'])}, was ${brief(old['const'])}`, true));
  return changes;
}

/** What tells one way from another: the constant in it, else its title. */
function wayName(way: JsonObject, index: number): string {
  const constants = Object.entries(propertiesOf(way)).flatMap(([name, property]) => {
    const own =
      property['const'] ??
      (Array.isArray(property['enum']) && property['enum'].length === 1 ? property['enum'][0] : undefined);
    return own === undefined ? [] : [`${name}=${stable(own as Json)}`];
  });
  return constants.length > 0 ? constants.toSorted().join(' ') : String(way['title'] ?? `number ${index + 1}`);
}

function wayChanges(old: JsonObject, next: JsonObject, where: string): Change[] {
  const changes: Change[] = [];
  for (const word of ['oneOf', 'anyOf', 'allOf'] as const) {
    const ways = [old, next].map((schema) => new Map(objectsOf(schema[word]).map((way, i) => [wayName(way, i), way])));
    const [before, after] = ways as [Map<string, JsonObject>, Map<string, JsonObject>];
    for (const [name, way] of before) {
      const fresh = after.get(name);
      if (fresh) changes.push(...schemaChanges(way, fresh, where));
      else changes.push(changed(where, 'config-way', `the way ${name} is gone`));
    }
    if (before.size > 0)
      for (const name of after.keys())
        if (!before.has(name)) changes.push(changed(where, 'config-way-new', `the way ${name} is new`, true));
  }
  return changes;
}

function oauthChanges(old: Json | undefined, next: Json | undefined): Change[] {
  if (!isObject(old)) return isObject(next) ? [changed('config', 'oauth-new', 'one can sign in')] : [];
  if (!isObject(next)) return [changed('config', 'oauth', 'one can sign in no more', true)];
  return leaves(old, next, 'advanced_auth').map((path) => changed('config', 'oauth', `${path} is another`, true));
}

const TEXTS = new Set(['title', 'description', 'order', 'examples', 'placeholder', 'pattern_descriptor']);

/** Paths at which two values differ, but for what is only shown to people. */
function leaves(old: Json | undefined, next: Json | undefined, at: string): string[] {
  if (isObject(old) && isObject(next))
    return [...new Set([...Object.keys(old), ...Object.keys(next)])]
      .filter((key) => !TEXTS.has(key) && key !== '$parameters')
      .flatMap((key) => leaves(old[key], next[key], `${at}.${key}`));
  return same(old, next) ? [] : [at];
}

/** Migrations may be added: they make more of what was stored understood. Validations may be taken away. */
function ruleChanges(old: Json | undefined, next: Json | undefined): Change[] {
  const [was, is] = [old, next].map((each) => (isObject(each) ? each : {})) as [JsonObject, JsonObject];
  const changes: Change[] = [];
  const listed = (rules: JsonObject, word: string) => objectsOf(rules[word]).map((each) => stable(bare(each)));
  for (const word of ['config_migrations', 'transformations'] as const) {
    const after = listed(is, word);
    if (listed(was, word).some((each) => !after.includes(each)))
      changes.push(changed('config', 'config-migration', `one of ${word} is gone or another`));
  }
  const before = listed(was, 'validations');
  if (listed(is, 'validations').some((each) => !before.includes(each)))
    changes.push(changed('config', 'config-validation', 'what is set is validated otherwise'));
  return changes;
}

/** Without what was handed down, and what people read. */
function bare(component: JsonObject): JsonObject {
  const { $parameters: _, description: _text, ...rest } = component;
  return rest;
}
