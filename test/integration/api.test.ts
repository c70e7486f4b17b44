/**
 * The service's API over real HTTP and a real PostgreSQL: what it does, who may do it, what it must never tell, and bad
 * input of all kinds.
 */
import { createHmac } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ApiError, HeadraceClient } from '../../src/service/client/index.js';
import { ROLES } from '../../src/service/tokens.js';
import { LIMITS } from '../../src/base/bounds.js';
import { connect } from '../../src/postgres/connect.js';
import { startStripeTestbed, TESTBED_LIVE_KEY, type StripeTestbed } from '../../src/testbed/index.js';
import { tinyManifest } from '../dashboard-support.js';
import { until } from '../patience.js';
import { startService, TEST_TOKEN, type TestService } from '../service-support.js';

const METHODS = ['get', 'post', 'put', 'delete'] as const;
/** A key that the testbed refuses, so that it appears wherever errors are told. */
const REFUSED_KEY = ['sk', 'live', 'refusedkeythatmustneverbeshown'].join('_');
const PASSWORD = 'pass-word-that-must-never-be-shown';
const HOOK = 'whsec_thathookmustneverbeshown';

let testbed: StripeTestbed;
let service: TestService;
beforeAll(async () => {
  testbed = await startStripeTestbed({
    rows: 400,
    collections: { charges: { rows: 6000 } },
    limit: '1000/s,endpoint=1000/s',
  });
  service = await startService({
    file: {
      connections: {
        filed: {
          source: { connector: 'stripe', api_key: TESTBED_LIVE_KEY, base_url: testbed.url, streams: ['coupons'] },
          destination: { type: 'postgres', url: '${DATABASE_URL}' },
        },
      },
    },
  });
  mkdirSync(path.join(service.folder, 'manifests'));
  writeFileSync(path.join(service.folder, 'manifests', 'source-tiny.yaml'), tinyManifest('https://tiny.example'));
});
afterAll(async () => {
  await service?.close();
  await testbed?.close();
});

const source = (more: Record<string, unknown> = {}) => ({
  connector: 'stripe',
  api_key: TESTBED_LIVE_KEY,
  base_url: testbed.url,
  streams: ['customers', 'charges'],
  rate_limit: { global: 1000, endpoint: 1000 },
  ...more,
});
const destination = () => ({ type: 'postgres' as const, url: service.databaseUrl, mode: 'upsert' as const });
const settings = (more: Record<string, unknown> = {}) => ({
  source: source(),
  destination: destination(),
  max_concurrent_processes: 4,
  ...more,
});

async function refusal(work: Promise<unknown>): Promise<ApiError> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (error instanceof ApiError) return error;
  throw error ?? new Error('it was not refused');
}

