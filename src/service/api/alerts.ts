/** Alerts: who is told, what was told, and a test. */
import { z } from '@hono/zod-openapi';
import { shownOf } from '../../alerts/targets.js';
import { jsonOf, operation, page, type Api, type ApiParts } from './kit.js';
import * as schemas from './schemas.js';

const tags = ['alerts'];

export function alertRoutes(api: Api, { alerts }: ApiParts): void {
  api.openapi(
    operation({
      method: 'get',
      path: '/alerts',
      operationId: 'listAlerts',
      role: 'read',
      tags,
      summary: 'Alerts of the last two weeks, the newest first, and who is told',
      request: {
        query: schemas.pageQuery.extend({
          before: z.coerce
            .number<string>()
            .int()
            .min(1)
            .max(Number.MAX_SAFE_INTEGER)
            .optional()
            .describe('The page before ended with this alert.'),
        }),
      },
      responses: {
        200: jsonOf(
          z.object({
            targets: z.array(schemas.alertTarget),
            items: z.array(schemas.alertView),
            next: z.string().nullable(),
          }),
          'A page of them; of addresses the host alone.',
        ),
      },
    }),
    async (context) => {
      const { limit, before } = context.req.valid('query');
      const targets = (await alerts.targets()).map((target) => ({
        shown: shownOf(target),
        format: target.format,
        on: target.on,
        connection: target.connection ?? null,
      }));
      return context.json({ targets, ...page(await alerts.list(limit, before), limit, ({ id }) => id) }, 200);
    },
  );

  api.openapi(
    operation({
      method: 'post',
      path: '/alerts/test',
      operationId: 'testAlerts',
      role: 'operate',
      tags,
      summary: 'Send a test to everybody who is told',
      responses: {
        200: jsonOf(z.object({ targets: z.int().min(0) }), 'So many were tried; the list tells what came of it.'),
      },
    }),
    async (context) => context.json({ targets: await alerts.test() }, 200),
  );
}
