/** Manifests over real HTTP: each authentication, and tokens with quotas of their own. */
import { createHmac } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { type Answer, manifestOf, Reply, type Row, streamOf } from '../manifest-support.js';
import { api, connection, data, ids, range, read } from '../manifest-reading.js';

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

  test.each([
    ['that stands is used', 'good', ['/me', '/users']],
    ['that has ended is replaced by a login', 'ended', ['/me', '/login', '/users']],
    ['is fetched where none is given', '', ['/login', '/users']],
  ])('a legacy session token %s, where the requester is', async (_, token, asked) => {
    const seenPaths: string[] = [];
    const requester =
      'authenticator: {type: LegacySessionTokenAuthenticator, header: X-Session, login_url: login, validate_session_url: me, session_token: "{{ config.token }}", session_token_response_key: id, username: u, password: p}';
    const { summary } = await read(
      ({ path, headers }) => {
        seenPaths.push(path);
        if (path === '/login') return new Reply(200, { id: 'fresh' });
        const stands = headers['x-session'] === 'good' || headers['x-session'] === 'fresh';
        if (!stands) return new Reply(401, { error: 'no' });
        return path === '/me' ? new Reply(200, {}) : data([1]);
      },
      streamOf('users', { requester }),
      { config: { token } },
    );
    expect(summary.problems).toEqual([]);
    expect(summary.rows).toBe(1);
    expect([...new Set(seenPaths)]).toEqual(asked);
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
