/** What a connection of the API cannot reach, and what the API must never tell. */
import { describe, expect, test } from 'vitest';
import { connect } from '../../src/postgres/connect.js';
import { TESTBED_LIVE_KEY } from '../../src/testbed/index.js';
import { until } from '../patience.js';
import { startService } from '../service-support.js';
import {
  REFUSED_KEY,
  PASSWORD,
  HOOK,
  service,
  source,
  destination,
  settings,
  refusal,
  serveApi,
} from '../api-support.js';

serveApi();

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
    for (const where of ['/tmp/out', '..', 'a/../../b', '.ssh', 'a/.ssh/x', './a', 'a//b', 'a\\b', 'a/', 'a\n'])
      expect(await place({ destination: { type: 'ndjson', path: where, mode: 'upsert' } })).toBe('destination.path');
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
