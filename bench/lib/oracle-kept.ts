/**
 * Scenarios for what fails once rows have come: the template of the next page, a filter or a transformation of a later
 * row, a part of the stream beside others. Rows that came before it count. A table of them.
 */
import { option, scenario, streamOf, type Fields, type Json, type Parts, type Scenario } from './oracle-scenarios.js';
import type { ScriptedAnswer } from './oracle-scenarios.js';

const ITEMS = '/v1/items';
const named = (group: string, list: [string, Parts][]): Scenario[] =>
  list.map(([name, parts]) => scenario(`${group}-${name}`, parts));

const ROWS = { data: [{ id: 1 }, { id: 2 }] };
const pages = (...bodies: Json[]): Record<string, ScriptedAnswer[]> => ({
  [ITEMS]: bodies.map((body): ScriptedAnswer => [200, body]),
});
const byCursor = (cursor_value: string, stop_condition?: string): Fields => ({
  paginator: {
    type: 'DefaultPaginator',
    page_token_option: option('request_parameter', 'after'),
    pagination_strategy: {
      type: 'CursorPagination',
      cursor_value,
      ...(stop_condition === undefined ? {} : { stop_condition }),
    },
  },
});
const TOKENS: [string, string, string?][] = [
  ['divided-by-nothing', '{{ 1 / 0 }}'],
  ['inside-nothing', "{{ response['next']['url'] }}"],
  ['attribute-of-nothing', '{{ response.next.url.rest }}'],
  ['sum-of-text', "{{ response['text'] + 1 }}", "{{ response['data'] | length == 0 }}"],
  ['no-such-row', "{{ last_record['gone']['id'] }}"],
  ['no-such-header', "{{ headers['X']['y'] }}"],
  ['unpacked', "{{ response['text'].split(',')[3] }}"],
  ['stop', "{{ response['text'] }}", '{{ 1 / 0 }}'],
  ['stop-inside-nothing', "{{ response['text'] }}", "{{ response['next']['more'] }}"],
  ['stop-by-row', "{{ response['text'] }}", "{{ last_record['gone'] < 1 }}"],
];
const tokens = named(
  'next-page-fails',
  TOKENS.flatMap(([name, value, stop]): [string, Parts][] => [
    [name, { script: pages({ ...ROWS, text: 'a' }, { data: [] }), retriever: byCursor(value, stop) }],
  ]),
);
const GOES_ON = "{{ response['next']['after'] }}";
const later = named('next-page-fails-later', [
  [
    'second',
    {
      script: pages({ ...ROWS, next: { after: 'b' } }, { data: [{ id: 3 }] }),
      retriever: byCursor(GOES_ON, '{{ 1 / (0 if response.next is not defined else 1) > 9 }}'),
    },
  ],
  ['keyless', { stream: { primary_key: [] }, script: pages(ROWS, ROWS), retriever: byCursor('{{ 1 / 0 }}') }],
  [
    'list',
    {
      script: pages(ROWS),
      retriever: {
        ...byCursor('{{ 1 / 0 }}'),
        partition_router: {
          type: 'ListPartitionRouter',
          cursor_field: 'k',
          values: ['a'],
          request_option: option('request_parameter', 'k'),
        },
      },
    },
  ],
  [
    'windows',
    {
      script: pages({ data: [{ id: 1, u: '2026-01-02' }] }),
      retriever: byCursor('{{ 1 / 0 }}'),
      stream: {
        incremental_sync: {
          type: 'DatetimeBasedCursor',
          cursor_field: 'u',
          datetime_format: '%Y-%m-%d',
          start_datetime: '2026-01-01',
          end_datetime: '2026-01-05',
          start_time_option: option('request_parameter', 'from'),
          end_time_option: option('request_parameter', 'to'),
        },
      },
    },
  ],
  [
    'children',
    {
      because: 'parents',
      script: { '/v1/parents': [[200, { data: [{ id: 1 }, { id: 2 }] }]], '*': [[200, ROWS]] },
      requester: { path: '/parents/{{ stream_partition.pid }}/items' },
      retriever: {
        partition_router: {
          type: 'SubstreamPartitionRouter',
          parent_stream_configs: [
            {
              type: 'ParentStreamConfig',
              parent_key: 'id',
              partition_field: 'pid',
              stream: streamOf('parents', '/parents', { retriever: byCursor('{{ 1 / 0 }}') }),
            },
          ],
        },
      },
    },
  ],
]);

