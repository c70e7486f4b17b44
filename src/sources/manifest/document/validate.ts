/** Checks a resolved manifest against the language; a fault names its path and the line it was written in. */
import { ConfigError } from '../../../base/errors.js';
import { isObject, type Json, type JsonObject, type Origins } from './read.js';
import { COMPONENTS, type FieldType } from './vocabulary.js';

interface Fault {
  path: string;
  near: object | undefined;
  expected: string;
  found: string;
  /** The type of the component was right: the fault lies inside. */
  inside: boolean;
}

/** The first fault, and where it stands in one stream alone, the stream's place in the list. */
export function faultIn(
  root: JsonObject,
  origins: Origins,
  file: string,
): { error: ConfigError; stream: number | undefined } | undefined {
  const { definitions: _, ...rest } = root;
  origins.set(rest, { line: 1, path: '' });
  const fault = check(rest, { kind: 'component', name: 'DeclarativeSource' }, '', rest, new Set());
  const missing =
    fault ??
    (rest['streams'] === undefined && rest['dynamic_streams'] === undefined
      ? { path: 'streams', near: rest, expected: 'streams or dynamic_streams', found: 'neither', inside: true }
      : undefined);
  if (!missing) return undefined;
  const origin = missing.near && origins.get(missing.near);
  const stream = /^streams\[(\d+)\]/.exec(missing.path)?.[1];
  const error = new ConfigError(`the manifest is wrong at ${missing.path || 'its top'}`, {
    code: 'manifest_invalid',
    place: `${file}${origin ? `:${origin.line}` : ''} (${origin && origin.path !== missing.path && origin.path !== '' ? `${missing.path}, written at ${origin.path}` : missing.path || 'top'})`,
    expected: missing.expected,
    found: missing.found,
    next: 'correct the manifest; headrace connector lint checks it again',
  });
  return { error, stream: stream === undefined ? undefined : Number(stream) };
}

function check(
  value: Json | undefined,
  type: FieldType,
  path: string,
  near: object,
  seen: Set<object>,
): Fault | undefined {
  const wrong = (expected: string, inside = false): Fault => ({
    path,
    near: value !== null && typeof value === 'object' ? value : near,
    expected,
    found: describe(value),
    inside,
  });
  switch (type.kind) {
    case 'any':
      return undefined;
    case 'string':
      return typeof value === 'string' ? undefined : wrong('a text');
    case 'integer':
      return typeof value === 'number' && Number.isInteger(value) ? undefined : wrong('an integer');
    case 'number':
      return typeof value === 'number' ? undefined : wrong('a number');
    case 'boolean':
      return typeof value === 'boolean' ? undefined : wrong('true or false');
    case 'object':
      return isObject(value) ? undefined : wrong('a mapping');
    case 'word':
      return value === type.word ? undefined : wrong(`"${type.word}"`);
    case 'list':
      if (!Array.isArray(value)) return wrong('a list');
      for (const [index, item] of value.entries()) {
        const fault = check(item, type.of, `${path}[${index}]`, value, seen);
        if (fault) return { ...fault, inside: true };
      }
      return undefined;
    case 'map':
      if (!isObject(value)) return wrong('a mapping');
      for (const [key, item] of Object.entries(value)) {
        if (key.startsWith('$')) continue;
        const fault = check(item, type.of, join(path, key), value, seen);
        if (fault) return { ...fault, inside: true };
      }
      return undefined;
    case 'component':
      return component(value, type.name, path, seen, wrong);
    case 'either': {
      let best: Fault | undefined;
      for (const each of type.of) {
        const fault = check(value, each, path, near, seen);
        if (!fault) return undefined;
        if (fault.inside && !best) best = fault;
      }
      return best ?? wrong(type.of.map(nameOf).join(', '));
    }
  }
}

function component(
  value: Json | undefined,
  name: string,
  path: string,
  seen: Set<object>,
  wrong: (expected: string, inside?: boolean) => Fault,
): Fault | undefined {
  if (!isObject(value)) return wrong(`a ${name}`);
  const words = COMPONENTS.get(name)!;
  const { type } = value;
  // A class that the language does not list at this place is a matter of the twins.
  if (
    typeof type === 'string' &&
    type.startsWith('Custom') &&
    typeof value['class_name'] === 'string' &&
    !name.startsWith('Custom')
  )
    return type.replace('Custom', '') === name ? undefined : COMPONENTS.has(type) ? wrong(`type ${name}`) : undefined;
  const typeField = words.fields.get('type')?.type;
  const typeName = typeField?.kind === 'word' ? typeField.word : name;
  if (type !== undefined && type !== typeName) return wrong(`type ${typeName}`);
  if (seen.has(value)) return undefined;
  for (const [field, { type: fieldType, required }] of words.fields) {
    const inner = value[field];
    if (inner === undefined || inner === null) {
      if (required)
        return {
          path: join(path, field),
          near: value,
          expected: `${nameOf(fieldType)}, which ${name} requires`,
          found: 'nothing',
          inside: type === typeName,
        };
      continue;
    }
    const fault = check(inner, fieldType, join(path, field), value, seen);
    if (fault) return { ...fault, inside: fault.inside || type === typeName };
  }
  seen.add(value);
  return undefined;
}

function nameOf(type: FieldType): string {
  switch (type.kind) {
    case 'component':
      return type.name;
    case 'word':
      return `"${type.word}"`;
    case 'list':
      return `a list of ${nameOf(type.of)}`;
    case 'map':
      return `a mapping to ${nameOf(type.of)}`;
    case 'either':
      return type.of.map(nameOf).join(' or ');
    default:
      return type.kind;
  }
}

function join(path: string, key: string): string {
  return path === '' ? key : `${path}.${key}`;
}

function describe(value: Json | undefined): string {
  if (value === undefined) return 'nothing';
  if (isObject(value))
    return typeof value['type'] === 'string'
      ? `type ${value['type']}`
      : `a mapping with ${Object.keys(value).slice(0, 5).join(', ') || 'nothing'}`;
  return Array.isArray(value) ? `a list of ${value.length}` : JSON.stringify(value).slice(0, 80);
}
