/** Words of the Airbyte protocol that all parts share: schemas and records. */
export type JsonType = 'string' | 'integer' | 'number' | 'boolean' | 'object' | 'array' | 'null';

/** The part of JSON schema that describes records. */
export interface JsonSchema {
  type?: JsonType | JsonType[];
  format?: string;
  title?: string;
  description?: string;
  /** The values that there are. */
  enum?: unknown[];
  /** Some of them. */
  examples?: unknown[];
  properties?: Record<string, JsonSchema>;
  items?: JsonSchema;
  additionalProperties?: boolean;
  required?: string[];
}

/** One object as the API sent it. */
export type DataRecord = Record<string, unknown>;

/**
 * A record's own field; undefined for what every object inherits, such as `constructor`, `toString` and `__proto__`.
 */
export function fieldOf(record: DataRecord, field: string): unknown {
  const value = record[field];
  // What is inherited is a function, which no API sends, or the prototype: others need not be looked up twice.
  return (typeof value === 'function' || field === '__proto__') && !Object.hasOwn(record, field) ? undefined : value;
}

/** Sets a field of any name: assigning to `__proto__` would change what the record inherits instead. */
export function setField(record: DataRecord, field: string, value: unknown): void {
  if (field !== '__proto__') record[field] = value;
  else Object.defineProperty(record, field, { value, writable: true, enumerable: true, configurable: true });
}

/** What a schema says of a field; undefined where it does not name it. */
export function propertyOf({ properties }: JsonSchema, field: string): JsonSchema | undefined {
  return properties !== undefined && Object.hasOwn(properties, field) ? properties[field] : undefined;
}

export type SyncMode = 'full_refresh' | 'incremental';

/** How rows land: `upsert` by primary key, `append` always, `replace` by a fresh table swapped in after the proof. */
export const WRITE_MODES = ['upsert', 'append', 'replace'] as const;
/** One of them. */
export type WriteMode = (typeof WRITE_MODES)[number];