const MIXED = {
  data: [
    { id: 1, n: 1 },
    { id: 2, n: 0 },
    { id: 3, n: 1 },
  ],
};
const added = (value: string): Fields => ({
  type: 'AddFields',
  fields: [{ type: 'AddedFieldDefinition', path: ['p'], value }],
});
const rows = named('row-fails', [
  ['added', { script: pages(MIXED), stream: { transformations: [added("{{ 1 / record['n'] }}")] } }],
  [
    'added-inside-nothing',
    { script: pages(MIXED), stream: { transformations: [added("{{ record['n']['x']['y'] }}")] } },
  ],
  ['added-first', { script: pages(MIXED), stream: { transformations: [added('{{ 1 / 0 }}')] } }],
  [
    'filter',
    {
      script: pages(MIXED),
      selector: { record_filter: { type: 'RecordFilter', condition: "{{ 1 / record['n'] > 0 }}" } },
    },
  ],
  [
    'filter-after',
    {
      script: pages(MIXED),
      selector: {
        transform_before_filtering: true,
        record_filter: { type: 'RecordFilter', condition: "{{ 1 / record['n'] > 0 }}" },
      },
      stream: { transformations: [added('{{ 1 }}')] },
    },
  ],
  [
    'added-on-second-page',
    {
      script: pages({ ...ROWS, next: { after: 'b' } }, MIXED),
      retriever: byCursor(GOES_ON, "{{ response['next'] is not defined }}"),
      stream: { transformations: [added("{{ 1 / record.get('n', 1) }}")] },
    },
  ],
  ['number-in-list', { script: pages({ data: [{ id: 1 }, 2, { id: 3 }] }) }],
  ['text-in-list', { script: pages({ data: [{ id: 1 }, 'x', { id: 3 }] }) }],
  ['list-in-list', { script: pages({ data: [{ id: 1 }, [1], { id: 3 }] }) }],
  [
    'nothing-in-list',
    { because: 'nothing among the rows of an answer', script: pages({ data: [{ id: 1 }, null, { id: 3 }] }) },
  ],
  [
    'number-in-list-added',
    { script: pages({ data: [{ id: 1 }, 2, { id: 3 }] }), stream: { transformations: [added('x')] } },
  ],
  [
    'second-part',
    {
      answer: ({ query }) => [
        200,
        query.get('k') === 'b' ? { data: [{ id: 2, n: 0 }] } : { data: [{ id: query.get('k'), n: 1 }] },
      ],
      stream: { transformations: [added("{{ 1 / record['n'] }}")] },
      retriever: {
        partition_router: {
          type: 'ListPartitionRouter',
          cursor_field: 'k',
          values: ['a', 'b', 'c'],
          request_option: option('request_parameter', 'k'),
        },
      },
    },
  ],
]);

const router: Fields = {
  partition_router: {
    type: 'ListPartitionRouter',
    cursor_field: 'k',
    values: ['a', 'b', 'c', 'd'],
    request_option: option('request_parameter', 'k'),
  },
};
const parts = named('part-fails', [
  [
    'refused',
    {
      answer: ({ query }) => (query.get('k') === 'b' ? [400, {}] : [200, { data: [{ id: query.get('k') }] }]),
      retriever: router,
    },
  ],
  [
    'no-rows',
    {
      answer: ({ query }) => [200, query.get('k') === 'b' ? { data: 7 } : { data: [{ id: query.get('k') }] }],
      retriever: router,
    },
  ],
  [
    'windows',
    {
      answer: ({ query }) =>
        query.get('from') === '2026-01-03'
          ? [400, {}]
          : [200, { data: [{ id: query.get('from'), u: query.get('from') }] }],
      stream: {
        incremental_sync: {
          type: 'DatetimeBasedCursor',
          cursor_field: 'u',
          datetime_format: '%Y-%m-%d',
          start_datetime: '2026-01-01',
          end_datetime: '2026-01-08',
          step: 'P2D',
          cursor_granularity: 'P1D',
          start_time_option: option('request_parameter', 'from'),
          end_time_option: option('request_parameter', 'to'),
        },
      },
    },
  ],
]);

export const KEPT_SCENARIOS: readonly Scenario[] = [...tokens, ...later, ...rows, ...parts];
