/** The messages of Singer's specification, and the catalog that `--discover` prints and `--catalog` gives back. */
import type { JsonSchema } from '../../base/catalog.js';
import type { Counts } from '../contract.js';

/** One line on stdout. */
export type SingerMessage =
  | { type: 'SCHEMA'; stream: string; schema: JsonSchema; key_properties: string[]; bookmark_properties?: string[] }
  | { type: 'STATE'; value: SingerState }
  | { type: 'ACTIVATE_VERSION'; stream: string; version: number };

/** What is known of a stream after the records before it. */
export interface SingerBookmark {
  /** Of the reading that its records belong to: when it began, milliseconds. */
  version: number;
  /** That reading is not whole yet. */
  reading?: true;
  /** Rows of this reading, and of the one before it. */
  rows: number;
  before?: number | undefined;
  /** So few rows came that it was not believed. */
  held?: number;
  counts: Counts;
  /** The ledger: key to version and value, as JSON text: many targets cannot hand back a number with a fraction. */
  entries: Record<string, [version: number, value: string]>;
}

/** The state: a bookmark a stream. */
export interface SingerState {
  bookmarks: Record<string, SingerBookmark>;
}

/** Metadata of a stream (breadcrumb []) or of one of its properties. */
export interface SingerMetadata {
  breadcrumb: string[];
  metadata: Record<string, unknown>;
}

/** A stream of the catalog. */
export interface SingerStream {
  tap_stream_id: string;
  stream: string;
  schema: JsonSchema & { selected?: boolean };
  key_properties: string[];
  replication_method?: 'INCREMENTAL' | 'FULL_TABLE';
  metadata: SingerMetadata[];
}
