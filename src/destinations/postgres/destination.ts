/** The destinations `postgres` and `embedded`: one code path, two ways to find the server. */
import type pg from 'pg';
import { ConfigError } from '../../base/errors.js';
import type { Destination, DestinationSession, OpenOptions } from '../contract.js';
import type { Egress } from '../../base/egress.js';
import { connect, targetFromUrl, type PostgresTarget } from '../../postgres/connect.js';
import { assertOwnSession } from '../../postgres/own-session.js';
import { EmbeddedServer } from '../../postgres/embedded/server.js';
import { describePostgresError } from '../../postgres/database-errors.js';
import { PostgresSession, type SessionParts } from './session.js';

export interface PostgresDestination extends Destination {
  target: PostgresTarget;
  /** Something the user should know about where data is kept. */
  notice: string | undefined;
}

/** `egress`: where the URLs may lead; everywhere where it is left out. `directUrl`: past a pool in transaction mode. */
export function postgresDestination(
  url: string,
  schema: string,
  egress?: Egress,
  { directUrl, ...parts }: SessionParts & { directUrl?: string | undefined } = {},
): PostgresDestination {
  return onTarget(targetFromUrl(url, egress, directUrl), schema, async () => {}, parts);
}

/** Throws ConfigError where no embedded database was made below `folder` yet. */
export function assertEmbedded(folder: string): void {
  if (EmbeddedServer.exists(folder)) return;
  throw new ConfigError('there is no embedded database here', {
    code: 'no_database',
    place: folder,
    next: 'run headrace sync first, name its folder with --data-dir, or another destination with --to',
  });
}

/** Starts or joins the server below `folder`; `close` leaves it. */
export async function embeddedDestination(
  folder: string,
  schema: string,
  parts: SessionParts = {},
): Promise<PostgresDestination> {
  let server = await EmbeddedServer.open(folder);
  // One object for all who hold it: a server that is started again listens elsewhere.
  const target = { ...server.target };
  let reviving: Promise<void> | undefined;
  const open = async () => {
    const earlier = server;
    server = await EmbeddedServer.open(folder);
    Object.assign(target, server.target);
    await earlier.close();
  };
  const revive = () => (reviving ??= open().finally(() => (reviving = undefined)));
  return {
    ...onTarget(target, schema, () => server.close(), { revive, ...parts }),
    notice: server.place.notice,
  };
}

function onTarget(
  target: PostgresTarget,
  schema: string,
  close: () => Promise<void>,
  parts: SessionParts,
): PostgresDestination {
  return {
    target,
    notice: undefined,
    description: `${target.description}, schema ${schema}`,
    async check() {
      const client = await connect(target, 'headrace check');
      try {
        await assertOwnSession(client, target);
        await client.query('begin');
        await client.query('create table if not exists pg_temp.headrace_check (x int)');
        const { rows } = await client.query(
          `select has_database_privilege(current_database(), 'create') as may, pg_is_in_recovery() as standby,
            current_setting('transaction_read_only') as ro`,
        );
        await client.query('rollback');
        if (rows[0].standby || rows[0].ro === 'on')
          throw Object.assign(new Error('cannot write in a read-only transaction'), { code: '25006' });
        if (!rows[0].may) throw Object.assign(new Error('no CREATE privilege on the database'), { code: '42501' });
      } catch (error) {
        throw describePostgresError(error, target.description);
      } finally {
        await client.end().catch(() => {});
      }
    },
    async query(sql, { write }) {
      const client = await connect(target, 'headrace query');
      try {
        if (!write) await client.query('set default_transaction_read_only = on');
        const result: pg.QueryResult | pg.QueryResult[] = await client.query(sql);
        // Several statements: the last one is what was asked.
        const last = Array.isArray(result) ? result.at(-1) : result;
        return { fields: (last?.fields ?? []).map((field: { name: string }) => field.name), rows: last?.rows ?? [] };
      } finally {
        await client.end();
      }
    },
    open: (options: OpenOptions): Promise<DestinationSession> => PostgresSession.open(target, schema, options, parts),
    close,
  };
}
