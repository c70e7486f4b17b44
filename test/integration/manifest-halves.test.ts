/** Pages that fail after rows of them came: what came is stored, the run says why it is partial, the next goes on. */
import { describe, expect, test } from 'vitest';
import { manifestOf, Reply, streamOf, type Answer } from '../manifest-support.js';
import { api, connection, ids } from '../manifest-reading.js';

/** Rows whose template divides by `n`. */
const DIVIDES = `transformations:
  - {type: AddFields, fields: [{path: [p], value: "{{ 1 / record['n'] }}"}]}`;
const KEYLESS = `primary_key: []\n${DIVIDES}`;
const good = (id: number) => ({ id, n: 1 });
const bad = (id: number) => ({ id, n: 0 });

const paged = (strategy: string) =>
  `paginator:
  type: DefaultPaginator
  page_token_option: {type: RequestOption, inject_into: request_parameter, field_name: at}
  pagination_strategy: ${strategy}`;
const CURSOR = paged(
  `{type: CursorPagination, cursor_value: "{{ response.next }}", stop_condition: "{{ not response.next }}"}`,
);
const LIST = `partition_router: {type: ListPartitionRouter, cursor_field: k, values: [a, b], request_option: {type: RequestOption, inject_into: request_parameter, field_name: k}}`;

const WINDOWS = `incremental_sync:
  type: DatetimeBasedCursor
  cursor_field: u
  datetime_format: "%Y-%m-%d"
  start_datetime: "2026-01-01"
  end_datetime: "2026-01-06"
  step: P2D
  cursor_granularity: P1D
  start_time_option: {type: RequestOption, inject_into: request_parameter, field_name: from}
  end_time_option: {type: RequestOption, inject_into: request_parameter, field_name: to}`;

interface Kind {
  name: string;
  streams: (rest: string) => string;
  answer: (isMended: boolean) => Answer;
  /** Ids after the first run and after the second. */
  first: number[];
  all: number[];
  /** What the first run says. Default: a template failed. */
  code?: string;
}

const of = (retriever: string) => (rest: string) => streamOf('things', { rest, retriever });
const second = (isMended: boolean) => (isMended ? good(4) : bad(4));
const KINDS: Kind[] = [
  {
    name: 'one page',
    streams: of(''),
    answer: (isMended) => () => ({ data: [good(3), second(isMended), good(5)] }),
    first: [3],
    all: [3, 4, 5],
  },
  {
    name: 'pages by a cursor',
    streams: of(CURSOR),
    answer:
      (isMended) =>
      ({ query }) =>
        query['at'] === undefined
          ? { data: [good(1), good(2)], next: 'b' }
          : { data: [good(3), second(isMended), good(5)] },
    first: [1, 2, 3],
    all: [1, 2, 3, 4, 5],
  },
  {
    name: 'pages by offset',
    streams: of(paged('{type: OffsetIncrement, page_size: 2}')),
    answer:
      (isMended) =>
      ({ query }) => ({
        data: [good(1), good(2), good(3), second(isMended)].slice(Number(query['at'] ?? 0)).slice(0, 2),
      }),
    first: [1, 2, 3],
    all: [1, 2, 3, 4],
  },
  {
    name: 'lines of JSON, one of which is broken',
    streams: (rest) =>
      streamOf('things', {
        rest,
        retriever: 'decoder: {type: JsonlDecoder}',
        requester: 'error_handler: {type: DefaultErrorHandler, max_retries: 1}',
      }).replace('[data]', '[]'),
    answer: (isMended) => () =>
      new Reply(200, `{"id":3,"n":1}\n${isMended ? '{"id":4,"n":1}' : '{"id":4,'}\n{"id":5,"n":1}\n`),
    first: [3],
    all: [3, 4, 5],
    code: 'attempts_exhausted',
  },
  {
    name: 'windows',
    streams: (rest) => streamOf('things', { rest: `${rest}\n${WINDOWS}` }),
    answer:
      (isMended) =>
      ({ query }) => {
        const day = query['from'];
        const u = { u: day };
        return {
          data:
            day === '2026-01-01'
              ? [{ ...good(1), ...u }]
              : day === '2026-01-03'
                ? [
                    { ...good(3), ...u },
                    { ...second(isMended), ...u },
                  ]
                : [],
        };
      },
    first: [1, 3],
    all: [1, 3, 4],
  },
  {
    name: 'parts of a list',
    streams: of(LIST),
    answer:
      (isMended) =>
      ({ query }) => ({ data: query['k'] === 'a' ? [good(1)] : [good(3), second(isMended)] }),
    first: [1, 3],
    all: [1, 3, 4],
  },
  {
    name: 'the template of the next page',
    streams: of(
      paged(`{type: CursorPagination, cursor_value: "{{ 1 / response.n }}", stop_condition: "{{ response.n == 1 }}"}`),
    ),
    answer: (isMended) => () => ({ data: [good(1), good(2)], n: isMended ? 1 : 0 }),
    first: [1, 2],
    all: [1, 2],
  },
];

/** Where rows have a key, such pages are read in any order, and one that fails is asked for as a whole. */
const BY_NUMBER: Kind = {
  name: 'pages by number',
  streams: of(paged('{type: PageIncrement, page_size: 2}')),
  answer:
    (isMended) =>
    ({ query }) =>
      query['at'] === undefined
        ? { data: [good(1), good(2)] }
        : { data: query['at'] === '1' ? [good(3), second(isMended)] : [] },
  first: [1, 2, 3],
  all: [1, 2, 3, 4],
};

async function twice({ streams, answer, first, all, code = 'template_failed' }: Kind, rest: string): Promise<void> {
  let isMended = false;
  const server = await api((request) => answer(isMended)(request));
  const run = connection({ manifest: manifestOf(streams(rest)), url: server.url });
  const before = await run.sync();
  expect(before.summary.problems.map((each) => each.code)).toEqual([code]);
  expect(ids(before.rows['things'])).toEqual(first);
  isMended = true;
  const after = await run.sync();
  expect(ids(after.rows['things'])).toEqual(all);
}

describe.each(KINDS)('$name', (kind) => {
  test('with a key', () => twice(kind, DIVIDES));
  test('without a key', () => twice(kind, KEYLESS));
});

test('pages by number, of rows without a key', () => twice(BY_NUMBER, KEYLESS));