describe('the life of a connection', () => {
  test('made, tested, run and watched, looked at, read again in part, edited, deleted', async () => {
    const { client } = service;
    const made = await client.createConnection({ id: 'life', ...settings() });
    expect(made).toMatchObject({
      id: 'life',
      managed_by: 'api',
      state: 'new',
      version: 1,
      settings: { source: { api_key: '********' }, destination: { url: '********' } },
    });
    expect(await client.testConnection('life')).toMatchObject({ ok: true, streams: ['charges', 'customers'] });

    const seen = { snapshots: 0, events: [] as string[], tasks: [] as string[] };
    const over = new AbortController();
    const watching = (async () => {
      for await (const { event, data } of client.watchEvents({ connection: 'life', signal: over.signal })) {
        if (event === 'run') seen.snapshots++;
        else if (event === 'event') seen.events.push((data as { event: { type: string } }).event.type);
        else if (event === 'task') seen.tasks.push((data as { state: string }).state);
      }
    })();
    const { task, joined } = await client.runConnection('life', { kind: 'sync' });
    expect(joined).toBe(false);
    const done = await until(async () => {
      const found = await client.getTask(task);
      return found.state === 'done' && found;
    });
    expect(done.result).toMatchObject({ outcome: 'complete' });
    await until(async () => seen.events.includes('finished') && seen.tasks.includes('done'));
    over.abort();
    await watching;
    expect(seen.snapshots).toBeGreaterThan(0);
    expect(seen.events[0]).toBe('started');

    const {
      items: [run],
    } = await client.listRuns({ connection: 'life' });
    expect(run).toMatchObject({ outcome: 'complete', task, kind: 'sync', rows: 6400 });
    const detail = await client.getRun(run!.id);
    expect(detail.summary).toMatchObject({
      outcome: 'complete',
      proofs: expect.arrayContaining([expect.objectContaining({ stream: 'charges', faults: [], stored: 6000 })]),
    });
    expect(detail.progress!.streams.map(({ name }) => name).toSorted()).toEqual(['charges', 'customers']);
    const told = await client.listRunEvents(run!.id, { limit: 500 });
    expect(told.items.map(({ id }) => id)).toEqual(told.items.map(({ id }) => id).toSorted((a, b) => a - b));
    expect(told.items.at(-1)!.event).toMatchObject({ type: 'finished', outcome: 'complete' });

    const ledger = await client.getLedger('life');
    const charges = ledger.items.find(({ stream }) => stream === 'charges')!;
    expect(charges).toMatchObject({ complete: true, rows: 6000 });
    expect(charges.ranges.every(({ open }) => !open)).toBe(true);
    expect(await client.getRunLedger(run!.id)).toEqual({ connection: 'life', items: ledger.items });
    expect((await client.getLimits('life')).items.map(({ name }) => name)).toContain('global');
    expect(await client.getConnection('life')).toMatchObject({
      state: 'idle',
      rows: 6400,
      last_run: { id: run!.id, outcome: 'complete' },
      fresh_as_of: expect.stringMatching(/^20/),
    });

    const middle = Math.floor((charges.span.gte + charges.span.lt) / 2);
    await client.resetStream('life', { stream: 'charges', from: middle });
    const open = (await client.getLedger('life')).items.find(({ stream }) => stream === 'charges')!;
    expect(open.complete).toBe(false);
    expect(open.ranges.filter((range) => range.open).every(({ gte }) => gte >= middle)).toBe(true);
    expect(await refusal(client.resetStream('life', { stream: 'nothing' }))).toMatchObject({
      status: 422,
      code: 'unknown_stream',
    });

    const edited = await client.editConnection('life', {
      ...settings({
        source: source({ api_key: '********', streams: ['customers'] }),
        destination: { ...destination(), url: '********' },
        schedule: { every: '6h', time_zone: 'UTC', priority: 0 },
      }),
      version: 1,
    });
    expect(edited).toMatchObject({
      version: 2,
      schedule: { every_seconds: 21_600 },
      settings: { source: { streams: ['customers'] } },
    });
    expect(edited.next_run_at).not.toBeNull();
    expect(await client.testConnection('life')).toMatchObject({ ok: true, streams: ['customers'] });
    expect(await refusal(client.editConnection('life', { ...settings(), version: 1 }))).toMatchObject({
      status: 409,
      code: 'version_conflict',
    });
    expect(await refusal(client.createConnection({ id: 'life', ...settings() }))).toMatchObject({
      status: 409,
      code: 'connection_exists',
    });

    await client.pauseConnection('life');
    expect(await client.getConnection('life')).toMatchObject({ paused: true });
    // A scheduled run may have begun just before; it stops, and none follows.
    await until(async () => (await client.getConnection('life')).state === 'paused');
    await client.deleteConnection('life');
    expect(await refusal(client.getConnection('life'))).toMatchObject({ status: 404, code: 'unknown_connection' });
    expect((await client.listTasks({ connection: 'life' })).items).toEqual([]);
    const database = await connect(service.coordination.target, 'test');
    expect((await database.query('select count(*) as n from life.charges')).rows[0].n).toBe(6000);
    await database.end();
  });

  test('one of a file is shown, run and paused, and edited in the file alone', async () => {
    const { client } = service;
    expect(await client.getConnection('filed')).toMatchObject({
      managed_by: 'file',
      settings: { source: { api_key: '********' } },
    });
    expect(await refusal(client.editConnection('filed', settings()))).toMatchObject({
      status: 409,
      code: 'managed_by_file',
    });
    expect(await refusal(client.deleteConnection('filed'))).toMatchObject({ status: 409, code: 'managed_by_file' });
    expect(await refusal(client.createConnection({ id: 'filed', ...settings() }))).toMatchObject({ status: 409 });
    expect(await client.testConnection('filed')).toMatchObject({ ok: true });
  });

  test('tasks are paused, resumed and cancelled; a partition as a whole; a limit is edited', async () => {
    const { client } = service;
    await client.createConnection({ id: 'held', ...settings({ app: 'heldapp' }) });
    const { partition } = await client.getConnection('held');
    await client.pausePartition(partition);
    const { task } = await client.runConnection('held', {});
    expect(await client.runConnection('held', {})).toEqual({ task, joined: true });
    expect(await client.pauseTask(task)).toMatchObject({ state: 'paused' });
    expect(await client.resumeTask(task)).toMatchObject({ state: 'queued' });
    expect(await client.setAppLimit('heldapp', { rate_limit: 6, frequency_seconds: 1 })).toMatchObject({
      cap: 3,
      partitions: 1,
      tasks: 1,
    });
    expect((await client.listPartitions({ app: 'heldapp' })).items).toMatchObject([
      { partition, cap: 3, running: 0, waiting: 1, paused: true },
    ]);
    expect((await client.listApps()).items.find(({ app }) => app === 'heldapp')).toMatchObject({
      cap: 3,
      rate_limit: 6,
      waiting: 1,
    });
    expect(await client.cancelTask(task)).toMatchObject({ state: 'cancelled' });
    expect(await client.resumePartition(partition)).toEqual({ tasks: 0 });
    expect((await client.listWorkers()).items).toHaveLength(1);
    expect(await refusal(client.pausePartition('no/such'))).toMatchObject({ status: 404, code: 'unknown_partition' });
    expect(await refusal(client.getTask(999_999))).toMatchObject({ status: 404 });
    expect(await refusal(client.setAppLimit('nobody', { rate_limit: 1, frequency_seconds: 1 }))).toMatchObject({
      status: 404,
      code: 'unknown_app',
    });
    await client.deleteConnection('held');
  });

  test('lists come in pages, whole and without doubles', async () => {
    const { client } = service;
    const names = Array.from({ length: 7 }, (_, i) => `paged-${i}`);
    for (const id of names) await client.createConnection({ id, ...settings() });
    const found: string[] = [];
    let after: string | undefined;
    do {
      const { items, next } = await client.listConnections({ limit: 3, after, search: 'paged' });
      found.push(...items.map(({ id }) => id));
      after = next ?? undefined;
    } while (after !== undefined);
    expect(found).toEqual(names);
    expect((await client.listConnections({ state: 'new', search: 'paged-3' })).items).toHaveLength(1);
    expect((await client.listConnections({ state: 'paused', search: 'paged' })).items).toHaveLength(0);
    for (const id of names) await client.deleteConnection(id);
  });
});

