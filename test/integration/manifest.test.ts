/** Manifests over real HTTP: each pagination, authentication, error action, partition router and cursor. */
import { createHmac } from 'node:crypto';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { ConfigError } from '../../src/base/errors.js';
import {
  manifestConnection,
  manifestOf,
  Reply,
  scripted,
  streamOf,
  type Answer,
  type ManifestInput,
  type ManifestRun,
  type Row,
  type Scripted,
} from '../manifest-support.js';
import { headrace } from '../support.js';

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

async function api(answer: Answer): Promise<Scripted> {
  const started = await scripted(answer);
  ends.push(() => started.close());
  return started;
}

function connection(input: ManifestInput) {
  const made = manifestConnection(input);
  ends.push(made.drop);
  return made;
}

async function read(
  answer: Answer,
  streams: string,
  input: Partial<ManifestInput> = {},
  more = '',
): Promise<ManifestRun & { asked: string[] }> {
  const server = await api(answer);
  const run = await connection({ manifest: manifestOf(streams, more), url: server.url, ...input }).sync();
  return { ...run, asked: server.asked };
}

const ids = (rows: Row[] | undefined) => (rows ?? []).map((row) => row['id'] as number).toSorted((a, b) => a - b);
const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);
const data = (list: number[], more: Row = {}) => ({ data: list.map((id) => ({ id })), ...more });

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

describe('authentication', () => {
  const seen =
    (check: Answer): Answer =>
    (request) =>
      check(request) ? data([1]) : new Reply(401, { error: 'no' });
  test.each<[string, string, Row, Answer]>([
    [
      'a key in a header',
      'authenticator: {type: ApiKeyAuthenticator, header: X-Key, api_token: "{{ config.key }}"}',
      { key: 'k1-secret' },
      ({ headers }) => headers['x-key'] === 'k1-secret',
    ],
    [
      'a key in a parameter',
      'authenticator: {type: ApiKeyAuthenticator, api_token: "{{ config.key }}", inject_into: {type: RequestOption, inject_into: request_parameter, field_name: api_key}}',
      { key: 'k2-secret' },
      ({ query }) => query['api_key'] === 'k2-secret',
    ],
    [
      'a bearer token',
      'authenticator: {type: BearerAuthenticator, api_token: "{{ config.key }}"}',
      { key: 'k3-secret' },
      ({ headers }) => headers.authorization === 'Bearer k3-secret',
    ],
    [
      'user and password',
      'authenticator: {type: BasicHttpAuthenticator, username: "{{ config.user }}", password: "{{ config.key }}"}',
      { user: 'u', key: 'k4-secret' },
      ({ headers }) => headers.authorization === `Basic ${Buffer.from('u:k4-secret').toString('base64')}`,
    ],
    [
      'the one that the configuration chooses',
      'authenticator: {type: SelectiveAuthenticator, authenticator_selection_path: [auth, kind], authenticators: {a: {type: BearerAuthenticator, api_token: x}, b: {type: ApiKeyAuthenticator, header: X-B, api_token: "{{ config.auth.key }}"}}}',
      { auth: { kind: 'b', key: 'k5-secret' } },
      ({ headers }) => headers['x-b'] === 'k5-secret',
    ],
    [
      'a signed token',
      'authenticator: {type: JwtAuthenticator, algorithm: HS256, secret_key: "{{ config.key }}", jwt_payload: {iss: me}}',
      { key: 'k6-secret' },
      ({ headers }) => {
        const [head, body, signature] = headers.authorization!.replace('Bearer ', '').split('.');
        return (
          signature === createHmac('sha256', 'k6-secret').update(`${head}.${body}`).digest('base64url') &&
          (JSON.parse(Buffer.from(body!, 'base64url').toString()) as Row)['iss'] === 'me'
        );
      },
    ],
  ])('%s', async (_, requester, config, check) => {
    const { summary } = await read(seen(check), streamOf('users', { requester }), { config });
    expect(summary.problems).toEqual([]);
    expect(summary.rows).toBe(1);
  });

  test('a wrong key fails the check with what to do, and the key is in no message', async () => {
    const server = await api(() => new Reply(401, { message: 'bad key' }));
    const failed = connection({
      manifest: manifestOf(
        streamOf('users', { requester: 'authenticator: {type: BearerAuthenticator, api_token: "{{ config.key }}"}' }),
      ),
      config: { key: 'very-secret-key' },
      url: server.url,
    }).sync();
    await expect(failed).rejects.toMatchObject({
      code: 'credential_rejected',
      exitCode: 2,
      next: expect.stringContaining('credential'),
    });
    await failed.catch((error: Error) =>
      expect(JSON.stringify({ ...error, message: error.message })).not.toContain('very-secret-key'),
    );
  });

  test('OAuth: a refresh token that is good for one use is replaced, and kept for the next run', async () => {
    let valid = 'refresh-1';
    let access = '';
    let refreshes = 0;
    const answer: Answer = ({ path: at, body, headers }) => {
      if (at === '/token') {
        const form = new URLSearchParams(body);
        if (form.get('refresh_token') !== valid || form.get('client_secret') !== 'cs')
          return new Reply(400, { error: 'invalid_grant' });
        refreshes++;
        valid = `refresh-${refreshes + 1}`;
        access = `access-${refreshes}`;
        return { access_token: access, refresh_token: valid, expires_in: 3600 };
      }
      return headers.authorization === `Bearer ${access}` ? data([1, 2]) : new Reply(401, {});
    };
    const server = await api(answer);
    const own = connection({
      manifest: manifestOf(
        streamOf('users', {
          requester: `authenticator:
  type: OAuthAuthenticator
  token_refresh_endpoint: ${server.url}/token
  client_id: "{{ config.credentials.client_id }}"
  client_secret: "{{ config.credentials.client_secret }}"
  refresh_token: "{{ config.credentials.refresh_token }}"
  refresh_token_updater: {}
error_handler: {response_filters: [{http_codes: [401], action: REFRESH_TOKEN_THEN_RETRY}]}`,
        }),
      ),
      config: { credentials: { client_id: 'ci', client_secret: 'cs', refresh_token: 'refresh-1' } },
      url: server.url,
    });
    const first = await own.sync();
    expect([first.summary.outcome, refreshes]).toEqual(['complete', 1]);
    expect(first.config['credentials']).toMatchObject({ refresh_token: 'refresh-2', access_token: 'access-1' });
    await own.sync();
    expect(refreshes).toBe(1);
    access = 'revoked';
    const third = await own.sync();
    expect([third.summary.outcome, refreshes]).toEqual(['complete', 2]);
    expect(third.config['credentials']).toMatchObject({ refresh_token: 'refresh-3' });
  });

  test('a session that a login brings', async () => {
    const { summary, asked } = await read(
      ({ path: at, json, headers }) =>
        at === '/login'
          ? json['password'] === 'pw-secret'
            ? { session: { id: 'sess-9' } }
            : new Reply(403, {})
          : headers['x-session'] === 'sess-9'
            ? data([1])
            : new Reply(401, {}),
      streamOf('a', { requester: SESSION }) + streamOf('b', { requester: SESSION }),
      { config: { password: 'pw-secret' } },
    );
    expect(summary.problems).toEqual([]);
    expect(asked.filter((line) => line.includes('/login'))).toHaveLength(1);
  });
});

