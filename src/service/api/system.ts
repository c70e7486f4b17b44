/** The service itself: an overview, tokens, and the stream of events. */
import { z } from '@hono/zod-openapi';
import { streamSSE } from 'hono/streaming';
import { countAll } from '../../connections/overview.js';
import { beginSession, bearerOf, endSession } from '../access.js';
import { ConfigError } from '../../base/errors.js';
import type { FeedKind } from '../feed.js';
import { bodyOf, fault, jsonOf, operation, type Api, type ApiParts } from './kit.js';
import * as schemas from './schemas.js';

const DAY_MS = 86_400_000;

function sessionRoutes(api: Api, parts: ApiParts): void {
  api.openapi(
    operation({
      method: 'post',
      path: '/session',
      operationId: 'beginSession',
      role: 'read',
      tags: ['service'],
      summary: 'Exchange the token for a cookie that a browser sends and no script can read',
      responses: { 204: { description: 'The cookie is set: HttpOnly, SameSite=Strict.' } },
    }),
    async (context) => {
      const token = bearerOf(context);
      if (typeof token === 'string') await beginSession(context, parts, token);
      return context.body(null, 204);
    },
  );

  api.openapi(
    operation({
      method: 'delete',
      path: '/session',
      operationId: 'endSession',
      role: 'read',
      tags: ['service'],
      summary: 'Sign out: the session ends',
      responses: { 204: { description: 'It ended.' } },
    }),
    async (context) => {
      await endSession(context, parts);
      return context.body(null, 204);
    },
  );
}

export function systemRoutes(api: Api, parts: ApiParts): void {
  sessionRoutes(api, parts);
  overviewRoute(api, parts);
  tokenRoutes(api, parts);
  eventRoute(api, parts);
}

function overviewRoute(api: Api, { scheduler, version }: ApiParts): void {
  api.openapi(
    operation({
      method: 'get',
      path: '/overview',
      operationId: 'getOverview',
      role: 'read',
      tags: ['service'],
      summary: 'How much of everything there is, and what your role is',
      responses: { 200: jsonOf(schemas.overviewSchema, 'As it is now.') },
    }),
    async (context) =>
      context.json({ version, role: context.get('role'), ...schemas.wire(await countAll(scheduler.pool)) }, 200),
  );
}

function tokenRoutes(api: Api, { tokens, clock }: ApiParts): void {
  api.openapi(
    operation({
      method: 'get',
      path: '/tokens',
      operationId: 'listTokens',
      role: 'admin',
      tags: ['tokens'],
      summary: 'Tokens, without what is secret of them',
      responses: { 200: jsonOf(z.object({ items: z.array(schemas.tokenView) }), 'All of them.') },
    }),
    async (context) => context.json({ items: (await tokens.list()).map(schemas.wire) }, 200),
  );

  api.openapi(
    operation({
      method: 'post',
      path: '/tokens',
      operationId: 'createToken',
      role: 'admin',
      tags: ['tokens'],
      summary: 'Make a token',
      request: { body: bodyOf(schemas.newToken) },
      responses: { 201: jsonOf(schemas.tokenMade, 'Keep it: it is not shown again.') },
    }),
    async (context) => {
      const { name, role, expires_in_days: days } = context.req.valid('json');
      return context.json(
        schemas.wire(
          await tokens.create(name, role, days === undefined ? undefined : new Date(clock.now() + days * DAY_MS)),
        ),
        201,
      );
    },
  );

  api.openapi(
    operation({
      method: 'delete',
      path: '/tokens/{token}',
      operationId: 'revokeToken',
      role: 'admin',
      tags: ['tokens'],
      summary: 'Revoke a token; it stops working at once',
      request: { params: z.object({ token: z.string().min(1).max(100).describe('Its id.') }) },
      responses: { 204: { description: 'It is revoked.' } },
    }),
    async (context) => {
      const { token } = context.req.valid('param');
      if (!(await tokens.revoke(token)))
        throw new ConfigError('there is no such token', {
          code: 'unknown_token',
          place: 'token',
          next: 'list them: GET /api/v1/tokens',
        });
      return context.body(null, 204);
    },
  );
}

function eventRoute(api: Api, { feed }: ApiParts): void {
  api.openapi(
    operation({
      method: 'get',
      path: '/events',
      operationId: 'watchEvents',
      role: 'read',
      tags: ['events'],
      summary: 'What happens, as server-sent events',
      description:
        'Event `run` brings a run with its progress, `event` what a run told, `task` a task that began, ended or was enqueued, `resync` says that some were left out: ask again for what you show.',
      request: {
        query: z.object({
          run: z.string().max(100).optional().describe('Of this run alone.'),
          connection: z.string().max(100).optional().describe('Of this connection alone.'),
          kinds: z
            .string()
            .regex(/^(?:run|event|task)(?:,(?:run|event|task))*$/, 'run, event and task, with commas between them')
            .optional()
            .describe('Of these kinds alone, such as run,event. Default: all.'),
        }),
      },
      responses: {
        200: { description: 'A stream that does not end.', content: { 'text/event-stream': { schema: z.string() } } },
      },
    }),
    (context) => {
      const { kinds, ...filter } = context.req.valid('query');
      const watcher = feed.join({ ...filter, kinds: kinds?.split(',') as FeedKind[] | undefined });
      if (!watcher)
        return fault(context, 503, {
          code: 'too_many_watchers',
          message: 'too many watch this service already',
          next: 'close some, or ask another server',
        });
      context.header('X-Accel-Buffering', 'no');
      // As `never`: the types of an operation know answers of JSON alone.
      return streamSSE(context, async (stream) => {
        stream.onAbort(() => watcher.leave());
        try {
          await stream.write(': welcome\n\n');
          for await (const item of watcher) {
            // A connection that says nothing is cut by proxies.
            if (item)
              await stream.writeSSE({
                event: item.event,
                ...(item.id === undefined ? {} : { id: String(item.id) }),
                data: JSON.stringify(schemas.wire(item.data)),
              });
            else await stream.write(': alive\n\n');
          }
        } finally {
          watcher.leave();
        }
      }) as never;
    },
  );
}
