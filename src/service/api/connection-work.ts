/** What a connection is asked to do: prove itself, run, read again, tell what is stored. */
import { z } from '@hono/zod-openapi';
import { HeadraceError } from '../../base/errors.js';
import { LIMITS } from '../../base/bounds.js';
import type { StoredConnection } from '../../connections/connection-store.js';
import type { Settings } from '../../connections/secrets.js';
import type { ConnectionAccess } from '../../fleet/tasks/access.js';
import { estimate } from '../../fleet/tasks/estimate.js';
import { taskOf } from '../../fleet/tasks/kinds.js';
import { probe, readLedger, readLimits, resetStreamOf } from '../../fleet/tasks/ledger.js';
import {
  bodyOf,
  faultOf,
  jsonOf,
  operation,
  optionalBodyOf,
  unknownConnection,
  type Api,
  type ApiParts,
} from './kit.js';
import * as schemas from './schemas.js';

export const tags = ['connections'];
export const byName = z.object({ connection: z.string().min(1).max(100).describe('Name of the connection.') });
const ACTIONS = {
  pause: 'Keep from running; what runs commits and stops',
  resume: 'Let run again',
  cancel: 'End all its tasks',
  retry: 'Begin its dead letters anew',
} as const;

/** Throws ConfigError where there is no such connection. */
export async function known({ connections }: ApiParts, id: string): Promise<StoredConnection> {
  const there = await connections.find(id);
  if (!there) throw unknownConnection(id);
  return there;
}

/** Without what was left out. */
export function given(settings: object): Settings {
  return JSON.parse(JSON.stringify(settings)) as Settings;
}

/** Proves what works, of settings before they are stored and of connections. */
export function trialRoutes(api: Api, parts: ApiParts): void {
  const { connections, desk } = parts;
  /** To what settings describe that are not stored. */
  const accessBy = async ({ id, ...settings }: z.infer<typeof schemas.newConnection>): Promise<ConnectionAccess> => {
    const { access } = await desk.storable(id, await connections.reveal(id, given(settings)));
    return access;
  };
  api.openapi(
    operation({
      method: 'post',
      path: '/connections/test',
      operationId: 'testSettings',
      role: 'admin',
      tags,
      summary: 'Test settings before they are stored',
      request: { body: bodyOf(schemas.newConnection) },
      responses: { 200: jsonOf(schemas.probeView, 'Whether credential and destination work.') },
    }),
    async (context) => {
      const access = await accessBy(context.req.valid('json'));
      return context.json(await probed(access), 200);
    },
  );

  api.openapi(
    operation({
      method: 'post',
      path: '/connections/estimate',
      operationId: 'estimateSettings',
      role: 'admin',
      tags,
      summary: 'How many rows each stream would have, told by a few requests before anything is stored',
      request: { body: bodyOf(schemas.newConnection) },
      responses: { 200: jsonOf(schemas.estimateView, 'As far as it could be told in time.') },
    }),
    async (context) => {
      const access = await accessBy(context.req.valid('json'));
      return context.json(schemas.wire(await estimate(access)), 200);
    },
  );

  api.openapi(
    operation({
      method: 'post',
      path: '/connections/{connection}/test',
      operationId: 'testConnection',
      role: 'operate',
      tags,
      summary: 'Test credential and destination',
      request: { params: byName },
      responses: { 200: jsonOf(schemas.probeView, 'Whether both work.') },
    }),
    async (context) => {
      const { connection } = context.req.valid('param');
      await known(parts, connection);
      return context.json(await probed(await desk.access(connection)), 200);
    },
  );
}

async function probed(access: ConnectionAccess): Promise<z.infer<typeof schemas.probeView>> {
  try {
    return { ok: true, ...(await probe(access, AbortSignal.timeout(LIMITS.probeMs))) };
  } catch (error) {
    if (!(error instanceof HeadraceError)) throw error;
    return { ok: false, error: JSON.parse(JSON.stringify(faultOf(error))) };
  }
}

