/** The rows of a stream that were written last, for people to look at. */
import type { DataRecord } from '../../base/catalog.js';
import { codeOf } from '../../base/errors.js';
import type { StreamTarget } from '../contract.js';
import { rowOf } from '../duckdb/look.js';
import { FILE_BYTES, type ParquetFiles } from './files.js';
import type { CommitLog } from './log.js';
import type { DataFile } from './manifest.js';
import { shapeOf } from './shape-of.js';

/** Files are fetched up to this size at first: small streams are looked at as a whole. */
const FIRST_BYTES = FILE_BYTES / 2;
/** Nor more than this, where all of it is gone or replaced. */
const MOST_BYTES = 4 * FILE_BYTES;
const ATTEMPTS = 3;

/** Live rows, the newest first; of a large stream, of the files that were written last. */
export async function newestRows(
  log: CommitLog,
  files: ParquetFiles,
  target: StreamTarget,
  limit: number,
): Promise<DataRecord[]> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await look(log, files, target, limit);
    } catch (error) {
      // A run joined them meanwhile: what took their place is looked at.
      if (attempt === ATTEMPTS || codeOf(error) !== 'file_lost') throw error;
    }
  }
}

async function look(log: CommitLog, files: ParquetFiles, target: StreamTarget, limit: number): Promise<DataRecord[]> {
  const stored = (await log.head()).streams[target.name];
  if (!stored || stored.files.length === 0) return [];
  const shape = shapeOf(target, stored);
  const all = byAge(stored.files);
  for (let bytes = FIRST_BYTES; ; bytes *= 4) {
    const some = within(all, bytes);
    const rows = await files.newest(shape, some, stored.deletions, limit);
    if (rows.length >= limit || some.length === all.length || bytes >= MOST_BYTES)
      return rows.map((row) => rowOf(shape, row));
  }
}

/** The newest first. Small ones are added at the end; those that they are joined to go to the front. */
function byAge(files: DataFile[]): DataFile[] {
  const small = files.filter(({ bytes }) => bytes < FILE_BYTES / 2);
  return [...small.toReversed(), ...files.filter((file) => !small.includes(file))];
}

/** As many from the front as have these bytes, at least one; in the order of their age, the oldest first. */
function within(files: DataFile[], bytes: number): DataFile[] {
  let sum = 0;
  return files.filter((file, place) => (sum += file.bytes) <= bytes || place === 0).toReversed();
}
