/** Mode `replace`: a table that is filled out of sight, and swapped in. */
import { ConfigError } from '../../base/errors.js';
import { qualified, quoteIdentifier } from '../../postgres/identifiers.js';
import { emptyQuarantine } from './account.js';
import type { Table } from './table.js';
import { viewsOver } from './views.js';
import type { TableWork } from './work.js';

/** An empty table out of sight. */
export async function restart(work: TableWork, table: Table): Promise<void> {
  const stream = table.target.name;
  await refuseUnderViews(work, table);
  await work.once('an empty table', async (client) => {
    await client.query(`truncate ${table.sqlName}`);
    await client.query('delete from _headrace.counter where connection = $1 and stream = $2', [
      work.connection,
      stream,
    ]);
    await emptyQuarantine(client, work, table);
  });
}

/** A table cannot be replaced under a view: that is said before everything is read for it. */
async function refuseUnderViews(work: TableWork, table: Table): Promise<void> {
  const name = qualified(work.schema, table.publicName);
  const views = await viewsOver((sql, values) => work.query(sql, values), name);
  if (views.length === 0) return;
  throw new ConfigError(`mode replace cannot swap table ${work.schema}.${table.publicName} under a view`, {
    code: 'views_depend',
    place: work.place,
    expected: 'no view over the table, or mode upsert',
    found: views.join(', '),
    next: 'drop the view and create it again after the run, or use mode upsert',
  });
}

/** The new table takes the place of the old one. */
export async function publish(work: TableWork, table: Table): Promise<void> {
  await work.once('a new table', async (client) => {
    const name = qualified(work.schema, table.publicName);
    // Who may read the old table may read the new one.
    const { rows: grants } = await client.query<{ sql: string }>(
      `select format('grant %s on table %s to %s%s', g.privilege_type, $1::text,
                case g.grantee when 0 then 'public' else quote_ident(pg_get_userbyid(g.grantee)) end,
                case when g.is_grantable then ' with grant option' else '' end) as sql
       from pg_class c, aclexplode(c.relacl) g where c.oid = to_regclass($1) and g.grantee <> c.relowner`,
      [name],
    );
    await client.query(`drop table if exists ${name}`);
    await client.query(`alter table ${table.sqlName} rename to ${quoteIdentifier(table.publicName)}`);
    for (const { sql } of grants) await client.query(sql);
  });
}
