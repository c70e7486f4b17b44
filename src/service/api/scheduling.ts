/** Apps and their limits, partitions, tasks, workers. */
import { z } from '@hono/zod-openapi';
import { ConfigError } from '../../base/errors.js';
import {
  pageApps,
  findTask,
  listWorkers,
  pagePartitions,
  pageSlots,
  pageTasks,
} from '../../fleet/scheduler/overview.js';
import type { Pool } from '../../postgres/pool.js';
import { lastHourOf } from '../../runs/samples.js';
import { bodyOf, jsonOf, operation, page, type Api, type ApiParts } from './kit.js';
import * as schemas from './schemas.js';

const ACTIONS = ['pause', 'resume', 'cancel', 'retry'] as const;
const after = z.string().max(300).optional().describe('The page before ended with this one.');
const byTask = z.object({
  task: z.coerce.number<string>().int().min(1).max(Number.MAX_SAFE_INTEGER).describe('Id of the task.'),
});
const byPartition = z.object({
  partition: z.string().min(1).max(300).describe('Id of the partition, percent-encoded.'),
});

/** What an action does, after what it is done to. */
const DOES = {
  pause: 'keep from running; what runs commits and stops',
  resume: 'let run again',
  cancel: 'end, whatever is left',
  retry: 'begin a dead letter anew',
} as const;

export function schedulingRoutes(api: Api, parts: ApiParts): void {
  appRoutes(api, parts);
  partitionRoutes(api, parts);
  taskRoutes(api, parts);
  slotRoute(api, parts);
  for (const action of ACTIONS) controlRoutes(api, parts, action);
  workerRoute(api, parts);
}

function appRoutes(api: Api, { scheduler }: ApiParts): void {
  const { pool } = scheduler;
  api.openapi(
    operation({
      method: 'get',
      path: '/apps',
      operationId: 'listApps',
      role: 'read',
      tags: ['apps'],
      summary: 'Apps and their rate limits',
      request: { query: schemas.pageQuery.extend({ after }) },
      responses: {
        200: jsonOf(z.object({ items: z.array(schemas.appView), next: z.string().nullable() }), 'A page of them.'),
      },
    }),
    async (context) => {
      const query = context.req.valid('query');
      return context.json(
        page(await pageApps(pool, query), query.limit, ({ app }) => app),
        200,
      );
    },
  );

  api.openapi(
    operation({
      method: 'put',
      path: '/apps/{app}/limit',
      operationId: 'setAppLimit',
      role: 'operate',
      tags: ['apps'],
      summary: 'Edit the rate limit of an app; the caps of its partitions follow at once',
      request: { params: z.object({ app: z.string().min(1).max(100) }), body: bodyOf(schemas.appLimit) },
      responses: { 200: jsonOf(schemas.limitSet, 'The next claim obeys.') },
    }),
    async (context) => {
      const { app } = context.req.valid('param');
      const limit = context.req.valid('json');
      const [known] = await pool.query('select 1 as x from _headrace.app where id = $1', [app]);
      if (!known)
        throw new ConfigError(`there is no app ${app}`, {
          code: 'unknown_app',
          place: 'app',
          found: app,
          next: 'list them: GET /api/v1/apps',
        });
      return context.json(
        await scheduler.setLimit(app, { requests: limit.rate_limit, frequencySeconds: limit.frequency_seconds }),
        200,
      );
    },
  );
}

function partitionRoutes(api: Api, { scheduler: { pool }, runs, clock }: ApiParts): void {
  api.openapi(
    operation({
      method: 'get',
      path: '/partitions',
      operationId: 'listPartitions',
      role: 'read',
      tags: ['partitions'],
      summary: 'Concurrency partitions: cap, what runs, what waits',
      request: { query: schemas.pageQuery.extend({ after, app: z.string().max(100).optional() }) },
      responses: {
        200: jsonOf(
          z.object({ items: z.array(schemas.partitionView), next: z.string().nullable() }),
          'A page of them.',
        ),
      },
    }),
    async (context) => {
      const query = context.req.valid('query');
      return context.json(
        page(await pagePartitions(pool, query), query.limit, ({ partition }) => partition),
        200,
      );
    },
  );

  api.openapi(
    operation({
      method: 'get',
      path: '/partitions/{partition}/hour',
      operationId: 'getLastHour',
      role: 'read',
      tags: ['partitions'],
      summary: 'The last hour of the limits that a partition shares: rate and rejections, minute by minute',
      request: { params: byPartition },
      responses: { 200: jsonOf(schemas.lastHour, 'As its runs met them.') },
    }),
    async (context) => {
      const { partition } = context.req.valid('param');
      return context.json(schemas.wire(lastHourOf(await runs.lastHour(partition), clock.now())), 200);
    },
  );
}

