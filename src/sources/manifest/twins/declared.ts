/**
 * Twins that are described, not written: what a class of a usual shape does, in a few lines of YAML beside the manifest
 * (`components.headrace.yaml`). It is data: nothing of it is run, and its templates reach what those of a manifest
 * reach.
 */
import { existsSync } from 'node:fs';
import path from 'node:path';
import type { z } from 'zod';
import { ConfigError } from '../../../base/errors.js';
import { LIMITS } from '../../../base/bounds.js';
import { readInputFile } from '../../../base/input-file.js';
import { schemaFault } from '../../../base/schema-fault.js';
import { isObject, readManifest, type Json, type JsonObject, type Origins } from '../document/read.js';
import { COMPONENTS } from '../document/vocabulary.js';
import type { ReplaceInput, Twin, Twins } from '../runtime/twin.js';
import { Templates } from '../templates/template.js';
import { TemplateError } from '../templates/values.js';
import {
  fileSchema,
  KINDS,
  STEPS,
  USES,
  type Choose,
  type DeclaredClass,
  type Login,
  type Replacement,
  type Step,
} from './declared-schema.js';
import { fieldOf, filledIn } from './declared-fields.js';
import { partsOfParents } from './declared-parents.js';
import { recordsOf } from './declared-records.js';
import { holds, stepComponents, stepsOf } from './declared-steps.js';

export const COMPONENTS_FILE = 'components.headrace.yaml';

/** Those of the file beside a manifest, where there is one. Throws ConfigError that names the place in it. */
export function declaredBeside(manifestFile: string): Twins {
  const file = path.join(path.dirname(path.resolve(manifestFile)), COMPONENTS_FILE);
  return existsSync(file) ? declaredIn(file) : {};
}

export function declaredIn(file: string): Twins {
  let text: string;
  try {
    text = readInputFile(file, LIMITS.configBytes).toString('utf8');
  } catch (error) {
    throw new ConfigError('the components cannot be read', {
      code: 'components_failed',
      place: file,
      expected: 'a file that describes classes',
      found: (error as Error).message,
      next: 'check the path',
    });
  }
  return parseDeclared(text, file);
}

export function parseDeclared(text: string, file: string): Twins {
  const { root, origins } = readFile(text, file);
  const place = placer(root, origins, file);
  const { classes } = checked(fileSchema, root, [], place);
  const twins: Record<string, Twin> = {};
  for (const [name, raw] of Object.entries(classes) as [string, Json][]) {
    const at = ['classes', name];
    assertParts(raw, at, place);
    const known = worded<DeclaredClass>(KINDS, raw, at, place);
    assertComponents(known, at, place);
    assertTemplates(raw, at, place);
    twins[name] = declared(known);
  }
  return twins;
}

function readFile(text: string, file: string): { root: JsonObject; origins: Origins } {
  try {
    return readManifest(text, file);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const isShape = error.code === 'manifest_shape';
    throw fault(error.place ?? file, isShape ? 'a mapping with version and classes' : error.expected, error.found);
  }
}

/** Steps and ways, each by itself: of all schemas at once, none would say what is wrong. */
function assertParts(raw: Json, at: (string | number)[], place: PlaceOf): void {
  if (!isObject(raw)) return;
  for (const name of ['steps', 'prepare'])
    if (Array.isArray(raw[name]))
      for (const [i, step] of raw[name].entries()) worded(STEPS, step, [...at, name, i], place);
  if (!Array.isArray(raw['choose'])) return;
  for (const [i, way] of raw['choose'].entries())
    if (isObject(way) && isObject(way['use'])) {
      assertParts(way['use'], [...at, 'choose', i, 'use'], place);
      worded(USES, way['use'], [...at, 'choose', i, 'use'], place);
    }
}

/** Checked by the schema whose word it has; exactly one. */
function worded<T>(schemas: Record<string, z.ZodType>, raw: Json, at: (string | number)[], place: PlaceOf): T {
  const words = isObject(raw) ? Object.keys(schemas).filter((word) => raw[word] !== undefined) : [];
  if (words.length !== 1)
    throw fault(
      place(at),
      `exactly one of ${Object.keys(schemas).join(', ')}`,
      words.join(' and ') || (isObject(raw) ? Object.keys(raw).join(', ') : '') || 'none of them',
    );
  return checked(schemas[words[0]!] as z.ZodType<T>, raw, at, place);
}

