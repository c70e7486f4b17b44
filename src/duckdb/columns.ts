/** From JSON schema to DuckDB's columns, and from values to cells. */
import type { JsonSchema, JsonType } from '../base/catalog.js';
import { isDate, parseInstant } from '../base/instant.js';
import { ExactNumber, hasUnstorableNumber, stringifyJson, storableText } from '../base/json.js';

/** `json` holds what is nested, and numbers with more digits than a double keeps. */
export type ColumnType = 'boolean' | 'bigint' | 'double' | 'timestamptz' | 'date' | 'text' | 'json';

export const SQL_TYPES: Record<ColumnType, string> = {
  boolean: 'boolean',
  bigint: 'bigint',
  double: 'double',
  timestamptz: 'timestamp with time zone',
  date: 'date',
  text: 'varchar',
  json: 'json',
};

/** What a value asks of its column: `large` is an integer past 2^53, `exact` a number that only its digits tell. */
export type Asked = ColumnType | 'large' | 'exact';

/** A value as it is appended: JSON as its text, moments and dates as they came. */
export type Cell = string | number | bigint | boolean | null;

export interface Column {
  /** The field of the record. */
  field: string;
  /** Its name in the table. */
  name: string;
  type: ColumnType;
  /** The connector promises this type: another one is a malformed row. Columns that grew from data widen instead. */
  declared: boolean;
  key: boolean;
  /** Integers past 2^53 may be in it: as doubles they would lose digits. */
  large: boolean;
}

/** Marks a value that does not fit its column. */
export const MISFIT = Symbol('misfit');
/** Marks a number that no column can store, or an object that holds one. */
export const UNSTORABLE_NUMBER = Symbol('unstorable number');

/** `isKey`: keys are compared as the text that they are. */
export function columnTypeOf(schema: JsonSchema, isKey: boolean): ColumnType {
  const types = ([] as JsonType[]).concat(schema.type ?? []).filter((type) => type !== 'null');
  if (types.length !== 1) return 'json';
  switch (types[0]!) {
    case 'string':
      if (isKey) return 'text';
      return schema.format === 'date-time' ? 'timestamptz' : schema.format === 'date' ? 'date' : 'text';
    case 'integer':
      return 'bigint';
    case 'number':
      return 'double';
    case 'boolean':
      return 'boolean';
    default:
      return 'json';
  }
}

/** A column's type as DuckDB names it; one that a user changed takes what is written as text. */
export function knownType(sql: string): ColumnType {
  const type = sql.toLowerCase();
  const found = (Object.keys(SQL_TYPES) as ColumnType[]).find((known) => SQL_TYPES[known] === type);
  return found ?? 'text';
}

/** What a value asks for in a column; undefined for null, which fits anywhere. */
export function askedBy(value: unknown, column?: ColumnType): Asked | undefined {
  switch (typeof value) {
    case 'string':
      return column !== undefined && isTimeOf(value, column) ? column : 'text';
    case 'boolean':
      return 'boolean';
    case 'bigint':
      return fitsBigint(value) ? 'large' : 'exact';
    case 'number':
      return Number.isSafeInteger(value) ? 'bigint' : 'double';
    case 'object':
      if (value instanceof ExactNumber) return 'exact';
      return value === null ? undefined : 'json';
    default:
      return undefined;
  }
}

function isTimeOf(value: string, type: ColumnType): boolean {
  return type === 'timestamptz' ? parseInstant(value) !== undefined : type === 'date' && isDate(value);
}

export const isTime = (type: ColumnType): boolean => type === 'timestamptz' || type === 'date';

/** The type of a new column for what a value asks. */
export function typeFor(asked: Asked): ColumnType {
  if (asked === 'large') return 'bigint';
  return asked === 'exact' ? 'json' : asked;
}

export function isNumber(asked: Asked): boolean {
  return asked === 'bigint' || asked === 'double' || asked === 'large' || asked === 'exact';
}

/** The narrowest type that holds what a column has and what a value asks, without the loss of a digit. */
export function widened({ type, large }: Pick<Column, 'type' | 'large'>, asked: Asked): ColumnType {
  if (type === 'json' || type === 'text' || type === asked) return type;
  if (type === 'boolean' || isTime(type) || !isNumber(asked)) return 'text';
  if (asked === 'exact') return 'json';
  if (type === 'bigint') return asked === 'double' ? (large ? 'json' : 'double') : 'bigint';
  return asked === 'large' ? 'json' : 'double';
}

