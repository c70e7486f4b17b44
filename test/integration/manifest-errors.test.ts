/** What answers mean to a manifest over real HTTP: chains of handlers, retries as declared, answers that are none. */
import { afterEach, describe, expect, test } from 'vitest';
import {
  manifestConnection,
  manifestOf,
  Reply,
  scripted,
  streamOf,
  type Answer,
  type ManifestInput,
} from '../manifest-support.js';

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

async function read(answer: Answer, streams: string, input: Partial<ManifestInput> = {}, more = '') {
  const server = await scripted(answer);
  ends.push(() => server.close());
  const manifest = manifestOf(streams, more).replace('stream_names: []', 'stream_names: [chk]');
  const made = manifestConnection({ manifest, url: server.url, ...input });
  ends.push(made.drop);
  const run = await made.sync();
  return { ...run, asked: server.asked.filter((line) => !line.includes('/chk')) };
}

const rows = { data: [{ id: 1 }, { id: 2 }] };
/** What is asked first, so that each count below is the stream's own. */
const CHECK = streamOf('chk');
const answering =
  (...replies: unknown[]): Answer =>
  ({ path }) => {
    if (path === '/chk') return { data: [] };
    return replies.length > 1 ? replies.shift() : replies[0];
  };
const handled = (yaml: string) => streamOf('things', { requester: `error_handler: ${yaml}` }) + CHECK;

describe('a chain of handlers: each is asked with its own defaults, as in Airbyte', () => {
  const composite = (first: string, second: string) =>
    handled(
      `{type: CompositeErrorHandler, error_handlers: [{type: DefaultErrorHandler, response_filters: [${first}]}, {type: DefaultErrorHandler, response_filters: [${second}]}]}`,
    );
  test.each<[string, string, string, unknown, string, number]>([
    [
      'the first that ignores',
      '{http_codes: [404], action: IGNORE}',
      '{http_codes: [404], action: FAIL}',
      new Reply(404),
      'complete',
      0,
    ],
    [
      'the second after a failure',
      '{http_codes: [403], action: FAIL}',
      '{http_codes: [403], action: IGNORE}',
      new Reply(403),
      'complete',
      0,
    ],
    [
      'the second after a default failure',
      '{http_codes: [418], action: FAIL}',
      '{http_codes: [404], action: IGNORE}',
      new Reply(404),
      'complete',
      0,
    ],
    [
      "the first one's default for a good answer",
      '{http_codes: [418], action: FAIL}',
      "{predicate: '{{ response.data }}', action: FAIL}",
      rows,
      'complete',
      2,
    ],
    [
      'failure by both',
      '{http_codes: [403], action: FAIL}',
      '{http_codes: [418], action: FAIL}',
      new Reply(403),
      'partial',
      0,
    ],
    [
      'a filter without an action',
      '{http_codes: [404], error_message: gone}',
      '{http_codes: [404], action: IGNORE}',
      new Reply(404),
      'complete',
      0,
    ],
  ])('%s', async (_, first, second, reply, outcome, count) => {
    const run = await read(answering(reply), composite(first, second));
    expect(run.summary.outcome).toBe(outcome);
    expect(run.rows['things'] ?? []).toHaveLength(count);
    expect(run.asked).toHaveLength(1);
  });
});

