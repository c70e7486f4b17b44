/** The streams of a manifest for one configuration: conditional ones chosen, templates of dynamic ones filled in. */
import { ConfigError } from '../../base/errors.js';
import { LIMITS } from '../../base/bounds.js';
import { placeOf, type Manifest } from './document/manifest.js';
import { propagateParameters } from './document/parameters.js';
import { isObject, readYaml, set, type Json, type JsonObject } from './document/read.js';
import { plainOf, Templates } from './templates/template.js';
import type { Dict, Value } from './templates/values.js';
import { listed } from '../../base/nearest.js';

/** Fetches the records that a dynamic stream is made from. */
export type FetchComponents = (retriever: JsonObject) => Promise<JsonObject[]>;

export interface StreamsInput {
  manifest: Manifest;
  config: JsonObject;
  templates: Templates;
}

/** Streams written out in the manifest, and those that its configuration or parameters make. */
export function staticStreams(input: StreamsInput): JsonObject[] {
  const { manifest, config, templates } = input;
  const streams: JsonObject[] = [];
  for (const entry of objects(manifest.root['streams'])) {
    if (entry['type'] !== 'ConditionalStreams') streams.push(entry);
    else if (
      templates.condition(entry['condition'] as string | boolean, {
        config: config as Dict,
        parameters: parametersOf(entry),
      })
    )
      streams.push(...objects(entry['streams']));
  }
  for (const dynamic of dynamicStreams(manifest)) {
    const resolver = dynamic['components_resolver'] as JsonObject;
    if (resolver['type'] === 'HttpComponentsResolver') continue;
    const values =
      resolver['type'] === 'ParametrizedComponentsResolver'
        ? objects((resolver['stream_parameters'] as JsonObject)['list_of_parameters_for_stream'])
        : configuredComponents(resolver, input);
    streams.push(...fillIn(dynamic, values, input));
  }
  return unique(streams, manifest);
}

/** The same, with those that the API names. */
export async function allStreams(input: StreamsInput, fetch: FetchComponents): Promise<JsonObject[]> {
  const streams = [...staticStreams(input)];
  for (const dynamic of dynamicStreams(input.manifest)) {
    const resolver = dynamic['components_resolver'] as JsonObject;
    if (resolver['type'] === 'HttpComponentsResolver')
      streams.push(...fillIn(dynamic, await fetch(resolver['retriever'] as JsonObject), input));
  }
  return unique(streams, input.manifest);
}

export function hasFetchedStreams(manifest: Manifest): boolean {
  return dynamicStreams(manifest).some(
    (dynamic) => (dynamic['components_resolver'] as JsonObject)['type'] === 'HttpComponentsResolver',
  );
}

/** Streams written out in a manifest, conditional ones included, whatever the configuration. */
export function writtenStreams(manifest: Manifest): JsonObject[] {
  return objects(manifest.root['streams']).flatMap((entry) =>
    entry['type'] === 'ConditionalStreams' ? objects(entry['streams']) : [entry],
  );
}

/** The streams that one which delegates by its state is made of, what it is at first last; else the stream itself. */
export function partsOf(stream: JsonObject): JsonObject[] {
  return stream['type'] === 'StateDelegatingStream'
    ? [stream['incremental_stream'] as JsonObject, stream['full_refresh_stream'] as JsonObject]
    : [stream];
}

export function nameOf(stream: JsonObject): string {
  const parameters = parametersOf(stream);
  const name = stream['name'] ?? parameters['name'];
  return typeof name === 'string' ? name : String(name ?? '');
}

export function parametersOf(component: JsonObject): Dict {
  const parameters = component['$parameters'];
  return isObject(parameters) ? (parameters as Dict) : {};
}

export function dynamicStreams(manifest: Manifest): JsonObject[] {
  return objects(manifest.root['dynamic_streams']);
}

function objects(value: Json | undefined): JsonObject[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}

function unique(streams: JsonObject[], manifest: Manifest): JsonObject[] {
  const seen = new Set<string>();
  for (const stream of streams) {
    const name = nameOf(stream);
    if (seen.has(name))
      throw new ConfigError(`two streams are named ${name}`, {
        code: 'manifest_duplicate_stream',
        place: placeOf(manifest, stream),
        expected: 'a name for each stream',
        found: `${name} twice`,
        next: 'check what the dynamic streams are made from',
      });
    seen.add(name);
  }
  return streams;
}

