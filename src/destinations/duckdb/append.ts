/** Rows into a table of DuckDB, by its appender: cell by cell costs less than chunks or statements do. */
import type { DuckDBAppender, DuckDBConnection } from '@duckdb/node-api';
import { dayOf, parseInstant } from '../../base/instant.js';
import { refit, type Cell, type Column } from '../../duckdb/columns.js';
import type { Library } from '../../duckdb/engine.js';
import type { Shape, ShapedRows } from './shape.js';

const MICROS = 1000n;

export interface Into {
  /** null: a temporary table. */
  schema: string | null;
  name: string;
}

export interface Append {
  shape: Shape;
  /** The table's columns in their order: of the shape, Headrace's own by name, and undefined for those of a user's. */
  order: readonly (Column | string | undefined)[];
  parts: ShapedRows[];
  runId: string;
}

/**
 * Appends rows. Rows that were made before a column came have none of it; cells are fitted to what their column is now.
 */
export async function appendRows(
  library: Library,
  connection: DuckDBConnection,
  into: Into,
  { shape, order, parts, runId }: Append,
): Promise<void> {
  const { DuckDBTimestampTZValue } = library;
  const { columns } = shape;
  const places = new Map(columns.map((column, at) => [column, at]));
  const cells = order.map((one) => (typeof one === 'object' ? places.get(one)! : one));
  const appender = await connection.createAppender(into.name, into.schema);
  try {
    for (const part of parts) {
      const extracted = new DuckDBTimestampTZValue(BigInt(part.version) * MICROS);
      const width = part.types.length;
      for (let row = 0; row < part.rows; row++) {
        const start = row * width;
        for (const at of cells) {
          if (typeof at === 'number') {
            const { type } = columns[at]!;
            appendCell(
              appender,
              at < width ? refit(part.cells[start + at]!, part.types[at]!, type) : null,
              type,
              library,
            );
          } else if (at === '_headrace_run_id') appender.appendVarchar(runId);
          else if (at === '_headrace_extracted_at') appender.appendTimestampTZ(extracted);
          else if (at === '_headrace_page') appender.appendVarchar(part.page);
          else if (at === '_headrace_version') appender.appendBigInt(BigInt(part.version));
          else if (at === undefined) appender.appendDefault();
          else appender.appendNull();
        }
        appender.endRow();
      }
    }
    appender.flushSync();
  } catch (error) {
    appender.clear();
    throw error;
  } finally {
    appender.closeSync();
  }
}

function appendCell(appender: DuckDBAppender, cell: Cell, type: Column['type'], library: Library): void {
  if (cell === null) appender.appendNull();
  else if (type === 'timestamptz')
    appender.appendTimestampTZ(new library.DuckDBTimestampTZValue(parseInstant(String(cell))!));
  else if (type === 'date') appender.appendDate(new library.DuckDBDateValue(dayOf(String(cell))!));
  else if (typeof cell === 'string') appender.appendVarchar(cell);
  else if (type === 'bigint') appender.appendBigInt(BigInt(cell));
  else if (typeof cell === 'boolean') appender.appendBoolean(cell);
  else appender.appendDouble(Number(cell));
}
