/** What a stream of a manifest looks like in a catalog: its schema, key and cursor. */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { ConfigError } from '../../base/errors.js';
import { LIMITS } from '../../base/bounds.js';
import { readInputFile } from '../../base/input-file.js';
import type { AirbyteStream } from './airbyte/messages.js';
import { placeOf, type Manifest } from './document/manifest.js';
import { isObject, type Json, type JsonObject } from './document/read.js';
import { nameOf, parametersOf, partsOf } from './streams.js';
import type { Twins } from './runtime/twin.js';
import { foundTwin } from './runtime/twins.js';
import type { Templates } from './templates/template.js';
import type { Dict } from './templates/values.js';

export interface CatalogInput {
  manifest: Manifest;
  config: JsonObject;
  templates: Templates;
  /** What stands for a class that loads a schema; without it, any fields are taken. */
  twins?: Twins;
  /** Schemas that have to be asked for. */
  dynamicSchema?: (stream: JsonObject, loader: JsonObject) => JsonObject | undefined;
}

export function airbyteStream(json: JsonObject, input: CatalogInput): AirbyteStream {
  const [stream] = partsOf(json) as [JsonObject];
  const cursor = cursorFieldOf(stream, input);
  const key = primaryKeyOf(stream);
  return {
    name: nameOf(json),
    json_schema: schemaOf(stream, input),
    supported_sync_modes: cursor === undefined ? ['full_refresh'] : ['full_refresh', 'incremental'],
    is_resumable: cursor !== undefined,
    is_file_based: stream['file_uploader'] !== undefined,
    ...(cursor === undefined
      ? {}
      : {
          source_defined_cursor:
            (stream['incremental_sync'] as JsonObject)['allow_catalog_defined_cursor_field'] !== true,
          default_cursor_field: [cursor],
        }),
    ...(key.length > 0 ? { source_defined_primary_key: key.map((field) => [field]) } : {}),
  };
}

/** The fields of the primary key; a nested one is written with dots. */
export function primaryKeyOf(stream: JsonObject): string[] {
  const key = stream['primary_key'];
  if (typeof key === 'string') return key === '' ? [] : [key];
  return Array.isArray(key)
    ? key.flatMap((part) => (typeof part === 'string' ? [part] : Array.isArray(part) ? [part.join('.')] : []))
    : [];
}

/** Undefined where the stream is read whole. */
function cursorFieldOf(
  stream: JsonObject,
  { config, templates }: Pick<CatalogInput, 'config' | 'templates'>,
): string | undefined {
  const sync = stream['incremental_sync'];
  if (!isObject(sync) || typeof sync['cursor_field'] !== 'string') return undefined;
  return String(templates.string(sync['cursor_field'], { config: config as Dict, parameters: parametersOf(sync) }));
}

export function schemaOf(stream: JsonObject, input: CatalogInput): JsonObject {
  const loader = stream['schema_loader'];
  if (Array.isArray(loader)) {
    const properties: JsonObject = {};
    for (const part of loader.filter(isObject))
      for (const [name, value] of Object.entries(
        (loaded(stream, part, input)['properties'] as JsonObject | undefined) ?? {},
      ))
        if (!Object.hasOwn(properties, name)) properties[name] = value;
    return { $schema: 'http://json-schema.org/draft-07/schema#', type: ['null', 'object'], properties };
  }
  return isObject(loader) ? loaded(stream, loader, input) : (fromFile(`./schemas/${nameOf(stream)}.json`, input) ?? {});
}

const ANY_FIELDS: JsonObject = { type: 'object', additionalProperties: true, properties: {} };