type PlaceOf = (at: readonly (string | number)[]) => string;

/** The nearest value that knows its line. */
function placer(root: JsonObject, origins: Origins, file: string): PlaceOf {
  return (at) => {
    let value: Json | undefined = root;
    let line = 1;
    for (const step of at) {
      value = Array.isArray(value) ? value[Number(step)] : isObject(value) ? value[String(step)] : undefined;
      if (typeof value !== 'object' || value === null) break;
      line = origins.get(value)?.line ?? line;
    }
    return `${file}:${line}${at.length === 0 ? '' : ` (${at.join('.')})`}`;
  };
}

function checked<S extends z.ZodType>(schema: S, value: unknown, at: (string | number)[], place: PlaceOf): z.infer<S> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const found = schemaFault(result.error, value, schema);
  const where = [...at, ...found.path.map((step) => (typeof step === 'symbol' ? String(step) : step))];
  throw fault(
    place(where),
    found.unknown
      ? `only what docs/guides/twins.md lists${found.candidates?.length ? `, such as ${found.candidates.join(', ')}` : ''}`
      : found.expected,
    found.unknown ? `unknown: ${found.found}` : found.found,
  );
}

function fault(place: string, expected: string | undefined, found: string | undefined): ConfigError {
  return new ConfigError('the components are wrong', {
    code: 'components_invalid',
    place,
    expected,
    found,
    next: 'correct the file (docs/guides/twins.md)',
  });
}

/** A class can only stand for a component of the language. */
function assertComponents(known: DeclaredClass, at: (string | number)[], place: PlaceOf): void {
  const stepsIn = (steps: readonly unknown[], from: (string | number)[]): [string, (string | number)[]][] =>
    steps.flatMap((step, i): [string, (string | number)[]][] =>
      isObject(step) && 'type' in step ? [[String(step['type']), [...from, i, 'type']]] : [],
    );
  const replacing = ({ is, prepare = [] }: Replacement, from: (string | number)[]): [string, (string | number)[]][] => [
    [is, [...from, 'is']],
    ...stepsIn(prepare, [...from, 'prepare']),
  ];
  const types =
    'is' in known
      ? replacing(known, at)
      : 'choose' in known
        ? known.choose.flatMap(({ use }, i) => ('is' in use ? replacing(use, [...at, 'choose', i, 'use']) : []))
        : 'steps' in known
          ? stepsIn(known.steps, [...at, 'steps'])
          : [];
  for (const [type, where] of types)
    if (!COMPONENTS.has(type) || type.startsWith('Custom'))
      throw fault(place(where), 'a component of the language that is not custom', type);
}

const templates = new Templates(() => 0);

/** A template that cannot be read is named where it stands, before anything is asked for. */
function assertTemplates(value: Json, at: (string | number)[], place: PlaceOf): void {
  if (typeof value === 'string') {
    try {
      templates.compile(value);
    } catch (error) {
      if (!(error instanceof TemplateError)) throw error;
      throw fault(place(at), 'a template that can be read', `${value.slice(0, 120)}: ${error.message}`);
    }
  } else if (typeof value === 'object' && value !== null)
    for (const [key, inner] of Object.entries(value)) assertTemplates(inner, [...at, key], place);
}

/** The twin of one class. */
export function declared(known: DeclaredClass): Twin {
  if ('is' in known) return { replace: (component, _, input) => replacedBy(known, component, input) };
  if ('login' in known) return { replace: (component) => loginOf(known.login, component) };
  if ('records' in known) return { extract: recordsOf(known.records) };
  if ('steps' in known) return stepsOf(known.steps);
  if ('parents' in known) return { replace: (component) => partsOfParents(known.parents, component) };
  if ('keep' in known)
    return { keep: (record, { evaluate, slice }) => holds(evaluate(known.keep, { record, stream_slice: slice })) };
  return { replace: (component, _, input) => chosen(known.choose, component, input) };
}

