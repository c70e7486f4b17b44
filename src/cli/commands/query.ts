/** headrace query: SQL on the embedded database. */
import path from 'node:path';
import { ConfigError, EXIT, messageOf } from '../../base/errors.js';
import { connect } from '../../postgres/connect.js';
import { EmbeddedServer } from '../../postgres/embedded/server.js';
import { json, out, table } from '../terminal/output.js';

export async function command(
  [sql]: string[],
  flags: { dataDir: string; json?: boolean; write?: boolean },
): Promise<number> {
  const folder = path.resolve(flags.dataDir);
  if (!EmbeddedServer.exists(folder))
    throw new ConfigError('there is no embedded database here', {
      code: 'no_database',
      place: folder,
      next: 'run headrace sync first, or name its folder with --data-dir',
    });
  const server = await EmbeddedServer.open(folder);
  try {
    const client = await connect(server.target, 'headrace query');
    try {
      if (!flags.write) await client.query('set default_transaction_read_only = on');
      const result = await client.query(sql!).catch((cause) => {
        throw new ConfigError('the statement failed', {
          code: 'query_failed',
          found: messageOf(cause),
          next: 'tables are in a schema named after the connection, such as stripe.customers; --write allows changes',
          cause,
        });
      });
      const last = Array.isArray(result) ? result.at(-1) : result;
      const fields: string[] = (last.fields ?? []).map((field: { name: string }) => field.name);
      if (flags.json) for (const row of last.rows) json(row);
      else if (fields.length > 0)
        out(
          `${table(
            fields,
            last.rows.map((row: Record<string, unknown>) => fields.map((field) => cell(row[field]))),
          )}\n(${last.rows.length} ${last.rows.length === 1 ? 'row' : 'rows'})`,
        );
    } finally {
      await client.end();
    }
  } finally {
    await server.close();
  }
  return EXIT.complete;
}

function cell(value: unknown): string | number {
  if (typeof value === 'number') return value;
  if (value === null) return '';
  if (value instanceof Date) return value.toISOString();
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}
