/** Statements that make a table and say what its columns hold. */
import { LIMITS } from '../../base/bounds.js';
import { ConfigError } from '../../base/errors.js';
import { propertyOf, type JsonSchema } from '../../base/catalog.js';
import { quoteIdentifier, quoteLiteral } from '../../postgres/identifiers.js';
import type { StreamTarget } from '../contract.js';
import type { Column, ColumnType } from './columns.js';

/** A column comment that begins so keeps the field's own name where the column could not have it. */
const FIELD_COMMENT = 'headrace field: ';

/** `meta`: names and types of the columns that every table has. */
export function createSql(
  sqlName: string,
  columns: readonly Column[],
  meta: readonly (readonly [name: string, type: string])[],
  key: readonly Column[],
): string {
  const parts = [
    ...columns.map(({ name, type, key: isKey }) => `${quoteIdentifier(name)} ${type}${isKey ? ' not null' : ''}`),
    ...meta.map(([name, type]) => `${quoteIdentifier(name)} ${type}`),
    ...(key.length === 0 ? [] : [`primary key (${key.map(({ name }) => quoteIdentifier(name)).join(', ')})`]),
  ];
  return `create table if not exists ${sqlName} (\n  ${parts.join(',\n  ')}\n)`;
}

/**
 * Rows of one account and of several are told apart by other keys, and cannot share a table. Throws ConfigError where
 * the stored table has a key of another width.
 */
export function checkKey(
  sqlName: string,
  key: readonly string[],
  columns: readonly { name: string; is_key: boolean }[],
): void {
  const stored = columns.filter((column) => column.is_key).map(({ name }) => name);
  if (stored.length === 0 || stored.length === key.length) return;
  throw new ConfigError(`the rows of table ${sqlName} have another key`, {
    code: 'other_key',
    expected: key.join(', '),
    found: stored.join(', '),
    next: 'choose another schema for this connection',
  });
}

/** A table that is swapped in takes the rows of all of its streams with it. Throws ConfigError. */
export function refuseReplace({ name, mode }: StreamTarget): void {
  if (mode !== 'replace') return;
  throw new ConfigError('mode replace cannot be used where several streams share a table', {
    code: 'shared_table',
    place: name,
    expected: 'mode upsert or append',
    found: mode,
    next: 'use mode upsert',
  });
}

export function tableCommentSql(sqlName: string, schema: JsonSchema): string[] {
  const text = describedBy(schema);
  return text === undefined ? [] : [`comment on table ${sqlName} is ${quoteLiteral(text)}`];
}

/** The field's own name where the column could not have it, and what the schema says of it. */
export function columnCommentSql(sqlName: string, { field, name }: Column, schema: JsonSchema): string[] {
  const own = propertyOf(schema, field);
  const lines = [
    ...(name === field ? [] : [FIELD_COMMENT + JSON.stringify(field).replaceAll('\0', '')]),
    ...(own === undefined ? [] : [describedBy(own)]),
  ].filter((line) => line !== undefined);
  return lines.length === 0
    ? []
    : [`comment on column ${sqlName}.${quoteIdentifier(name)} is ${quoteLiteral(lines.join('\n'))}`];
}

/** The field that a column of a stored table holds. */
export function fieldOfColumn(name: string, comment: unknown): string {
  if (typeof comment !== 'string' || !comment.startsWith(FIELD_COMMENT)) return name;
  return JSON.parse(comment.slice(FIELD_COMMENT.length).split('\n', 1)[0]!) as string;
}

/** The type of a column as PostgreSQL names it. What Headrace does not make holds text. */
export function knownType(type: string): ColumnType {
  switch (type) {
    case 'timestamp with time zone':
      return 'timestamptz';
    case 'boolean':
    case 'bigint':
    case 'numeric':
    case 'date':
    case 'jsonb':
      return type;
    default:
      return 'text';
  }
}

/** Title and description of a schema, as one text. */
function describedBy({ title, description }: JsonSchema): string | undefined {
  const text = [title, description].filter((part) => typeof part === 'string' && part.trim() !== '').join(': ');
  return text === '' ? undefined : text.replaceAll('\0', '').toWellFormed().slice(0, LIMITS.commentCharacters);
}
