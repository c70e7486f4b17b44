/** Connections: make, look at, edit, test, run, pause, read again. */
import { z } from '@hono/zod-openapi';
import { findConnectionView, listConnections, type ConnectionDetail } from '../../connections/overview.js';
import { managedByFile, type ScheduleRow } from '../../connections/connection-store.js';
import type { Settings } from '../../connections/secrets.js';
import { HeadraceError } from '../../base/errors.js';
import { LIMITS } from '../../base/bounds.js';
import { nextDue, type Cadence } from '../../fleet/scheduler/cadence.js';
import { taskOf } from '../../fleet/tasks/kinds.js';
import { probe, readLedger, readLimits, resetStreamOf } from '../../fleet/tasks/ledger.js';
import { estimate } from '../../fleet/tasks/estimate.js';
import type { ConnectionAccess } from '../../fleet/tasks/access.js';
import {
  bodyOf,
  faultOf,
  jsonOf,
  operation,
  optionalBodyOf,
  page,
  unknownConnection,
  type Api,
  type ApiParts,
} from './kit.js';
import * as schemas from './schemas.js';

const tags = ['connections'];
const byName = z.object({ connection: z.string().min(1).max(100).describe('Name of the connection.') });
const ACTIONS = ['pause', 'resume', 'cancel', 'retry'] as const;

/** Long because it is a list of operations: each stands whole, its schemas beside its answer. */
export function connectionRoutes(api: Api, { scheduler, connections, desk, clock }: ApiParts): void {
  const { pool } = scheduler;
  const shown = ({ settings, ...rest }: ConnectionDetail): schemas.Answer => ({ ...schemas.wire(rest), settings });
  const detail = async (id: string) => {
    const view = await findConnectionView(pool, id);
    if (!view) throw unknownConnection(id);
    const { secrets: _, ...rest } = view;
    return shown(rest);
  };
  const known = async (id: string) => {
    const there = await connections.find(id);
    if (!there) throw unknownConnection(id);
    return there;
  };
  /** The scheduler first: a configuration belongs to a connection that it knows. */
  const store = async (id: string, given: Settings, expect: number | undefined) => {
    const { settings, before } = await connections.complete(id, given, expect);
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
    const { version, nextAt } = await connections.write(
      id,
      sealed,
      scheduleRow(cadence, priority, clock.now()),
      expect,
    );
    if (!before || moves) return detail(id);
    const schedule = cadence && {
      everySeconds: 'everySeconds' in cadence ? cadence.everySeconds : null,
      cron: 'cron' in cadence ? cadence.cron : null,
      timeZone: ('cron' in cadence && cadence.timeZone) || 'UTC',
    };
    return shown({ ...before, settings: sealed.shown, version, schedule: schedule ?? null, nextRunAt: nextAt });
  };

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
        page(await listConnections(pool, query), query.limit, ({ id }) => id),
        200,
      );
    },
  );

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
      return context.json(await store(id, given(settings), 0), 201);
    },
  );

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
      const { id, ...settings } = context.req.valid('json');
      const { access } = await desk.storable(id, await connections.reveal(id, given(settings)));
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
      const { id, ...settings } = context.req.valid('json');
      const { access } = await desk.storable(id, await connections.reveal(id, given(settings)));
      return context.json(schemas.wire(await estimate(access)), 200);
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
    async (context) => context.json(await detail(context.req.valid('param').connection), 200),
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
      return context.json(await store(connection, given(settings), version), 200);
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
      if ((await known(connection)).managedBy === 'file') throw managedByFile(connection);
      await scheduler.dropConnection(connection);
      return context.body(null, 204);
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
      await known(connection);
      return context.json(await probed(await desk.access(connection)), 200);
    },
  );

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
      await known(connection);
      const { kind, priority, ...payload } = schemas.runRequest.parse(context.req.valid('json'));
      const [made] = await scheduler.enqueue([taskOf(connection, kind, payload, priority)]);
      return context.json({ task: made!.id, joined: made!.joined }, 202);
    },
  );

  for (const action of ACTIONS) {
    api.openapi(
      operation({
        method: 'post',
        path: `/connections/{connection}/${action}`,
        operationId: `${action}Connection`,
        role: 'operate',
        tags,
        summary: {
          pause: 'Keep from running; what runs commits and stops',
          resume: 'Let run again',
          cancel: 'End all its tasks',
          retry: 'Begin its dead letters anew',
        }[action],
        request: { params: byName },
        responses: { 200: jsonOf(schemas.concerned, 'Done.') },
      }),
      async (context) => {
        const { connection } = context.req.valid('param');
        await known(connection);
        return context.json({ tasks: (await scheduler.control('connection', connection, action)) ?? 0 }, 200);
      },
    );
  }

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
      await known(connection);
      await resetStreamOf(await desk.access(connection), stream, { from, before }, clock);
      return context.body(null, 204);
    },
  );

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
      await known(connection);
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
      await known(connection);
      const { savedAt, limits } = await readLimits(await desk.access(connection), clock);
      return context.json({ saved_at: savedAt, items: limits.map(schemas.wire) }, 200);
    },
  );
}

function scheduleRow(cadence: Cadence | undefined, priority: number, nowMs: number): ScheduleRow | undefined {
  if (!cadence) return undefined;
  return 'everySeconds' in cadence
    ? { everySeconds: cadence.everySeconds, priority }
    : { cron: cadence.cron, timeZone: cadence.timeZone, priority, first: new Date(nextDue(cadence, nowMs, nowMs)) };
}

/** Without what was left out. */
function given(settings: object): Settings {
  return JSON.parse(JSON.stringify(settings)) as Settings;
}

async function probed(access: ConnectionAccess): Promise<z.infer<typeof schemas.probeView>> {
  try {
    return { ok: true, ...(await probe(access, AbortSignal.timeout(LIMITS.probeMs))) };
  } catch (error) {
    if (!(error instanceof HeadraceError)) throw error;
    return { ok: false, error: JSON.parse(JSON.stringify(faultOf(error))) };
  }
}