const SESSION = `authenticator:
  type: SessionTokenAuthenticator
  login_requester: {type: HttpRequester, url_base: https://api.test, path: login, http_method: POST, request_body_json: {password: "{{ config.password }}"}}
  session_token_path: [session, id]
  request_authentication: {type: ApiKey, inject_into: {type: RequestOption, inject_into: header, field_name: X-Session}}`;

describe('several tokens, each with quotas of its own', () => {
  const WINDOW_S = 3;
  const authenticator = (more = '') => `authenticator:
  type: RateLimitedMultipleTokenAuthenticator
  tokens: "{{ config.tokens }}"
  auth_method: token
  quota_status_source: {type: QuotaStatusSource, url: "https://api.test/quota", unavailable_status_codes: [404]}
  quotas:
    - {type: TokenQuota, name: search, remaining_path: [search, remaining], reset_path: [search, reset], limit_path: [search, limit], matchers: [{url_path_pattern: "^/search"}]}
    - {type: TokenQuota, name: core, remaining_path: [core, remaining], reset_path: [core, reset], limit_path: [core, limit], remaining_header: X-Left, reset_header: X-Reset${more}}
`;
  const children = streamOf('items', {
    path: 'items',
    requester: `request_parameters: {item: "{{ stream_partition.item }}"}\n${authenticator()}`,
    retriever: `partition_router: {type: ListPartitionRouter, cursor_field: item, values: ${JSON.stringify(range(0, 90).map(String))}}`,
  });

  /** Counts by token and pool in windows of the wall clock; what comes over a quota is refused. */
  function quotaServer(
    quotas: Record<string, { core: number; search: number }>,
    tracked: (token: string) => boolean = () => true,
  ) {
    const used = new Map<string, number>();
    const seen = { over: 0, asked: 0, byToken: {} as Record<string, number> };
    const answer: Answer = ({ path: at, headers, query }) => {
      const now = Date.now() / 1000;
      const window = Math.floor(now / WINDOW_S);
      const token = headers.authorization?.replace('token ', '') ?? '';
      if (!Object.hasOwn(quotas, token)) return new Reply(401, {});
      const left = (pool: 'core' | 'search') =>
        Math.max(0, quotas[token]![pool] - (used.get(`${token} ${pool} ${window}`) ?? 0));
      const reset = (window + 1) * WINDOW_S;
      if (at === '/quota') {
        seen.asked++;
        return tracked(token)
          ? {
              core: { limit: quotas[token]!.core, remaining: left('core'), reset },
              search: { limit: quotas[token]!.search, remaining: left('search'), reset },
            }
          : new Reply(404, {});
      }
      const pool = at.startsWith('/search') ? 'search' : 'core';
      if (left(pool) === 0) {
        seen.over++;
        return new Reply(403, { message: 'quota' }, { 'x-left': '0', 'x-reset': String(reset) });
      }
      used.set(`${token} ${pool} ${window}`, (used.get(`${token} ${pool} ${window}`) ?? 0) + 1);
      seen.byToken[token] = (seen.byToken[token] ?? 0) + 1;
      const remaining = { 'x-left': String(left(pool)), 'x-reset': String(reset) };
      return new Reply(200, { data: [{ id: Number(query['item'] ?? 1) }] }, remaining);
    };
    return { answer, seen };
  }

  test('all are used, none beyond its quota; what is used up waits for its reset and is asked about again', async () => {
    const { answer, seen } = quotaServer({ 'tok-one': { core: 20, search: 1 }, 'tok-two': { core: 12, search: 1 } });
    const { summary, rows } = await read(answer, children, { config: { tokens: 'tok-one, tok-two,tok-one' } });
    expect(summary.outcome).toBe('complete');
    expect(ids(rows['items'])).toEqual(range(0, 90));
    expect(seen.over).toBe(0);
    expect(seen.byToken['tok-one']!).toBeGreaterThan(20);
    expect(seen.byToken['tok-two']!).toBeGreaterThan(12);
    expect(seen.asked).toBeGreaterThan(2);
  });

  test('pools are told apart by what they match', async () => {
    const { answer, seen } = quotaServer({
      'tok-one': { core: 1000, search: 3 },
      'tok-two': { core: 1000, search: 3 },
    });
    const search = streamOf('found', {
      path: 'search',
      requester: `request_parameters: {item: "{{ stream_partition.item }}"}\n${authenticator()}`,
      retriever: `partition_router: {type: ListPartitionRouter, cursor_field: item, values: ${JSON.stringify(range(0, 10).map(String))}}`,
    });
    const { summary, rows } = await read(answer, children + search, { config: { tokens: 'tok-one,tok-two' } });
    expect(summary.outcome).toBe('complete');
    expect(ids(rows['items'])).toEqual(range(0, 90));
    expect(ids(rows['found'])).toEqual(range(0, 10));
    expect(seen.over).toBe(0);
  });

  test('a pool that somebody else used up: the status that says so turns to the other token', async () => {
    const { answer, seen } = quotaServer({ 'tok-one': { core: 10, search: 1 }, 'tok-two': { core: 500, search: 1 } });
    let stolen = false;
    const { summary, rows } = await read(
      (request) => {
        const one = request.headers.authorization === 'token tok-one';
        // Without a word of what is left.
        if (one && request.path === '/items' && (stolen ||= seen.byToken['tok-one'] === 4)) return new Reply(429, {});
        return answer(request);
      },
      children.replace('reset_header: X-Reset', 'reset_header: X-Reset, exhaustion_status_codes: [429]'),
      { config: { tokens: 'tok-one,tok-two' } },
    );
    expect(summary.outcome).toBe('complete');
    expect(ids(rows['items'])).toEqual(range(0, 90));
    expect(seen.byToken['tok-two']!).toBeGreaterThan(60);
  });

  test('an endpoint that keeps no quotas leaves its token to the gate alone', async () => {
    const { answer, seen } = quotaServer(
      { 'tok-one': { core: 1000, search: 1 }, 'tok-two': { core: 1000, search: 1 } },
      (token) => token !== 'tok-one',
    );
    const { summary } = await read(answer, children, { config: { tokens: 'tok-one,tok-two' } });
    expect(summary.outcome).toBe('complete');
    expect(summary.rows).toBe(90);
    expect(seen.byToken['tok-one']! + seen.byToken['tok-two']!).toBeGreaterThanOrEqual(90);
  });

  test.each<[string, Row, Answer, string]>([
    ['no token at all', { tokens: ' , ' }, () => data([]), 'no_token'],
    ['a token that is refused', { tokens: 'bad-token-1' }, quotaServer({}).answer, 'quota_status'],
    [
      'a quota that is not where the manifest says',
      { tokens: 'bad-token-1' },
      ({ path: at }) => (at === '/quota' ? { search: { remaining: 1, reset: 1 } } : data([])),
      'quota_status',
    ],
  ])('%s is an error that says what to do, and the token is in no message', async (_, config, answer, code) => {
    const server = await api(answer);
    const failed = connection({ manifest: manifestOf(children), config, url: server.url }).sync();
    await expect(failed).rejects.toMatchObject({ code, exitCode: 2, next: expect.any(String) });
    await failed.catch((error: Error) =>
      expect(JSON.stringify({ ...error, message: error.message })).not.toContain('bad-token-1'),
    );
  });
});

