/** Rows as lines of JSON; what has no line goes to the quarantine. */
import type { DataRecord } from '../../base/catalog.js';
import { hasUnstorableNumber, stringifyJson } from '../../base/json.js';
import type { PreparedRows, PrepareInput } from '../contract.js';

/** A page's rows, ready to be appended. */
export interface Lines extends PreparedRows {
  data: Buffer;
  quarantine: Buffer;
  lines: number;
  deleted: number;
}

/** Encodes a page's rows, deletions and quarantine. */
export function linesOf(input: PrepareInput, runId: string): Lines {
  const meta = {
    _headrace_run_id: runId,
    _headrace_extracted_at: new Date(input.version).toISOString(),
    _headrace_page: input.page,
  };
  const good: string[] = [];
  const bad: string[] = [];
  for (const record of input.records) {
    const line = lineOf(record, meta);
    if (typeof line === 'string') good.push(line);
    else bad.push(`${stringifyJson({ stream: input.stream, ...line })}\n`);
  }
  const deleted = input.deleted ?? [];
  for (const key of deleted)
    good.push(`${stringifyJson({ ...key, _headrace_deleted_at: meta._headrace_extracted_at, ...meta })}\n`);
  const data = Buffer.from(good.join(''));
  return {
    stream: input.stream,
    rows: input.records.length - bad.length,
    bytes: data.length + 256,
    quarantined: bad.length,
    data,
    quarantine: Buffer.from(bad.join('')),
    lines: good.length,
    deleted: deleted.length,
  };
}

/** A record's line, or why it has none. */
function lineOf(record: DataRecord, meta: DataRecord): string | { reason: string; raw: string } {
  try {
    if (record === null || typeof record !== 'object' || Array.isArray(record))
      return { reason: 'not an object', raw: stringifyJson(record) ?? 'undefined' };
    const json = stringifyJson({ ...record, ...meta });
    // What JSON has no number for it writes as null.
    if (json.includes('null') && hasUnstorableNumber(record))
      return { reason: 'a number that is NaN, infinite or beyond 1e308 cannot be stored', raw: json };
    return `${json}\n`;
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return { reason: 'nested too deep, or too large to be written', raw: `{${Object.keys(record).join(', ')}}` };
  }
}
