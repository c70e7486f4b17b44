/** Rows that do not fit, made ready for the quarantine. */
import { createHash } from 'node:crypto';
import type { PrepareInput, StreamTarget } from './contract.js';
import { fieldOf, type DataRecord } from '../base/catalog.js';
import { LIMITS } from '../base/bounds.js';
import { ExactNumber, stringifyJson } from '../base/json.js';
import { redact } from '../base/log.js';

/** What tells rows of a table apart. */
interface Keyed {
  target: StreamTarget;
  keyText(record: DataRecord): string;
}

export interface QuarantinedRow {
  stream: string;
  key: string | null;
  reason: string;
  raw: string;
  digest: string;
  page: string;
}

export function setAside(table: Keyed, record: unknown, reason: string, input: PrepareInput): QuarantinedRow {
  const raw = redact(writtenOut(record)).replaceAll('\0', '\ufffd').toWellFormed();
  const digest = createHash('sha256').update(raw).digest('hex');
  const key = hasKey(table, record)
    ? table.keyText(record).slice(0, LIMITS.keyBytes).replaceAll('\0', '\ufffd').toWellFormed()
    : null;
  return { stream: input.stream, key, reason, raw, digest, page: input.page };
}

function hasKey({ target: { primaryKey } }: Keyed, record: unknown): record is DataRecord {
  if (record === null || typeof record !== 'object' || primaryKey.length === 0) return false;
  return primaryKey.every((field) => (fieldOf(record as DataRecord, field) ?? null) !== null);
}

/** A record as text for the quarantine: something of it, whatever it is. */
function writtenOut(record: unknown): string {
  try {
    return stringifyJson(record) ?? 'undefined';
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    const flat = Object.entries(record as object).map(([field, value]) => [
      field,
      value !== null && typeof value === 'object' && !(value instanceof ExactNumber)
        ? '(left out: nested too deep)'
        : value,
    ]);
    return stringifyJson(Object.fromEntries(flat));
  }
}

/** A value, short, as it is shown to people. */
export function describe(value: unknown): string {
  const text = redact(stringifyJson(value) ?? String(value));
  return `${typeof value} ${text.length > 60 ? `${text.slice(0, 60)}…` : text}`;
}
