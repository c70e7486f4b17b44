/** Alerts over real HTTP: each change is told once, what fails is tried again and given up, and targets are checked. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { LIMITS } from '../../src/base/bounds.js';
import { ApiError } from '../../src/service/client/index.js';
import { startStripeTestbed, TESTBED_LIVE_KEY, type StripeTestbed } from '../../src/testbed/index.js';
import { alertsOf } from '../../src/wiring/compose-alerts.js';
import { until } from '../patience.js';
import { startService, type TestService } from '../service-support.js';

let testbed: StripeTestbed;
let service: TestService;
let server: Server;
let base = '';
/** What each path was told, and what it answers. */
const told: { path: string; body: Record<string, unknown> }[] = [];
const answers: Record<string, number> = {};

beforeAll(async () => {
  server = createServer((request, response) => {
    let text = '';
    request.setEncoding('utf8').on('data', (part: string) => (text += part));
    request.on('end', () => {
      told.push({ path: request.url!, body: JSON.parse(text) as Record<string, unknown> });
      const status = answers[request.url!] ?? 200;
      response.writeHead(status, status === 302 ? { location: '/elsewhere' } : {}).end('ok');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  testbed = await startStripeTestbed({ rows: 50, limit: '200/s,endpoint=200/s' });
  const source = { connector: 'stripe', api_key: TESTBED_LIVE_KEY, base_url: testbed.url, streams: ['coupons'] };
  const destination = { type: 'postgres', url: '${DATABASE_URL}' };
  service = await startService({
    file: {
      alerts: [
        { url: `${base}/all`, on: ['failed', 'late', 'recovered'] },
        { url: 'http://169.254.169.254/latest', on: ['failed'] },
      ],
      connections: {
        acme: { source, destination, fresh_within: '1h', alerts: [{ url: `${base}/slack`, format: 'slack' }] },
        lame: { source: { ...source, api_key: ['sk', 'live', 'wrongkey123'].join('_') }, destination, app: 'lame' },
      },
    },
  });
});
afterAll(async () => {
  await service?.close();
  await testbed?.close();
  await new Promise((resolve) => server.close(resolve));
});

/** Several workers look at the same time. */
async function pass(): Promise<void> {
  const flags = { config: path.join(service.folder, 'headrace.yaml') };
  const env = { DATABASE_URL: service.databaseUrl };
  await Promise.all([1, 2, 3].map(() => alertsOf(service.coordination, flags, env).pass()));
}
const at = (where: string) => told.filter((each) => each.path === where).map(({ body }) => body);
const dueNow = () =>
  service.coordination.scheduler.pool.query(
    `update _headrace.alert_delivery set next_at = clock_timestamp() where next_at is not null`,
  );

test('a failure is told once to all who asked, with why; a refused target is given up at once', async () => {
  await service.client.runConnection('lame', {});
  await until(async () => (await service.client.listTasks({ connection: 'lame', state: 'dead' })).items.length > 0);
  await pass();
  await pass();
  expect(at('/all')).toEqual([
    expect.objectContaining({ type: 'alert', kind: 'failed', connection: 'lame', problems: ['failed'] }),
  ]);
  expect(at('/all')[0]!['message']).toMatch(/^lame failed: .*key/i);
  expect(at('/slack')).toEqual([]);
  const { items, targets } = await service.client.listAlerts();
  expect(items.find(({ shown }) => shown.includes('169.254'))).toMatchObject({
    delivered_at: null,
    next_at: null,
    attempts: 1,
    error: expect.stringMatching(/link-local and metadata addresses are refused/),
  });
  expect(JSON.stringify({ items, targets })).not.toContain('/latest');
});

test('what is older than asked is late, and what is complete again has recovered', async () => {
  const { pool } = service.coordination.scheduler;
  await service.client.runConnection('acme', {});
  await until(async () => (await service.client.listRuns({ connection: 'acme' })).items[0]?.outcome === 'complete');
  await until(async () => (await service.client.getConnection('acme')).running === 0);
  await pass();
  expect(at('/slack')).toEqual([]);
  await pool.query(
    `update _headrace.connection_total set fresh_as_of = now() - interval '3 hours' where connection_id = 'acme'`,
  );
  expect(await service.client.getConnection('acme')).toMatchObject({ late: true, fresh_within_seconds: 3600 });
  await pass();
  expect(at('/slack')).toEqual([
    { text: 'Headrace: acme is late: what is stored is 3 h old, and should be no older than 1 h' },
  ]);
  await service.client.runConnection('acme', {});
  await until(async () => !(await service.client.getConnection('acme')).late);
  await pass();
  await pass();
  expect(at('/slack').slice(1)).toEqual([{ text: 'Headrace: acme has recovered' }]);
  expect(
    at('/all')
      .filter(({ connection }) => connection === 'acme')
      .map(({ kind }) => kind),
  ).toEqual(['late', 'recovered']);
});

test('a run that is complete and not proven is told as that', async () => {
  const { pool } = service.coordination.scheduler;
  await pool.query(
    `update _headrace.run_record set summary = jsonb_set(summary, '{proofs,0,doubt}', '"rows moved"')
      where id = (select id from _headrace.run_record where connection_id = 'acme' order by started_at desc limit 1)`,
  );
  await pass();
  expect(at('/slack').at(-1)).toEqual({ text: 'Headrace: acme is not proven: coupons: rows moved' });
});

test('what is not taken is tried again, a bounded number of times; redirects are not followed', async () => {
  answers['/all'] = 302;
  answers['/slack'] = 500;
  const before = { all: at('/all').length, slack: at('/slack').length };
  expect(await service.client.testAlerts()).toEqual({ targets: 3 });
  expect(at('/elsewhere')).toEqual([]);
  await pass();
  // Not before its time.
  expect([at('/all').length, at('/slack').length]).toEqual([before.all + 1, before.slack + 1]);
  answers['/all'] = 200;
  for (let tries = 0; tries < LIMITS.alertAttempts + 3; tries++) {
    await dueNow();
    await pass();
  }
  expect(at('/all').length).toBe(before.all + 2);
  expect(at('/slack').length).toBe(before.slack + LIMITS.alertAttempts);
  const tests = (await service.client.listAlerts()).items.filter(({ kind }) => kind === 'test');
  expect(tests.find(({ connection }) => connection === 'acme')).toMatchObject({
    attempts: LIMITS.alertAttempts,
    next_at: null,
    delivered_at: null,
    error: 'it answered 500',
  });
  expect(tests.filter(({ delivered_at: delivered }) => delivered !== null)).toHaveLength(1);
});

test('those of the API are sealed, checked as its other addresses are, and told too', async () => {
  answers['/slack'] = 200;
  const narrow = await startService({ worker: false, wide: false });
  const made = (url: string) => ({
    id: 'mine',
    source: { connector: 'stripe', api_key: TESTBED_LIVE_KEY },
    max_concurrent_processes: 4,
    alerts: [{ url }],
  });
  try {
    for (const url of [`${base}/mine`, 'http://169.254.169.254/x']) {
      const refused = (await narrow.client
        .createConnection(made(url) as never)
        .catch((error: unknown) => error)) as ApiError;
      expect([refused.code, refused.detail.place]).toEqual(['target_refused', 'alerts.0.url']);
    }
    const created = await narrow.client.createConnection(made('https://example.com/hook-secret') as never);
    expect(created.settings).toMatchObject({ alerts: [{ url: '********' }] });
    const { targets } = await narrow.client.listAlerts();
    expect(targets).toEqual([
      {
        shown: 'https://example.com/…',
        format: 'json',
        on: ['failed', 'late', 'unproven', 'recovered'],
        connection: 'mine',
      },
    ]);
    const rows = await narrow.coordination.scheduler.pool.query(
      `select config::text as text from _headrace.connection_config`,
    );
    expect(JSON.stringify(rows)).not.toContain('hook-secret');
  } finally {
    await narrow.close();
  }
});