describe('what an answer means', () => {
  const failing = (times: number, reply: () => Reply): Answer => {
    let left = times;
    return ({ path: at }) => (at === '/users' && left-- > 0 ? reply() : data([1, 2]));
  };
  const handler = (filter: string, more = '') =>
    `error_handler: {type: DefaultErrorHandler, response_filters: [${filter}]${more}}`;

  test("FAIL stops the stream with the manifest's own words; the others run", async () => {
    const { summary, rows } = await read(
      ({ path: at }) => (at === '/bad' ? new Reply(403, { message: 'no scope' }) : data([1])),
      streamOf('good') +
        streamOf('bad', {
          requester: handler(
            '{http_codes: [403], action: FAIL, failure_type: config_error, error_message: "Grant {{ response.message }}"}',
          ),
        }),
    );
    expect(summary.outcome).toBe('partial');
    expect(summary.problems).toMatchObject([{ stream: 'bad', status: 'skipped', message: 'Grant no scope' }]);
    expect(ids(rows['good'])).toEqual([1]);
  });

  test('IGNORE takes the answer for empty', async () => {
    const { summary } = await read(
      ({ path: at }) => (at === '/bad' ? new Reply(404, {}) : data([1])),
      streamOf('good') + streamOf('bad', { requester: handler('{http_codes: [404], action: IGNORE}') }),
    );
    expect(summary).toMatchObject({ outcome: 'complete', rows: 1 });
  });

  test('RETRY tries again, by a predicate on an answer of status 200 as well', async () => {
    const { summary } = await read(
      failing(2, () => new Reply(200, { data: [{ id: 99 }], status: 'not yet' })),
      streamOf('users', { requester: handler(`{predicate: "{{ response.status == 'not yet' }}", action: RETRY}`) }),
    );
    expect(summary).toMatchObject({ outcome: 'complete', rows: 2 });
  });

  test('RATE_LIMITED goes to the gate, with the wait that a header names', async () => {
    const started = Date.now();
    const { summary } = await read(
      failing(1, () => new Reply(403, { message: 'slow down' }, { 'x-wait': '2' })),
      streamOf('first') +
        streamOf('users', {
          requester: handler(
            '{error_message_contains: slow down, action: RATE_LIMITED}',
            ', backoff_strategies: [{type: WaitTimeFromHeader, header: X-Wait}]',
          ),
        }),
    );
    expect(summary).toMatchObject({ outcome: 'complete', rejections: 1 });
    expect(Date.now() - started).toBeGreaterThan(1900);
  });

  test('RESET_PAGINATION begins the pages anew', async () => {
    let broken = 1;
    const { rows, summary } = await read(
      ({ query }) => {
        const at = Number(query['after'] ?? 0);
        return at === 20 && broken-- > 0
          ? new Reply(500, {})
          : data(range(at, at + 10), { next: at + 10 < 40 ? at + 10 : null });
      },
      streamOf('users', {
        requester: handler('{http_codes: [500], action: RESET_PAGINATION}'),
        retriever:
          'paginator: {type: DefaultPaginator, page_token_option: {type: RequestOption, inject_into: request_parameter, field_name: after}, pagination_strategy: {type: CursorPagination, cursor_value: "{{ response.next }}"}}',
      }),
    );
    expect(summary.outcome).toBe('complete');
    expect(new Set(ids(rows['users']))).toEqual(new Set(range(0, 40)));
  });

  test('handlers of a composite are asked in order', async () => {
    const { summary } = await read(
      ({ path: at }) => (at === '/users' ? new Reply(404, { code: 'empty' }) : data([1])),
      streamOf('good') +
        streamOf('users', {
          requester: `error_handler:
  type: CompositeErrorHandler
  error_handlers:
    - response_filters: [{predicate: "{{ response.code == 'empty' }}", action: IGNORE}]
    - response_filters: [{http_codes: [404], action: FAIL}]`,
        }),
    );
    expect(summary.outcome).toBe('complete');
  });
});