describe('attempts as declared', () => {
  const retried = (more: string) =>
    handled(
      `{type: DefaultErrorHandler, ${more}, response_filters: [{http_codes: [503], action: RETRY}], backoff_strategies: [{type: ConstantBackoffStrategy, backoff_time_in_seconds: 0.01}]}`,
    );
  test.each<[string, number, boolean]>([
    ['max_retries: 0', 1, false],
    ['max_retries: 1', 2, false],
    ['max_retries: 3', 4, true],
    ['max_retries: "{{ 1 + 0 }}"', 2, false],
    ['max_retries: 5, max_time: 0', 1, false],
  ])('%s', async (more, asked, succeeds) => {
    const broken = new Reply(503, {});
    const run = await read(answering(broken, broken, broken, rows), retried(more));
    expect(run.asked).toHaveLength(asked);
    expect(run.summary.outcome === 'complete').toBe(succeeds);
  });

  test('a wait beyond max_waiting_time_in_seconds ends the stream at once', async () => {
    const run = await read(
      answering(new Reply(503, {}, { 'x-wait': '100' })),
      handled(
        '{type: DefaultErrorHandler, backoff_strategies: [{type: WaitTimeFromHeader, header: X-Wait, max_waiting_time_in_seconds: 100}]}',
      ),
    );
    expect(run.asked).toHaveLength(1);
    expect(run.summary.problems).toMatchObject([{ stream: 'things', code: 'wait_too_long' }]);
  });
});

describe('answers that are none', () => {
  test('a page for people, with status 200: no rows, and a note', async () => {
    const run = await read(
      answering(new Reply(200, '<html>sign in</html>', { 'content-type': 'text/html' })),
      streamOf('things') + CHECK,
    );
    expect(run.asked).toHaveLength(1);
    expect(run.rows['things'] ?? []).toEqual([]);
    expect(run.summary.notes.join()).toContain('stream things was answered with no JSON');
  });

  test('one in the middle of a stream is no end of it', async () => {
    const run = await read(
      ({ path, query }) =>
        path === '/chk'
          ? { data: [] }
          : query['page'] === '2'
            ? new Reply(200, '<html>busy</html>', { 'content-type': 'text/html' })
            : { data: [{ id: 1 }], next: '2' },
      streamOf('things', {
        requester: 'error_handler: {type: DefaultErrorHandler, max_retries: 1}',
        retriever:
          'paginator: {type: DefaultPaginator, page_token_option: {type: RequestOption, inject_into: request_parameter, field_name: page}, pagination_strategy: {type: CursorPagination, cursor_value: "{{ response.next }}"}}',
      }) + CHECK,
    );
    expect(run.summary.outcome).not.toBe('complete');
  });

  test.each([
    ['a number', { data: 5 }],
    ['a text', { data: 'none' }],
    ['a list of numbers', { data: [1, 2] }],
    ['a list of lists', { data: [[{ id: 1 }]] }],
    ['a true', { data: true }],
  ])('%s where records should be is named', async (_, body) => {
    const run = await read(answering(body), streamOf('things') + CHECK);
    expect(run.summary.problems).toMatchObject([{ stream: 'things', code: 'no_records' }]);
  });

  test.each([
    ['nothing', { data: null }],
    ['an empty list', { data: [] }],
    ['a false', { data: false }],
  ])('%s is an empty stream', async (_, body) => {
    const run = await read(answering(body), streamOf('things') + CHECK);
    expect(run.summary.outcome).toBe('complete');
  });
});

test.each([403, 404, 400])('a check that is answered with %i keeps no stream from being read', async (status) => {
  const run = await read(({ path }) => (path === '/chk' ? new Reply(status) : rows), streamOf('things') + CHECK, {
    streams: ['things'],
  });
  expect(run.rows['things']).toHaveLength(2);
  expect(run.summary.outcome).toBe('complete');
});

describe('workers', () => {
  test.each([0, -1, 1.5])('max_concurrency %d is refused', async (most) => {
    const level = `concurrency_level: {type: ConcurrencyLevel, default_concurrency: 2, max_concurrency: ${most}}`;
    await expect(read(answering(rows), streamOf('things') + CHECK, {}, level)).rejects.toMatchObject({
      name: 'ConfigError',
      place: expect.stringContaining('concurrency_level'),
    });
  });

  test('a template that does not compile is named by its place', async () => {
    const level =
      'concurrency_level: {type: ConcurrencyLevel, default_concurrency: "{{ config[ }}", max_concurrency: 5}';
    await expect(read(answering(rows), streamOf('things') + CHECK, {}, level)).rejects.toMatchObject({
      name: 'ConfigError',
      place: expect.stringMatching(/:\d+ /),
    });
  });
});
