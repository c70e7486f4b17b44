/** Manifests over real HTTP: error actions, asynchronous jobs, classes of Python, settings. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { systemClock } from '../../src/base/clock.js';
import { ConfigError } from '../../src/base/errors.js';
import { type Answer, manifestOf, Reply, type Row, streamOf } from '../manifest-support.js';
import { api, connection, data, ids, range, read } from '../manifest-reading.js';

describe('what an answer means', () => {
  const failing = (times: number, reply: () => Reply): Answer => {
    let left = times;
    return ({ path: at }) => (at === '/users' && left-- > 0 ? reply() : data([1, 2]));
  };
  const handler = (filter: string, more = '') =>
    `error_handler: {type: DefaultErrorHandler, response_filters: [${filter}]${more}}`;

  test("FAIL stops the stream with the manifest's own words; the others run", async () => {
    const { summary, rows } = await read(
      ({ path: at }) => (at === '/bad' ? new Reply(403, { message: 'no scope' }) : data([1])),
      streamOf('good') +
        streamOf('bad', {
          requester: handler(
            '{http_codes: [403], action: FAIL, failure_type: config_error, error_message: "Grant {{ response.message }}"}',
          ),
        }),
    );
    expect(summary.outcome).toBe('partial');
    expect(summary.problems).toMatchObject([{ stream: 'bad', status: 'skipped', message: 'Grant no scope' }]);
    expect(ids(rows['good'])).toEqual([1]);
  });

  test('IGNORE takes the answer for empty', async () => {
    const { summary } = await read(
      ({ path: at }) => (at === '/bad' ? new Reply(404, {}) : data([1])),
      streamOf('good') + streamOf('bad', { requester: handler('{http_codes: [404], action: IGNORE}') }),
    );
    expect(summary).toMatchObject({ outcome: 'complete', rows: 1 });
  });

  test('RETRY tries again, by a predicate on an answer of status 200 as well', async () => {
    const { summary } = await read(
      failing(2, () => new Reply(200, { data: [{ id: 99 }], status: 'not yet' })),
      streamOf('users', { requester: handler(`{predicate: "{{ response.status == 'not yet' }}", action: RETRY}`) }),
    );
    expect(summary).toMatchObject({ outcome: 'complete', rows: 2 });
  });

  test('RATE_LIMITED goes to the gate, with the wait that a header names', async () => {
    const started = Date.now();
    const { summary } = await read(
      failing(1, () => new Reply(403, { message: 'slow down' }, { 'x-wait': '2' })),
      streamOf('first') +
        streamOf('users', {
          requester: handler(
            '{error_message_contains: slow down, action: RATE_LIMITED}',
            ', backoff_strategies: [{type: WaitTimeFromHeader, header: X-Wait}]',
          ),
        }),
    );
    expect(summary).toMatchObject({ outcome: 'complete', rejections: 1 });
    expect(Date.now() - started).toBeGreaterThan(1900);
  });

  test('RESET_PAGINATION begins the pages anew', async () => {
    let broken = 1;
    const { rows, summary } = await read(
      ({ query }) => {
        const at = Number(query['after'] ?? 0);
        return at === 20 && broken-- > 0
          ? new Reply(500, {})
          : data(range(at, at + 10), { next: at + 10 < 40 ? at + 10 : null });
      },
      streamOf('users', {
        requester: handler('{http_codes: [500], action: RESET_PAGINATION}'),
        retriever:
          'paginator: {type: DefaultPaginator, page_token_option: {type: RequestOption, inject_into: request_parameter, field_name: after}, pagination_strategy: {type: CursorPagination, cursor_value: "{{ response.next }}"}}',
      }),
    );
    expect(summary.outcome).toBe('complete');
    expect(new Set(ids(rows['users']))).toEqual(new Set(range(0, 40)));
  });

  test('handlers of a composite are asked in order', async () => {
    const { summary } = await read(
      ({ path: at }) => (at === '/users' ? new Reply(404, { code: 'empty' }) : data([1])),
      streamOf('good') +
        streamOf('users', {
          requester: `error_handler:
  type: CompositeErrorHandler
  error_handlers:
    - response_filters: [{predicate: "{{ response.code == 'empty' }}", action: IGNORE}]
    - response_filters: [{http_codes: [404], action: FAIL}]`,
        }),
    );
    expect(summary.outcome).toBe('complete');
  });
});

describe('asynchronous jobs', () => {
  const JOB = `- type: DeclarativeStream
  name: report
  primary_key: id
  schema_loader: {type: InlineSchemaLoader, schema: {type: object, properties: {id: {type: [integer, "null"]}}}}
  retriever:
    type: AsyncRetriever
    partition_router: {type: ListPartitionRouter, cursor_field: day, values: ["1", "2"]}
    status_mapping: {running: [PENDING], completed: [DONE], failed: [BROKEN], timeout: [LATE]}
    status_extractor: {type: DpathExtractor, field_path: [status]}
    download_target_extractor: {type: DpathExtractor, field_path: [urls]}
    record_selector: {type: RecordSelector, extractor: {type: DpathExtractor, field_path: []}}
    creation_requester: {type: HttpRequester, url_base: https://api.test, path: jobs, http_method: POST, request_body_json: {day: "{{ stream_partition.day }}"}}
    polling_requester: {type: HttpRequester, url_base: https://api.test, path: "jobs/{{ creation_response['id'] }}"}
    download_requester: {type: HttpRequester, url_base: https://api.test, path: "{{ download_target }}"}
    download_decoder: {type: CsvDecoder}
`;
  test('are created, asked about, downloaded; a failed one is created again', async () => {
    const polls = new Map<string, number>();
    let made = 0;
    const { rows, summary } = await read(({ path: at, method, json }) => {
      if (method === 'POST') return { id: `j${json['day']}-${++made}` };
      const job = /^\/jobs\/(j(\d)-\d+)$/.exec(at);
      if (!job) return new Reply(200, `id,day\n${at.slice(-1)},x\n`, { 'content-type': 'text/csv' });
      const asked = (polls.get(job[1]!) ?? 0) + 1;
      polls.set(job[1]!, asked);
      if (made === 2 && job[2] === '2' && asked === 1) return { status: 'BROKEN' };
      return asked < 2 ? { status: 'PENDING' } : { status: 'DONE', urls: [`files/${job[2]}1`, `files/${job[2]}2`] };
    }, JOB);
    expect(summary.problems).toEqual([]);
    expect(summary.outcome).toBe('complete');
    expect(rows['report']!.map((row) => row['id']).toSorted()).toEqual(['1', '1', '2', '2']);
    expect(made).toBeGreaterThanOrEqual(3);
  });

  describe('with their waits cut short', () => {
    beforeEach(() => void vi.spyOn(systemClock, 'sleep').mockImplementation(() => new Promise(setImmediate)));
    afterEach(() => void vi.restoreAllMocks());

    /** A server whose jobs are done when they were asked about so often. */
    const slow = (polls: number, more: (at: string) => unknown = () => undefined) => {
      const asked: string[] = [];
      const counts = new Map<string, number>();
      const answer: Answer = ({ path: at, method, json }) => {
        asked.push(`${method} ${at}`);
        const own = more(at);
        if (own !== undefined) return own as Reply;
        if (at === '/jobs') return { id: `j${json['day']}` };
        if (!/^\/jobs\/j\d$/.test(at))
          return new Reply(200, `id,day\n${at.slice(-1)},x\n`, { 'content-type': 'text/csv' });
        const count = (counts.get(at) ?? 0) + 1;
        counts.set(at, count);
        return count <= polls ? { status: 'PENDING' } : { status: 'DONE', urls: [`files/${at.slice(-1)}`] };
      };
      return { answer, asked, made: () => asked.filter((each) => each === 'POST /jobs').length };
    };
    const deleting = `${JOB}    delete_requester: {type: HttpRequester, url_base: https://api.test, path: "gone/{{ creation_response['id'] }}", http_method: POST}\n`;

    test.each([0, 1, 19, 20, 45])('each is created once, and asked about %d times and once more', async (polls) => {
      const server = slow(polls);
      const { rows, summary } = await read(server.answer, JOB);
      expect(summary).toMatchObject({ outcome: 'complete', problems: [] });
      expect(ids(rows['report']).map(Number)).toEqual([1, 2]);
      expect(server.made()).toBe(2);
      expect(server.asked.filter((each) => each.startsWith('GET /jobs/'))).toHaveLength(2 * (polls + 1));
    });

    test('one of a stream without partitions is created once as well', async () => {
      const server = slow(3);
      const whole = JOB.replace(/^ *partition_router:.*\n/m, '').replace('{{ stream_partition.day }}', '1');
      const { rows, summary } = await read(server.answer, whole);
      expect(summary).toMatchObject({ outcome: 'complete', problems: [] });
      expect(ids(rows['report']).map(Number)).toEqual([1]);
      expect(server.made()).toBe(1);
    });

    test.each([
      ['taken', undefined],
      ['gone already', new Reply(404, {})],
      ['refused', new Reply(403, {})],
    ])('what they made is deleted once it is read: %s', async (_, reply) => {
      const server = slow(1, (at) => (at.startsWith('/gone/') ? (reply ?? {}) : undefined));
      const { rows, summary } = await read(server.answer, deleting);
      expect(summary).toMatchObject({ outcome: 'complete', problems: [] });
      expect(ids(rows['report']).map(Number)).toEqual([1, 2]);
      for (const day of ['1', '2']) {
        const deleted = server.asked.indexOf(`POST /gone/j${day}`);
        expect(deleted).toBeGreaterThan(server.asked.indexOf(`GET /files/${day}`));
      }
    });
  });

  test('a status that nobody mapped is an error that names it', async () => {
    const { summary } = await read(({ method }) => (method === 'POST' ? { id: 'j' } : { status: 'EXPLODED' }), JOB);
    expect(summary.problems[0]).toMatchObject({ stream: 'report', code: 'job_status' });
  });
});