describe('partitions', () => {
  test('lists, and their combinations, in address and parameters', async () => {
    const { rows, asked } = await read(
      ({ path: at, query }) => ({ data: [{ id: `${at}-${query['kind']}` }] }),
      streamOf('reports', {
        path: '{{ stream_partition.region }}/reports',
        retriever: `partition_router:
  - {type: ListPartitionRouter, cursor_field: region, values: "{{ config.regions }}"}
  - {type: ListPartitionRouter, cursor_field: kind, values: [x, z], request_option: {type: RequestOption, inject_into: request_parameter, field_name: kind}}`,
      }),
      { config: { regions: ['eu', 'us'] } },
    );
    expect(rows['reports']!.map((row) => row['id']).toSorted()).toEqual([
      '/eu/reports-x',
      '/eu/reports-z',
      '/us/reports-x',
      '/us/reports-z',
    ]);
    expect(asked.filter((line) => line.includes('reports'))).toHaveLength(5); // one of them is the check
  });

  const parent = streamOf('teams');
  const child = (name: string, more: string, path = '{{ stream_partition.team }}/users') =>
    streamOf(name, {
      path,
      retriever: `partition_router:\n  - type: SubstreamPartitionRouter\n    parent_stream_configs:\n      - stream: "#/streams/0"\n        parent_key: id\n        partition_field: team\n${more}`,
    });
  const teams: Answer = ({ path: at, query }) => {
    if (at === '/teams') return { data: range(1, 6).map((id) => ({ id, owner: { name: `o${id}` } })) };
    const [, team] = /^\/(\d+)\/users$/.exec(at) ?? [];
    return {
      data:
        team === undefined
          ? []
          : [
              { id: Number(team) * 10 + Number(query['level'] ?? 0) },
              { id: Number(team) * 10 + 5 + Number(query['level'] ?? 0) },
            ],
    };
  };

  test('children of a parent that is read once, whoever shares it', async () => {
    const { rows, asked, summary } = await read(teams, parent + child('users', '') + child('members', ''));
    expect(summary.outcome).toBe('complete');
    expect(ids(rows['users'])).toEqual([10, 15, 20, 25, 30, 35, 40, 45, 50, 55]);
    expect(ids(rows['members'])).toEqual(ids(rows['users']));
    expect(asked.filter((line) => line === 'GET /teams')).toHaveLength(2); // one of them is the check
  });

  test('a child alone reads its parent and does not store it; what it needs of the parent comes along', async () => {
    const { rows } = await read(
      teams,
      parent +
        child('users', '        extra_fields: [[owner, name]]\n').replace(
          '  primary_key: id\n',
          '  primary_key: id\n  transformations: [{type: AddFields, fields: [{path: [owner], value: "{{ stream_slice.extra_fields[\'owner.name\'] }}"}]}]\n',
        ),
      { streams: ['users'] },
    );
    expect(Object.keys(rows)).toEqual(['users']);
    expect(rows['users']!.find((row) => row['id'] === 35)).toEqual({ id: 35, owner: 'o3' });
  });

  test('a parent combined with a list, and children of children', async () => {
    const { rows } = await read(
      (request) =>
        request.path.startsWith('/badges/')
          ? { data: [{ id: Number(request.path.split('/')[2]) * 100 }] }
          : teams(request),
      parent +
        child('users', '') +
        streamOf('badges', {
          path: 'badges/{{ stream_partition.user }}',
          retriever:
            'partition_router: {type: SubstreamPartitionRouter, parent_stream_configs: [{stream: "#/streams/1", parent_key: id, partition_field: user}]}',
        }) +
        streamOf('levels', {
          path: '{{ stream_partition.team }}/users',
          retriever:
            'partition_router:\n  - {type: SubstreamPartitionRouter, parent_stream_configs: [{stream: "#/streams/0", parent_key: id, partition_field: team}]}\n  - {type: ListPartitionRouter, cursor_field: level, values: ["1", "2"], request_option: {type: RequestOption, inject_into: request_parameter, field_name: level}}',
        }),
    );
    expect(ids(rows['badges'])).toEqual(ids(rows['users']).map((id) => id * 100));
    expect(ids(rows['levels'])).toHaveLength(20);
  });

  test('children whose first page came with their parent: only what is missing is asked for', async () => {
    const LINES = 12;
    const lines = (invoice: number, after: number) => {
      const all = range(invoice * 100, invoice * 100 + (invoice % 2 === 0 ? LINES : 3)).filter((id) => id > after);
      return { data: all.slice(0, 5).map((id) => ({ id })), has_more: all.length > 5 };
    };
    const { rows, asked, summary } = await read(
      ({ path: at, query }) => {
        if (at === '/invoices')
          return { data: range(1, 9).map((id) => ({ id, ...(id === 8 ? {} : { lines: lines(id, -1) }) })) };
        return lines(Number(at.split('/')[2]), Number(query['after'] ?? -1));
      },
      streamOf('invoices') +
        streamOf('lines', {
          path: 'invoices/{{ stream_partition.invoice }}/lines',
          retriever: `partition_router:
  - {type: SubstreamPartitionRouter, parent_stream_configs: [{stream: "#/streams/0", parent_key: id, partition_field: invoice, lazy_read_pointer: [lines]}]}
paginator:
  type: DefaultPaginator
  page_token_option: {type: RequestOption, inject_into: request_parameter, field_name: after}
  pagination_strategy: {type: CursorPagination, cursor_value: "{{ last_record['id'] }}", stop_condition: "{{ not response['has_more'] }}"}`,
        }),
    );
    expect(summary.outcome).toBe('complete');
    expect(ids(rows['lines'])).toEqual(
      range(1, 9)
        .flatMap((invoice) => range(invoice * 100, invoice * 100 + (invoice % 2 === 0 ? LINES : 3)))
        .toSorted((a, b) => a - b),
    );
    // Two more pages of each even invoice, and the first of the one that brought none.
    expect(asked.filter((line) => line.includes('/lines'))).toHaveLength(4 * 2 + 1);
  });

  test('two parents in one stream, every pair of two, and groups', async () => {
    const config = (field: string) => `{stream: "#/streams/0", parent_key: id, partition_field: ${field}}`;
    const router = (field: string) => `{type: SubstreamPartitionRouter, parent_stream_configs: [${config(field)}]}`;
    const { rows } = await read(
      ({ path: at, query }) =>
        at === '/teams'
          ? data([1, 2, 3])
          : { data: [{ id: Number(query['a'] ?? 0) * 10 + Number(query['b'] ?? 0), all: query['all'] }] },
      parent +
        streamOf('both', {
          requester: 'request_parameters: {a: "{{ stream_partition.a or stream_partition.b }}"}',
          retriever: `partition_router: {type: SubstreamPartitionRouter, parent_stream_configs: [${config('a')}, ${config('b')}]}`,
        }) +
        streamOf('pairs', {
          requester: 'request_parameters: {a: "{{ stream_partition.a }}", b: "{{ stream_partition.b }}"}',
          retriever: `partition_router: [${router('a')}, ${router('b')}]`,
        }) +
        streamOf('united', {
          requester: 'request_parameters: {a: "{{ stream_partition.a }}"}',
          retriever: `partition_router: {type: UnionPartitionRouter, partition_field: a, partition_routers: [${router('a')}, {type: ListPartitionRouter, cursor_field: a, values: ["7"]}, {type: ListPartitionRouter, cursor_field: a, values: ["7", "8"]}]}`,
        }) +
        streamOf('groups', {
          requester: 'request_parameters: {all: "{{ stream_partition.a | join(\'-\') }}"}',
          retriever: `partition_router: {type: GroupingPartitionRouter, group_size: 2, underlying_partition_router: ${router('a')}}`,
        }),
    );
    expect(rows['both']).toHaveLength(6);
    expect(ids(rows['united'])).toEqual([10, 20, 30, 70, 80]);
    expect(ids(rows['pairs'])).toEqual([11, 12, 13, 21, 22, 23, 31, 32, 33]);
    expect(rows['groups']!.map((row) => row['all']).toSorted()).toEqual(['1-2', '3']);
  });

  test('pairs of long parents: paused again and again, each pair once, parents a page at a time, state within its bound', async () => {
    const PAGE = 15;
    const pager = `paginator: {type: DefaultPaginator, page_token_option: {type: RequestOption, inject_into: request_parameter, field_name: page}, pagination_strategy: {type: PageIncrement, page_size: ${PAGE}}}`;
    const config = (index: number, field: string) =>
      `{type: SubstreamPartitionRouter, parent_stream_configs: [{stream: "#/streams/${index}", parent_key: id, partition_field: ${field}}]}`;
    const answer: Answer = ({ path: at, query }) => {
      const page = Number(query['page'] ?? 0);
      if (at === '/teams') return data(range(page * PAGE, Math.min(35, (page + 1) * PAGE)));
      if (at === '/roles') return data(range(page * PAGE, Math.min(25, (page + 1) * PAGE)));
      return { data: [{ id: Number(query['a']) * 1000 + Number(query['b']) }] };
    };
    const server = await api(answer);
    const own = connection({
      url: server.url,
      streams: ['pairs'],
      manifest: manifestOf(
        streamOf('teams', { retriever: pager }) +
          streamOf('roles', { retriever: pager }) +
          streamOf('pairs', {
            requester: 'request_parameters: {a: "{{ stream_partition.a }}", b: "{{ stream_partition.b }}"}',
            retriever: `partition_router: [${config(0, 'a')}, ${config(1, 'b')}]`,
          }),
      ),
    });
    let most = 0;
    for (let runs = 1; ; runs++) {
      expect(runs).toBeLessThan(30);
      const stop = new AbortController();
      const asked = server.asked.length;
      const watch = setInterval(() => {
        if (server.asked.length - asked > 250) stop.abort();
      }, 5);
      const { summary, rows } = await own.sync(stop.signal);
      clearInterval(watch);
      most = Math.max(most, statSync(path.join(own.folder, 'out', '_headrace_state.json')).size);
      if (summary.outcome !== 'complete') continue;
      expect(ids(rows['pairs'])).toEqual(range(0, 35).flatMap((a) => range(0, 25).map((b) => a * 1000 + b)));
      expect(runs).toBeGreaterThan(2);
      const parents = server.asked.filter((line) => /teams|roles/.test(line)).length;
      expect(parents).toBeLessThan(runs * 8 + 1);
      expect(most).toBeLessThan(20_000);
      return;
    }
  });
});

