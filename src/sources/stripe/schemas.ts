/**
 * JSON schemas of the streams: of the newest version from the vendor's types, of 2024-06-20 as they were typed then.
 */
import type { JsonSchema, JsonType } from '../../base/catalog.js';
import { ABOUT, SCHEMAS } from './generated/schemas.js';
import { FIELDS_2024 } from './schemas-2024.js';
import type { StreamDefinition } from './streams.js';
import { FIRST_VERSION, NEWEST_VERSION } from './versions.js';

/** A stream's fields at a version. */
export interface StreamSchema {
  schema: JsonSchema;
  /** The version is not one that the schemas know: another type widens a column instead of spoiling its row. */
  isHint: boolean;
}

const KINDS: Record<string, { type: JsonType[]; format?: string }> = {
  s: { type: ['string'] },
  d: { type: ['string'], format: 'date-time' },
  i: { type: ['integer'] },
  t: { type: ['integer'], format: 'unix-time' },
  n: { type: ['number'] },
  b: { type: ['boolean'] },
  a: { type: ['array'] },
  o: { type: ['object'] },
  // An id, or the object itself where it is expanded.
  x: { type: ['string', 'object'] },
  j: { type: ['object', 'array', 'string'] },
};

/** Every field may be null: what is required is the key. `keep` are fields that are always there. */
export function schemaOf(
  definition: StreamDefinition,
  version: string,
  keep: readonly string[],
  chosen?: readonly string[],
): StreamSchema {
  const { properties, isHint } = propertiesOf(definition, version);
  const entries = Object.entries(properties).filter(
    ([name]) => chosen === undefined || chosen.includes(name) || keep.includes(name),
  );
  const schema: JsonSchema = {
    type: 'object',
    ...titled(definition),
    properties: Object.fromEntries(entries),
    additionalProperties: true,
    required: [...definition.key],
  };
  return { schema, isHint };
}

/** Names of the fields that a stream has at a version. */
export function fieldNames(definition: StreamDefinition, version: string): string[] {
  return Object.keys(propertiesOf(definition, version).properties);
}

function titled({ list }: StreamDefinition): Pick<JsonSchema, 'title' | 'description'> {
  const description = ABOUT[list.path];
  return { title: list.type.replace(/(?<=[a-z])(?=[A-Z])/g, ' '), ...(description ? { description } : {}) };
}

function propertiesOf(
  definition: StreamDefinition,
  version: string,
): { properties: Record<string, JsonSchema>; isHint: boolean } {
  const old = FIELDS_2024[definition.name];
  const newest = version === FIRST_VERSION && old !== undefined ? {} : generated(definition.list.path);
  const earlier = version === NEWEST_VERSION || old === undefined ? {} : typed(old);
  return {
    properties: { ...newest, ...earlier, ...parentOf(definition, { ...newest, ...earlier }) },
    isHint: version !== NEWEST_VERSION && (version !== FIRST_VERSION || old === undefined),
  };
}

/**
 * Children that change with their parent are found by its id: it is text. Where the API leaves it out, it is put in.
 */
function parentOf(
  { shape, withParent }: StreamDefinition,
  known: Record<string, JsonSchema>,
): Record<string, JsonSchema> {
  if (typeof shape !== 'object' || (known[shape.field] !== undefined && !withParent)) return {};
  const { description } = known[shape.field] ?? {};
  return { [shape.field]: { type: ['string', 'null'], ...(description ? { description } : {}) } };
}

function typed(text: string): Record<string, JsonSchema> {
  return Object.fromEntries(
    text
      .trim()
      .split(/\s+/)
      .map((entry) => {
        const [name, type] = entry.split(':') as [string, JsonType | 'json'];
        return [name, { type: type === 'json' ? ['object', 'array', 'string', 'null'] : [type, 'null'] }];
      }),
  );
}

/** The fields of a list as the generator wrote them down; a field that the schema lists no null for may be left out. */
function generated(path: string): Record<string, JsonSchema> {
  const text = SCHEMAS[path]!;
  if (text.startsWith('=')) return generated(text.slice(1));
  return Object.fromEntries(
    text.split('\n').map((line) => fieldOf(line.split('\t') as [string, string, string, string])),
  );
}

function fieldOf([name, kind, values, description]: [string, string, string, string]): [string, JsonSchema] {
  const { type, format } = KINDS[kind[0]!]!;
  const listed = values === '' ? undefined : values.split('|');
  const isOpen = kind.includes('~');
  return [
    name,
    {
      type: [...type, 'null'],
      ...(format ? { format } : {}),
      // Where other values may come, the known ones are examples.
      ...(listed ? (isOpen ? { examples: listed } : { enum: [...listed, null] }) : {}),
      ...(description ? { description } : {}),
    },
  ];
}
