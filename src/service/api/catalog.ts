/** What a connection can be made of: connectors, their definitions, destinations, schedules. */
import { z } from '@hono/zod-openapi';
import { ConfigError } from '../../base/errors.js';
import { assertCadence, nextDue, secondsOf, type Cadence } from '../../fleet/scheduler/cadence.js';
import { jsonOf, operation, type Api, type ApiParts } from './kit.js';
import * as schemas from './schemas.js';

const tags = ['service'];
const NEXT_RUNS = 3;

export function catalogRoutes(api: Api, { desk }: ApiParts): void {
  api.openapi(
    operation({
      method: 'get',
      path: '/connectors',
      operationId: 'listConnectors',
      role: 'read',
      tags,
      summary: 'Connectors, and what their source settings are',
      responses: { 200: jsonOf(z.object({ items: z.array(schemas.connectorView) }), 'All of them.') },
    }),
    async (context) => context.json({ items: z.array(schemas.connectorView).parse(await desk.connectors()) }, 200),
  );

  api.openapi(
    operation({
      method: 'get',
      path: '/definitions',
      operationId: 'listDefinitions',
      role: 'read',
      tags,
      summary: 'Definitions in manifests_dir, which connections of the API may name',
      responses: { 200: jsonOf(z.object({ items: z.array(schemas.definitionView) }), 'By name.') },
    }),
    (context) => context.json({ items: desk.definitions() }, 200),
  );

  api.openapi(
    operation({
      method: 'get',
      path: '/definitions/{definition}',
      operationId: 'getDefinition',
      role: 'read',
      tags,
      summary: 'What a definition asks for',
      request: { params: z.object({ definition: z.string().min(1).max(200).describe('Its name.') }) },
      responses: { 200: jsonOf(schemas.definitionDetail, 'Its configuration as a JSON schema.') },
    }),
    async (context) => context.json(await desk.definition(context.req.valid('param').definition), 200),
  );

  api.openapi(
    operation({
      method: 'get',
      path: '/destinations',
      operationId: 'listDestinations',
      role: 'read',
      tags,
      summary: 'Destinations, and what their settings are',
      responses: { 200: jsonOf(z.object({ items: z.array(schemas.destinationView) }), 'All of them.') },
    }),
    async (context) => context.json({ items: z.array(schemas.destinationView).parse(await desk.destinations()) }, 200),
  );
}

export function scheduleRoute(api: Api, { clock }: ApiParts): void {
  api.openapi(
    operation({
      method: 'get',
      path: '/schedule',
      operationId: 'previewSchedule',
      role: 'read',
      tags,
      summary: 'When a schedule would run next',
      request: { query: schemas.scheduleQuery },
      responses: { 200: jsonOf(schemas.scheduleView, 'Times, the next one first.') },
    }),
    (context) => {
      const cadence = cadenceOf(context.req.valid('query'));
      const next: string[] = [];
      // An interval begins at once.
      let at = 'everySeconds' in cadence ? clock.now() - cadence.everySeconds * 1000 : clock.now();
      while (next.length < NEXT_RUNS) {
        at = nextDue(cadence, at, at);
        next.push(new Date(at).toISOString());
      }
      return context.json({ next }, 200);
    },
  );
}

/** Throws ConfigError that names the parameter. */
function cadenceOf({ every, cron, time_zone: timeZone }: z.infer<typeof schemas.scheduleQuery>): Cadence {
  if ((every === undefined) === (cron === undefined))
    throw new ConfigError('a schedule is either an interval or a cron expression', {
      code: 'bad_cadence',
      place: 'every',
      expected: 'either every or cron',
      found: every === undefined ? 'neither' : 'both',
    });
  if (every !== undefined) return { everySeconds: secondsOf(every, 'every') };
  const cadence: Cadence = { cron: cron!, timeZone };
  assertCadence(cadence, 'cron');
  return cadence;
}
