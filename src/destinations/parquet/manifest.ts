/** A commit as a file: all of a connection's state, and the data files that hold its rows. */
import { createHash } from 'node:crypto';
import { ConfigError, messageOf } from '../../base/errors.js';
import { stringifyJson } from '../../base/json.js';
import type { ColumnType } from '../../duckdb/columns.js';
import type { Counts, StateEntry } from '../contract.js';

/** One Parquet file. */
export interface DataFile {
  /** Relative to the folder or the prefix. */
  name: string;
  rows: number;
  bytes: number;
  /** Rows that are marked deleted in it; of a file of deletions, all. */
  deleted: number;
}

export interface StoredStream {
  /** In the order in which files have them; later files may have more. */
  columns: { field: string; name: string; type: ColumnType; large: boolean }[];
  primaryKey: string[];
  /** Rows, in the order in which they were committed. */
  files: DataFile[];
  /** Keys of objects that are gone, each with its time. */
  deletions: DataFile[];
  /** What a stream in mode `replace` fills before it is published. */
  next?: DataFile[] | undefined;
}

/** A run that writes. */
export interface Holder {
  runId: string;
  host: string;
  pid: number;
  startedMs: number;
  /** When it committed last, milliseconds. */
  seenMs: number;
}

export interface Manifest {
  version: 1;
  /** Counts the commits of the connection, from 1. */
  commit: number;
  /** Tells commits apart that say the same: whose answer was lost finds its own again by it. */
  id: string;
  holder: Holder | null;
  entries: Record<string, StateEntry>;
  counts: Record<string, Counts>;
  streams: Record<string, StoredStream>;
  /** Files of rows that did not fit. */
  quarantine: DataFile[];
}

export function emptyManifest(): Manifest {
  return { version: 1, commit: 0, id: '', holder: null, entries: {}, counts: {}, streams: {}, quarantine: [] };
}

export function encodeManifest(manifest: Manifest): Buffer {
  return Buffer.from(stringifyJson(manifest));
}

export function decodeManifest(body: Buffer, place: string): Manifest {
  try {
    const manifest = JSON.parse(body.toString('utf8')) as Manifest;
    if (manifest.version !== 1 || typeof manifest.entries !== 'object' || typeof manifest.streams !== 'object')
      throw new Error('not a manifest of Headrace, or one of a newer version');
    return manifest;
  } catch (cause) {
    throw new ConfigError('the manifest cannot be read', {
      code: 'bad_state',
      place,
      expected: 'what headrace wrote',
      found: messageOf(cause),
      next: 'restore it from a backup, or name another folder and sync anew',
      cause,
    });
  }
}

/** All files that a manifest names. */
export function filesOf({ streams, quarantine }: Manifest): DataFile[] {
  return [
    ...quarantine,
    ...Object.values(streams).flatMap(({ files, deletions, next }) => [...files, ...deletions, ...(next ?? [])]),
  ];
}

/** A name as a folder: what not every system takes is replaced, and told apart by a digest. */
export function folderName(name: string): string {
  const clean = name.replace(/[^A-Za-z0-9_-]/g, '_').slice(0, 80);
  if (clean === name && !clean.startsWith('_headrace')) return name;
  return `${clean}-${createHash('sha256').update(name).digest('hex').slice(0, 8)}`;
}
