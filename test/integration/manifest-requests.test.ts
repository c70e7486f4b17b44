/** Requests of manifests over real HTTP: redirects, cookies, charsets, packed bodies, tokens that end. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import iconv from 'iconv-lite';
import { afterEach, describe, expect, test } from 'vitest';
import {
  manifestConnection,
  manifestOf,
  streamOf,
  type ManifestInput,
  type ManifestRun,
  type Row,
} from '../manifest-support.js';

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

interface Hit {
  method: string;
  path: string;
  query: URLSearchParams;
  headers: IncomingMessage['headers'];
  body: string;
}
type Serve = (hit: Hit, response: ServerResponse, n: number) => void;

async function serve(answer: Serve): Promise<{ url: string; hits: Hit[] }> {
  const hits: Hit[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const url = new URL(request.url!, 'http://x');
      hits.push({
        method: request.method!,
        path: url.pathname,
        query: url.searchParams,
        headers: request.headers,
        body: Buffer.concat(chunks).toString(),
      });
      answer(hits.at(-1)!, response, hits.length);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  ends.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, hits };
}

const json = (
  response: ServerResponse,
  body: unknown,
  status = 200,
  headers: Record<string, string | string[]> = {},
) => {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(Buffer.isBuffer(body) ? body : JSON.stringify(body));
};
const move = (response: ServerResponse, status: number, location: string, html = '') => {
  response.writeHead(status, {
    location,
    ...(html === '' ? { 'content-length': 0 } : { 'content-type': 'text/html' }),
  });
  response.end(html);
};

async function run(url: string, stream: string, input: Partial<ManifestInput> = {}): Promise<ManifestRun> {
  const connection = manifestConnection({ manifest: manifestOf(stream), url, ...input });
  ends.push(connection.drop);
  return connection.sync();
}

const ids = (result: ManifestRun) => (result.rows['things'] ?? []).map((row: Row) => row['id']).toSorted();
const things = (parts: Parameters<typeof streamOf>[1] = {}) => streamOf('things', parts);
const BEARER = 'authenticator: {type: BearerAuthenticator, api_token: s3cret-token}';

describe('redirects', () => {
  test.each([
    [301, '/v2/things', ''],
    [302, '/v2/things', ''],
    [303, '/v2/things', '<html>see other</html>'],
    [307, '/v2/things', ''],
    [308, '/things/', '<html>moved</html>'],
  ])('%i to %s is followed', async (status, location, html) => {
    const { url, hits } = await serve(({ path }, response) =>
      path === '/things' ? move(response, status, location, html) : json(response, { data: [{ id: 1 }, { id: 2 }] }),
    );
    const result = await run(url, things({ requester: BEARER }));
    expect(ids(result)).toEqual([1, 2]);
    expect(result.summary.outcome).toBe('complete');
    expect(hits.every(({ headers }) => headers.authorization === 'Bearer s3cret-token')).toBe(true);
    // Each of them counted.
    expect(result.summary.requests).toBe(hits.length);
  });

  test('another host gets no credential, whatever header it is in', async () => {
    const other = await serve((_, response) => json(response, { data: [{ id: 3 }] }));
    const { url } = await serve((_, response) => move(response, 302, `${other.url}/things`));
    const result = await run(
      url,
      things({
        requester:
          'authenticator: {type: ApiKeyAuthenticator, api_token: s3cret-token, inject_into: {type: RequestOption, inject_into: header, field_name: X-Key}}\nrequest_headers: {X-Plain: shown}',
      }),
    );
    expect(ids(result)).toEqual([3]);
    expect(other.hits[0]!.headers['x-key']).toBeUndefined();
    expect(other.hits[0]!.headers['x-plain']).toBe('shown');
  });

  test('a circle ends with an error, and one that leads nowhere is no empty stream', async () => {
    const circle = await serve((_, response) => move(response, 302, '/things'));
    await expect(run(circle.url, things())).rejects.toMatchObject({ code: 'too_many_redirects' });
    const nowhere = await serve((_, response) => json(response, {}, 304));
    const { summary } = await run(nowhere.url, things());
    expect(summary).toMatchObject({ outcome: 'failed', problems: [{ stream: 'things', code: 'api_refused' }] });
  });
});

test('cookies of a session are sent again, to where they belong', async () => {
  const { url, hits } = await serve(({ query }, response) =>
    json(response, { data: [{ id: query.get('page') ?? '1' }], more: query.get('page') === null ? '2' : '' }, 200, {
      'set-cookie': ['sid=abc; Path=/', 'evil=1; Domain=example.com', 'old=1; Max-Age=0'],
    }),
  );
  await run(
    url,
    things({
      retriever: `paginator:
  type: DefaultPaginator
  page_token_option: {type: RequestOption, inject_into: request_parameter, field_name: page}
  pagination_strategy: {type: CursorPagination, cursor_value: "{{ response.more }}"}`,
    }),
  );
  expect(hits.at(-1)!.query.get('page')).toBe('2');
  expect(hits.at(-1)!.headers.cookie).toBe('sid=abc');
});

describe('bodies', () => {
  const body = '{"data":[{"id":1,"name":"José €"}]}';
  test.each<[string, Buffer, Record<string, string>]>([
    [
      'latin-1 by its header',
      iconv.encode(body, 'cp1252'),
      { 'content-type': 'application/json; charset=windows-1252' },
    ],
    ['a byte order mark', iconv.encode(body, 'utf8', { addBOM: true }), { 'content-type': 'application/json' }],
    ['UTF-16', iconv.encode(body, 'utf16', { addBOM: true }), { 'content-type': 'application/json' }],
    ['gzip that nobody asked for', gzipSync(body), { 'content-encoding': 'gzip', 'content-type': 'application/json' }],
    ['long headers', Buffer.from(body), { 'content-security-policy': 'x'.repeat(60_000) }],
  ])('%s', async (_, sent, headers) => {
    const { url } = await serve((__, response) => json(response, sent, 200, headers));
    const result = await run(url, things());
    expect(result.summary.problems).toEqual([]);
    expect(result.rows['things']).toMatchObject([{ id: 1, name: 'José €' }]);
  });

  test('a doubled key, beside an integer past 2^53: the last one counts', async () => {
    const { url } = await serve((_, response) =>
      json(response, Buffer.from('{"data":[{"id":1,"a":"first","a":"last","big":12345678901234567890}]}')),
    );
    expect((await run(url, things())).rows['things']).toMatchObject([{ id: 1, a: 'last' }]);
  });

  test.each([
    ['cp1252', '€5'],
    ['latin-1', 'é'],
    ['utf-8-sig', '€'],
  ])('CSV in %s', async (encoding, text) => {
    const { url } = await serve((_, response) =>
      json(response, iconv.encode(`id,price\n1,${text}\n`, encoding === 'utf-8-sig' ? 'utf8' : encoding), 200, {
        'content-type': 'text/csv',
      }),
    );
    const manifest = manifestOf(
      things({ retriever: `decoder: {type: CsvDecoder, encoding: ${encoding}}` }).replace(
        'field_path: [data]',
        'field_path: []',
      ),
    );
    const connection = manifestConnection({ manifest, url });
    ends.push(connection.drop);
    expect((await connection.sync()).rows['things']).toMatchObject([{ id: '1', price: text }]);
  });
});

test('what comes to an empty text is left out of headers, parameters and bodies, as in Airbyte', async () => {
  const { url, hits } = await serve((_, response) => json(response, { data: [] }));
  const requester = `http_method: POST
request_headers: {X-Empty: "{{ config['gone'] }}", X-Full: "1.50"}
request_parameters: {empty: "", full: "1.50"}
request_body_json: {empty: "{{ config['gone'] }}", in: {none: ""}, list: [""], full: x}`;
  await run(url, things({ requester }));
  const [hit] = hits;
  expect(hit!.headers['x-empty']).toBeUndefined();
  expect(hit!.headers['x-full']).toBe('1.5');
  expect([...hit!.query]).toEqual([['full', '1.50']]);
  expect(JSON.parse(hit!.body)).toEqual({ in: {}, list: [null], full: 'x' });
});

describe('keys', () => {
  const CASES: [string, string][] = [
    ['a bearer', `authenticator: {type: BearerAuthenticator, api_token: "{{ config['key'] }}"}`],
    ['a header', `request_headers: {Authorization: "Bearer {{ config['key'] }}"}`],
    [
      'an option',
      `authenticator: {type: ApiKeyAuthenticator, api_token: "{{ 'Bearer ' ~ config['key'] }}", inject_into: {type: RequestOption, inject_into: header, field_name: Authorization}}`,
    ],
  ];
  test.each(CASES)('the end of a line that was copied along is no part of it: %s', async (_, requester) => {
    for (const key of ['s3cret-key\n', 's3cret-key\r\n']) {
      const { url, hits } = await serve((__, response) => json(response, { data: [{ id: 1 }] }));
      expect(ids(await run(url, things({ requester }), { config: { key } }))).toEqual([1]);
      expect(hits[0]!.headers.authorization).toBe('Bearer s3cret-key');
    }
  });

  test('one with a line break inside is named at once', async () => {
    const { url, hits } = await serve((_, response) => json(response, { data: [] }));
    const done = run(url, things({ requester: CASES[0]![1] }), { config: { key: 's3cret\nkey' } });
    await expect(done).rejects.toMatchObject({ code: 'bad_header' });
    expect(hits).toHaveLength(0);
  });
});

describe('OAuth', () => {
  const oauth = (url: string, more = '') =>
    `authenticator: {type: OAuthAuthenticator, token_refresh_endpoint: "${url}/token", client_id: cid, client_secret: s3cret-client, refresh_token: s3cret-refresh${more}}`;
  const pager = `paginator:
  type: DefaultPaginator
  page_token_option: {type: RequestOption, inject_into: request_parameter, field_name: page}
  pagination_strategy: {type: CursorPagination, cursor_value: "{{ (last_record.id + 1) if response.more else '' }}"}`;
  const page = (query: URLSearchParams, last: number) => {
    const number = Number(query.get('page') ?? 1);
    return { data: [{ id: number }], more: number < last };
  };
  const tokens = (hits: Hit[]) => hits.filter(({ path }) => path === '/token');

  test.each<[string, string, (hit: Hit) => boolean]>([
    [
      'a form',
      '',
      ({ headers, body }) =>
        headers['content-type'] === 'application/x-www-form-urlencoded' &&
        new URLSearchParams(body).get('client_secret') === 's3cret-client',
    ],
    [
      'JSON where the manifest says so',
      ', refresh_request_headers: {Content-Type: application/json}',
      ({ body }) => (JSON.parse(body) as Row)['client_secret'] === 's3cret-client',
    ],
    [
      'no secret beside a Basic header',
      ', refresh_request_headers: {Authorization: "Basic {{ \'a:b\' | base64encode }}"}',
      ({ headers, body }) => headers.authorization === 'Basic YTpi' && !/client_/.test(body),
    ],
    [
      'what the standard says before what the manifest adds',
      ', refresh_request_body: {grant_type: other, audience: api}',
      ({ body }) => /grant_type=refresh_token/.test(body) && /audience=api/.test(body),
    ],
  ])('asks with %s', async (_, more, isRight) => {
    const { url, hits } = await serve(({ path, query }, response) =>
      path === '/token'
        ? json(response, { access_token: 's3cret-at', expires_in: 3600 })
        : json(response, page(query, 1)),
    );
    expect(ids(await run(url, things({ requester: oauth(url, more) })))).toEqual([1]);
    expect(isRight(tokens(hits)[0]!)).toBe(true);
  });

  test.each([
    ['null', { expires_in: null }],
    ['absent', {}],
    ['empty', { expires_in: '' }],
  ])('a token whose end is %s lasts an hour', async (_, more) => {
    const { url, hits } = await serve(({ path, query }, response) =>
      path === '/token' ? json(response, { access_token: 's3cret-at', ...more }) : json(response, page(query, 8)),
    );
    expect(ids(await run(url, things({ requester: oauth(url), retriever: pager })))).toHaveLength(8);
    expect(tokens(hits)).toHaveLength(1);
  });

  test('a short token serves nine tenths of its life', async () => {
    const { url, hits } = await serve(({ path, query }, response) =>
      path === '/token'
        ? json(response, { access_token: 's3cret-at', expires_in: 20 })
        : json(response, page(query, 8)),
    );
    expect(ids(await run(url, things({ requester: oauth(url), retriever: pager })))).toHaveLength(8);
    expect(tokens(hits)).toHaveLength(1);
  });

  test('one that is revoked in mid-run is renewed once, and nothing is lost', async () => {
    let good = '';
    let made = 0;
    const { url, hits } = await serve(({ path, query, headers }, response) => {
      if (path === '/token') {
        good = `s3cret-at-${++made}`;
        return json(response, { access_token: good, expires_in: 3600 });
      }
      if (headers.authorization !== `Bearer ${good}`) return json(response, { error: 'expired' }, 401);
      const answer = page(query, 12);
      if (query.get('page') === '5' && made === 1) good = 'revoked';
      return json(response, answer);
    });
    const result = await run(url, things({ requester: oauth(url), retriever: pager }));
    expect(result.summary.problems).toEqual([]);
    expect(ids(result)).toHaveLength(12);
    expect(tokens(hits)).toHaveLength(2);
  });

  test('one that is refused from the start is not renewed again and again', async () => {
    const { url, hits } = await serve(({ path }, response) =>
      path === '/token' ? json(response, { access_token: 's3cret-at', expires_in: 3600 }) : json(response, {}, 401),
    );
    await expect(run(url, things({ requester: oauth(url) }))).rejects.toMatchObject({ code: 'credential_rejected' });
    expect(tokens(hits)).toHaveLength(1);
  });

  test('a refusal names what the server said', async () => {
    const { url, hits } = await serve(({ path }, response) =>
      path === '/token'
        ? json(response, { error: 'invalid_grant' }, 400)
        : json(response, page(new URLSearchParams(), 1)),
    );
    await expect(run(url, things({ requester: oauth(url) }))).rejects.toMatchObject({
      code: 'oauth_refresh',
      found: 'status 400: invalid_grant',
    });
    expect(hits).toHaveLength(1);
  });

  test('a session token that is refused in mid-run is fetched anew', async () => {
    let good = 0;
    const { url, hits } = await serve(({ path, query, headers }, response) => {
      if (path === '/login') return json(response, { token: `s3cret-session-${++good}` });
      if (headers['x-session'] !== `s3cret-session-${good}`) return json(response, {}, 401);
      const answer = page(query, 6);
      if (query.get('page') === '3' && good === 1) good = 7;
      return json(response, answer);
    });
    const requester = `authenticator:
  type: SessionTokenAuthenticator
  login_requester: {type: HttpRequester, url_base: "https://api.test", path: login, http_method: POST}
  session_token_path: [token]
  request_authentication: {type: ApiKey, inject_into: {type: RequestOption, inject_into: header, field_name: X-Session}}`;
    const result = await run(url, things({ requester, retriever: pager }));
    expect(result.summary.problems).toEqual([]);
    expect(ids(result)).toHaveLength(6);
    expect(hits.filter(({ path }) => path === '/login')).toHaveLength(2);
  });
});