describe('time', () => {
  const DAY = 86_400;
  const first = Date.parse('2024-01-01T00:00:00Z') / 1000;
  const events = range(0, 400).map((id) => ({ id, at: first + id * 40_000 }));
  const iso = (seconds: number) => new Date(seconds * 1000).toISOString().slice(0, 19) + 'Z';
  const CURSOR =
    'type: DatetimeBasedCursor\ncursor_field: at\ndatetime_format: "%s"\nstart_datetime: {datetime: "{{ config.start }}", datetime_format: "%Y-%m-%dT%H:%M:%SZ"}';
  const options = (both: boolean) =>
    `start_time_option: {type: RequestOption, inject_into: request_parameter, field_name: since}${both ? '\nend_time_option: {type: RequestOption, inject_into: request_parameter, field_name: until}' : ''}`;
  const sync = (lines: string) => `incremental_sync:\n${lines.replaceAll(/^/gm, '  ')}`;
  const within = (query: Record<string, string>, all = events) =>
    all.filter(({ at }) => at >= Number(query['since'] ?? 0) && at <= Number(query['until'] ?? Infinity));
  const config = { start: '2024-01-01T00:00:00Z' };

  test("windows of the manifest's step, rows in any order; the next run goes on", async () => {
    const all = [...events];
    const server = await api(({ query }) => ({
      data: within(query, all).toSorted((a, b) => ((a.id * 7) % 13) - ((b.id * 7) % 13)),
    }));
    const own = connection({
      manifest: manifestOf(
        streamOf('events', { rest: sync(`${CURSOR}\nstep: P30D\ncursor_granularity: PT1S\n${options(true)}`) }),
      ),
      config,
      url: server.url,
    });
    const one = await own.sync();
    expect(one.summary.outcome).toBe('complete');
    // A row on the bound of two windows comes with both: files keep both, a table one.
    expect([...new Set(ids(one.rows['events']))]).toEqual(range(0, 400));
    const windows = server.asked.filter((line) => line.includes('until'));
    expect(windows.length).toBeGreaterThan((Date.now() / 1000 - first) / (30 * DAY));
    server.asked.length = 0;
    all.push({ id: 400, at: Math.floor(Date.now() / 1000) });
    const two = await own.sync();
    expect([...new Set(ids(two.rows['events']))]).toEqual(range(0, 401));
    expect(server.asked.length).toBeLessThan(5);
  });

  test('rows without a key come once: on the bound of two windows, by page numbers, in any order', async () => {
    const bounds = range(0, 40).map((id) => ({ id, at: first + id * 30 * DAY }));
    const keyless = (text: string) => text.replace('  primary_key: id\n', '');
    const server = await api(({ path: at, query }) => {
      if (at === '/pages') {
        const page = Number(query['page'] ?? 0);
        return data(range(page * 10, Math.min(page * 10 + 10, 95)));
      }
      return { data: within(query, bounds).toReversed() };
    });
    const { rows, summary } = await connection({
      manifest: manifestOf(
        keyless(
          streamOf('windows', { rest: sync(`${CURSOR}\nstep: P30D\ncursor_granularity: PT1S\n${options(true)}`) }),
        ) +
          keyless(
            streamOf('sorted', {
              requester: 'request_parameters: {sort: at, order: desc}',
              rest: sync(`${CURSOR}\n${options(true)}`),
            }),
          ) +
          keyless(
            streamOf('pages', {
              retriever:
                'paginator: {type: DefaultPaginator, page_token_option: {type: RequestOption, inject_into: request_parameter, field_name: page}, pagination_strategy: {type: PageIncrement, page_size: 10}}',
            }),
          ),
      ),
      config,
      url: server.url,
    }).sync();
    expect(summary.outcome).toBe('complete');
    const now = Date.now() / 1000;
    const known = bounds.filter(({ at }) => at < now).map(({ id }) => id);
    expect(ids(rows['windows'])).toEqual(known);
    expect(ids(rows['sorted'])).toEqual(known);
    expect(ids(rows['pages'])).toEqual(range(0, 95));
  });

  test('days are not asked for twice, and none is left out', async () => {
    const server = await api(({ query }) => ({
      data: events.filter(
        ({ at }) => iso(at).slice(0, 10) >= (query['since'] ?? '') && iso(at).slice(0, 10) <= (query['until'] ?? '~'),
      ),
    }));
    const { rows } = await connection({
      manifest: manifestOf(
        streamOf('events', {
          rest: sync(
            `${CURSOR.replace('"%s"', '"%Y-%m-%d"\ncursor_datetime_formats: ["%s"]')}\nstep: P1M\ncursor_granularity: P1D\n${options(true)}`,
          ),
        }),
      ),
      config,
      url: server.url,
    }).sync();
    expect(ids(rows['events'])).toEqual(range(0, 400));
    const bounds = server.asked
      .slice(1)
      .map((line) => new URLSearchParams(line.split('?')[1]))
      .map((query) => [query.get('since')!, query.get('until')!])
      .toSorted();
    for (let i = 1; i < bounds.length; i++)
      expect(Date.parse(bounds[i]![0]!) - Date.parse(bounds[i - 1]![1]!)).toBe(DAY * 1000);
  });

  test('without a step, an order that the request asks for is divided by density', async () => {
    const server = await api(({ query }) => {
      const found = within(query);
      const at = Number(query['after'] ?? 0);
      return { data: found.slice(at, at + 20), next: at + 20 < found.length ? at + 20 : null };
    });
    const { rows, summary } = await connection({
      manifest: manifestOf(
        streamOf('events', {
          requester: 'request_parameters: {sort: at, order: asc}',
          retriever:
            'paginator: {type: DefaultPaginator, page_token_option: {type: RequestOption, inject_into: request_parameter, field_name: after}, pagination_strategy: {type: CursorPagination, page_size: 20, cursor_value: "{{ response.next }}"}}',
          rest: sync(`${CURSOR}\ncursor_granularity: PT1S\n${options(true)}`),
        }),
      ),
      config,
      url: server.url,
    }).sync();
    expect(summary.outcome).toBe('complete');
    expect(new Set(ids(rows['events']))).toEqual(new Set(range(0, 400)));
    expect(
      new Set(server.asked.map((line) => new URLSearchParams(line.split('?')[1]).get('since'))).size,
    ).toBeGreaterThan(1);
  });

  test('an order that is not kept is noticed, and nothing is lost', async () => {
    const shuffled = events.toSorted((a, b) => ((a.id * 17) % 101) - ((b.id * 17) % 101));
    const server = await api(({ query }) => {
      const found = within(query, shuffled);
      const at = Number(query['after'] ?? 0);
      return { data: found.slice(at, at + 20), next: at + 20 < found.length ? at + 20 : null };
    });
    const { rows, summary } = await connection({
      manifest: manifestOf(
        streamOf('events', {
          requester: 'request_parameters: {sort: at, order: desc}',
          retriever:
            'paginator: {type: DefaultPaginator, page_token_option: {type: RequestOption, inject_into: request_parameter, field_name: after}, pagination_strategy: {type: CursorPagination, page_size: 20, cursor_value: "{{ response.next }}"}}',
          rest: sync(`${CURSOR}\n${options(true)}`),
        }),
      ),
      config,
      url: server.url,
    }).sync();
    expect(summary.outcome).toBe('complete');
    expect(new Set(ids(rows['events']))).toEqual(new Set(range(0, 400)));
  });

  test('a start alone; a filter that only the manifest keeps; a feed', async () => {
    const answer: Answer = ({ path: at, query }) =>
      at === '/feed' ? { data: within(query).toReversed() } : { data: within(query) };
    const server = await api(answer);
    const own = connection({
      manifest: manifestOf(
        streamOf('start', { rest: sync(`${CURSOR}\n${options(false)}`) }) +
          streamOf('client', { rest: sync(`${CURSOR}\nis_client_side_incremental: true`) }) +
          streamOf('feed', { rest: sync(`${CURSOR}\nis_data_feed: true`) }),
      ),
      config: { start: iso(events[100]!.at) },
      url: server.url,
    });
    const { rows, summary } = await own.sync();
    expect(summary.outcome).toBe('complete');
    expect(ids(rows['start'])).toEqual(range(100, 400));
    expect(ids(rows['client'])).toEqual(range(100, 400));
  });

  test('windows within each partition', async () => {
    const { rows, summary } = await read(
      ({ query, path: at }) => {
        const [, shop] = at.split('/');
        return { data: within(query).map(({ id, at: when }) => ({ id: id + Number(shop) * 1000, at: when })) };
      },
      streamOf('sales', {
        path: '{{ stream_partition.shop }}/sales',
        retriever: 'partition_router: {type: ListPartitionRouter, cursor_field: shop, values: ["1", "2"]}',
        rest: sync(`${CURSOR}\nstep: P60D\ncursor_granularity: PT1S\n${options(true)}`),
      }),
      { config },
    );
    expect(summary.outcome).toBe('complete');
    expect(new Set(ids(rows['sales']))).toEqual(new Set([...range(1000, 1400), ...range(2000, 2400)]));
  });
});