describe('classes of Python', () => {
  const custom = (name: string) =>
    streamOf(name, {
      rest: `transformations: [{type: CustomTransformation, class_name: source_x.components.Doubler}]`,
    });

  test('a missing twin names class, stream and what to do; the others run', async () => {
    const { summary, rows } = await read(() => data([1, 2]), streamOf('plain') + custom('doubled'));
    expect(summary.outcome).toBe('partial');
    expect(ids(rows['plain'])).toEqual([1, 2]);
    expect(summary.problems).toMatchObject([
      {
        stream: 'doubled',
        code: 'twin_missing',
        message: expect.stringContaining('Doubler'),
        next: expect.stringContaining('--components'),
      },
    ]);
  });

  test.each([
    ['twins.mjs', 'export const twins = { Doubler: { transform: (record) => ({ ...record, id: record.id * 2 }) } };\n'],
    [
      'twins.ts',
      `import { by, type Row } from './factor';\nenum Factor { two = 2 }\nexport const twins = { Doubler: { transform: (record: Row): Row => by(record, Factor.two) } };\n`,
    ],
  ])("a twin from a module of the user's own: %s", async (file, code) => {
    const server = await api(() => data([1, 2]));
    const own = connection({ manifest: manifestOf(custom('doubled')), url: server.url });
    const components = path.join(own.folder, file);
    writeFileSync(components, code);
    writeFileSync(
      path.join(own.folder, 'factor.ts'),
      'export interface Row { id: number }\nexport const by = (record: Row, factor: number): Row => ({ ...record, id: record.id * factor });\n',
    );
    const { rows } = await connection({ manifest: manifestOf(custom('doubled')), url: server.url, components }).sync();
    expect(ids(rows['doubled'])).toEqual([2, 4]);
  });

  test('a module that does not load is an error that names it', async () => {
    const own = connection({ manifest: manifestOf(custom('doubled')) });
    const components = path.join(own.folder, 'twins.ts');
    writeFileSync(components, 'export const twins = {');
    await expect(connection({ manifest: manifestOf(custom('doubled')), components }).sync()).rejects.toMatchObject({
      code: 'components_failed',
      place: components,
    });
  });
});