async function foundTask(pool: Pool, id: number): Promise<schemas.Answer> {
  const found = await findTask(pool, id);
  if (!found)
    throw new ConfigError(`there is no task ${id}`, {
      code: 'unknown_task',
      place: 'task',
      found: String(id),
      next: 'list them: GET /api/v1/tasks',
    });
  return schemas.wire(found);
}

function taskRoutes(api: Api, { scheduler: { pool } }: ApiParts): void {
  api.openapi(
    operation({
      method: 'get',
      path: '/tasks',
      operationId: 'listTasks',
      role: 'read',
      tags: ['tasks'],
      summary: 'Tasks, the newest first',
      request: {
        query: schemas.pageQuery.extend({
          connection: z.string().max(100).optional(),
          state: schemas.taskView.shape.state.optional(),
          before: z.coerce
            .number<string>()
            .int()
            .min(1)
            .max(Number.MAX_SAFE_INTEGER)
            .optional()
            .describe('The page before ended with this task.'),
        }),
      },
      responses: {
        200: jsonOf(z.object({ items: z.array(schemas.taskView), next: z.string().nullable() }), 'A page of them.'),
      },
    }),
    async (context) => {
      const query = context.req.valid('query');
      return context.json(
        page(await pageTasks(pool, query), query.limit, ({ id }) => id),
        200,
      );
    },
  );

  api.openapi(
    operation({
      method: 'get',
      path: '/tasks/{task}',
      operationId: 'getTask',
      role: 'read',
      tags: ['tasks'],
      summary: 'One task',
      request: { params: byTask },
      responses: { 200: jsonOf(schemas.taskView, 'As it is now.') },
    }),
    async (context) => context.json(await foundTask(pool, context.req.valid('param').task), 200),
  );
}

/** What an engine of one's own keeps is no task, and counts all the same. */
function slotRoute(api: Api, { scheduler: { pool } }: ApiParts): void {
  api.openapi(
    operation({
      method: 'get',
      path: '/slots',
      operationId: 'listSlots',
      role: 'read',
      tags: ['tasks'],
      summary: 'Room in the caps that steps of workflows hold, which another engine keeps',
      request: { query: schemas.pageQuery.extend({ after, connection: z.string().max(100).optional() }) },
      responses: {
        200: jsonOf(z.object({ items: z.array(schemas.slotView), next: z.string().nullable() }), 'A page of them.'),
      },
    }),
    async (context) => {
      const query = context.req.valid('query');
      return context.json(
        page(await pageSlots(pool, query), query.limit, ({ workflow }) => workflow),
        200,
      );
    },
  );
}

/** Pause, resume, cancel, retry: a task, or all of a partition. */
function controlRoutes(api: Api, { scheduler }: ApiParts, action: (typeof ACTIONS)[number]): void {
  api.openapi(
    operation({
      method: 'post',
      path: `/tasks/{task}/${action}`,
      operationId: `${action}Task`,
      role: 'operate',
      tags: ['tasks'],
      summary: `A task: ${DOES[action]}`,
      request: { params: byTask },
      responses: { 200: jsonOf(schemas.taskView, 'As it is now.') },
    }),
    async (context) => {
      const id = context.req.valid('param').task;
      await scheduler.control('task', String(id), action);
      return context.json(await foundTask(scheduler.pool, id), 200);
    },
  );

  api.openapi(
    operation({
      method: 'post',
      path: `/partitions/{partition}/${action}`,
      operationId: `${action}Partition`,
      role: 'operate',
      tags: ['partitions'],
      summary: `All tasks of a partition: ${DOES[action]}`,
      request: { params: byPartition },
      responses: { 200: jsonOf(schemas.concerned, 'Done.') },
    }),
    async (context) => {
      const { partition } = context.req.valid('param');
      const tasks = await scheduler.control('partition', partition, action);
      if (tasks === undefined)
        throw new ConfigError(`there is no partition ${partition}`, {
          code: 'unknown_partition',
          place: 'partition',
          found: partition,
          next: 'list them: GET /api/v1/partitions',
        });
      return context.json({ tasks }, 200);
    },
  );
}

function workerRoute(api: Api, { scheduler: { pool } }: ApiParts): void {
  api.openapi(
    operation({
      method: 'get',
      path: '/workers',
      operationId: 'listWorkers',
      role: 'read',
      tags: ['workers'],
      summary: 'Workers that hold a lease',
      responses: { 200: jsonOf(z.object({ items: z.array(schemas.workerView) }), 'All of them.') },
    }),
    async (context) => context.json({ items: (await listWorkers(pool)).map(schemas.wire) }, 200),
  );
}
