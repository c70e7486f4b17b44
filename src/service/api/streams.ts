/** Streams of a connection, and their newest rows. */
import { z } from '@hono/zod-openapi';
import { newestRows, streamsOf } from '../../fleet/tasks/streams.js';
import { looksPersonal, MASKED, shownValue } from '../masking.js';
import { jsonOf, operation, unknownConnection, type Api, type ApiParts } from './kit.js';
import * as schemas from './schemas.js';

const tags = ['connections'];
const byName = z.object({ connection: z.string().min(1).max(100).describe('Name of the connection.') });

export function streamRoutes(api: Api, { connections, runs, desk, clock }: ApiParts): void {
  api.openapi(
    operation({
      method: 'get',
      path: '/connections/{connection}/streams',
      operationId: 'listStreams',
      role: 'read',
      tags,
      summary: 'Streams: rows, last change, evidence, fields',
      request: { params: byName },
      responses: { 200: jsonOf(z.object({ items: z.array(schemas.streamView) }), 'By name.') },
    }),
    async (context) => {
      const { connection } = context.req.valid('param');
      if (!(await connections.find(connection))) throw unknownConnection(connection);
      const history = new Map((await runs.streamsOf(connection)).map((each) => [each.stream, each]));
      const items = (await streamsOf(await desk.access(connection), clock)).map((view) => {
        const { changedAt = null, proof = null } = history.get(view.stream) ?? {};
        const { stored = null, faults = [] } = proof ?? {};
        return schemas.wire({ ...view, changedAt, stored, faults });
      });
      return context.json({ items }, 200);
    },
  );

  api.openapi(
    operation({
      method: 'get',
      path: '/connections/{connection}/streams/{stream}/rows',
      operationId: 'listNewestRows',
      role: 'operate',
      tags,
      summary: 'Rows of a stream that were written last, for people to look at',
      request: {
        params: byName.extend({ stream: z.string().min(1).max(200).describe('Name of the stream.') }),
        query: z.object({
          limit: z.coerce.number<string>().int().min(1).max(50).default(50),
          mask: z
            .string()
            .max(1_000)
            .optional()
            .describe('Fields to mask, with commas between them; empty: none. Default: those that look personal.'),
        }),
      },
      responses: { 200: jsonOf(schemas.rowsView, 'The newest first.') },
    }),
    async (context) => {
      const { connection, stream } = context.req.valid('param');
      const { limit, mask } = context.req.valid('query');
      if (!(await connections.find(connection))) throw unknownConnection(connection);
      const { fields, rows } = await newestRows(await desk.access(connection), stream, limit, clock);
      const wanted = mask?.split(',');
      const masked = fields.filter((field) => (wanted ? wanted.includes(field) : looksPersonal(field)));
      const cell = (row: Record<string, unknown>, field: string) =>
        masked.includes(field) && row[field] !== null && row[field] !== undefined ? MASKED : shownValue(row[field]);
      return context.json({ fields, masked, rows: rows.map((row) => fields.map((field) => cell(row, field))) }, 200);
    },
  );
}