/** Every combination of the entries that the configuration holds at the pointers. */
function configuredComponents(resolver: JsonObject, { config, templates }: StreamsInput): JsonObject[] {
  const configs = Array.isArray(resolver['stream_config'])
    ? objects(resolver['stream_config'])
    : [resolver['stream_config'] as JsonObject];
  let combinations: JsonObject[] = [{}];
  for (const [index, entry] of configs.entries()) {
    const pointer = (entry['configs_pointer'] as Json[]).map((part) =>
      String(templates.string(String(part), { config: config as Dict, parameters: parametersOf(entry) })),
    );
    const found =
      pointer.reduce<Json | undefined>(
        (at, key) => (isObject(at) ? at[key] : Array.isArray(at) ? at[Number(key)] : undefined),
        config,
      ) ?? [];
    const items = [
      ...(Array.isArray(found) ? found : [found]),
      ...(Array.isArray(entry['default_values']) ? entry['default_values'] : []),
    ];
    combinations = combinations.flatMap((base) =>
      items.map((item, at) =>
        isObject(item) ? { ...base, ...item } : { ...base, [`source_config_${index}`]: [at, item] },
      ),
    );
    if (combinations.length > LIMITS.dynamicStreams)
      throw new ConfigError('the configuration makes too many streams', {
        code: 'too_many_streams',
        expected: `at most ${LIMITS.dynamicStreams}`,
        found: `${combinations.length}`,
      });
  }
  return combinations;
}

function fillIn(
  dynamic: JsonObject,
  values: JsonObject[],
  { manifest, config, templates }: StreamsInput,
): JsonObject[] {
  const template = dynamic['stream_template'] as JsonObject;
  const mappings = objects((dynamic['components_resolver'] as JsonObject)['components_mapping']);
  return values.map((componentValues) => {
    const made = structuredClone(template);
    const context = {
      config: config as Dict,
      components_values: componentValues as Dict,
      stream_template_config: template as Dict,
    };
    for (const mapping of mappings) {
      const scope = { ...context, parameters: parametersOf(mapping) };
      if (mapping['condition'] !== undefined && !templates.condition(mapping['condition'] as string, scope)) continue;
      const value = templates.string(mapping['value'] as string, scope);
      const path = (mapping['field_path'] as Json[]).map((part) => String(templates.string(String(part), scope)));
      const keepsText = mapping['value_type'] === 'string' && typeof value === 'string';
      assign(made, path, keepsText ? value : asYaml(value), mapping['create_or_update'] === true);
    }
    const name = made['name'] ?? dynamic['name'];
    return propagateParameters(
      { ...made, type: made['type'] ?? 'DeclarativeStream', ...(name === undefined ? {} : { name }) },
      manifest.origins,
      manifest.file,
    );
  });
}

/** A text may itself be YAML: a list, a number, a whole component. */
function asYaml(value: Value): Json {
  if (typeof value !== 'string') return plainOf(value) as Json;
  const found = readYaml(value);
  return found === undefined ? value : found;
}

/** `*` stands for every key or index, `**` for any way down to what follows. */
function assign(target: Json, path: string[], value: Json, create: boolean): void {
  const [head, ...rest] = path;
  if (head === undefined || target === null || typeof target !== 'object') return;
  if (head === '**') {
    for (const inner of Object.values(target)) assign(inner, path, value, create);
    assign(target, rest, value, create);
    return;
  }
  const keys = head === '*' ? Object.keys(target) : [head];
  for (const key of keys) {
    const at = target as JsonObject;
    const exists = Array.isArray(target) ? Number(key) < target.length : Object.hasOwn(target, key);
    if (rest.length === 0) {
      if (exists || create) set(at, key, value);
    } else {
      if (!exists && create) set(at, key, {});
      assign(at[key] ?? null, rest, value, create);
    }
  }
}

/** The same component, whatever parameters were handed down to it on the way. */
export function identityOf(component: JsonObject): string {
  return JSON.stringify(component, (key, value: unknown) =>
    key === '$parameters' || key === 'schema_loader'
      ? undefined
      : isObject(value)
        ? Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)))
        : value,
  );
}

/** The streams that are wanted, of all that there are. */
export function chosenStreams(
  source: string,
  definitions: JsonObject[],
  wanted: { streams?: string[] | undefined; exclude?: string[] | undefined },
): JsonObject[] {
  const { streams, exclude = [] } = wanted;
  const names = definitions.map(nameOf);
  for (const name of [...(streams ?? []), ...exclude]) {
    if (!names.includes(name))
      throw new ConfigError(`${source} has no stream ${name}`, {
        code: 'unknown_stream',
        place: 'streams',
        expected: listed(names),
        found: name,
        candidates: names,
        next: 'name one of them',
      });
  }
  const chosen = definitions.filter(
    (json) => (streams?.includes(nameOf(json)) ?? true) && !exclude.includes(nameOf(json)),
  );
  if (chosen.length === 0)
    throw new ConfigError('no stream is left to read', {
      code: 'no_streams',
      place: 'streams, exclude',
      expected: 'at least one stream',
      found: 'none',
    });
  return chosen;
}