function loaded(stream: JsonObject, loader: JsonObject, input: CatalogInput): JsonObject {
  switch (loader['type']) {
    case 'InlineSchemaLoader':
      return isObject(loader['schema']) ? loader['schema'] : {};
    case 'JsonFileSchemaLoader': {
      const template =
        typeof loader['file_path'] === 'string' && loader['file_path'] !== ''
          ? loader['file_path']
          : `./schemas/${nameOf(stream)}.json`;
      const file = String(
        input.templates.string(template, {
          config: input.config as Dict,
          parameters: { ...parametersOf(stream), ...parametersOf(loader) },
        }),
      );
      const schema = fromFile(file, input);
      if (!schema)
        throw new ConfigError(`the schema of stream ${nameOf(stream)} is not there`, {
          code: 'schema_missing',
          place: placeOf(input.manifest, loader),
          expected: `${file} beside the manifest`,
          found: 'no such file',
          next: "copy the connector's schemas folder beside the manifest",
        });
      return schema;
    }
    case 'DynamicSchemaLoader':
      return (
        input.dynamicSchema?.(stream, loader) ?? {
          $schema: 'https://json-schema.org/draft-07/schema#',
          type: 'object',
          additionalProperties: true,
          properties: {},
        }
      );
    case 'CustomSchemaLoader': {
      const { manifest, config, twins = {} } = input;
      return foundTwin({ manifest, twins }, loader)?.schema?.(loader, config) ?? ANY_FIELDS;
    }
    default:
      return ANY_FIELDS;
  }
}

/**
 * A schema file beside the manifest: as it is named, or below the folder without the name of a Python package. Never
 * outside.
 */
function fromFile(file: string, { manifest }: CatalogInput): JsonObject | undefined {
  const base = path.dirname(path.resolve(manifest.file));
  const parts = file.split('/').filter((part) => part !== '' && part !== '.');
  for (const candidate of [parts, parts.slice(1)]) {
    const found = path.join(base, ...candidate);
    if (candidate.includes('..') || candidate.length === 0 || !existsSync(found)) continue;
    try {
      return withShared(jsonIn(found), path.dirname(found), found);
    } catch (error) {
      if (error instanceof ConfigError) throw error;
      throw new ConfigError('a schema file is not valid JSON', {
        code: 'schema_invalid',
        place: found,
        expected: `a JSON schema of at most ${LIMITS.configBytes} bytes`,
        found: (error as Error).message,
        next: 'correct the file',
      });
    }
  }
  return undefined;
}

const jsonIn = (file: string) => JSON.parse(readInputFile(file, LIMITS.configBytes).toString('utf8')) as JsonObject;

/** `$ref`s of schema files point into a folder `shared`, or to definitions of their own. */
function withShared(schema: JsonObject, folder: string, file: string): JsonObject {
  const files = new Map<string, JsonObject>([['', schema]]);
  const walk = (value: Json, own: JsonObject, depth: number): Json => {
    if (depth > 100)
      throw new ConfigError('references of a schema go in a circle', { code: 'schema_cycle', place: file });
    if (Array.isArray(value)) return value.map((item) => walk(item, own, depth + 1));
    if (!isObject(value)) return value;
    const reference = value['$ref'];
    if (typeof reference === 'string') {
      const [target, pointer = ''] = reference.split('#') as [string, string?];
      const document = target === '' ? own : sharedFile(target, folder, files, file);
      const found = pointer
        .split('/')
        .filter(Boolean)
        .reduce<Json | undefined>((at, key) => (isObject(at) ? at[key] : undefined), document);
      if (found === undefined)
        throw new ConfigError('a reference of a schema names nothing', {
          code: 'schema_ref_missing',
          place: file,
          found: reference,
        });
      const { $ref: _, ...beside } = value;
      const resolved = walk(found, document, depth + 1);
      return isObject(resolved) ? { ...resolved, ...(walk(beside, own, depth + 1) as JsonObject) } : resolved;
    }
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, walk(inner, own, depth + 1)]));
  };
  const { definitions: _, ...resolved } = walk(schema, schema, 0) as JsonObject;
  return resolved;
}

function sharedFile(target: string, folder: string, files: Map<string, JsonObject>, from: string): JsonObject {
  const known = files.get(target);
  if (known) return known;
  const candidates = [path.join(folder, target), path.join(folder, 'shared', target)];
  const found = candidates.find(
    (candidate) => !path.relative(folder, candidate).startsWith('..') && existsSync(candidate),
  );
  if (!found)
    throw new ConfigError('a schema refers to a file that is not there', {
      code: 'schema_ref_missing',
      place: from,
      found: target,
    });
  const document = jsonIn(found);
  files.set(target, document);
  return document;
}
