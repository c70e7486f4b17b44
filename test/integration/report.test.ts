/** headrace report: one file of a run that the service recorded. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { startStripeTestbed, TESTBED_LIVE_KEY, type StripeTestbed } from '../../src/testbed/index.js';
import { until } from '../patience.js';
import { startService, type TestService } from '../service-support.js';
import { expectRead, headrace, scratch } from '../support.js';

let testbed: StripeTestbed;
let service: TestService;
let run = '';
beforeAll(async () => {
  testbed = await startStripeTestbed({ rows: 500, limit: '100/s,endpoint=100/s' });
  const source = { connector: 'stripe', api_key: TESTBED_LIVE_KEY, base_url: testbed.url, streams: ['customers'] };
  service = await startService({
    file: { connections: { acme: { source, destination: { type: 'postgres', url: '${DATABASE_URL}' } } } },
  });
  await service.client.runConnection('acme', {});
  const ended = await until(
    async () => (await service.client.listRuns({ connection: 'acme', outcome: 'complete' })).items[0],
  );
  run = ended.id;
});
afterAll(async () => {
  await service?.close();
  await testbed?.close();
});

const report = (...args: string[]) =>
  headrace(['report', ...args], { cwd: service.folder, env: { DATABASE_URL: service.databaseUrl } });

test('is written to a file, the newest run where none is named, and says where', async () => {
  const ran = await report();
  expect(ran).toMatchObject({ code: 0 });
  const file = path.join(service.folder, `headrace-${run}.html`);
  expect(ran.stderr).toContain(`Wrote ${file}`);
  const page = readFileSync(file, 'utf8');
  expect(page).toMatch(/<h1>acme: sync<\/h1>/);
  expect(page).toMatch(/customers[\s\S]*500[\s\S]*proven/);
  expect(page).not.toContain(TESTBED_LIVE_KEY);
});

test('goes to the output, or where it is asked to, and is what the API answers', async () => {
  const shown = await report(run, '--output', '-');
  expect(shown.stdout.trimEnd()).toBe((await service.client.getRunReport(run)).trimEnd());
  const told = await report(run, '--output', 'here.html', '--json');
  expect(JSON.parse(told.stdout)).toMatchObject({ type: 'report', run, file: path.join(service.folder, 'here.html') });
  const answer = await service.fetch(`/api/v1/runs/${run}/report`);
  expect(answer.headers.get('content-disposition')).toBe(`attachment; filename="headrace-${run}.html"`);
  expect(answer.headers.get('content-security-policy')).toContain("script-src 'self'");
});

test('of a run that is not there, or to a place that is not there, says so with the next step', async () => {
  const unknown = await report('mx00000');
  expect(unknown.code).not.toBe(0);
  expect(unknown.stderr).toMatch(/there is no run mx00000/);
  const nowhere = await report(run, '--output', '/nowhere/at/all.html');
  expect(nowhere.stderr).toMatch(/cannot be written[\s\S]*ENOENT[\s\S]*--output/);
  expect((await service.fetch('/api/v1/runs/none/report')).status).toBe(404);
});

describe('a run by hand', () => {
  const sync = (...more: string[]) =>
    headrace(['sync', 'stripe', '--base-url', testbed.url, '--streams', 'customers', ...more], {
      cwd: work.folder,
      env: { STRIPE_API_KEY: TESTBED_LIVE_KEY },
    });
  const reported = async (...args: string[]) =>
    (await headrace(['report', '--output', '-', ...args], { cwd: work.folder })).stdout;
  let work: ReturnType<typeof scratch>;
  beforeEach(() => (work = scratch()));
  afterEach(() => work.drop());

  test('is kept where its rows went', async () => {
    expect(await headrace(['report'], { cwd: work.folder })).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/no run is recorded yet[\s\S]*next: /),
    });
    expect(await sync('-q')).toMatchObject({ code: 0 });
    const page = await reported();
    expect(page).toMatch(/<h1>stripe: sync<\/h1>/);
    expect(page).toMatch(/customers[\s\S]*500[\s\S]*proven/);
    expect(page).not.toContain(TESTBED_LIVE_KEY);
  });

  test('and the service that writes to the same database shows it', async () => {
    const before = await service.client.listRuns({ connection: 'stripe' });
    expect(before.items).toEqual([]);
    expect(await sync('-q', '--to', service.databaseUrl)).toMatchObject({ code: 0 });
    const { items } = await service.client.listRuns({ connection: 'stripe' });
    expect(items).toMatchObject([{ connection: 'stripe', kind: 'sync', outcome: 'complete', task: null }]);
    expectRead(items[0]!.rows, 500);
    expect(await reported('--database', service.databaseUrl)).toMatch(/<h1>stripe: sync<\/h1>/);
  });

  test('into files alone is not, and says nothing of it', async () => {
    const ran = await sync('--to', 'ndjson:out');
    expect(ran).toMatchObject({ code: 0 });
    expect(ran.stderr).not.toMatch(/record|history/);
  });
});
