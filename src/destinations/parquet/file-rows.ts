/** SQL for the rows of Parquet files under the columns that their stream has now. */
import type { Engine } from '../../duckdb/engine.js';
import { refitSql, SQL_TYPES, type Column, type ColumnType } from '../../duckdb/columns.js';
import { quoteIdentifier } from '../../postgres/identifiers.js';
import { META_COLUMNS, type Shape } from '../duckdb/shape.js';

export const META = META_COLUMNS.map(([name]) => name);

export interface FileRows {
  /** A relation: the columns, Headrace's own, and the two below. Rows are in the order in which they were committed. */
  sql: string;
  /** Its columns for the place of a row: of its file among the files, and of the row in it. */
  place: [file: string, row: string];
}

/** Files that follow each other and have the same columns. */
interface Alike {
  from: number;
  files: string[];
  types: Map<string, string>;
}

/**
 * Earlier files may have narrower columns, or lack some. Each is read by the types that it has: what the reader would
 * make of several together is not what widening makes (1.0 for 1).
 */
export async function rowsOfFiles(engine: Engine, files: string[], shape: Shape): Promise<FileRows> {
  const place: FileRows['place'] = [unusedName('headrace_at', shape), unusedName('headrace_row', shape)];
  const parts = (await alike(engine, files)).map((part) => partSql(part, shape, place));
  return { sql: `(${parts.join(' union all ')})`, place };
}

async function alike(engine: Engine, files: string[]): Promise<Alike[]> {
  const types = new Map<string, Map<string, string>>(files.map((file) => [file, new Map()]));
  const columns = await engine.rows(
    `select file_name, name, duckdb_type from parquet_schema(${filesSql(files)}) where duckdb_type is not null`,
  );
  for (const { file_name, name, duckdb_type } of columns)
    types.get(file_name as string)!.set(name as string, duckdb_type as string);
  const groups: (Alike & { columns: string })[] = [];
  files.forEach((file, from) => {
    const own = types.get(file)!;
    const text = JSON.stringify([...own]);
    const last = groups.at(-1);
    if (last?.columns === text) last.files.push(file);
    else groups.push({ from, files: [file], types: own, columns: text });
  });
  return groups;
}

function partSql({ from, files, types }: Alike, shape: Shape, [at, row]: FileRows['place']): string {
  const columns = shape.columns.map((column) => columnSql(column, types.get(column.name)));
  const fileName = unusedName('headrace_file', shape);
  const places = files.map((name, index) => `when ${literal(name)} then ${from + index}`).join(' ');
  return `select ${[...columns, ...META.map(quoteIdentifier)].join(', ')}, case ${fileName} ${places} end as ${at},
      file_row_number as ${row}
    from read_parquet(${filesSql(files)}, filename = '${fileName}', file_row_number = true, hive_partitioning = false)`;
}

function columnSql({ name, type }: Column, stored: string | undefined): string {
  const quoted = quoteIdentifier(name);
  if (stored === undefined) return `null::${plainType(type)} as ${quoted}`;
  const from = typeOf(stored);
  const to = type === 'json' ? 'text' : type;
  return from === to ? quoted : `${refitSql(quoted, from, to)} as ${quoted}`;
}

/** JSON goes as text, which every reader of Parquet takes. */
export function plainSql({ name, type }: Column): string {
  const quoted = quoteIdentifier(name);
  return type === 'json' ? `${quoted}::varchar as ${quoted}` : quoted;
}

/** A column's name for a statement alone, which no field has. */
export function unusedName(name: string, { taken }: Pick<Shape, 'taken'>): string {
  return taken.has(name) ? unusedName(`${name}_`, { taken }) : name;
}

export const literal = (text: string): string => `'${text.replaceAll("'", "''")}'`;
export const filesSql = (files: string[]): string => `[${files.map(literal).join(', ')}]`;

const plainType = (type: ColumnType): string => (type === 'json' ? SQL_TYPES.text : SQL_TYPES[type]);

function typeOf(sql: string): ColumnType {
  const found = (Object.keys(SQL_TYPES) as ColumnType[]).find((type) => SQL_TYPES[type] === sql.toLowerCase());
  return found ?? 'text';
}
