/** Who may use the service's API: tokens, roles, sessions of a browser. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { HeadraceClient } from '../../src/service/client/index.js';
import { ROLES } from '../../src/service/tokens.js';
import { startService, TEST_TOKEN, type TestService } from '../service-support.js';
import { refusal, type Operation, operations, serveApi } from '../api-support.js';

serveApi();

describe('who may', () => {
  let guarded: TestService;
  const token = TEST_TOKEN;
  beforeAll(async () => {
    guarded = await startService({ worker: false });
  });
  afterAll(() => guarded.close());

  test('every operation: not without a token, not with a wrong or an expired one, not with a weaker role', async () => {
    const tokens = Object.fromEntries(
      await Promise.all(ROLES.map(async (role) => [role, await guarded.tokens.create(role, role, undefined)] as const)),
    );
    const expired = await guarded.tokens.create('old', 'admin', new Date(Date.now() - 1000));
    const revoked = await guarded.tokens.create('gone', 'admin', undefined);
    await guarded.tokens.revoke(revoked.id);
    const list = [...(await operations()), { method: 'get', path: '/metrics', 'x-role': 'read' } as Operation];
    expect(list.length).toBeGreaterThan(35);
    for (const { method, path, 'x-role': role } of list) {
      const status = async (bearer?: string) => {
        const over = new AbortController();
        const response = await fetch(guarded.url + path.replaceAll(/\{\w+\}/g, '1'), {
          method: method.toUpperCase(),
          signal: over.signal,
          headers: {
            'content-type': 'application/json',
            ...(bearer === undefined ? {} : { authorization: `Bearer ${bearer}` }),
          },
        });
        const { status: code } = response;
        over.abort();
        return code;
      };
      const at = `${method} ${path}`;
      for (const bearer of [undefined, 'wrong', '', `${token}x`, expired.token, revoked.token])
        expect(`${at} ${await status(bearer)}`).toBe(`${at} 401`);
      for (const weaker of ROLES.slice(0, ROLES.indexOf(role)))
        expect(`${at} as ${weaker} ${await status(tokens[weaker]!.token)}`).toBe(`${at} as ${weaker} 403`);
      // Allowed to ask: whatever else is wrong with the question.
      for (const enough of [tokens[role]!.token, token]) expect([401, 403]).not.toContain(await status(enough));
    }
  });

  test('a token is shown once, works, and stops working when it is revoked', async () => {
    const admin = new HeadraceClient({ url: guarded.url, token });
    const made = await admin.createToken({ name: 'ci', role: 'read', expires_in_days: 1 });
    const reader = new HeadraceClient({ url: guarded.url, token: made.token });
    expect(await reader.getOverview()).toMatchObject({ role: 'read' });
    expect(JSON.stringify(await admin.listTokens())).not.toContain(made.token);
    expect((await admin.listTokens()).items.find(({ id }) => id === made.id)).toMatchObject({
      name: 'ci',
      last_used_at: expect.stringMatching(/^20/),
    });
    await admin.revokeToken(made.id);
    expect(await refusal(reader.getOverview())).toMatchObject({ status: 401, code: 'token_wanted' });
    expect(await refusal(admin.revokeToken(made.id))).toMatchObject({ status: 404 });
  });

  test('no word of where it comes from stands for a token; only health is open, and the page that asks for a token', async () => {
    const { request } = await import('undici');
    const status = async (path: string, headers: Record<string, string> = {}, method: 'GET' | 'POST' = 'GET') => {
      const { statusCode, body } = await request(guarded.url + path, { method, headers });
      await body.dump();
      return statusCode;
    };
    const closed = ['/', '/?x', '/assets/x.js', '/metrics', '/nothing', '/api/v1/docs', '/api/v1/openapi.json'];
    for (const path of [...closed, '/api/v1/overview', '/api/v1/session'])
      for (const headers of [
        {},
        { host: 'localhost' },
        { host: '127.0.0.1', 'x-forwarded-for': '127.0.0.1' },
        { host: 'evil.example' },
        { 'x-real-ip': '127.0.0.1', via: '1.1 proxy' },
        { cookie: 'headrace_session=x; headrace_session_80=x' },
        { authorization: `Basic ${Buffer.from(`admin:${token}`).toString('base64')}` },
      ] as Record<string, string>[])
        expect(`${path} ${JSON.stringify(headers)} ${await status(path, headers)}`).toBe(
          `${path} ${JSON.stringify(headers)} 401`,
        );
    for (const path of ['/healthz', '/readyz']) expect(await status(path)).toBe(200);
    expect(await status('/webhooks/x', {}, 'POST')).toBe(401);
    const page = await fetch(guarded.url);
    expect(page.headers.get('content-type')).toContain('text/html');
    expect(page.headers.get('cache-control')).toBe('no-store');
    expect(await page.text()).not.toContain('assets/');
  });

  describe('a session of a browser', () => {
    const exchange = async (bearer: string, headers: Record<string, string> = {}) => {
      const answer = await fetch(`${guarded.url}/api/v1/session`, {
        method: 'POST',
        headers: { authorization: `Bearer ${bearer}`, ...headers },
      });
      const cookie = answer.headers.get('set-cookie') ?? '';
      return { status: answer.status, cookie, sent: cookie.split(';')[0]! };
    };
    const ask = async (cookie: string, method = 'GET', path = '/api/v1/overview', headers = {}) => {
      const answer = await fetch(guarded.url + path, { method, headers: { cookie, ...headers } });
      return { status: answer.status, answer: (await answer.json().catch(() => undefined)) as any };
    };

    test('is exchanged for a token, and no script, no other site and no log can have it', async () => {
      const { status, cookie, sent } = await exchange(token);
      expect(status).toBe(204);
      expect(cookie).toMatch(/; HttpOnly(;|$)/);
      expect(cookie).toMatch(/; SameSite=Strict(;|$)/);
      expect(cookie).toMatch(/; Path=\/(;|$)/);
      expect(cookie).not.toMatch(/Secure/);
      expect(cookie).not.toContain(token);
      expect((await exchange(token, { 'x-forwarded-proto': 'https' })).cookie).toMatch(/; Secure(;|$)/);
      expect(await ask(sent)).toMatchObject({ status: 200, answer: { role: 'admin' } });
      expect((await exchange('wrong')).status).toBe(401);
      const rows = await guarded.coordination.scheduler.pool.query('select * from _headrace.session');
      expect(JSON.stringify(rows)).not.toContain(sent.split('=')[1]);
      // Whoever has a session cannot make it last, and a token that is wrong is not made good by a session.
      expect((await ask(sent, 'POST', '/api/v1/session', { origin: guarded.url })).status).toBe(204);
      expect((await ask(sent, 'GET', '/api/v1/overview', { authorization: 'Bearer wrong' })).status).toBe(401);
    });

    test('changes nothing for a page of elsewhere, nor for one that does not say where it is', async () => {
      const { sent } = await exchange(token);
      const post = async (headers: Record<string, string>) =>
        (await ask(sent, 'POST', '/api/v1/tokens', { 'content-type': 'application/json', ...headers })).status;
      const host = new URL(guarded.url).host;
      for (const headers of [
        {},
        { origin: 'https://evil.example' },
        { origin: 'null' },
        { origin: `http://${host.replace(/\d+$/, '1')}` },
        { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' },
        { 'sec-fetch-site': 'none' },
      ] as Record<string, string>[])
        expect(`${JSON.stringify(headers)} ${await post(headers)}`).toBe(`${JSON.stringify(headers)} 403`);
      // Past the door: the body is what is wrong.
      expect(await post({ origin: guarded.url })).toBe(400);
      expect(await post({ origin: 'https://public.example', 'sec-fetch-site': 'same-origin' })).toBe(400);
    });

    test('has the role of its token, and ends with it, with signing out, and in time', async () => {
      const reader = await guarded.tokens.create('browser', 'read', undefined);
      const { sent } = await exchange(reader.token);
      expect(await ask(sent)).toMatchObject({ status: 200, answer: { role: 'read' } });
      expect((await ask(sent, 'POST', '/api/v1/tokens', { origin: guarded.url })).status).toBe(403);
      await guarded.tokens.revoke(reader.id);
      expect((await ask(sent)).status).toBe(401);

      const own = await exchange(token);
      expect((await ask(own.sent, 'DELETE', '/api/v1/session', { origin: guarded.url })).status).toBe(204);
      expect((await ask(own.sent)).status).toBe(401);

      const late = await exchange(token);
      await guarded.coordination.scheduler.pool.query(`update _headrace.session set expires_at = now()`);
      expect((await ask(late.sent)).status).toBe(401);
    });
  });
});