describe('records', () => {
  test('are added to, cut, filtered and typed', async () => {
    const { rows } = await read(
      () => ({
        data: [
          { id: 1, name: 'A', secret: 'x', nested: { keep: 1, drop: 2 }, amount: '12' },
          { id: 2, name: 'B', amount: '13' },
        ],
      }),
      streamOf('users', {
        selector: 'record_filter: {condition: "{{ record.id < 2 }}"}\nschema_normalization: Default',
        rest: `transformations:
  - {type: AddFields, fields: [{path: [label], value: "{{ record.name }}-{{ record.id }}"}, {path: [code], value: "{{ record.amount }}", value_type: string}, {path: [nested, more], value: "{{ 1 }}"}]}
  - {type: RemoveFields, field_pointers: [[secret], [nested, drop]]}
  - {type: KeysToSnakeCase}`,
      }).replace(
        'properties: {id: {type: [integer, "null"]}}',
        'properties: {id: {type: [integer, "null"]}, amount: {type: integer}}',
      ),
    );
    expect(rows['users']).toEqual([
      { id: 1, name: 'A', nested: { keep: 1, more: 1 }, amount: 12, label: 'A-1', code: '12' },
    ]);
  });

  test.each<[string, string, () => string | Buffer, unknown[]]>([
    [
      'CSV',
      '{type: CsvDecoder}',
      () => 'id,name\n1,"a ""b"", c"\n2,d\n',
      [
        { id: '1', name: 'a "b", c' },
        { id: '2', name: 'd' },
      ],
    ],
    ['lines of JSON', '{type: JsonlDecoder}', () => '{"id": 1}\n{"id": 2}\n', [{ id: 1 }, { id: 2 }]],
    [
      'XML',
      '{type: XmlDecoder}',
      () => '<?xml version="1.0"?><list><item x="1"><id>1</id></item><item><id>2</id></item></list>',
      [{ '@x': '1', id: '1' }, { id: '2' }],
    ],
  ])('%s', async (_, decoder, body, expected) => {
    const field = decoder.includes('Xml') ? '[list, item]' : '[]';
    const { rows } = await read(
      () => new Reply(200, String(body()), { 'content-type': 'text/plain' }),
      streamOf('users', { retriever: `decoder: ${decoder}` })
        .replace('field_path: [data]', `field_path: ${field}`)
        .replace('primary_key: id', 'primary_key: []'),
    );
    expect(rows['users']).toEqual(expected);
  });

  test('integers past 2^53 stay exact, from the answer to the file', async () => {
    const server = await api(() => new Reply(200, '{"data": [{"id": 1, "big": 12345678901234567890}]}'));
    const own = connection({ manifest: manifestOf(streamOf('users')), url: server.url });
    await own.sync();
    expect(readFileSync(path.join(own.folder, 'out/users.ndjson'), 'utf8')).toContain('"big":12345678901234567890');
  });
});

test('properties that do not fit one request are asked for in parts, and the records put together', async () => {
  const { rows, asked } = await read(
    ({ query }) => ({
      data: [1, 2].map((id) => ({
        id,
        ...Object.fromEntries(
          query['fields']!.split(',')
            .filter((name) => name !== 'id')
            .map((name) => [name, `${name}${id}`]),
        ),
      })),
    }),
    streamOf('users', {
      requester:
        'request_parameters:\n  fields: {type: QueryProperties, property_list: [a, b, c], always_include_properties: [id], property_chunking: {type: PropertyChunking, property_limit_type: property_count, property_limit: 3, record_merge_strategy: {type: GroupByKeyMergeStrategy, key: id}}}',
    }),
  );
  expect(rows['users']).toEqual([
    { id: 1, a: 'a1', b: 'b1', c: 'c1' },
    { id: 2, a: 'a2', b: 'b2', c: 'c2' },
  ]);
  expect(new Set(asked.map((line) => new URLSearchParams(line.split('?')[1]).get('fields')))).toEqual(
    new Set(['id,a,b', 'id,c']),
  );
});

test('properties that the API itself lists are asked for once, then asked for by name', async () => {
  const { rows, asked } = await read(
    ({ path, query }) =>
      path === '/properties'
        ? { fields: [{ name: 'a' }, { name: 'b' }] }
        : {
            data: [
              {
                id: 1,
                ...Object.fromEntries(
                  query['fields']!.split(',')
                    .filter((name) => name !== 'id')
                    .map((name) => [name, `${name}1`]),
                ),
              },
            ],
          },
    streamOf('users', {
      requester: `request_parameters:
  fields:
    type: QueryProperties
    always_include_properties: [id]
    property_list:
      type: PropertiesFromEndpoint
      property_field_path: [name]
      retriever:
        type: SimpleRetriever
        requester: {type: HttpRequester, url_base: 'https://api.test', path: properties}
        record_selector: {type: RecordSelector, extractor: {type: DpathExtractor, field_path: [fields]}}`,
    }),
  );
  expect(rows['users']).toEqual([{ id: 1, a: 'a1', b: 'b1' }]);
  expect(asked.filter((line) => line.includes('/properties'))).toHaveLength(1);
});