describe('before a connection is made', () => {
  test('definitions are listed and described, and what is none is said to be none', async () => {
    const { client } = service;
    writeFileSync(path.join(service.folder, 'manifests', 'no manifest.yaml'), 'x');
    expect((await client.listDefinitions()).items).toEqual([{ name: 'source-tiny', connector: 'manifest' }]);
    const tiny = await client.getDefinition('source-tiny');
    expect(tiny).toMatchObject({ title: 'Tiny', documentation: 'https://tiny.example/docs' });
    expect(tiny.config).toMatchObject({ required: ['auth'], properties: { auth: { title: 'Authentication' } } });
    for (const name of ['nothing', '..', '../headrace', 'source-tiny.yaml'])
      expect(await refusal(client.getDefinition(name))).toMatchObject({ status: 404 });
    writeFileSync(path.join(service.folder, 'manifests', 'broken.yaml'), 'streams: [');
    expect(await refusal(client.getDefinition('broken'))).toMatchObject({ status: 422 });
  });

  test('rows of each stream are estimated, and a key that does not work is told', async () => {
    const { client } = service;
    const estimate = await client.estimateSettings({
      id: 'guessed',
      ...settings({ source: source({ streams: ['coupons', 'charges', 'customers'] }) }),
    });
    const streams = new Map(estimate.streams.map((each) => [each.stream, each]));
    expect(streams.get('coupons')).toMatchObject({ exact: true, key: ['id'], follows: 'events', divided: 'range' });
    const { rows, low, high } = streams.get('charges')!;
    expect(rows).toBeGreaterThan((low ?? rows ?? 0) / 1.01);
    expect([low ?? 0.7 * rows!, high ?? 1.4 * rows!]).toSatisfy(
      ([least, most]: number[]) => least! <= 6000 && 6000 <= most!,
    );
    expect(await refusal(client.getConnection('guessed'))).toMatchObject({ status: 404 });
    const refused = client.estimateSettings({
      id: 'guessed',
      ...settings({ source: source({ api_key: REFUSED_KEY }) }),
    });
    expect((await refusal(refused)).status).toBe(422);
  });

  test('the next three runs of a schedule are told, and what is no schedule is refused at its place', async () => {
    const { client } = service;
    const times = async (query: Record<string, string>) =>
      (await client.previewSchedule(query)).next.map((time) => Date.parse(time));
    const [first, second, third] = await times({ every: '15m' });
    expect([second! - first!, third! - second!]).toEqual([900_000, 900_000]);
    const daily = await times({ cron: '30 4 * * *', time_zone: 'Asia/Tokyo' });
    expect(daily.map((time) => new Date(time).toISOString().slice(11))).toEqual(
      Array.from({ length: 3 }, () => '19:30:00.000Z'),
    );
    for (const [query, place] of [
      [{ every: 'often' }, 'every'],
      [{ cron: '61 * * * *' }, 'cron'],
      [{ cron: '0 0 31 2 *' }, 'cron'],
      [{}, 'every'],
      [{ every: '1h', cron: '0 * * * *' }, 'every'],
    ] as const)
      expect((await refusal(client.previewSchedule(query))).detail.place).toBe(place);
  });
});

