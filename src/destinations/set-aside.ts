/** Rows that do not fit, made ready for the quarantine. */
import { createHash } from 'node:crypto';
import type { PrepareInput, StreamTarget } from './contract.js';
import { fieldOf, type DataRecord } from '../base/catalog.js';
import { LIMITS } from '../base/bounds.js';
import { identityText } from '../base/json.js';
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

/** What stands in the quarantine for a number that JSON cannot hold. */
const NO_NUMBER = '(NaN, infinite or beyond 1e308)';

/** A record as text for the quarantine: all of it, whatever it is. */
function writtenOut(record: unknown): string {
  return identityText(record, NO_NUMBER);
}

/** A value, short, as it is shown to people. */
export function describe(value: unknown): string {
  const text = redact(identityText(value));
  return `${typeof value} ${text.length > 60 ? `${text.slice(0, 60)}…` : text}`;
}