function chosen(ways: Choose, component: JsonObject, input: ReplaceInput): JsonObject | undefined {
  const way = ways.find(({ when }) => when === undefined || holds(input.evaluate(when)));
  if (!way)
    throw new ConfigError('no way of a described class fits the configuration', {
      code: 'components_no_way',
      place: String(component['class_name']),
      expected: ways.map(({ when }) => when).join(', '),
      found: 'none that is true',
      next: 'correct the configuration, or add a last way without when to the components',
    });
  if ('login' in way.use) return loginOf(way.use.login, component);
  if ('parents' in way.use) return partsOfParents(way.use.parents, component);
  if ('is' in way.use) return replacedBy(way.use, component, input);
  const inner = fieldOf(way.use.component, undefined, component);
  if (isObject(inner)) return inner;
  throw new ConfigError('a described class names no component', {
    code: 'components_field',
    place: String(component['class_name']),
    expected: `a component in ${way.use.component}`,
    found: typeof inner,
    next: 'correct the components (docs/guides/twins.md)',
  });
}

function replacedBy(known: Replacement, component: JsonObject, { schema }: ReplaceInput): JsonObject {
  const { class_name: _, ...own } = component;
  const made: JsonObject = Object.fromEntries(Object.entries(own).filter(([name]) => !known.without?.includes(name)));
  const filled = (value: unknown) => filledIn(value as Json, component, schema);
  for (const [name, value] of Object.entries(known.defaults ?? {})) made[name] ??= filled(value);
  for (const [name, value] of Object.entries(known.with ?? {})) made[name] = merged(made[name], filled(value));
  made['type'] = known.is;
  if (known.prepare && isObject(made['record_selector']))
    made['record_selector'] = {
      ...made['record_selector'],
      twin_steps: stepComponents(known.prepare as Step[], component),
    };
  return known.raw_query ? withRawQuery(made) : made;
}

/** Mappings that are no components are added to; all else takes the place of what was there. */
function merged(old: Json | undefined, next: Json): Json {
  const isPlain = (value: Json | undefined): value is JsonObject => isObject(value) && value['type'] === undefined;
  return isPlain(old) && isPlain(next) ? { ...old, ...next } : next;
}

/** Parameters as they are written, in the path: some servers want brackets and colons unescaped. */
function withRawQuery(component: JsonObject): JsonObject {
  const { request_parameters: parameters, ...rest } = component;
  if (!isObject(parameters) || Object.keys(parameters).length === 0) return component;
  const path = String(rest['path'] ?? '');
  const query = Object.entries(parameters).map(([name, value]) => `${name}=${String(value)}`);
  return { ...rest, path: `${path}${path.includes('?') ? '&' : '?'}${query.join('&')}` };
}

/** A session of the language: one request for a token, which is sent with all others until it ends. */
function loginOf(known: Login, component: JsonObject): JsonObject {
  const $parameters = component['$parameters'] ?? {};
  const filled = (value: unknown) => filledIn((value ?? null) as Json, component);
  const send = known.send ?? { header: 'Authorization', value: 'Bearer {{ session_token }}' };
  const requester: JsonObject = {
    type: 'HttpRequester',
    url_base: filled(known.url),
    http_method: known.method ?? 'POST',
    $parameters,
    ...(known.headers ? { request_headers: filled(known.headers) } : {}),
    ...(known.parameters ? { request_parameters: filled(known.parameters) } : {}),
    ...(known.form ? { request_body_data: filled(known.form) } : {}),
    ...(known.json ? { request_body_json: filled(known.json) } : {}),
    ...(known.basic
      ? { authenticator: { ...(filled(known.basic) as JsonObject), type: 'BasicHttpAuthenticator', $parameters } }
      : {}),
  };
  return {
    type: 'SessionTokenAuthenticator',
    $parameters,
    login_requester: requester,
    session_token_path: known.token,
    ...(known.expires_in ? { expires_in_path: known.expires_in } : {}),
    ...(known.lasts ? { expiration_duration: known.lasts } : {}),
    request_authentication: {
      type: 'ApiKey',
      $parameters,
      api_token: send.value ?? '{{ session_token }}',
      inject_into: {
        type: 'RequestOption',
        inject_into: send.header === undefined ? 'request_parameter' : 'header',
        field_name: (send.header ?? send.parameter)!,
        $parameters,
      },
    },
  };
}
