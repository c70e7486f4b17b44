/** Connections: make, look at, edit, forget. */
import { z } from '@hono/zod-openapi';
import { findConnectionView, listConnections, type ConnectionDetail } from '../../connections/overview.js';
import { managedByFile, type ScheduleRow } from '../../connections/connection-store.js';
import type { Settings } from '../../connections/secrets.js';
import { nextDue, type Cadence } from '../../fleet/scheduler/cadence.js';
import { byName, given, known, tags, trialRoutes, workRoutes, ledgerRoutes } from './connection-work.js';
import { bodyOf, jsonOf, operation, page, unknownConnection, type Api, type ApiParts } from './kit.js';
import * as schemas from './schemas.js';

export function connectionRoutes(api: Api, parts: ApiParts): void {
  listRoutes(api, parts);
  writeRoutes(api, parts);
  trialRoutes(api, parts);
  workRoutes(api, parts);
  ledgerRoutes(api, parts);
}

const shown = ({ settings, ...rest }: ConnectionDetail): schemas.Answer => ({ ...schemas.wire(rest), settings });

async function detail({ scheduler }: ApiParts, id: string): Promise<schemas.Answer> {
  const view = await findConnectionView(scheduler.pool, id);
  if (!view) throw unknownConnection(id);
  const { secrets: _, ...rest } = view;
  return shown(rest);
}

/** The scheduler first: a configuration belongs to a connection that it knows. */
async function store(
  parts: ApiParts,
  id: string,
  wanted: Settings,
  expect: number | undefined,
): Promise<schemas.Answer> {
  const { scheduler, connections, desk, clock } = parts;
  const { settings, before } = await connections.complete(id, wanted, expect);
  const {
    setup: { cadence, priority, ...setup },
    isSecret,
  } = await desk.storable(id, settings);
  const sealed = connections.seal(id, settings, isSecret);
  const moves =
    before?.partition !== setup.partition ||
    before.app !== setup.app ||
    before.maxConcurrentProcesses !== setup.maxConcurrent;
  if (moves) await scheduler.define(setup);
  const { version, nextAt } = await connections.write(id, sealed, scheduleRow(cadence, priority, clock.now()), expect);
  if (!before || moves) return detail(parts, id);
  const schedule = cadence && {
    everySeconds: 'everySeconds' in cadence ? cadence.everySeconds : null,
    cron: 'cron' in cadence ? cadence.cron : null,
    timeZone: ('cron' in cadence && cadence.timeZone) || 'UTC',
  };
  return shown({ ...before, settings: sealed.shown, version, schedule: schedule ?? null, nextRunAt: nextAt });
}

function listRoutes(api: Api, parts: ApiParts): void {
  api.openapi(
    operation({
      method: 'get',
      path: '/connections',
      operationId: 'listConnections',
      role: 'read',
      tags,
      summary: 'Connections by name',
      request: {
        query: schemas.pageQuery.extend({
          after: z.string().max(100).optional().describe('The page before ended with this name.'),
          search: z.string().max(100).optional().describe('Part of a name.'),
          state: schemas.stateSchema.optional(),
        }),
      },
      responses: {
        200: jsonOf(
          z.object({ items: z.array(schemas.connectionView), next: z.string().nullable() }),
          'A page of them.',
        ),
      },
    }),
    async (context) => {
      const query = context.req.valid('query');
      return context.json(
        page(await listConnections(parts.scheduler.pool, query), query.limit, ({ id }) => id),
        200,
      );
    },
  );

  api.openapi(
    operation({
      method: 'get',
      path: '/connections/{connection}',
      operationId: 'getConnection',
      role: 'read',
      tags,
      summary: 'One connection, with its settings',
      request: { params: byName },
      responses: { 200: jsonOf(schemas.connectionDetail, 'Secrets are masked.') },
    }),
    async (context) => context.json(await detail(parts, context.req.valid('param').connection), 200),
  );
}

function writeRoutes(api: Api, parts: ApiParts): void {
  api.openapi(
    operation({
      method: 'post',
      path: '/connections',
      operationId: 'createConnection',
      role: 'admin',
      tags,
      summary: 'Make a connection',
      request: { body: bodyOf(schemas.newConnection) },
      responses: { 201: jsonOf(schemas.connectionDetail, 'It is made; its schedule counts from now on.') },
    }),
    async (context) => {
      const { id, ...settings } = context.req.valid('json');
      return context.json(await store(parts, id, given(settings), 0), 201);
    },
  );

  api.openapi(
    operation({
      method: 'put',
      path: '/connections/{connection}',
      operationId: 'editConnection',
      role: 'admin',
      tags,
      summary: 'Replace the settings of a connection',
      request: { params: byName, body: bodyOf(schemas.connectionEdit) },
      responses: { 200: jsonOf(schemas.connectionDetail, 'They count from the next task on.') },
    }),
    async (context) => {
      const { connection } = context.req.valid('param');
      const { version, ...settings } = context.req.valid('json');
      return context.json(await store(parts, connection, given(settings), version), 200);
    },
  );

  api.openapi(
    operation({
      method: 'delete',
      path: '/connections/{connection}',
      operationId: 'deleteConnection',
      role: 'admin',
      tags,
      summary: 'Forget a connection, its tasks and its runs; the data that it copied stays',
      request: { params: byName },
      responses: { 204: { description: 'It is forgotten.' } },
    }),
    async (context) => {
      const { connection } = context.req.valid('param');
      if ((await known(parts, connection)).managedBy === 'file') throw managedByFile(connection);
      await parts.scheduler.dropConnection(connection);
      parts.connections.signings.forget(connection);
      return context.body(null, 204);
    },
  );
}

function scheduleRow(cadence: Cadence | undefined, priority: number, nowMs: number): ScheduleRow | undefined {
  if (!cadence) return undefined;
  return 'everySeconds' in cadence
    ? { everySeconds: cadence.everySeconds, priority }
    : { cron: cadence.cron, timeZone: cadence.timeZone, priority, first: new Date(nextDue(cadence, nowMs, nowMs)) };
}
