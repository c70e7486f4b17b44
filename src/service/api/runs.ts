/** Runs: what they did, what they told, and how they go on now. */
import { z } from '@hono/zod-openapi';
import { ConfigError } from '../../base/errors.js';
import { LIMITS } from '../../base/bounds.js';
import { readLedger } from '../../fleet/tasks/ledger.js';
import type { RunDetail, RunStore } from '../../runs/run-store.js';
import { runReport } from '../../runs/report/report.js';
import { seriesOf, slownessOf } from '../../runs/samples.js';
import { secured } from '../pages.js';
import { jsonOf, operation, page, type Api, type ApiParts } from './kit.js';
import * as schemas from './schemas.js';

const tags = ['runs'];
const byId = z.object({ run: z.string().min(1).max(100).describe('Id of the run.') });

export function runRoutes(api: Api, parts: ApiParts): void {
  listRoutes(api, parts);
  eventRoute(api, parts);
  overTimeRoutes(api, parts);
  ledgerRoute(api, parts);
}

async function foundRun(runs: RunStore, id: string): Promise<RunDetail> {
  const run = await runs.find(id);
  if (!run)
    throw new ConfigError(`there is no run ${id}`, {
      code: 'unknown_run',
      place: 'run',
      found: id,
      next: 'list them: GET /api/v1/runs',
    });
  return run;
}

function listRoutes(api: Api, { runs }: ApiParts): void {
  api.openapi(
    operation({
      method: 'get',
      path: '/runs',
      operationId: 'listRuns',
      role: 'read',
      tags,
      summary: 'Runs, the newest first',
      request: {
        query: schemas.pageQuery.extend({
          connection: z.string().max(100).optional(),
          outcome: schemas.runOutcome.optional(),
          before: z.string().max(100).optional().describe('The page before ended with this run.'),
        }),
      },
      responses: {
        200: jsonOf(z.object({ items: z.array(schemas.runView), next: z.string().nullable() }), 'A page of them.'),
      },
    }),
    async (context) => {
      const query = context.req.valid('query');
      return context.json(
        page(await runs.list(query), query.limit, ({ id }) => id),
        200,
      );
    },
  );

  api.openapi(
    operation({
      method: 'get',
      path: '/runs/{run}',
      operationId: 'getRun',
      role: 'read',
      tags,
      summary: 'One run: its progress, and its summary once it ended',
      request: { params: byId },
      responses: { 200: jsonOf(schemas.runDetail, 'As of its last snapshot.') },
    }),
    async (context) => context.json(schemas.wire(await foundRun(runs, context.req.valid('param').run)), 200),
  );
}

function eventRoute(api: Api, { runs }: ApiParts): void {
  api.openapi(
    operation({
      method: 'get',
      path: '/runs/{run}/events',
      operationId: 'listRunEvents',
      role: 'read',
      tags,
      summary: 'What a run told, the oldest first',
      request: {
        params: byId,
        query: schemas.pageQuery.extend({
          after: z.coerce
            .number<string>()
            .int()
            .min(0)
            .max(Number.MAX_SAFE_INTEGER)
            .default(0)
            .describe('The page before ended with this event.'),
        }),
      },
      responses: {
        200: jsonOf(z.object({ items: z.array(schemas.eventView), next: z.string().nullable() }), 'A page of them.'),
      },
    }),
    async (context) => {
      const { run } = context.req.valid('param');
      const { after, limit } = context.req.valid('query');
      await foundRun(runs, run);
      return context.json(
        page(await runs.events(run, after, Math.min(limit, LIMITS.apiPageItems)), limit, ({ id }) => id),
        200,
      );
    },
  );
}

/** How a run went, as curves and as one page. */
function overTimeRoutes(api: Api, { runs, version }: ApiParts): void {
  api.openapi(
    operation({
      method: 'get',
      path: '/runs/{run}/samples',
      operationId: 'getRunSamples',
      role: 'read',
      tags,
      summary: 'How a run went over time: rates, limits, rejections, memory; kept for two weeks',
      request: { params: byId },
      responses: { 200: jsonOf(schemas.runSamples, 'Curves with a value for each moment, the oldest first.') },
    }),
    async (context) => {
      const { run } = context.req.valid('param');
      await foundRun(runs, run);
      const series = seriesOf(await runs.samples(run));
      return context.json(schemas.wire({ ...series, slowness: slownessOf(series) }), 200);
    },
  );

  api.openapi(
    operation({
      method: 'get',
      path: '/runs/{run}/report',
      operationId: 'getRunReport',
      role: 'read',
      tags,
      summary: 'One HTML file of a run: spans, charts, proof with evidence, what was slow and why',
      request: { params: byId },
      responses: {
        200: { description: 'It needs nothing else.', content: { 'text/html': { schema: z.string() } } },
      },
    }),
    async (context) => {
      const { id } = await foundRun(runs, context.req.valid('param').run);
      const page = (await runReport(runs, id, version)) ?? '';
      secured(context, true);
      context.header('Content-Disposition', `attachment; filename="headrace-${id.replaceAll(/[^\w-]/g, '_')}.html"`);
      // The types of an operation know answers of JSON alone.
      return context.html(page) as never;
    },
  );
}

function ledgerRoute(api: Api, { runs, desk, clock }: ApiParts): void {
  api.openapi(
    operation({
      method: 'get',
      path: '/runs/{run}/ledger',
      operationId: 'getRunLedger',
      role: 'read',
      tags,
      summary: 'The ledger that the run reads by, as it is now',
      request: { params: byId },
      responses: {
        200: jsonOf(
          z.object({ connection: z.string(), items: z.array(schemas.streamLedger) }),
          'Of its connection: runs go on where those before them ended.',
        ),
      },
    }),
    async (context) => {
      const { connection } = await foundRun(runs, context.req.valid('param').run);
      return context.json(
        { connection, items: (await readLedger(await desk.access(connection), clock)).map(schemas.wire) },
        200,
      );
    },
  );
}
