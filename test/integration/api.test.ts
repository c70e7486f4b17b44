/** The service's API over real HTTP and a real PostgreSQL: what it does, and what it must never tell. */
import { createHmac } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { connect } from '../../src/postgres/connect.js';
import { until } from '../patience.js';
import { expectRead } from '../support.js';
import { HOOK, service, source, destination, settings, refusal, serveApi } from '../api-support.js';

serveApi();

describe('the life of a connection', () => {
  // Long because it is one life: what each step does is seen by the next.
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
    expect(run).toMatchObject({ outcome: 'complete', task, kind: 'sync' });
    expectRead(run!.rows, 6400);
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
    expect(charges).toMatchObject({ complete: true, evidence: 'stated', doubt: null });
    expectRead(charges.rows, 6000);
    expect(charges.ranges.every(({ open, evidence }) => !open && evidence !== null)).toBe(true);
    expect(await client.getRunLedger(run!.id)).toEqual({ connection: 'life', items: ledger.items });
    expect((await client.getLimits('life')).items.map(({ name }) => name)).toContain('global');
    const life = await client.getConnection('life');
    expectRead(life.rows!, 6400);
    expect(life).toMatchObject({
      state: 'idle',
      last_run: { id: run!.id, outcome: 'complete' },
      fresh_as_of: expect.stringMatching(/^20/),
    });

    const middle = Math.floor((charges.span.gte + charges.span.lt) / 2);
    await client.resetStream('life', { stream: 'charges', from: middle });
    const open = (await client.getLedger('life')).items.find(({ stream }) => stream === 'charges')!;
    expect(open).toMatchObject({ complete: false, evidence: null, doubt: null });
    expect(open.ranges.filter((range) => range.open).every(({ evidence }) => evidence === null)).toBe(true);
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

  test('what steps of workflows hold is listed', async () => {
    const { client } = service;
    await client.createConnection({ id: 'slotted', ...settings() });
    const { pool } = service.coordination.scheduler;
    const { worker } = (await client.listWorkers()).items[0]!;
    await pool.query(
      `select _headrace.take_slot('slotted/sync/' || n, $1, 'slotted', false) from generate_series(1, 2) n`,
      [worker],
    );
    const { items, next } = await client.listSlots({ connection: 'slotted', limit: 1 });
    expect(items).toMatchObject([{ workflow: 'slotted/sync/1', connection: 'slotted', worker, exclusive: false }]);
    expect((await client.listSlots({ connection: 'slotted', after: next! })).items).toHaveLength(1);
    await pool.query('select _headrace.give_slot(holder, worker) from _headrace.slot');
    expect((await client.listSlots()).items).toEqual([]);
    await client.deleteConnection('slotted');
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

test.each(['duckdb', 'parquet'])('the newest rows of %s are shown as well', async (type) => {
  const { client } = service;
  const id = `rows-of-${type}`;
  await client.createConnection({
    id,
    ...settings({ source: source({ streams: ['customers'] }), destination: { type, path: `${id}.d` } }),
  });
  await client.runConnection(id, {});
  await until(async () => (await client.listRuns({ connection: id })).items[0]?.outcome === 'complete');
  const { rows, fields, masked } = await client.listNewestRows(id, 'customers', { limit: 5, mask: '' });
  expect([rows.length, masked]).toEqual([5, []]);
  const told = (field: string) => rows.map((row) => row[fields.indexOf(field)]);
  expect(told('email').every((email) => email?.includes('@'))).toBe(true);
  expect(told('metadata')[0]).toMatch(/^\{"/);
  expect(new Set(told('id')).size).toBe(5);
  expect((await client.listNewestRows(id, 'customers', { limit: 1 })).masked).toContain('email');
  await until(async () => (await client.getConnection(id)).running === 0);
  await client.deleteConnection(id);
});

test('streams are told with rows, last change and evidence; their newest rows with what looks personal masked', async () => {
  const { client } = service;
  await client.createConnection({ id: 'looked', ...settings({ source: source({ streams: ['customers'] }) }) });
  const [fresh] = (await client.listStreams('looked')).items;
  expect(fresh).toMatchObject({ stream: 'customers', is_new: true, rows: 0, changed_at: null, evidence: null });
  await client.runConnection('looked', {});
  await until(async () => (await client.listRuns({ connection: 'looked' })).items[0]?.outcome === 'complete');
  const [read] = (await client.listStreams('looked')).items;
  expect(read).toMatchObject({ is_new: false, complete: true, stored: 400, evidence: 'stated', faults: [] });
  expectRead(read!.rows, 400);
  expect(read!.pages).toBeGreaterThanOrEqual(4);
  expect(read!.fields).toContainEqual({ name: 'email', type: 'string' });
  expect(Date.parse(read!.changed_at!)).toBeLessThanOrEqual(Date.now());
  const rows = await client.listNewestRows('looked', 'customers', { limit: 5 });
  expect(rows.rows).toHaveLength(5);
  expect(rows.masked).toContain('email');
  const told = (of: typeof rows, field: string) => of.rows.map((row) => row[of.fields.indexOf(field)]);
  expect(new Set(told(rows, 'email'))).toEqual(new Set(['•••']));
  expect(told(rows, 'id')[0]).toMatch(/^cus_/);
  const chosen = await client.listNewestRows('looked', 'customers', { limit: 5, mask: 'id,nothing' });
  expect([chosen.masked, told(chosen, 'id')[0]]).toEqual([['id'], '•••']);
  expect(told(chosen, 'email')[0]).toContain('@');
  expect((await refusal(client.listNewestRows('looked', 'nothing'))).detail.place).toBe('stream');
  expect(await refusal(client.listStreams('nobody'))).toMatchObject({ status: 404 });
  await until(async () => (await client.getConnection('looked')).running === 0);
  await client.deleteConnection('looked');
});
