/** The built program as a service: schedules, tasks, webhooks, signals. */
import { readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { connect } from '../../src/postgres/connect.js';
import { LIMITS } from '../../src/base/bounds.js';
import { TESTBED_LIVE_KEY } from '../../src/testbed/index.js';
import { until } from '../patience.js';
import { headrace } from '../support.js';
import {
  SECRET,
  database,
  folder,
  hold,
  configure,
  env,
  start,
  rows,
  task,
  sign,
  hook,
  runProcesses,
} from '../processes-support.js';

runProcesses();

describe('headrace serve', () => {
  // Long because it is the life of one server: starting one for each step would only show less.
  test('runs on schedule, takes tasks and webhooks, follows an edited limit, and leaves on SIGTERM', async () => {
    const file = configure('shop', { schedule: { every: '1h' } });
    const service = start(['serve', '--port', '0', '--config', file]);
    const { url: base } = await service.until((event) => event['type'] === 'listening');
    expect(base).toMatch(/^http:\/\/127\.0\.0\.1:/);
    const synced = await service.until((event) => event['type'] === 'task_settled' && event['kind'] === 'sync');
    expect(synced).toMatchObject({ state: 'done', result: { outcome: 'complete' } });
    expect((await rows('shop', 'charges')).keys).toBe(20_000);

    for (const [args, expected] of [
      [['check'], { state: 'done' }],
      [['verify'], { state: 'done' }],
      [
        ['rescrape', '--stream', 'customers'],
        { state: 'done', result: { outcome: 'complete', rows: expect.toBeOneOf([1500, 1501]) } },
      ],
      [['full'], { state: 'done', result: { outcome: 'complete' } }],
    ] as const) {
      const { code, json } = await task(['enqueue', 'shop', ...args, '--wait'], file);
      expect(json[0]).toMatchObject(expected);
      expect(code).toBe(0);
    }
    // A row at a boundary may have come twice; it is stored once, and none is called gone.
    expect(await rows('shop', 'customers')).toMatchObject({ n: 1500, keys: 1500, deleted: 0 });
    const part = await task(
      [
        'enqueue',
        'shop',
        'rescrape',
        '--stream',
        'charges',
        '--from',
        '1600000000',
        '--before',
        '1700000000',
        '--wait',
      ],
      file,
    );
    expect(part.json[0]).toMatchObject({ state: 'done' });
    expect(part.json[0]!['result'].rows).toBeGreaterThan(0);
    expect(part.json[0]!['result'].rows).toBeLessThan(20_000);
    const unknown = await task(['enqueue', 'shop', 'rescrape', '--stream', 'nothing', '--wait'], file);
    expect(unknown.code).toBe(1);
    expect(unknown.json[0]).toMatchObject({ state: 'dead', attempt: 1 });
    expect(await rows('shop', 'charges')).toMatchObject({ n: 20_000, keys: 20_000, deleted: 0 });

    // A row that changed here comes back as the API has it; one that the API does not know any more becomes a
    // tombstone.
    const client = await connect(database.target, 'test');
    const [{ id }] = (await client.query('select id from shop.customers order by id limit 1')).rows as [{ id: string }];
    await client.query(`update shop.customers set email = 'spoiled@example.com' where id = $1`, [id]);
    const event = (name: string, object: string) =>
      JSON.stringify({
        id: name,
        object: 'event',
        type: 'customer.updated',
        data: { object: { id: object, object: 'customer' } },
      });
    const body = event('evt_1', id);
    expect(await hook(base, 'shop', body, sign(body))).toMatchObject({
      status: 200,
      text: '{"received":true,"new":true}',
    });
    await service.until((each) => each['type'] === 'task_settled' && each['kind'] === 'changes');
    expect((await client.query('select email from shop.customers where id = $1', [id])).rows[0].email).not.toBe(
      'spoiled@example.com',
    );
    const settled = () =>
      service.events.filter((each) => each['type'] === 'task_settled' && each['kind'] === 'changes').length;
    const before = settled();
    expect(await hook(base, 'shop', body, sign(body))).toMatchObject({
      status: 200,
      text: '{"received":true,"new":false}',
    });
    for (const [signature, status] of [
      [undefined, 401],
      ['t=1', 401],
      [sign(body, 'another secret'), 401],
      [sign(body, SECRET, Math.floor(Date.now() / 1000) - 3600), 401],
      [`${sign('other')}`, 401],
    ] as const)
      expect((await hook(base, 'shop', body, signature)).status).toBe(status);
    expect((await hook(base, 'nobody', body, sign(body))).status).toBe(401);
    for (const bad of ['[]', '{}', 'no json', '{"id":""}', `{"id":"${'x'.repeat(300)}"}`])
      expect((await hook(base, 'shop', bad, sign(bad))).status).toBe(400);
    const large = `{"id":"x","y":"${'z'.repeat(LIMITS.webhookBytes)}"}`;
    expect((await hook(base, 'shop', large, sign(large))).status).toBe(413);
    const gone = event('evt_2', 'cus_that_never_was');
    expect((await hook(base, 'shop', gone, sign(gone))).status).toBe(200);
    await until(() => settled() > before);
    expect(settled()).toBe(before + 1);
    await client.end();
    expect(await rows('shop', 'customers')).toMatchObject({ n: 1500, keys: 1500 });
    for (const [page, status] of [
      ['/healthz', 200],
      ['/readyz', 200],
      ['/', 401],
      ['/nothing', 401],
      ['/webhooks/shop', 401],
    ] as const)
      expect((await fetch(base + page, { headers: { connection: 'close' } })).status).toBe(status);

    // The first start made a token for this machine: its owner alone can read it, and no log tells it.
    const kept = path.join(folder.folder, '.headrace', 'token');
    expect(statSync(kept).mode & 0o777).toBe(0o600);
    const { stdout: shown } = await headrace(['token', 'show', '--config', file], { env: env() });
    expect(shown).toBe(readFileSync(kept, 'utf8'));
    const authorization = `Bearer ${shown.trim()}`;
    for (const [page, status] of [
      ['/', 200],
      ['/nothing', 404],
      ['/webhooks/shop', 404],
      ['/api/v1/overview', 200],
    ] as const)
      expect((await fetch(base + page, { headers: { authorization, connection: 'close' } })).status).toBe(status);

    const limit = await headrace(['app', 'set-limit', 'stripe', '4/s', '--config', file, '--json'], { env: env() });
    expect(JSON.parse(limit.stdout)).toMatchObject({ type: 'limit_set', app: 'stripe', cap: 2, partitions: 1 });
    const apps = await headrace(['app', 'list', '--config', file], { env: env() });
    expect(apps.stdout).toMatch(/stripe\s+4 in 1 s\s+stripe\/\w+\s+2\s/);
    for (const bad of ['fast', '0/s', '1.5/s', '10/fortnight', '-3/min'])
      expect((await headrace(['app', 'set-limit', 'stripe', bad, '--config', file], { env: env() })).code).toBe(2);
    expect((await headrace(['app', 'set-limit', 'nobody', '4/s', '--config', file], { env: env() })).code).toBe(2);

    service.child.kill('SIGTERM');
    expect(await service.ended).toBe(0);
    expect(service.events.at(-1)).toMatchObject({ type: 'stopped' });
    for (const text of [JSON.stringify(service.events), service.stderr()])
      for (const secret of [SECRET, TESTBED_LIVE_KEY, shown.trim()]) expect(text).not.toContain(secret);
  });

  test('on SIGTERM a read commits what it fetched and goes on with the next worker', async () => {
    const file = configure('pauses', {}, { max_rate: 60 });
    expect((await task(['enqueue', 'pauses', 'sync'], file)).json[0]).toMatchObject({
      type: 'enqueued',
      joined: false,
    });
    expect((await task(['enqueue', 'pauses', 'sync'], file)).json[0]).toMatchObject({ type: 'enqueued', joined: true });
    hold.holdAfter(40);
    const first = start(['worker', '--config', file]);
    await until(async () => hold.isHolding && (await rows('pauses', 'charges').catch(() => ({ n: 0 }))).n > 500);
    first.child.kill('SIGTERM');
    expect(await first.ended).toBe(0);
    // It did not wait for answers that do not come.
    expect(hold.isHolding).toBe(true);
    expect(first.events.find((event) => event['type'] === 'task_settled')).toMatchObject({ state: 'delayed' });
    hold.release();
    const second = start(['worker', '--config', file]);
    const done = await second.until((event) => event['type'] === 'task_settled');
    expect(done).toMatchObject({ state: 'done', result: { outcome: 'complete' } });
    expect(done['result'].rows).toBeLessThan(21_500);
    expect(await rows('pauses', 'charges')).toMatchObject({ n: 20_000, keys: 20_000 });
  });

  test('pause, resume, cancel and retry from the command line', async () => {
    const file = configure('controlled', {}, { max_rate: 30 });
    const [made] = (await task(['enqueue', 'controlled', 'sync'], file)).json;
    hold.holdAfter(20);
    const worker = start(['worker', '--config', file]);
    await worker.until((event) => event['type'] === 'task_started');
    expect((await task(['pause', String(made!['id'])], file)).code).toBe(0);
    expect(await worker.until((event) => event['type'] === 'task_settled')).toMatchObject({ state: 'paused' });
    expect((await task(['list', '--connection', 'controlled', '--state', 'paused'], file)).json).toMatchObject([
      { id: made!['id'], state: 'paused' },
    ]);
    expect((await task(['resume', String(made!['id'])], file)).code).toBe(0);
    const count = (type: string) => worker.events.filter((event) => event['type'] === type).length;
    await until(() => count('task_started') === 2);
    expect((await task(['cancel', '--connection', 'controlled'], file)).code).toBe(0);
    await until(() => count('task_settled') === 2);
    expect(worker.events.findLast((event) => event['type'] === 'task_settled')).toMatchObject({ state: 'cancelled' });
    for (const args of [
      ['pause'],
      ['pause', 'x'],
      ['cancel', '99999999'],
      ['pause', '--connection', 'nobody'],
      ['enqueue', 'controlled', 'dance'],
      ['enqueue', 'nobody', 'sync'],
      ['enqueue', 'controlled', 'rescrape'],
      ['enqueue', 'controlled', 'rescrape', '--stream', 'charges', '--from', '5', '--before', '5'],
    ]) {
      const { code, stderr } = await task(args, file);
      expect(code, args.join(' ')).toBe(2);
      expect(stderr).not.toMatch(/at .*\.js:\d+/);
    }
  });
});

describe('beyond loopback', () => {
  test('a token is required, of all but signed requests and the sign of life', async () => {
    const file = configure('outside');
    expect(
      await headrace(['serve', '--port', '0', '--config', file], { env: { ...env(), HEADRACE_TOKEN: 'short' } }),
    ).toMatchObject({ code: 2, stderr: expect.stringContaining('HEADRACE_TOKEN') });
    const token = 'a token of some length';
    const service = start(['serve', '--host', '0.0.0.0', '--port', '0', '--config', file], { HEADRACE_TOKEN: token });
    const base = String((await service.until((event) => event['type'] === 'listening'))['url']).replace(
      '0.0.0.0',
      '127.0.0.1',
    );
    const status = async (page: string, authorization?: string) =>
      (
        await fetch(base + page, {
          headers: { connection: 'close', ...(authorization === undefined ? {} : { authorization }) },
        })
      ).status;
    expect(await status('/healthz')).toBe(200);
    expect(await status('/readyz')).toBe(200);
    for (const page of ['/metrics', '/api/v1/connections']) {
      expect(await status(page)).toBe(401);
      expect(await status(page, 'Bearer wrong')).toBe(401);
      expect(await status(page, token)).toBe(401);
      expect(await status(page, `Bearer ${token}`)).toBe(200);
    }
    // That what goes over the network is not encrypted is said at the start, and where a token was seen on its way.
    const warned = () => service.events.filter(({ level }) => level === 'warn').map(({ type }) => String(type));
    expect(warned()).toEqual(['plain_http', 'trouble']);
    expect(JSON.stringify(service.events)).not.toContain(token);
    const body = '{"id":"evt_outside","data":{}}';
    expect((await hook(base, 'outside', body, sign(body))).status).toBe(200);
    expect((await hook(base, 'outside', body, sign(body, 'wrong secret'))).status).toBe(401);
    for (const [args, found] of [
      [['--port', '99999'], '99999'],
      [['--port', new URL(base).port], 'port'],
    ] as const)
      expect(await headrace(['serve', ...args, '--config', file], { env: env() })).toMatchObject({
        code: 2,
        stderr: expect.stringContaining(found),
      });
    expect((await task(['list', '--state', 'bogus'], file)).code).toBe(2);
  });
});
