/** Manifests over real HTTP: each pagination. */
import { describe, expect, test } from 'vitest';
import { type Answer, manifestOf, Reply, streamOf } from '../manifest-support.js';
import { api, connection, data, ids, range, read } from '../manifest-reading.js';

describe('pagination', () => {
  test('a cursor from the body, sent as a parameter, until the stop condition', async () => {
    const { rows, summary } = await read(
      ({ query }) => {
        const at = Number(query['after'] ?? 0);
        return data(range(at, Math.min(at + 10, 35)), { next: at + 10 < 35 ? String(at + 10) : null });
      },
      streamOf('users', {
        retriever: `paginator:
  type: DefaultPaginator
  page_token_option: {type: RequestOption, inject_into: request_parameter, field_name: after}
  pagination_strategy: {type: CursorPagination, cursor_value: "{{ response.next }}", stop_condition: "{{ not response.next }}"}`,
      }),
    );
    expect(ids(rows['users'])).toEqual(range(0, 35));
    expect(summary.outcome).toBe('complete');
  });

  test('the address of the next page, in the body and in a Link header', async () => {
    const server: { url?: string } = {};
    const answer: Answer = ({ query, path: at }) => {
      const page = Number(query['page'] ?? 1);
      const next = `${server.url}${at}?page=${page + 1}`;
      return page < 3
        ? new Reply(200, data(range(page * 10, page * 10 + 10), { next }), {
            link: `<${server.url}${at}?page=1>; rel="first", <${next}>; rel="next"`,
          })
        : data(range(30, 35), { next: null });
    };
    const started = await api(answer);
    server.url = started.url;
    const pager = (value: string, stop: string) =>
      `paginator: {type: DefaultPaginator, page_token_option: {type: RequestPath}, pagination_strategy: {type: CursorPagination, cursor_value: "${value}", stop_condition: "${stop}"}}`;
    const run = await connection({
      manifest: manifestOf(
        streamOf('body', { retriever: pager('{{ response.next }}', '{{ not response.next }}') }) +
          streamOf('link', {
            retriever: pager("{{ headers['link']['next']['url'] }}", "{{ 'next' not in headers['link'] }}"),
          }),
      ),
      url: started.url,
    }).sync();
    expect(ids(run.rows['body'])).toEqual(range(10, 35));
    expect(ids(run.rows['link'])).toEqual(range(10, 35));
  });

  test('a next page on another server is refused, and the credential stays here', async () => {
    const { summary } = await read(
      () => data([1], { next: 'https://evil.example/steal' }),
      streamOf('users', {
        retriever:
          'paginator: {type: DefaultPaginator, page_token_option: {type: RequestPath}, pagination_strategy: {type: CursorPagination, cursor_value: "{{ response.next }}"}}',
      }),
    );
    expect(summary.problems[0]).toMatchObject({ stream: 'users', code: 'foreign_page' });
  });

  test('page numbers, read out of order; a page past the end may be an error', async () => {
    const { rows, summary } = await read(
      ({ query }) => {
        const page = Number(query['page'] ?? 1);
        return page > 7
          ? new Reply(404, { error: 'no such page' })
          : data(range((page - 1) * 10, Math.min(page * 10, 63)));
      },
      streamOf('users', {
        retriever: `paginator:
  type: DefaultPaginator
  page_size_option: {type: RequestOption, inject_into: request_parameter, field_name: limit}
  page_token_option: {type: RequestOption, inject_into: request_parameter, field_name: page}
  pagination_strategy: {type: PageIncrement, start_from_page: 1, page_size: 10}`,
      }),
    );
    expect(new Set(ids(rows['users']))).toEqual(new Set(range(0, 63)));
    expect(summary.outcome).toBe('complete');
  });

  test('a page that fails in the middle is an error, not the end', async () => {
    const { summary } = await read(
      ({ query }) => {
        const page = Number(query['page'] ?? 0);
        return page === 1 ? new Reply(404, { error: 'gone' }) : data(range(page * 10, page * 10 + 10));
      },
      streamOf('users', {
        retriever:
          'paginator: {type: DefaultPaginator, page_token_option: {type: RequestOption, inject_into: request_parameter, field_name: page}, pagination_strategy: {type: PageIncrement, page_size: 10}}',
      }),
    );
    expect(summary.outcome).not.toBe('complete');
    expect(summary.problems[0]).toMatchObject({ stream: 'users', code: 'api_refused' });
  });

  test('offsets, in the body of a POST', async () => {
    const { rows, asked } = await read(
      ({ json }) => {
        const { offset = 0, limit } = json as { offset?: number; limit: number };
        return data(range(offset, Math.min(offset + limit, 47)));
      },
      streamOf('users', {
        requester: 'http_method: POST',
        retriever: `paginator:
  type: DefaultPaginator
  page_size_option: {type: RequestOption, inject_into: body_json, field_path: [limit]}
  page_token_option: {type: RequestOption, inject_into: body_json, field_name: offset}
  pagination_strategy: {type: OffsetIncrement, page_size: "{{ config.get('page_size', 20) }}"}`,
      }),
    );
    expect(ids(rows['users'])).toEqual(range(0, 47));
    expect(asked[0]).toBe('POST /users');
  });

  test('a filter that drops whole pages does not end the walk', async () => {
    const { rows } = await read(
      ({ query }) => {
        const at = Number(query['after'] ?? 0);
        return { data: range(at, at + 5).map((id) => ({ id, live: id >= 20 })), next: at + 5 < 30 ? at + 5 : null };
      },
      streamOf('users', {
        selector: 'record_filter: {condition: "{{ record.live }}"}',
        retriever:
          'paginator: {type: DefaultPaginator, page_token_option: {type: RequestOption, inject_into: request_parameter, field_name: after}, pagination_strategy: {type: CursorPagination, cursor_value: "{{ response.next }}"}}',
      }),
    );
    expect(ids(rows['users'])).toEqual(range(20, 30));
  });

  test('pages that stand still end in an error', async () => {
    const { summary } = await read(
      () => data([1, 2], { next: 'same' }),
      streamOf('users', {
        retriever:
          'paginator: {type: DefaultPaginator, page_token_option: {type: RequestOption, inject_into: request_parameter, field_name: after}, pagination_strategy: {type: CursorPagination, cursor_value: "{{ response.next }}"}}',
      }),
    );
    expect(summary.problems[0]).toMatchObject({ code: 'pages_stand_still' });
  });
});