export function workRoutes(api: Api, parts: ApiParts): void {
  runRoute(api, parts);
  for (const action of Object.keys(ACTIONS) as (keyof typeof ACTIONS)[]) controlRoute(api, parts, action);
  resetRoute(api, parts);
}

function runRoute(api: Api, parts: ApiParts): void {
  api.openapi(
    operation({
      method: 'post',
      path: '/connections/{connection}/run',
      operationId: 'runConnection',
      role: 'operate',
      tags,
      summary: 'Run now: a sync, or another kind of task',
      request: { params: byName, body: optionalBodyOf(schemas.runRequest) },
      responses: { 202: jsonOf(schemas.enqueued, 'It begins as soon as the limit has room.') },
    }),
    async (context) => {
      const { connection } = context.req.valid('param');
      await known(parts, connection);
      const { kind, priority, ...payload } = schemas.runRequest.parse(context.req.valid('json'));
      const [made] = await parts.scheduler.enqueue([taskOf(connection, kind, payload, priority)]);
      return context.json({ task: made!.id, joined: made!.joined }, 202);
    },
  );
}

function controlRoute(api: Api, parts: ApiParts, action: keyof typeof ACTIONS): void {
  api.openapi(
    operation({
      method: 'post',
      path: `/connections/{connection}/${action}`,
      operationId: `${action}Connection`,
      role: 'operate',
      tags,
      summary: ACTIONS[action],
      request: { params: byName },
      responses: { 200: jsonOf(schemas.concerned, 'Done.') },
    }),
    async (context) => {
      const { connection } = context.req.valid('param');
      await known(parts, connection);
      return context.json({ tasks: (await parts.scheduler.control('connection', connection, action)) ?? 0 }, 200);
    },
  );
}

function resetRoute(api: Api, parts: ApiParts): void {
  api.openapi(
    operation({
      method: 'post',
      path: '/connections/{connection}/reset',
      operationId: 'resetStream',
      role: 'operate',
      tags,
      summary: 'Read a stream again with the next run, whole or a range of it; its rows stay',
      request: { params: byName, body: bodyOf(schemas.resetRequest) },
      responses: { 204: { description: 'The next run reads it.' } },
    }),
    async (context) => {
      const { connection } = context.req.valid('param');
      const { stream, from, before } = context.req.valid('json');
      await known(parts, connection);
      await resetStreamOf(await parts.desk.access(connection), stream, { from, before }, parts.clock);
      return context.body(null, 204);
    },
  );
}

/** What is stored of a connection: its ledger, and what is known of the API's limits. */
export function ledgerRoutes(api: Api, parts: ApiParts): void {
  const { desk, clock } = parts;
  api.openapi(
    operation({
      method: 'get',
      path: '/connections/{connection}/ledger',
      operationId: 'getLedger',
      role: 'read',
      tags,
      summary: 'What is stored of each stream, range by range',
      request: { params: byName },
      responses: { 200: jsonOf(z.object({ items: z.array(schemas.streamLedger) }), 'The ledger as it is now.') },
    }),
    async (context) => {
      const { connection } = context.req.valid('param');
      await known(parts, connection);
      return context.json({ items: (await readLedger(await desk.access(connection), clock)).map(schemas.wire) }, 200);
    },
  );

  api.openapi(
    operation({
      method: 'get',
      path: '/connections/{connection}/limits',
      operationId: 'getLimits',
      role: 'read',
      tags,
      summary: "The API's limits, and how they were found out",
      request: { params: byName },
      responses: {
        200: jsonOf(
          z.object({ saved_at: z.string().nullable(), items: z.array(schemas.limitView) }),
          'As the last run knew them.',
        ),
      },
    }),
    async (context) => {
      const { connection } = context.req.valid('param');
      await known(parts, connection);
      const { savedAt, limits } = await readLimits(await desk.access(connection), clock);
      return context.json({ saved_at: savedAt, items: limits.map(schemas.wire) }, 200);
    },
  );
}