describe('num_workers is a ceiling only where the user set it', () => {
  const SPEC = `concurrency_level: {type: ConcurrencyLevel, default_concurrency: "{{ config.get('num_workers', 2) }}", max_concurrency: 25}
spec: {type: Spec, connection_specification: {type: object, properties: {num_workers: {type: integer, default: 2, minimum: 1, maximum: 25, airbyte_hidden: true}}, additionalProperties: true}}`;
  const opened = async (config: Row) => {
    const server = await api(() => data([1]));
    return connection({ manifest: manifestOf(streamOf('users'), SPEC), url: server.url, config }).sync();
  };

  test.each([0, 26, 'x', 2.5, null])('%j is refused, with field, bound and value', async (workers) => {
    await expect(opened({ num_workers: workers })).rejects.toThrow(ConfigError);
    await opened({ num_workers: workers }).catch((error: ConfigError) =>
      expect(`${error.place} ${error.expected} ${error.found}`).toMatch(
        /num_workers.*(25|1|integer).*(0|26|x|2\.5|null)/s,
      ),
    );
  });

  test.each([
    [1, undefined],
    [25, undefined],
    ['10', 'number 10'],
    [undefined, undefined],
  ])('%j is taken', async (workers, note) => {
    const { notes, summary } = await opened(workers === undefined ? {} : { num_workers: workers });
    expect(summary.outcome).toBe('complete');
    if (note) expect(notes[0]).toContain(note);
    else expect(notes).toEqual([]);
  });

  test('an old knob is accepted, and said to do nothing', async () => {
    const { notes } = await opened({ backfill_concurrency: 4 });
    expect(notes[0]).toContain('backfill_concurrency no longer does anything');
  });
});
