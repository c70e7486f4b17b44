/** The destination `parquet`: typed files in a folder or a bucket, with commits beside them. */
import { systemClock } from '../../base/clock.js';
import { codeOf, ConfigError, messageOf } from '../../base/errors.js';
import { loadLibrary } from '../../duckdb/engine.js';
import type { Compacted, Destination, OpenOptions, QueryResult } from '../contract.js';
import { ParquetFiles } from './files.js';
import { CommitLog } from './log.js';
import { folderName, type DataFile } from './manifest.js';
import { ParquetSession } from './session.js';
import { shapeOf } from './shape-of.js';
import type { Store } from './store.js';

const QUERY_ATTEMPTS = 3;

/** `day`: the field whose day parts the files of a stream when they are compacted. */
export function parquetDestination(store: Store, day?: string): Destination {
  const partsOf = (connection: string) => {
    const folder = `${folderName(connection)}/`;
    return { store, folder, log: new CommitLog(store, folder), clock: systemClock };
  };
  return {
    description: `Parquet files in ${store.description}`,
    addsOnly: true,
    async check() {
      await loadLibrary();
      await store.check();
    },
    open: (options) => ParquetSession.open(partsOf(options.connection), options),
    query: (sql) => queryAgain(store, sql),
    compact: (options) => compact(partsOf(options.connection), options, day),
    close: async () => {},
  };
}

async function compact(
  parts: { store: Store; folder: string; log: CommitLog; clock: typeof systemClock },
  options: Omit<OpenOptions, 'streams' | 'readOnly'>,
  day: string | undefined,
): Promise<Compacted[]> {
  const { streams } = await parts.log.head();
  const targets = Object.entries(streams).map(([name, { primaryKey }]) => ({
    name,
    primaryKey,
    schema: {},
    schemaIsHint: true,
    mode: 'append' as const,
  }));
  if (targets.length === 0)
    throw new ConfigError("this place holds nothing of this connection's yet", {
      code: 'no_state',
      place: `${parts.store.description}/${parts.folder}`,
      next: 'run headrace sync first',
    });
  const session = await ParquetSession.open(parts, { ...options, streams: targets, readOnly: false });
  try {
    return (await session.compact(day)).map(({ stream, before, after }) => ({
      stream,
      before: sizeOf(before),
      after: sizeOf(after),
    }));
  } finally {
    await session.close();
  }
}

function sizeOf(files: DataFile[]): Compacted['before'] {
  return {
    files: files.length,
    rows: files.reduce((sum, { rows }) => sum + rows, 0),
    bytes: files.reduce((sum, { bytes }) => sum + bytes, 0),
  };
}

/** Files that a run joined meanwhile are gone: what took their place is asked. */
async function queryAgain(store: Store, sql: string): Promise<QueryResult> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await query(store, sql);
    } catch (error) {
      if (attempt === QUERY_ATTEMPTS || (codeOf(error) !== 'file_lost' && !/No files found/.test(messageOf(error))))
        throw error;
    }
  }
}

/** Every connection of the place is a schema, every stream a view of its rows as they are now. */
async function query(store: Store, sql: string): Promise<QueryResult> {
  const folders = new Set(
    (await store.list(''))
      .map((name) => /^([^/]+)\/_headrace\/commits\//.exec(name)?.[1])
      .filter((name) => name !== undefined),
  );
  const files = await ParquetFiles.open(store);
  try {
    const streams = [];
    for (const schema of folders) {
      const head = await new CommitLog(store, `${schema}/`).head();
      for (const [name, stored] of Object.entries(head.streams)) {
        const { primaryKey } = stored;
        const shape = shapeOf({ name, primaryKey, schema: {}, schemaIsHint: true, mode: 'upsert' }, stored);
        streams.push({ schema, shape, files: stored.files, deletions: stored.deletions });
      }
    }
    return await files.query(sql, streams);
  } finally {
    await files.close();
  }
}