test('a stream that delegates by its state is read whole once, then by what changed; again where the API forgets', async () => {
  const nested = (text: string) => text.replace(/^- /, '  ').replaceAll(/^/gm, '  ').replaceAll('\n', '\n');
  const manifest = (kept: string) =>
    manifestOf(`- type: StateDelegatingStream
  name: users
${kept}  full_refresh_stream:
${nested(streamOf('users', { path: 'all' }))}
  incremental_stream:
${nested(
  streamOf('users', {
    path: 'changes',
    rest: `incremental_sync:
  type: DatetimeBasedCursor
  cursor_field: at
  datetime_format: "%s"
  start_datetime: "0"
  start_time_option: {type: RequestOption, inject_into: request_parameter, field_name: since}`,
  }),
)}`);
  const asked: string[] = [];
  const since: number[] = [];
  const before = Math.floor(Date.now() / 1000);
  const server = await api(({ path, query }) => {
    asked.push(path);
    if (path === '/all')
      return {
        data: [
          { id: 1, at: 1 },
          { id: 2, at: before - 5 },
        ],
      };
    since.push(Number(query['since']));
    return { data: [{ id: 3, at: before + 1 }] };
  });
  const own = connection({ manifest: manifest(''), url: server.url });
  expect((await own.sync()).summary.outcome).toBe('complete');
  const two = await own.sync();
  expect(two.summary.outcome).toBe('complete');
  expect(two.rows['users']!.map((row) => row['id'])).toEqual([1, 2, 3]);
  // The check of a source asks for all of it, the sync only for what came since, and ten minutes before.
  expect(since.at(-1)).toBeGreaterThan(before - 610);
  expect(since.at(-1)).toBeLessThanOrEqual(before - 590);
  await own.sync();
  expect(asked.filter((path) => path === '/all').length).toBeLessThanOrEqual(2);
  expect(asked.filter((path) => path === '/changes').length).toBeGreaterThanOrEqual(2);
  const wholes = asked.filter((path) => path === '/all').length;
  // The next one comes a second later than the API remembers.
  writeFileSync(path.join(own.folder, 'source-test.yaml'), manifest('  api_retention_period: PT1S\n'));
  await new Promise((resolve) => setTimeout(resolve, 2500));
  await own.sync();
  expect(asked.filter((path) => path === '/all').length).toBe(wholes + 1);
});

describe('files that records point to', () => {
  const documents = (name = '"{{ record.id }}/{{ record.name }}"') =>
    streamOf('documents', {
      rest: `file_uploader:
  type: FileUploader
  requester:
    type: HttpRequester
    url_base: "{{ download_target }}"
    path: ""
    authenticator: {type: BearerAuthenticator, api_token: "{{ config.key }}"}
    error_handler: {type: DefaultErrorHandler, response_filters: [{http_codes: [404], action: IGNORE}]}
  download_target_extractor: {type: DpathExtractor, field_path: [link]}
${name === '' ? '' : `  filename_extractor: ${name}\n`}`,
    });
  const content = (id: number) => Buffer.from(`Zeile ${id} ä\n`.repeat(300));
  const names = ['a.bin', '../../../escaped', 'sub/folder/b.bin', `${'x'.repeat(400)}.bin`, 'gone', 'no link'];
  /** A manifest's own addresses are replaced by the testbed's; those in records are the API's, and real. */
  async function library(): Promise<Scripted> {
    const server: Scripted = await api(({ path: at, headers }) => {
      if (at === '/documents')
        return {
          data: names.map((name, id) => ({
            id,
            name,
            ...(name === 'no link' ? {} : { link: `${server.url}/content/${id}` }),
          })),
        };
      const id = Number(at.split('/')[2]);
      if (headers.authorization !== 'Bearer key-of-files') return new Reply(401, {});
      return names[id] === 'gone' ? new Reply(404, {}) : new Reply(200, content(id).toString());
    });
    return server;
  }

  test('are stored in the folder that is named, whole, and nowhere else; the record tells where', async () => {
    const server = await library();
    const own = connection({
      manifest: manifestOf(documents()),
      config: { key: 'key-of-files' },
      url: server.url,
      files: 'files',
    });
    const { summary, rows } = await own.sync();
    expect(summary.problems).toEqual([]);
    const at = path.join(own.folder, 'files');
    for (const [id, name] of names.entries()) {
      const reference = rows['documents']!.find((row) => row['id'] === id)!['file_reference'] as Row | null;
      if (name === 'gone' || name === 'no link') {
        expect(reference).toBeNull();
        continue;
      }
      expect(reference).toMatchObject({
        staging_file_url: path.join(at, String(reference!['source_file_relative_path'])),
        file_size_bytes: content(0).length,
      });
      expect(readFileSync(String(reference!['staging_file_url']))).toEqual(content(id));
      expect(path.relative(at, String(reference!['staging_file_url']))).not.toContain('..');
    }
    expect(readdirSync(at, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()).length).toBe(4);
    expect(readdirSync(own.folder)).not.toContain('escaped');
  });

  test('without a name, a file is stored once however often it is read', async () => {
    const server = await library();
    const own = connection({
      manifest: manifestOf(documents('')),
      config: { key: 'key-of-files' },
      url: server.url,
      files: 'files',
    });
    await own.sync();
    await own.sync();
    expect(readdirSync(path.join(own.folder, 'files/documents'))).toHaveLength(4);
  });

  test('without a folder they stay where they are, and that is said', async () => {
    const server = await library();
    const { rows, notes } = await connection({
      manifest: manifestOf(documents()),
      config: { key: 'key-of-files' },
      url: server.url,
    }).sync();
    expect(rows['documents']).toHaveLength(names.length);
    expect(rows['documents']![0]).not.toHaveProperty('file_reference');
    expect(notes.join()).toContain('documents');
    expect(server.asked.filter((line) => line.includes('/content/'))).toHaveLength(0);
  });

  test('a folder that cannot be written fails the stream with its place, and nothing is half there', async () => {
    const server = await library();
    const own = connection({
      manifest: manifestOf(documents()),
      config: { key: 'key-of-files' },
      url: server.url,
      files: 'config.json/files',
    });
    const { summary, rows } = await own.sync();
    expect(summary.problems).toMatchObject([{ stream: 'documents', code: 'file_write' }]);
    expect(rows['documents'] ?? []).toEqual([]);
  });

  test('airbyte read stores those of streams that the catalog wants them of, and tells of them beside the data', async () => {
    const server = await library();
    const { folder } = connection({ manifest: manifestOf(documents()), config: { key: 'key-of-files' } });
    const file = (name: string) => path.join(folder, name);
    const read = async (include_files: boolean) => {
      writeFileSync(
        file('catalog.json'),
        JSON.stringify({
          streams: [
            {
              stream: { name: 'documents', json_schema: {}, supported_sync_modes: ['full_refresh'] },
              sync_mode: 'full_refresh',
              include_files,
            },
          ],
        }),
      );
      const ran = await headrace(
        [
          'airbyte',
          'read',
          '--manifest',
          file('source-test.yaml'),
          '--config',
          file('config.json'),
          '--catalog',
          file('catalog.json'),
          '--base-url',
          server.url,
        ],
        { env: { AIRBYTE_STAGING_DIRECTORY: file('staging') } },
      );
      expect(ran.code).toBe(0);
      return ran.stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line))
        .filter((message) => message.type === 'RECORD')
        .map((message) => message.record);
    };
    const records = await read(true);
    expect(records).toHaveLength(names.length);
    expect(records[0]).toMatchObject({
      data: { id: 0 },
      file_reference: { source_file_relative_path: 'documents/0/a.bin', file_size_bytes: content(0).length },
    });
    expect(records[0].data).not.toHaveProperty('file_reference');
    expect(readFileSync(records[0].file_reference.staging_file_url)).toEqual(content(0));
    expect((await read(false))[0]).not.toHaveProperty('file_reference');
  });
});

