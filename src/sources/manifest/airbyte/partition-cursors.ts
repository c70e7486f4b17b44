/**
 * Cursors of single partitions, as Airbyte's states have them: each partition goes on where it was, a new one begins.
 */
import { ExactNumber } from '../../../base/json.js';
import { isObject, type JsonObject } from '../document/read.js';

/** A position for a partition's fields, seconds; undefined for one that the state does not know. */
export type PartitionCursor = (fields: Record<string, unknown>) => number | undefined;

/** Keys in order, numbers past what a double keeps as texts. */
function canonical(value: unknown): unknown {
  if (typeof value === 'bigint' || value instanceof ExactNumber) return String(value);
  if (Array.isArray(value)) return value.map(canonical);
  if (!isObject(value)) return value;
  const entries = Object.entries(value as Record<string, unknown>).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, inner]) => [key, canonical(inner)]));
}

/** The same for the same fields, in whatever order. */
export const keyOf = (partition: unknown) => JSON.stringify(canonical(partition));

/**
 * From `{states: [{partition, cursor}]}`, or the oldest form, `{VALUE: {FIELD: cursor}}`; undefined where the state has
 * no cursors of partitions, or says that one counts for all. `read` reads a cursor's value.
 */
export function partitionCursors(
  state: JsonObject,
  field: string,
  read: (value: unknown) => number | undefined,
): PartitionCursor | undefined {
  if (state['use_global_cursor'] === true) return undefined;
  const byPartition = new Map<string, number>();
  const byValue = new Map<string, number>();
  if (Array.isArray(state['states'])) {
    for (const part of state['states']) {
      const at = isObject(part) && isObject(part['cursor']) ? read(part['cursor'][field]) : undefined;
      if (isObject(part) && at !== undefined) byPartition.set(keyOf(part['partition']), at);
    }
  } else if (isLegacy(state, field)) {
    for (const [value, cursor] of Object.entries(state)) {
      const at = read((cursor as JsonObject)[field]);
      if (at !== undefined) byValue.set(value, at);
    }
  }
  if (byPartition.size === 0 && byValue.size === 0) return undefined;
  return (fields) => {
    const known = byPartition.get(keyOf(fields));
    if (known !== undefined || byValue.size === 0) return known;
    const own = Object.entries(fields).find(([name]) => name !== 'parent_slice');
    return own === undefined ? undefined : byValue.get(String(own[1]));
  };
}

/** The oldest form: a cursor under each partition's value, and nothing else. */
function isLegacy(state: JsonObject, field: string): boolean {
  if ('state' in state || 'parent_state' in state) return false;
  const values = Object.values(state);
  return values.length > 0 && values.every((value) => isObject(value) && field in value);
}