/** The cell of a value for a column, or why there is none. */
export function encode(value: unknown, type: ColumnType): Cell | typeof MISFIT | typeof UNSTORABLE_NUMBER {
  if (value === null || value === undefined) return null;
  if (typeof value === 'number' && !Number.isFinite(value)) return UNSTORABLE_NUMBER;
  switch (type) {
    case 'text':
      return typeof value === 'string' ? storableText(value) : MISFIT;
    case 'timestamptz':
    case 'date':
      return typeof value === 'string' && isTimeOf(value, type) ? value : MISFIT;
    case 'bigint':
      if (typeof value === 'number' ? Number.isSafeInteger(value) : typeof value === 'bigint' && fitsBigint(value))
        return value as number | bigint;
      return MISFIT;
    case 'double':
      return typeof value === 'number' ? value : MISFIT;
    case 'boolean':
      return typeof value === 'boolean' ? value : MISFIT;
    case 'json':
      return jsonText(value);
  }
}

/** Text for a column that takes anything as text. */
export function asText(value: unknown): string | typeof UNSTORABLE_NUMBER {
  return typeof value === 'string' ? storableText(value) : jsonText(value);
}

/** A cell that was made for a column before it was widened. */
export function refit(cell: Cell, from: ColumnType, to: ColumnType): Cell {
  if (cell === null || from === to) return cell;
  if (to === 'double') return Number(cell);
  return from === 'text' && to === 'json' ? JSON.stringify(cell) : String(cell);
}

/** SQL that changes a stored value as `refit` changes a cell. */
export function refitSql(name: string, from: ColumnType, to: ColumnType): string {
  if (to === 'json') return from === 'double' ? `(${textSql(name, from)})::json` : `to_json(${name})`;
  return to === 'text' ? textSql(name, from) : `${name}::${SQL_TYPES[to]}`;
}

/** SQL for a value's text as `String(value)` writes it: a whole double has no point. Moments are written in UTC, as APIs do. */
export function textSql(name: string, type: ColumnType): string {
  if (type === 'timestamptz') {
    const at = `make_timestamp(epoch_us(${name}))`;
    const fraction = `case when epoch_us(${name}) % 1000000 = 0 then '' else strftime(${at}, '.%f') end`;
    return `strftime(${at}, '%Y-%m-%dT%H:%M:%S') || ${fraction} || 'Z'`;
  }
  if (type !== 'double') return `${name}::varchar`;
  return doubleSql(name);
}

/**
 * DuckDB writes a double with an exponent from 1e16 on and below 1e-4, and a whole one with a point; JSON has an exponent
 * from 1e21 on and below 1e-6 (ECMA-262, 6.1.6.1.20). Both write the least digits that tell it apart.
 */
function doubleSql(name: string): string {
  const text = `${name}::varchar`;
  const sign = `case when ${name} < 0 then '-' else '' end`;
  const digits = `regexp_replace(split_part(${text}, 'e', 1), '[-.]|\\.0$', '', 'g')`;
  const exponent = `try_cast(split_part(${text}, 'e', 2) as int)`;
  return `case when ${name} = 0 then '0' when ${text} not like '%e%' then regexp_replace(${text}, '\\.0$', '')
    when ${exponent} between 0 and 20 then ${sign} || rpad(${digits}, (${exponent} + 1)::int, '0')
    when ${exponent} between -6 and -1 then ${sign} || '0.' || repeat('0', -${exponent} - 1) || ${digits}
    else regexp_replace(regexp_replace(${text}, 'e([+-])0+', 'e\\1'), '\\.0e', 'e') end`;
}

const UNSTORABLE_TEXT = /\\u(?:0000|d[89a-f])/i;

/** JSON of a value as it is stored. */
export function jsonText(value: unknown): string | typeof UNSTORABLE_NUMBER {
  const json = stringifyJson(value);
  // What JSON has no number for it writes as null.
  if (json.includes('null') && hasUnstorableNumber(value)) return UNSTORABLE_NUMBER;
  return json.includes('\\') && UNSTORABLE_TEXT.test(json) ? stringifyJson(storable(value)) : json;
}

function storable(value: unknown): unknown {
  if (typeof value === 'string') return storableText(value);
  if (Array.isArray(value)) return value.map(storable);
  if (value === null || typeof value !== 'object' || value instanceof ExactNumber) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [storableText(key), storable(inner)]));
}

const BIGINT_MAX = 2n ** 63n - 1n;
const BIGINT_MIN = -(2n ** 63n);

function fitsBigint(value: bigint): boolean {
  return value <= BIGINT_MAX && value >= BIGINT_MIN;
}
