/** A reverse proxy on the same machine makes nobody an admin: its visitors come from the Internet. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { NGINX, startNginx } from '../nginx.js';
import { startService, TEST_TOKEN, type TestService } from '../service-support.js';
import { scratch } from '../support.js';

let service: TestService;
let work: { folder: string; drop: () => void };
beforeAll(async () => {
  service = await startService({ worker: false });
  work = scratch();
});
afterAll(async () => {
  await service.close();
  work.drop();
});

const SITES: [string, string][] = [
  ['proxy_pass and nothing else', ''],
  [
    'headers that proxies set',
    'proxy_set_header Host $host; proxy_set_header X-Forwarded-For $remote_addr; proxy_set_header X-Forwarded-Proto https;',
  ],
  [
    'a Host that says localhost',
    'proxy_set_header Host localhost; proxy_set_header X-Real-IP 127.0.0.1; proxy_set_header X-Forwarded-For 127.0.0.1;',
  ],
];

describe.skipIf(!NGINX).each(SITES)('behind nginx with %s (skipped without nginx)', (_, location) => {
  test('everything but the two probes is 401 without a token, and open with one', async () => {
    const proxy = await startNginx(work.folder, service.url, location);
    try {
      const asked = await service.fetch('/api/v1/openapi.json');
      const { paths } = (await asked.json()) as { paths: Record<string, Record<string, unknown>> };
      const operations = Object.entries(paths).flatMap(([path, methods]) =>
        Object.keys(methods)
          .filter((method) => ['get', 'post', 'put', 'patch', 'delete'].includes(method))
          .map((method) => [method.toUpperCase(), path.replaceAll(/\{\w+\}/g, 'x')] as const),
      );
      expect(operations.length).toBeGreaterThan(30);
      const pages = ['/', '/metrics', '/api/v1/openapi.json', '/api/v1/docs', '/connections/x', '/runs/x'];
      const open: string[] = [];
      for (const [method, path] of [...operations, ...pages.map((page) => ['GET', page] as const)]) {
        const answer = await fetch(proxy.url + path, { method, redirect: 'manual' });
        await answer.body?.cancel();
        if (answer.status !== 401) open.push(`${method} ${path}: ${answer.status}`);
      }
      expect(open).toEqual([]);
      for (const probe of ['/healthz', '/readyz']) expect((await fetch(proxy.url + probe)).status).toBe(200);
      const headers = { authorization: `Bearer ${TEST_TOKEN}` };
      expect((await fetch(`${proxy.url}/api/v1/overview`, { headers })).status).toBe(200);
    } finally {
      await proxy.close();
    }
  });
});