test('a webhook of a connection that was made through the API is taken with its own secret alone', async () => {
  const { client, url } = service;
  await client.createConnection({ id: 'hooked', ...settings({ webhook_secret: HOOK }) });
  const body = JSON.stringify({
    id: 'evt_api',
    type: 'customer.updated',
    data: { object: { id: 'cus_1', object: 'customer' } },
  });
  const post = (secret: string, to = 'hooked', sent = body) => {
    const at = Math.floor(Date.now() / 1000);
    return fetch(`${url}/webhooks/${to}`, {
      method: 'POST',
      headers: {
        'stripe-signature': `t=${at},v1=${createHmac('sha256', secret).update(`${at}.${sent}`).digest('hex')}`,
      },
      body: sent,
    });
  };
  expect((await post('whsec_somethingelse')).status).toBe(401);
  expect((await post(HOOK, 'nobody')).status).toBe(401);
  expect(await (await post(HOOK)).json()).toEqual({ received: true, new: true });
  expect(await (await post(HOOK)).json()).toEqual({ received: true, new: false });
  // Stored, or refused for good: never "send it again".
  const depth = 40_000;
  for (const [odd, status] of [
    ['{"id":"evt_nul","x":"a\\u0000b","\\u0000":1}', 200],
    ['{"id":"evt_half","x":"\\ud800","y":["\\udfff"]}', 200],
    ['{"id":"evt_\\u0000"}', 400],
    ['{"id":"evt_\\ud800"}', 400],
    [`{"id":"evt_deep","x":${'['.repeat(depth)}${']'.repeat(depth)}}`, 400],
    [`{"id":"evt_deep","x":${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}}`, 400],
  ] as const)
    expect(`${odd.slice(0, 60)} ${(await post(HOOK, 'hooked', odd)).status}`).toBe(`${odd.slice(0, 60)} ${status}`);
  await client.cancelConnection('hooked');
  await until(async () => (await client.getConnection('hooked')).running === 0);
  await client.deleteConnection('hooked');
});

describe('what a connection of the API cannot do', () => {
  test('read the machine: files, code, the environment', async () => {
    const { client } = service;
    const place = async (given: Record<string, unknown>) =>
      (await refusal(client.createConnection({ id: 'nosy', ...settings(given) }))).detail.place;
    expect(await place({ source: { connector: 'manifest', manifest: '/etc/passwd' } })).toBe('source.manifest');
    expect(await place({ source: { connector: 'manifest', manifest: '../headrace.yaml' } })).toBe('source.manifest');
    expect(await place({ source: { connector: 'manifest', manifest: 'some', components: './evil.js' } })).toBe(
      'source.components',
    );
    expect(await place({ destination: { type: 'ndjson', path: '../../etc', mode: 'upsert' } })).toBe(
      'destination.path',
    );
    expect(await place({ destination: { type: 'ndjson', path: '/tmp/out', mode: 'upsert' } })).toBe('destination.path');
    // Not resolved: the text stays as it is, and is no key.
    expect(
      (
        await refusal(
          client.createConnection({
            id: 'nosy',
            ...settings({ source: source({ api_key: '${HEADRACE_SECRET_KEY}' }) }),
          }),
        )
      ).detail.place,
    ).toContain('api_key');
    expect(await refusal(client.getConnection('nosy'))).toMatchObject({ status: 404 });
  });

  test('lead into the network of the service, to its files, or to what is not its own', async () => {
    const narrow = await startService({ wide: false, worker: false });
    try {
      const at = async (given: Record<string, unknown>) => {
        const error = await refusal(narrow.client.createConnection({ id: 'nosy', ...settings(given) }));
        expect(error.status).toBe(422);
        return `${error.code} ${error.detail.place}`;
      };
      const into = (url: string, more = {}) => ({
        source: { connector: 'stripe', api_key: TESTBED_LIVE_KEY },
        destination: { type: 'postgres', url, mode: 'upsert', ...more },
      });
      for (const host of ['127.0.0.1', 'localhost', '[::1]', '2130706433', '10.0.0.8', '169.254.169.254', '0'])
        expect(await at({ source: source({ base_url: `http://${host}:9/` }) })).toBe('target_refused source.base_url');
      for (const host of ['127.0.0.1', 'localhost', '192.168.0.1', '[::ffff:10.0.0.1]'])
        expect(await at(into(`postgres://u:p@${host}/d`))).toBe('target_refused destination.url');
      for (const url of [
        'postgres://u:p@8.8.8.8/d?sslcert=/etc/passwd',
        'postgres://u:p@8.8.8.8/d?sslrootcert=/etc/passwd',
        'postgres://u:p@8.8.8.8/d?sslkey=/etc/passwd',
        'postgres://u:p@8.8.8.8/d?host=/var/run/postgresql',
        'postgres://u:p@8.8.8.8/d?host=127.0.0.1',
        'postgres://u:p@%2Fvar%2Frun%2Fpostgresql/d',
        'postgres:///d',
        'postgres://u@8.8.8.8/d',
        'postgres://8.8.8.8/d',
      ])
        expect(await at(into(url)), url).toBe('local_file_refused destination.url');
      // Written by a server that allows more: who runs it judges again.
      const stored = { source: source(), destination: destination() };
      await narrow.coordination.scheduler.define({
        id: 'stored',
        app: 'stripe',
        partition: 'p',
        limit: { requests: 10, frequencySeconds: 1 },
        maxConcurrent: 1,
      });
      const sealed = narrow.coordination.connections.seal('stored', stored, () => false);
      await narrow.coordination.connections.write('stored', sealed, undefined, 0);
      expect(await narrow.client.testConnection('stored')).toMatchObject({
        ok: false,
        error: { code: 'target_refused' },
      });
      for (const schema of ['_headrace', 'pg_catalog', 'information_schema'])
        expect(
          (
            await refusal(
              service.client.createConnection({ id: 'nosy', ...settings(into(service.databaseUrl, { schema })) }),
            )
          ).detail.place,
        ).toBe('destination.schema');
    } finally {
      await narrow.close();
    }
  });

  test('be stored without a key for its secrets', async () => {
    const { ConnectionStore } = await import('../../src/connections/connection-store.js');
    const bare = new ConnectionStore(service.coordination.scheduler.pool, undefined);
    expect(() => bare.seal('x', { webhook_secret: HOOK }, () => true)).toThrow('without a key');
    expect(bare.seal('x', { plain: 'text' }, () => false)).toEqual({ shown: { plain: 'text' }, sealed: null });
  });
});

