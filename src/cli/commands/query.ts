/** headrace query: SQL on the embedded database, or on a destination that knows SQL. */
import path from 'node:path';
import { ConfigError, EXIT, HeadraceError, messageOf } from '../../base/errors.js';
import type { QueryResult } from '../../destinations/contract.js';
import { connect } from '../../postgres/connect.js';
import { EmbeddedServer } from '../../postgres/embedded/server.js';
import { openDestinationOf } from '../../wiring/compose.js';
import { json, out, table } from '../terminal/output.js';

interface QueryFlags {
  dataDir: string;
  to?: string;
  json?: boolean;
  write?: boolean;
}

export async function command([sql]: string[], flags: QueryFlags): Promise<number> {
  const write = flags.write === true;
  const { fields, rows } =
    flags.to === undefined ? await ofEmbedded(sql!, flags.dataDir, write) : await ofDestination(sql!, flags, write);
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

async function ofDestination(sql: string, { to, dataDir }: QueryFlags, write: boolean): Promise<QueryResult> {
  const destination = await openDestinationOf(to!, path.resolve(dataDir));
  try {
    if (!destination.query)
      throw new ConfigError('this destination answers no SQL', {
        code: 'no_sql',
        place: '--to',
        expected: 'one that does, such as duckdb:FILE',
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

async function ofEmbedded(sql: string, dataDir: string, write: boolean): Promise<QueryResult> {
  const folder = path.resolve(dataDir);
  if (!EmbeddedServer.exists(folder))
    throw new ConfigError('there is no embedded database here', {
      code: 'no_database',
      place: folder,
      next: 'run headrace sync first, name its folder with --data-dir, or another destination with --to',
    });
  const server = await EmbeddedServer.open(folder);
  try {
    const client = await connect(server.target, 'headrace query');
    try {
      if (!write) await client.query('set default_transaction_read_only = on');
      const result = await client.query(sql).catch((cause: unknown) => {
        throw failed(cause);
      });
      const last = Array.isArray(result) ? result.at(-1) : result;
      return { fields: (last.fields ?? []).map((field: { name: string }) => field.name), rows: last.rows };
    } finally {
      await client.end();
    }
  } finally {
    await server.close();
  }
}

function failed(cause: unknown): ConfigError {
  return new ConfigError('the statement failed', {
    code: 'query_failed',
    found: messageOf(cause),
    next: 'tables are in a schema named after the connection, such as stripe.customers; --write allows changes',
    cause,
  });
}

/** As it is stored: a number may be a year, or a time. */
function cell(value: unknown): string {
  if (value === null || value === undefined) return '';
  if (value instanceof Date) return value.toISOString();
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}
