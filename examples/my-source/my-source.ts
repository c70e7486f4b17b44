/** Tickets of a help desk, as a source of Headrace. */
import { CursorGoneError, defineSource, judgeByStatus, z, type DataRecord } from 'headrace/source';

interface TicketPage {
  tickets: DataRecord[];
  /** Where the next page begins; null after the last one. */
  next: string | null;
}

export default defineSource({
  name: 'my-source',
  title: 'My source',
  settings: { api_key: z.string().min(1).describe('Key of the help desk; write it as ${MY_SOURCE_KEY}.') },
  environment: { api_key: 'MY_SOURCE_KEY', base_url: 'MY_SOURCE_URL' },
  limits: [{ name: 'all', scope: 'credential', usual: { requests: 20, windowMs: 1000 } }],
  open({ api_key }, parts) {
    const client = parts.client({
      baseUrl: 'https://helpdesk.example.com',
      auth: { bearer: api_key },
      judge: (response, request) =>
        response.status === 410
          ? { kind: 'error', error: new CursorGoneError('the ticket of the cursor is gone', { code: 'cursor_gone' }) }
          : judgeByStatus(response, request),
    });
    return {
      streams: [
        {
          name: 'tickets',
          schema: {
            type: 'object',
            properties: { id: { type: 'string' }, updated: { type: 'integer' }, title: { type: 'string' } },
          },
          primaryKey: ['id'],
          division: {
            kind: 'range',
            position: (ticket) => Number(ticket['updated']),
            unit: 1,
            order: 'descending',
            moves: true,
            pageRows: 50,
          },
          follow: { kind: 'cursor', lookback: 60 },
          async page(request) {
            const query = new URLSearchParams({ limit: '50' });
            if (request.gte !== null) query.set('since', String(request.gte));
            if (request.lt !== null) query.set('until', String(request.lt));
            if (request.cursor !== null) query.set('after', request.cursor);
            const { body, serverTimeMs, bytes } = await client.get<TicketPage>(`/tickets?${query}`, request);
            return { records: body.tickets, next: body.next, hasMore: body.next !== null, serverTimeMs, bytes };
          },
        },
      ],
    };
  },
});
