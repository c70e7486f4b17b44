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

export type SyncMode = 'full_refresh' | 'incremental';

/** How rows land: `upsert` by primary key, `append` always, `replace` by a fresh table swapped in after the proof. */
export const WRITE_MODES = ['upsert', 'append', 'replace'] as const;
/** One of them. */
export type WriteMode = (typeof WRITE_MODES)[number];
