/** What a commit changes in a manifest: state by compare-and-set, files and columns of its streams, and its receipt. */
import { LedgerConflictError } from '../../base/errors.js';
import type { Shape, ShapedRows } from '../duckdb/shape.js';
import { addCounts, noCounts, type CommitReceipt, type Counts, type StateWrite } from '../contract.js';
import type { Manifest, StoredStream } from './manifest.js';

const ENTRY = '\u0001';

export function streamIn(manifest: Manifest, shape: Shape): StoredStream {
  const { name, primaryKey } = shape.target;
  const found = (manifest.streams[name] ??= { columns: [], primaryKey, files: [], deletions: [] });
  found.columns = shape.columns.map(({ field, name: column, type, large }) => ({ field, name: column, type, large }));
  shape.changes = [];
  return found;
}

export function apply({ entries }: Pick<Manifest, 'entries'>, writes: StateWrite[]): void {
  for (const { stream, key, expect } of writes) {
    const at = `${stream}${ENTRY}${key}`;
    const there = entries[at]?.version ?? 0;
    if (there !== expect)
      throw new LedgerConflictError("another process changed this stream's ledger", {
        code: 'ledger_conflict',
        expected: `version ${expect}`,
        found: `version ${there}`,
      });
  }
  for (const { stream, key, expect, value } of writes)
    if (value === null) delete entries[`${stream}${ENTRY}${key}`];
    else entries[`${stream}${ENTRY}${key}`] = { stream, key, version: expect + 1, value: structuredClone(value) };
}

export function receiptOf(parts: ShapedRows[]): CommitReceipt {
  const counts: Record<string, Counts> = {};
  for (const { stream, rows, quarantined, deleted } of parts)
    addCounts(counts, stream, {
      ...noCounts(),
      read: rows + quarantined,
      inserted: rows,
      quarantined,
      deleted: deleted.length,
    });
  return { counts };
}

export function byStream(parts: ShapedRows[]): Map<string, ShapedRows[]> {
  const groups = new Map<string, ShapedRows[]>();
  for (const part of parts) {
    const group = groups.get(part.stream);
    if (group) group.push(part);
    else groups.set(part.stream, [part]);
  }
  return groups;
}

/** Runs of items that follow each other and are meant. */
export function neighbours<T>(items: readonly T[], isMeant: (item: T) => boolean): T[][] {
  const runs: T[][] = [[]];
  for (const item of items)
    if (isMeant(item)) runs.at(-1)!.push(item);
    else runs.push([]);
  return runs.filter((run) => run.length > 0);
}