test('a secret that was written is never read back: in no answer, event, error, metric, row or report', async () => {
  const { client } = service;
  const secrets = [REFUSED_KEY, PASSWORD, HOOK];
  const given = settings({
    source: source({ api_key: REFUSED_KEY }),
    webhook_secret: HOOK,
    destination: { type: 'postgres', url: `postgres://nobody:${PASSWORD}@127.0.0.1:1/none`, mode: 'upsert' },
  });
  const answers: string[] = [];
  const over = new AbortController();
  const watching = (async () => {
    for await (const event of client.watchEvents({ signal: over.signal })) answers.push(JSON.stringify(event));
  })();
  await client.createConnection({ id: 'secretive', ...given });
  const ask = async (method: string, path: string, body?: unknown) => {
    const response = await service.fetch(path, {
      method,
      ...(body === undefined ? {} : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
    });
    answers.push(`${JSON.stringify([...response.headers])}${await response.text()}`);
  };
  await ask('POST', '/api/v1/connections/test', { id: 'secretive', ...given });
  await ask('POST', '/api/v1/connections/secretive/test');
  await ask('POST', '/api/v1/connections', { id: 'secretive', ...given });
  await ask('PUT', '/api/v1/connections/secretive', { ...given, webhook_secret: { not: HOOK } });
  await ask('PUT', '/api/v1/connections/secretive', { ...given, source: source({ api_key: `wrong ${REFUSED_KEY}` }) });
  await ask('PUT', '/api/v1/connections/secretive', {
    ...given,
    destination: { type: 'postgres', url: `mysql://x:${PASSWORD}@h/d`, mode: 'upsert' },
  });
  const { task } = await client.runConnection('secretive', { kind: 'check' });
  await client.runConnection('secretive', { kind: 'sync' });
  await until(async () => (await client.getTask(task)).error !== null || (await client.getTask(task)).state === 'dead');
  for (const path of ['', '/secretive', '/secretive/ledger', '/secretive/limits'])
    await ask('GET', `/api/v1/connections${path}`);
  for (const path of [
    '/api/v1/tasks?connection=secretive',
    '/api/v1/runs',
    '/api/v1/partitions',
    '/metrics',
    '/api/v1/openapi.json',
    '/api/v1/docs',
    '/api/v1/connectors',
    '/api/v1/overview',
  ])
    await ask('GET', path);
  over.abort();
  await watching;
  const database = await connect(service.coordination.target, 'test');
  const { rows: tables } = await database.query(`select tablename from pg_tables where schemaname = '_headrace'`);
  for (const { tablename } of tables)
    answers.push(
      JSON.stringify(
        (await database.query(`select * from _headrace.${tablename}`)).rows.map((row) =>
          Object.values(row).map((value) => (Buffer.isBuffer(value) ? value.toString('latin1') : value)),
        ),
      ),
    );
  await database.end();
  expect(answers.length).toBeGreaterThan(30);
  for (const secret of secrets)
    for (const answer of [...answers, ...service.troubles])
      expect(answer.includes(secret), answer.slice(0, 400)).toBe(false);
  // It is there all the same, for who uses it.
  expect(JSON.stringify(await service.coordination.connections.open('secretive'))).toContain(PASSWORD);
  await client.cancelConnection('secretive');
  await until(async () => (await client.getConnection('secretive')).running === 0);
  await client.deleteConnection('secretive');
});

interface Operation {
  method: string;
  path: string;
  operationId: string;
  parameters?: { name: string; in: string; schema: Record<string, unknown> }[];
  requestBody?: { content: { 'application/json': { schema: unknown } } };
  responses: Record<string, { content?: Record<string, { schema: unknown }> }>;
  'x-role': (typeof ROLES)[number];
}

async function description(): Promise<{
  components: { schemas: Record<string, unknown> };
  paths: Record<string, Record<string, Operation>>;
}> {
  return (await service.fetch(`${service.url}/api/v1/openapi.json`)).json() as never;
}

async function operations(): Promise<Operation[]> {
  return Object.entries((await description()).paths).flatMap(([path, item]) =>
    METHODS.filter((method) => item[method]).map((method) => ({ ...item[method]!, path, method })),
  );
}

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

describe('bad input', () => {
  test('every operation answers generated input as it says it does, and never with 500', async () => {
    const { components } = await description();
    const ajv = new Ajv2020({ strict: false, validateFormats: false });
    ajv.addSchema({ $id: 'api', components });
    const validators = new Map<string, ReturnType<typeof ajv.compile>>();
    const validatorOf = (schema: unknown) => {
      const key = JSON.stringify(schema).replaceAll('"#/components', '"api#/components');
      if (!validators.has(key)) validators.set(key, ajv.compile(JSON.parse(key) as object));
      return validators.get(key)!;
    };
    const words = fc.oneof(
      { arbitrary: fc.constant('filed'), weight: 3 },
      fc.constantFrom(
        'no such',
        '...',
        '%00',
        '\u0000',
        'x'.repeat(400),
        '1',
        '-1',
        '1e9',
        '999999999999999999999',
        'NaN',
        '💧',
        `'; drop table x --`,
        '{}',
        '<script>',
      ),
      fc.string({ unit: 'binary', maxLength: 40 }),
    );
    const json = fc.oneof(
      fc.jsonValue({ maxDepth: 3 }),
      fc.record(
        {
          id: words,
          source: fc.oneof(
            fc.jsonValue(),
            fc.record({ connector: fc.constantFrom('stripe', 'manifest', 'x'), api_key: words, manifest: words }),
          ),
          destination: fc.jsonValue(),
          kind: fc.constantFrom('sync', 'rescrape', 'part', 'x'),
          stream: words,
          gte: fc.integer(),
          lt: fc.double(),
          name: words,
          role: words,
          rate_limit: fc.double(),
          frequency_seconds: fc.integer(),
          version: fc.integer(),
        },
        { requiredKeys: [] },
      ),
    );
    // Sound but for one place: these come further than what is wrong all over.
    const sound: Record<string, unknown> = {
      id: 'fuzzed',
      kind: 'rescrape',
      stream: 'customers',
      rate_limit: 5,
      frequency_seconds: 1,
      name: 'x',
      role: 'read',
      ...settings({ schedule: { every: '1h' }, webhook_secret: HOOK }),
    };
    const fields: Record<string, string[]> = {
      createConnection: ['id', 'source', 'destination', 'schedule', 'max_concurrent_processes', 'webhook_secret'],
      testSettings: ['id', 'source', 'destination'],
      editConnection: ['source', 'destination', 'schedule'],
      runConnection: ['kind', 'stream'],
      resetStream: ['stream'],
      setAppLimit: ['rate_limit', 'frequency_seconds'],
      createToken: ['name', 'role'],
    };
    const nearly = (id: string) =>
      fc
        .tuple(
          fc.constantFrom(...(fields[id] ?? ['id'])),
          fc.oneof(words, fc.jsonValue({ maxDepth: 1 })),
          fc.option(fc.constantFrom('api_key', 'base_url', 'streams', 'type', 'url', 'every', 'cron')),
        )
        .map(([field, value, inner]) => {
          const body = Object.fromEntries((fields[id] ?? []).map((name) => [name, sound[name]]));
          body[field] =
            inner !== null && typeof body[field] === 'object' ? { ...(body[field] as object), [inner]: value } : value;
          return JSON.stringify(body);
        });
    const bodies = (id: string) =>
      fc.oneof(
        { arbitrary: nearly(id), weight: 6 },
        {
          arbitrary: fc.constant(
            JSON.stringify(Object.fromEntries((fields[id] ?? []).map((name) => [name, sound[name]]))),
          ),
          weight: 2,
        },
        json.map((value) => JSON.stringify(value)),
        words,
        fc.constant(undefined),
      );
    const reached = new Set<number>();
    for (const operation of await operations()) {
      if (operation.operationId === 'watchEvents') continue;
      await fc.assert(
        fc.asyncProperty(
          fc.array(words, { minLength: 3, maxLength: 3 }),
          fc.dictionary(
            fc.constantFrom('limit', 'after', 'before', 'search', 'state', 'outcome', 'connection', 'app'),
            words,
          ),
          bodies(operation.operationId),
          fc.constantFrom(
            'application/json',
            'application/json',
            'application/json',
            'text/plain',
            'application/json; charset=utf-16',
            '',
          ),
          async (names, query, body, type) => {
            const path = operation.path.replaceAll(/\{\w+\}/g, () => encodeURIComponent(names.pop()!.toWellFormed()));
            const params = new URLSearchParams(
              Object.entries(query).map(([key, value]): [string, string] => [key, value.toWellFormed()]),
            );
            const method = operation.method.toUpperCase();
            const response = await service.fetch(`${service.url}${path}?${params.toString()}`, {
              method,
              redirect: 'manual',
              headers: type === '' ? {} : { 'content-type': type },
              ...(method === 'GET' || body === undefined ? {} : { body: body.toWellFormed() }),
            });
            const text = await response.text();
            reached.add(response.status);
            const where = `${method} ${path} ${body ?? ''}: ${response.status} ${text.slice(0, 300)}`;
            expect(response.status, where).not.toBe(500);
            const described = operation.responses[String(response.status)];
            expect(described, where).toBeDefined();
            const schema = described!.content?.['application/json']?.schema;
            if (schema === undefined) return;
            const validate = validatorOf(schema);
            expect(validate(JSON.parse(text)), `${where} ${JSON.stringify(validate.errors)}`).toBe(true);
            if (response.status >= 400) expect(text, where).not.toMatch(/\bat .*\.js:\d+/);
          },
        ),
        { numRuns: 40, seed: 7, endOnFailure: true },
      );
    }
    expect([...reached]).toEqual(expect.arrayContaining([200, 201, 202, 400, 404, 409, 415, 422]));
    expect(service.troubles).toEqual([]);
  });

  test('a run may be asked for without a body, and not with one that is no JSON', async () => {
    const run = async (body?: string, type?: string) => {
      const response = await service.fetch(`${service.url}/api/v1/connections/filed/run`, {
        method: 'POST',
        headers: type === undefined ? {} : { 'content-type': type },
        ...(body === undefined ? {} : { body: Buffer.from(body) }),
      });
      return { status: response.status, answer: (await response.json()) as { task: number; error?: unknown } };
    };
    const { status, answer } = await run();
    expect(status).toBe(202);
    expect((await service.client.getTask(answer.task)).kind).toBe('sync');
    await until(async () => (await service.client.getTask(answer.task)).state === 'done');
    expect((await run('{"kind": "verify"}', 'text/plain')).status).toBe(415);
    expect((await run('kind=verify', 'application/x-www-form-urlencoded')).status).toBe(415);
    expect((await run('{', 'application/json')).status).toBe(400);
    expect((await run('{"stream": "charges"}', 'application/json')).answer).toMatchObject({
      error: { code: 'bad_payload', place: 'stream', expected: 'parts', found: 'stream' },
    });
  });

  test('the description says who needs a token, and what may be left out', async () => {
    const { paths, security } = (await description()) as unknown as {
      security: unknown;
      paths: Record<string, Record<string, { requestBody?: { required?: boolean } }>>;
    };
    expect(security).toEqual([{ token: [] }, { session: [] }]);
    expect(paths['/api/v1/connections/{connection}/run']!['post']!.requestBody!.required).toBe(false);
    expect(paths['/api/v1/connections']!['post']!.requestBody!.required).toBe(true);
  });

  test('answers that were not asked for by accident agree with their schemas too', async () => {
    const { components, paths } = await description();
    const ajv = new Ajv2020({ strict: false, validateFormats: false });
    ajv.addSchema({ $id: 'api', components });
    const { client } = service;
    const { task } = await client.runConnection('filed', {});
    await until(async () => (await client.getTask(task)).state === 'done');
    const {
      items: [run],
    } = await client.listRuns({ connection: 'filed' });
    const asked = { connection: 'filed', run: run!.id, task: String(task), definition: 'source-tiny' };
    for (const [path, item] of Object.entries(paths)) {
      if (!item['get'] || (path.endsWith('/events') && !path.includes('{'))) continue;
      const response = await service.fetch(
        `${path.replaceAll(/\{(\w+)\}/g, (_, name: keyof typeof asked) => asked[name])}${path.endsWith('/schedule') ? '?every=15m' : ''}`,
      );
      expect(`${path} ${response.status}`).toBe(`${path} 200`);
      const validate = ajv.compile(
        JSON.parse(
          JSON.stringify(item['get'].responses['200']!.content!['application/json']!.schema).replaceAll(
            '"#/components',
            '"api#/components',
          ),
        ) as object,
      );
      const answer = await response.json();
      expect(
        validate(answer),
        `${path} ${JSON.stringify(validate.errors)} ${JSON.stringify(answer).slice(0, 500)}`,
      ).toBe(true);
    }
  });

  test('a body that is too large, a path that is not there, a method that is not', async () => {
    const post = (body: string) =>
      service.fetch(`${service.url}/api/v1/connections`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body,
      });
    expect((await post(`{"id": "${'x'.repeat(LIMITS.apiBodyBytes)}"}`)).status).toBe(413);
    expect(await (await post('{"id": ')).json()).toMatchObject({ error: { code: 'bad_json' } });
    expect(await (await post('{"id": "good", "source": {"connector": "stripe"}, "colour": 1}')).json()).toMatchObject({
      error: { code: 'bad_request', message: 'there is no setting colour' },
    });
    expect(await (await post('{"id": "Bad Name", "source": {"connector": "stripe"}}')).json()).toMatchObject({
      error: { place: 'id', expected: expect.stringContaining('a-z') },
    });
    expect((await service.fetch(`${service.url}/api/v1/nothing`)).status).toBe(404);
    const patched = await service.fetch(`${service.url}/api/v1/connections/filed`, { method: 'PATCH' });
    expect([patched.status, patched.headers.get('allow')]).toEqual([405, 'GET, HEAD, PUT, DELETE']);
    expect(await patched.json()).toMatchObject({ error: { code: 'wrong_method', found: 'PATCH' } });
    expect((await service.fetch(`${service.url}/api/v1/overview`, { method: 'HEAD' })).status).toBe(200);
    expect(
      await (
        await service.fetch(`${service.url}/api/v1/apps/stripe/limit`, {
          method: 'PUT',
          headers: { 'content-type': 'application/json' },
          body: '{"rate_limit": 5}',
        })
      ).json(),
    ).toMatchObject({ error: { place: 'frequency_seconds', expected: 'a number', found: 'nothing' } });
    expect(
      await (
        await service.fetch(`${service.url}/api/v1/connections/nobody`, {
          method: 'PUT',
          headers: { 'content-type': 'application/json' },
          body: '{"version": 3, "source": {"connector": "stripe"}}',
        })
      ).json(),
    ).toMatchObject({ error: { code: 'unknown_connection' } });
    expect((await service.fetch(`${service.url}/%2e%2e/%2e%2e/etc/passwd`)).status).toBe(404);
  });
});

