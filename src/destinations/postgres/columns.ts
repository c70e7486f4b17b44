/** From JSON schema to columns, and from values to PostgreSQL's COPY text. */
import type { JsonSchema, JsonType } from '../../base/catalog.js';
import { isDate, parseInstant } from '../../base/instant.js';
import { ExactNumber, hasUnstorableNumber, stringifyJson } from '../../base/json.js';
import { plainNumber } from './stored-text.js';

export type ColumnType = 'boolean' | 'bigint' | 'numeric' | 'timestamptz' | 'date' | 'text' | 'jsonb';

export interface Column {
  /** The field of the record. */
  field: string;
  /** Its name in the table: the field, fitted to what PostgreSQL takes. */
  name: string;
  type: ColumnType;
  /** The connector promises this type: another one is a malformed row. Columns that grew from data widen instead. */
  declared: boolean;
  key: boolean;
  /** What reads it, where its type cannot change for that. */
  heldBy?: string | undefined;
}

/** Marks a value that does not fit its column. */
export const MISFIT = Symbol('misfit');

/** Marks a number that no column can store, or an object that holds one. */
export const UNSTORABLE_NUMBER = Symbol('unstorable number');

export const NULL = '\\N';

/** `isKey`: keys are compared as the text that they are. */
export function columnTypeOf(schema: JsonSchema, isKey: boolean): ColumnType {
  const types = ([] as JsonType[]).concat(schema.type ?? []).filter((type) => type !== 'null');
  if (types.length !== 1) return 'jsonb';
  switch (types[0]!) {
    case 'string':
      if (isKey) return 'text';
      return schema.format === 'date-time' ? 'timestamptz' : schema.format === 'date' ? 'date' : 'text';
    case 'integer':
      return 'bigint';
    case 'number':
      return 'numeric';
    case 'boolean':
      return 'boolean';
    default:
      return 'jsonb';
  }
}

/** The type that a value asks for in a column; undefined for null, which fits anywhere. */
export function typeOfValue(value: unknown, column?: ColumnType): ColumnType | undefined {
  switch (typeof value) {
    case 'string':
      return column !== undefined && isTime(value, column) ? column : 'text';
    case 'boolean':
      return 'boolean';
    case 'bigint':
      return fitsBigint(value) ? 'bigint' : 'numeric';
    case 'number':
      return Number.isSafeInteger(value) ? 'bigint' : 'numeric';
    case 'object':
      if (value instanceof ExactNumber) return 'numeric';
      return value === null ? undefined : 'jsonb';
    default:
      return undefined;
  }
}

function isTime(value: string, type: ColumnType): boolean {
  return type === 'timestamptz' ? parseInstant(value) !== undefined : type === 'date' && isDate(value);
}

/**
 * How a column's values are written in a wider one. Moments keep the form that APIs use. It may be done twice: a column
 * that is text already stays as it is.
 */
export function castSql(column: string, from: ColumnType, to: ColumnType): string {
  return to === 'text' && (from === 'timestamptz' || from === 'date')
    ? `to_jsonb(${column}) #>> '{}'`
    : `${column}::${to}`;
}

/**
 * The narrowest type that holds both: bigint < numeric < text, boolean, date, timestamptz < text; jsonb and text take
 * anything.
 */
export function widen(from: ColumnType, to: ColumnType): ColumnType {
  if (from === to || from === 'jsonb' || from === 'text') return from;
  if ((from === 'bigint' && to === 'numeric') || (from === 'numeric' && to === 'bigint')) return 'numeric';
  return 'text';
}

/** COPY text of a value for a column, or MISFIT. */
export function encode(value: unknown, type: ColumnType): string | typeof MISFIT | typeof UNSTORABLE_NUMBER {
  if (value === null || value === undefined) return NULL;
  if (typeof value === 'number' && !Number.isFinite(value)) return UNSTORABLE_NUMBER;
  switch (type) {
    case 'text':
      if (typeof value === 'string') return escapeText(value);
      return MISFIT;
    case 'timestamptz':
    case 'date':
      return typeof value === 'string' && isTime(value, type) ? value : MISFIT;
    case 'bigint':
      if (typeof value === 'number' ? Number.isSafeInteger(value) : typeof value === 'bigint' && fitsBigint(value))
        return String(value);
      return MISFIT;
    case 'numeric':
      if (typeof value === 'number' || typeof value === 'bigint' || value instanceof ExactNumber) return String(value);
      return MISFIT;
    case 'boolean':
      if (typeof value === 'boolean') return value ? 'true' : 'false';
      return MISFIT;
    case 'jsonb':
      return escapeJson(value);
  }
}

/** Text for a column that takes anything as text. */
export function asText(value: unknown): string | typeof UNSTORABLE_NUMBER {
  if (typeof value === 'string') return escapeText(value);
  // As what a column of numbers held is written where it becomes one of text.
  if (isNumber(value)) return Number.isFinite(Number(value)) ? plainNumber(value) : UNSTORABLE_NUMBER;
  const json = stringifyJson(value);
  return holdsUnstorable(json, value) ? UNSTORABLE_NUMBER : escapeText(json);
}

const isNumber = (value: unknown): value is number | bigint | ExactNumber =>
  typeof value === 'number' || typeof value === 'bigint' || value instanceof ExactNumber;

const MUST_ESCAPE = /[\\\n\r\t\0]/;

/** NUL cannot be stored in PostgreSQL: it becomes U+FFFD, as UTF-8 decoders do with what they cannot keep. */
export function escapeText(text: string): string {
  if (!MUST_ESCAPE.test(text)) return text;
  return text.replace(/[\\\n\r\t\0]/g, (c) => ESCAPES[c]!);
}

const ESCAPES: Record<string, string> = { '\\': '\\\\', '\n': '\\n', '\r': '\\r', '\t': '\\t', '\0': '\ufffd' };

/** JSON escapes that jsonb refuses: NUL and halves of surrogate pairs. */
const UNSTORABLE_TEXT = /\\u(?:0000|d[89a-f])/i;

function escapeJson(value: unknown): string | typeof UNSTORABLE_NUMBER {
  const json = stringifyJson(value);
  if (holdsUnstorable(json, value)) return UNSTORABLE_NUMBER;
  if (!json.includes('\\')) return json;
  return (UNSTORABLE_TEXT.test(json) ? stringifyJson(storable(value)) : json).replaceAll('\\', '\\\\');
}

/** What JSON has no number for it writes as null. */
const holdsUnstorable = (json: string, value: unknown) => json.includes('null') && hasUnstorableNumber(value);

function storable(value: unknown): unknown {
  if (typeof value === 'string') return value.replaceAll('\0', '\ufffd').toWellFormed();
  if (Array.isArray(value)) return value.map(storable);
  if (value !== null && typeof value === 'object' && !(value instanceof ExactNumber)) {
    return Object.fromEntries(
      Object.entries(value).map(([key, inner]) => [key.replaceAll('\0', '\ufffd').toWellFormed(), storable(inner)]),
    );
  }
  return value;
}

const BIGINT_MAX = 2n ** 63n - 1n;
const BIGINT_MIN = -(2n ** 63n);

function fitsBigint(value: bigint): boolean {
  return value <= BIGINT_MAX && value >= BIGINT_MIN;
}
