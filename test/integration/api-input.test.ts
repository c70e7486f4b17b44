/** Bad input of all kinds to the service's API, and answers that agree with their description. */
import { Ajv2020 } from 'ajv/dist/2020.js';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { LIMITS } from '../../src/base/bounds.js';
import { until } from '../patience.js';
import { HOOK, service, settings, description, operations, serveApi } from '../api-support.js';

serveApi();

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

/** Sound but for one place: these come further than what is wrong all over. */
const sound = (): Record<string, unknown> => ({
  id: 'fuzzed',
  kind: 'rescrape',
  stream: 'customers',
  rate_limit: 5,
  frequency_seconds: 1,
  name: 'x',
  role: 'read',
  ...settings({ schedule: { every: '1h' }, webhook_secret: HOOK }),
});

const fields: Record<string, string[]> = {
  createConnection: ['id', 'source', 'destination', 'schedule', 'max_concurrent_processes', 'webhook_secret'],
  testSettings: ['id', 'source', 'destination'],
  editConnection: ['source', 'destination', 'schedule'],
  runConnection: ['kind', 'stream'],
  resetStream: ['stream'],
  setAppLimit: ['rate_limit', 'frequency_seconds'],
  createToken: ['name', 'role'],
};
const soundBody = (id: string): Record<string, unknown> => {
  const all = sound();
  return Object.fromEntries((fields[id] ?? []).map((name) => [name, all[name]]));
};
/** A sound body of an operation, but for one field. */
const nearly = (id: string) =>
  fc
    .tuple(
      fc.constantFrom(...(fields[id] ?? ['id'])),
      fc.oneof(words, fc.jsonValue({ maxDepth: 1 })),
      fc.option(fc.constantFrom('api_key', 'base_url', 'streams', 'type', 'url', 'every', 'cron')),
    )
    .map(([field, value, inner]) => {
      const body = soundBody(id);
      body[field] =
        inner !== null && typeof body[field] === 'object' ? { ...(body[field] as object), [inner]: value } : value;
      return JSON.stringify(body);
    });
const bodies = (id: string) =>
  fc.oneof(
    { arbitrary: nearly(id), weight: 6 },
    {
      arbitrary: fc.constant(JSON.stringify(soundBody(id))),
      weight: 2,
    },
    json.map((value) => JSON.stringify(value)),
    words,
    fc.constant(undefined),
  );

/** Validators of what the description says, by schema. */
function validators(components: unknown) {
  const ajv = new Ajv2020({ strict: false, validateFormats: false });
  ajv.addSchema({ $id: 'api', components });
  const known = new Map<string, ReturnType<typeof ajv.compile>>();
  return (schema: unknown) => {
    const key = JSON.stringify(schema).replaceAll('"#/components', '"api#/components');
    if (!known.has(key)) known.set(key, ajv.compile(JSON.parse(key) as object));
    return known.get(key)!;
  };
}

describe('bad input', () => {
  test('every operation answers generated input as it says it does, and never with 500', async () => {
    const { components } = await description();
    const validatorOf = validators(components);
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
      error: { code: 'bad_payload', place: 'stream', expected: 'parts, accept_deletions', found: 'stream' },
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
    const { partition } = await client.getConnection('filed');
    const asked = {
      connection: 'filed',
      run: run!.id,
      task: String(task),
      definition: 'source-tiny',
      stream: 'coupons',
      partition: encodeURIComponent(partition),
    };
    for (const [path, item] of Object.entries(paths)) {
      if (!item['get']?.responses['200']?.content?.['application/json']) continue;
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
