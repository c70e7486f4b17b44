/** headrace query: SQL on a destination that answers it, the embedded database unless said. */
import { ConfigError, EXIT, HeadraceError, messageOf } from '../../base/errors.js';
import type { QueryResult } from '../../destinations/contract.js';
import { DESTINATIONS, knowFetched, openDestinationOf, toHelp } from '../../wiring/compose.js';
import { stringifyJson } from '../../base/json.js';
import { json, out, table } from '../terminal/output.js';

interface QueryFlags {
  dataDir?: string;
  to?: string;
  json?: boolean;
  write?: boolean;
}

export async function command([sql]: string[], flags: QueryFlags): Promise<number> {
  if (sql!.trim() === '')
    throw new ConfigError('there is no statement', {
      code: 'query_empty',
      place: 'the first argument',
      expected: 'SQL, such as "select count(*) from acme.orders"',
      found: 'nothing',
      next: 'put the statement in quotes; "information_schema.tables" lists the tables',
    });
  const { fields, rows } = await answerOf(sql!, flags);
  if (flags.json) for (const row of rows) json(row);
  else if (fields.length > 0)
    out(
      `${table(
        fields,
        rows.map((row) => fields.map((field) => cell(row[field]))),
      )}\n(${rows.length} ${rows.length === 1 ? 'row' : 'rows'})`,
    );
  return EXIT.complete;
}

async function answerOf(sql: string, { to, write = false, ...flags }: QueryFlags): Promise<QueryResult> {
  const { dataDir } = knowFetched(flags, process.env);
  const destination = await openDestinationOf(to ?? DESTINATIONS.list()[0]!.start, dataDir);
  try {
    if (!destination.query)
      throw new ConfigError('this destination answers no SQL', {
        code: 'no_sql',
        place: '--to',
        expected: toHelp('query'),
        found: destination.description,
        next: 'query it with the tools that it has',
      });
    return await destination.query(sql, { write }).catch((cause: unknown) => {
      throw cause instanceof HeadraceError ? cause : failed(cause);
    });
  } finally {
    await destination.close();
  }
}

function failed(cause: unknown): ConfigError {
  return new ConfigError('the statement failed', {
    code: 'query_failed',
    found: messageOf(cause),
    next: 'tables are in a schema named after the connection, as in CONNECTION.STREAM; --write allows changes',
    cause,
  });
}

/** As it is stored: a number may be a year, or a time. */
function cell(value: unknown): string {
  if (value === null || value === undefined) return '';
  if (value instanceof Date) return value.toISOString();
  return typeof value === 'object' ? stringifyJson(value) : String(value);
}
