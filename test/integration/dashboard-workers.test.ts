/** What runs, where: tasks, and the steps of workflows that an engine keeps. */
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TESTBED_LIVE_KEY } from '../../src/testbed/index.js';
import { CHROMIUM } from '../browser.js';
import { axeFaults, Visitors } from '../dashboard-support.js';
import { until } from '../patience.js';
import { startService, TEST_TOKEN, type TestService } from '../service-support.js';

const PAGES = path.join(import.meta.dirname, '../../dist/service/web');

describe.skipIf(CHROMIUM === undefined)('the workers', () => {
  let service: TestService;
  let visitors: Visitors;

  beforeAll(async () => {
    const acme = {
      source: { connector: 'stripe', api_key: TESTBED_LIVE_KEY, streams: ['coupons'] },
      destination: { type: 'postgres', url: '${DATABASE_URL}' },
    };
    service = await startService({ pages: PAGES, file: { connections: { acme } } });
    visitors = await Visitors.come();
  });
  afterAll(async () => {
    await visitors?.goHome();
    await service?.close();
  });

  test('steps of workflows are shown beside the tasks that run, while they hold a slot', async () => {
    const { pool } = service.coordination.scheduler;
    const { worker } = (await service.client.listWorkers()).items[0]!;
    await pool.query(`select _headrace.take_slot('acme/sync/its-workflow', $1, 'acme', false)`, [worker]);
    const page = await visitors.open('#/workers', {}, service.url, TEST_TOKEN);
    const table = page.getByRole('table', { name: 'Steps of workflows' });
    await table.getByText('acme/sync/its-workflow').waitFor();
    expect(await axeFaults(page)).toEqual([]);
    await pool.query(`select _headrace.give_slot('acme/sync/its-workflow', $1)`, [worker]);
    await page.reload();
    await page.getByRole('table', { name: 'Workers' }).waitFor();
    await until(async () => (await page.locator('[aria-busy=true]').count()) === 0);
    expect(await table.count()).toBe(0);
  });
});