describe('asynchronous jobs', () => {
  const JOB = `- type: DeclarativeStream
  name: report
  primary_key: id
  schema_loader: {type: InlineSchemaLoader, schema: {type: object, properties: {id: {type: [integer, "null"]}}}}
  retriever:
    type: AsyncRetriever
    partition_router: {type: ListPartitionRouter, cursor_field: day, values: ["1", "2"]}
    status_mapping: {running: [PENDING], completed: [DONE], failed: [BROKEN], timeout: [LATE]}
    status_extractor: {type: DpathExtractor, field_path: [status]}
    download_target_extractor: {type: DpathExtractor, field_path: [urls]}
    record_selector: {type: RecordSelector, extractor: {type: DpathExtractor, field_path: []}}
    creation_requester: {type: HttpRequester, url_base: https://api.test, path: jobs, http_method: POST, request_body_json: {day: "{{ stream_partition.day }}"}}
    polling_requester: {type: HttpRequester, url_base: https://api.test, path: "jobs/{{ creation_response['id'] }}"}
    download_requester: {type: HttpRequester, url_base: https://api.test, path: "{{ download_target }}"}
    download_decoder: {type: CsvDecoder}
`;

  test('are created, asked about, downloaded; a failed one is created again', async () => {
    const polls = new Map<string, number>();
    let made = 0;
    const { rows, summary } = await read(({ path: at, method, json }) => {
      if (method === 'POST') return { id: `j${json['day']}-${++made}` };
      const job = /^\/jobs\/(j(\d)-\d+)$/.exec(at);
      if (!job) return new Reply(200, `id,day\n${at.slice(-1)},x\n`, { 'content-type': 'text/csv' });
      const asked = (polls.get(job[1]!) ?? 0) + 1;
      polls.set(job[1]!, asked);
      if (made === 2 && job[2] === '2' && asked === 1) return { status: 'BROKEN' };
      return asked < 2 ? { status: 'PENDING' } : { status: 'DONE', urls: [`files/${job[2]}1`, `files/${job[2]}2`] };
    }, JOB);
    expect(summary.problems).toEqual([]);
    expect(summary.outcome).toBe('complete');
    expect(rows['report']!.map((row) => row['id']).toSorted()).toEqual(['1', '1', '2', '2']);
    expect(made).toBeGreaterThanOrEqual(3);
  });

  test('a status that nobody mapped is an error that names it', async () => {
    const { summary } = await read(({ method }) => (method === 'POST' ? { id: 'j' } : { status: 'EXPLODED' }), JOB);
    expect(summary.problems[0]).toMatchObject({ stream: 'report', code: 'job_status' });
  });
});

describe('classes of Python', () => {
  const custom = (name: string) =>
    streamOf(name, {
      rest: `transformations: [{type: CustomTransformation, class_name: source_x.components.Doubler}]`,
    });

  test('a missing twin names class, stream and what to do; the others run', async () => {
    const { summary, rows } = await read(() => data([1, 2]), streamOf('plain') + custom('doubled'));
    expect(summary.outcome).toBe('partial');
    expect(ids(rows['plain'])).toEqual([1, 2]);
    expect(summary.problems).toMatchObject([
      {
        stream: 'doubled',
        code: 'twin_missing',
        message: expect.stringContaining('Doubler'),
        next: expect.stringContaining('--components'),
      },
    ]);
  });

  test.each([
    ['twins.mjs', 'export const twins = { Doubler: { transform: (record) => ({ ...record, id: record.id * 2 }) } };\n'],
    [
      'twins.ts',
      `import { by, type Row } from './factor';\nenum Factor { two = 2 }\nexport const twins = { Doubler: { transform: (record: Row): Row => by(record, Factor.two) } };\n`,
    ],
  ])("a twin from a module of the user's own: %s", async (file, code) => {
    const server = await api(() => data([1, 2]));
    const own = connection({ manifest: manifestOf(custom('doubled')), url: server.url });
    const components = path.join(own.folder, file);
    writeFileSync(components, code);
    writeFileSync(
      path.join(own.folder, 'factor.ts'),
      'export interface Row { id: number }\nexport const by = (record: Row, factor: number): Row => ({ ...record, id: record.id * factor });\n',
    );
    const { rows } = await connection({ manifest: manifestOf(custom('doubled')), url: server.url, components }).sync();
    expect(ids(rows['doubled'])).toEqual([2, 4]);
  });

  test('a module that does not load is an error that names it', async () => {
    const own = connection({ manifest: manifestOf(custom('doubled')) });
    const components = path.join(own.folder, 'twins.ts');
    writeFileSync(components, 'export const twins = {');
    await expect(connection({ manifest: manifestOf(custom('doubled')), components }).sync()).rejects.toMatchObject({
      code: 'components_failed',
      place: components,
    });
  });
});

describe('num_workers is a ceiling only where the user set it', () => {
  const SPEC = `concurrency_level: {type: ConcurrencyLevel, default_concurrency: "{{ config.get('num_workers', 2) }}", max_concurrency: 25}
spec: {type: Spec, connection_specification: {type: object, properties: {num_workers: {type: integer, default: 2, minimum: 1, maximum: 25, airbyte_hidden: true}}, additionalProperties: true}}`;
  const opened = async (config: Row) => {
    const server = await api(() => data([1]));
    return connection({ manifest: manifestOf(streamOf('users'), SPEC), url: server.url, config }).sync();
  };

  test.each([0, 26, 'x', 2.5, null])('%j is refused, with field, bound and value', async (workers) => {
    await expect(opened({ num_workers: workers })).rejects.toThrow(ConfigError);
    await opened({ num_workers: workers }).catch((error: ConfigError) =>
      expect(`${error.place} ${error.expected} ${error.found}`).toMatch(
        /num_workers.*(25|1|integer).*(0|26|x|2\.5|null)/s,
      ),
    );
  });

  test.each([
    [1, undefined],
    [25, undefined],
    ['10', 'number 10'],
    [undefined, undefined],
  ])('%j is taken', async (workers, note) => {
    const { notes, summary } = await opened(workers === undefined ? {} : { num_workers: workers });
    expect(summary.outcome).toBe('complete');
    if (note) expect(notes[0]).toContain(note);
    else expect(notes).toEqual([]);
  });

  test('an old knob is accepted, and said to do nothing', async () => {
    const { notes } = await opened({ backfill_concurrency: 4 });
    expect(notes[0]).toContain('backfill_concurrency no longer does anything');
  });
});