test('no more watch than there is room for, and who leaves makes room', async () => {
  const over = new AbortController();
  const watch = () => service.fetch(`${service.url}/api/v1/events?kinds=task`, { signal: over.signal });
  const all = await Promise.all(Array.from({ length: LIMITS.watchers + 3 }, watch));
  expect(all.filter(({ status }) => status === 200).length).toBe(LIMITS.watchers);
  expect(all.filter(({ status }) => status === 503).length).toBe(3);
  over.abort();
  await until(async () => {
    const again = new AbortController();
    const { status } = await service.fetch(`${service.url}/api/v1/events`, { signal: again.signal });
    again.abort();
    return status === 200;
  });
});

test('metrics tell of the fleet, in the exposition format', async () => {
  const response = await service.fetch(`${service.url}/metrics`);
  expect(response.headers.get('content-type')).toContain('text/plain');
  const text = await response.text();
  for (const line of text.split('\n'))
    expect(line).toMatch(/^$|^# (HELP|TYPE) \w+ .+|^\w+(\{[^}]*\})? -?(\d|NaN|Inf|\+Inf)/);
  expect(text).toMatch(/headrace_workers 1\n/);
  expect(text).toMatch(/headrace_rows_total\{connection="filed"\} \d+/);
  expect(text).toMatch(
    /headrace_http_request_duration_seconds_count\{[^}]*route="\/api\/v1\/connections\/:connection"/,
  );
});
