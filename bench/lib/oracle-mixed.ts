/** Scenarios that combine components at random: routers, cursors, paginators, error handlers, ways to sign in. */
import { seededRandom } from '../../src/base/random.js';
import { option, scenario, streamOf, type Fields, type Json, type Scenario } from './oracle-scenarios.js';
import type { Asked } from './oracle-server.js';

const COUNT = 40;

const ROUTERS: Fields[] = [
  {},
  {
    type: 'ListPartitionRouter',
    cursor_field: 'k',
    values: ['a', 'b', 'c'],
    request_option: option('request_parameter', 'k'),
  },
  {
    type: 'SubstreamPartitionRouter',
    parent_stream_configs: [
      {
        type: 'ParentStreamConfig',
        parent_key: 'id',
        partition_field: 'k',
        request_option: option('request_parameter', 'k'),
        stream: streamOf('parents', '/parents', {}),
      },
    ],
  },
];
const CURSORS: Fields[] = [
  {},
  { start_time_option: option('request_parameter', 'from') },
  {
    start_time_option: option('request_parameter', 'from'),
    end_time_option: option('request_parameter', 'to'),
    step: 'P4D',
    cursor_granularity: 'P1D',
  },
  { is_client_side_incremental: true },
];
const PAGES: Fields[] = [
  {},
  { type: 'PageIncrement', page_size: 2, start_from_page: 1 },
  { type: 'OffsetIncrement', page_size: 2 },
  {
    type: 'CursorPagination',
    page_size: 2,
    cursor_value: '{{ response.next }}',
    stop_condition: '{{ not response.next }}',
  },
];
const HANDLERS: Fields[] = [
  {},
  {
    type: 'DefaultErrorHandler',
    response_filters: [{ type: 'HttpResponseFilter', http_codes: [404], action: 'IGNORE' }],
  },
  {
    type: 'CompositeErrorHandler',
    error_handlers: [
      {
        type: 'DefaultErrorHandler',
        response_filters: [{ type: 'HttpResponseFilter', predicate: "{{ response.get('lost') }}", action: 'IGNORE' }],
      },
    ],
  },
];
const SIGNS: Fields[] = [
  {},
  { type: 'BearerAuthenticator', api_token: 'tok{{ config.n }}' },
  { type: 'ApiKeyAuthenticator', api_token: 'key', inject_into: option('request_parameter', 'key') },
  { type: 'BasicHttpAuthenticator', username: 'u', password: 'p{{ config.n }}' },
];
const STEPS: Fields[][] = [
  [],
  [
    {
      type: 'AddFields',
      fields: [{ type: 'AddedFieldDefinition', path: ['at'], value: "{{ stream_slice.get('k', 'none') }}" }],
    },
  ],
  [{ type: 'RemoveFields', field_pointers: [['n']] }, { type: 'KeysToLower' }],
];

const DAYS = ['2026-01-01', '2026-01-03', '2026-01-04', '2026-01-06', '2026-01-09'];

/** Rows of a part and a window, two on a page; part `c` is refused, parents are two. */
function answer({ query, path }: Asked): [number, Json] {
  if (path.endsWith('/parents')) return [200, { data: [{ id: 'a' }, { id: 'b' }] }];
  const part = query.get('k') ?? 'all';
  if (part === 'c') return [404, { lost: true }];
  const rows = DAYS.map((u, n) => ({ id: `${part}-${n}`, u, n })).filter(
    ({ u }) => u >= (query.get('from') ?? '') && u <= (query.get('to') ?? '9'),
  );
  const at = Number(query.get('at') ?? 0);
  const from = query.get('page') === null ? at : (Number(query.get('page')) - 1) * 2;
  const isPaged = query.has('size') || query.has('at') || query.has('page');
  const page = isPaged ? rows.slice(from, from + 2) : rows;
  return [200, { data: page, next: isPaged && from + 2 < rows.length ? from + 2 : null }];
}

const withoutRefused = (router: Fields): Fields =>
  router['type'] === 'ListPartitionRouter' ? { ...router, values: ['a', 'b'] } : router;

function mixed(at: number): Scenario {
  const random = seededRandom(at + 1);
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random.next() * list.length)]!;
  const [router, cursor, strategy, handler, sign] = [ROUTERS, CURSORS, PAGES, HANDLERS, SIGNS].map(pick) as [
    Fields,
    Fields,
    Fields,
    Fields,
    Fields,
  ];
  const has = (fields: Fields) => Object.keys(fields).length > 0;
  return scenario(`mixed-${at}`, {
    requester: {
      ...(has(handler) ? { error_handler: handler } : {}),
      ...(has(sign) ? { authenticator: sign } : {}),
    },
    retriever: {
      // A part that is refused fails its stream where nothing handles it: scenarios part-fails-*.
      ...(has(router) ? { partition_router: has(handler) ? router : withoutRefused(router) } : {}),
      ...(has(strategy)
        ? {
            paginator: {
              type: 'DefaultPaginator',
              pagination_strategy: strategy,
              page_token_option: option('request_parameter', strategy['type'] === 'PageIncrement' ? 'page' : 'at'),
              page_size_option: option('request_parameter', 'size'),
            },
          }
        : {}),
    },
    stream: {
      transformations: pick(STEPS),
      ...(has(cursor)
        ? {
            incremental_sync: {
              type: 'DatetimeBasedCursor',
              cursor_field: 'u',
              datetime_format: '%Y-%m-%d',
              start_datetime: '2026-01-02',
              end_datetime: '2026-01-12',
              ...cursor,
            },
          }
        : {}),
    },
    answer,
    again: true,
  });
}

export const MIXED_SCENARIOS: readonly Scenario[] = Array.from({ length: COUNT }, (_, at) => mixed(at));
