/**
 * Scenarios for what the language gained of late: combined extractors, lists that an answer cuts off, less that is asked
 * for at once, waits that stand in an answer. Long because it is a table of them.
 */
import { option, scenario, type Fields, type Json, type Parts, type Scenario } from './oracle-scenarios.js';
import type { ScriptedAnswer } from './oracle-scenarios.js';
import type { Asked } from './oracle-server.js';

const ITEMS = '/v1/items';
const named = (group: string, list: [string, Parts][]): Scenario[] =>
  list.map(([name, parts]) => scenario(`${group}-${name}`, parts));
const once = (body: Json): Record<string, ScriptedAnswer[]> => ({ [ITEMS]: [[200, body]] });
const at = (...field_path: string[]): Fields => ({ type: 'DpathExtractor', field_path });

const TWO_LISTS = { a: [{ id: 1 }, { id: 2 }], b: [{ id: 3 }], c: { d: [{ id: 4 }] }, nulls: [null, { id: 5 }], e: [] };
const combined = (mode: string | undefined, extractors: Fields[], more: Fields = {}): Parts => ({
  script: once(TWO_LISTS),
  selector: {
    extractor: { type: 'CombinedExtractor', extractors, ...(mode === undefined ? {} : { mode }), ...more },
  },
});
const combinations = named('combined', [
  ['default', combined(undefined, [at('a'), at('b')])],
  ['union', combined('union', [at('a'), at('b'), at('c', 'd')])],
  ['first', combined('first_match', [at('gone'), at('b'), at('a')])],
  ['first-of-empty', combined('first_match', [at('e'), at('a')])],
  ['none', combined('first_match', [at('gone'), at('e')])],
  ['wild', combined('first_match', [at('c', '*'), at('a')])],
  ['skip-empty', combined('union', [at('nulls'), at('b')], { skip_empty_records: true })],
  ['skip-empty-first', combined('first_match', [at('e'), at('nulls')], { skip_empty_records: true })],
  [
    'nested',
    combined('union', [
      { type: 'CombinedExtractor', mode: 'first_match', extractors: [at('gone'), at('b')] },
      at('c', 'd'),
    ]),
  ],
  [
    'expanded',
    {
      script: once({ a: [{ id: 1, lines: [{ id: 7 }] }], b: [{ id: 3 }] }),
      selector: {
        extractor: {
          type: 'CombinedExtractor',
          extractors: [
            {
              ...at('a'),
              record_expander: { type: 'RecordExpander', expand_records_from_field: ['lines'] },
            },
            at('b'),
          ],
        },
      },
    },
  ],
]);

const expanded = (rows: Json, expander: Fields, more: Parts = {}): Parts => ({
  script: once({ data: rows }),
  ...more,
  selector: { extractor: { ...at('data'), record_expander: { type: 'RecordExpander', ...expander } } },
});
const LINES = [
  { id: 1, o: { n: 'x', k: 1 }, lines: { data: [{ l: 1, id: 9 }, { l: 2 }], more: true, total_count: 3 } },
  { id: 2, lines: { data: [], more: false } },
  { id: 3 },
];
const from = (...expand_records_from_field: string[]): Fields => ({ expand_records_from_field });
const copy = (parent_path: string[], record_path: string[]): Fields => ({
  type: 'ParentFieldPath',
  parent_path,
  record_path,
});
const whole = (paginator: Fields = {}): Fields => ({
  truncation_indicator_path: ['lines', 'more'],
  truncated_list_retriever: {
    type: 'SimpleRetriever',
    requester: {
      type: 'HttpRequester',
      url_base: 'http://mock.test/v1',
      path: "/items/{{ stream_slice['parent_record']['id'] }}/lines",
      http_method: 'GET',
    },
    record_selector: { type: 'RecordSelector', extractor: at('data') },
    ...paginator,
  },
});
const LINES_1 = '/v1/items/1/lines';
const expansions = named('expand', [
  ['plain', expanded(LINES, from('lines', 'data'))],
  ['parent-fields', expanded(LINES, { ...from('lines', 'data'), parent_fields: [copy(['id'], ['parent', 'id'])] })],
  ['parent-missing', expanded(LINES, { ...from('lines', 'data'), parent_fields: [copy(['gone'], ['p'])] })],
  ['parent-object', expanded(LINES, { ...from('lines', 'data'), parent_fields: [copy(['o'], ['o'])] })],
  [
    'parent-by-config',
    expanded(LINES, { ...from('lines', 'data'), parent_fields: [copy(["{{ 'id' }}"], ["p{{ config['n'] }}"])] }),
  ],
  ['merge', expanded(LINES, { ...from('lines', 'data'), merge_parent: true })],
  [
    'merge-and-copy',
    expanded(LINES, { ...from('lines', 'data'), merge_parent: true, parent_fields: [copy(['id'], ['id'])] }),
  ],
  ['emit-parent', expanded(LINES, { ...from('lines', 'data'), on_no_records: 'emit_parent' })],
  ['original', expanded(LINES, { ...from('lines', 'data'), remain_original_record: true, merge_parent: true })],
  ['wild', expanded([{ id: 1, s: { a: { i: [{ x: 1 }] }, b: { i: [{ x: 2 }, { x: 3 }] } } }], from('s', '*', 'i'))],
  [
    'wild-merge',
    expanded([{ id: 1, s: { a: { i: [{ x: 1 }], k: 1 }, b: { i: [{ x: 2 }] } } }], {
      ...from('s', '*', 'i'),
      merge_parent: true,
    }),
  ],
  [
    'not-a-list',
    expanded(
      [
        { id: 1, lines: { a: 1 } },
        { id: 2, lines: [{ l: 1 }] },
      ],
      from('lines'),
    ),
  ],
  [
    'scalars-in-context',
    expanded([{ id: 1, tags: ['a', 2] }], { ...from('tags'), parent_fields: [copy(['id'], ['id'])] }),
  ],
  ['cut-off-unread', expanded(LINES, { ...from('lines', 'data'), truncation_indicator_path: ['lines', 'more'] })],
  [
    'cut-off',
    expanded(
      LINES,
      { ...from('lines', 'data'), ...whole(), parent_fields: [copy(['id'], ['pid'])] },
      { script: { ...once({ data: LINES }), [LINES_1]: [[200, { data: [{ l: 1 }, { l: 2 }, { l: 3 }] }]] } },
    ),
  ],
  [
    'cut-off-none',
    expanded(
      LINES,
      { ...from('lines', 'data'), ...whole() },
      { script: { ...once({ data: LINES }), [LINES_1]: [[200, { data: [] }]] } },
    ),
  ],
  [
    'cut-off-pages',
    expanded(
      LINES,
      {
        ...from('lines', 'data'),
        ...whole({
          paginator: {
            type: 'DefaultPaginator',
            pagination_strategy: { type: 'CursorPagination', cursor_value: '{{ response.next }}' },
            page_token_option: option('request_parameter', 'after'),
          },
        }),
      },
      {
        script: {
          ...once({ data: LINES }),
          [LINES_1]: [
            [200, { data: [{ l: 1 }, { l: 2 }], next: 'n' }],
            [200, { data: [{ l: 3 }] }],
          ],
        },
      },
    ),
  ],
]);

const handler = (action: string, ...http_codes: number[]): Fields => ({
  error_handler: {
    type: 'DefaultErrorHandler',
    response_filters: [{ type: 'HttpResponseFilter', http_codes, action }],
  },
});
/** Refuses pages of more than so many rows; rows are numbered from 1. */
const pagesUpTo =
  (most: number, total = 7) =>
  ({ query }: Asked): ScriptedAnswer => {
    const size = Number(query.get('limit'));
    if (size > most) return [413, { message: 'too much' }];
    const from = Number(query.get('after') ?? 0);
    const data = Array.from({ length: Math.max(0, Math.min(size, total - from)) }, (_, k) => ({ id: from + k + 1 }));
    return [200, { data, next: from + size < total ? from + size : null }];
  };
const sized = (pagination_strategy: Fields): Fields => ({
  type: 'DefaultPaginator',
  pagination_strategy,
  page_token_option: option('request_parameter', 'after'),
  page_size_option: option('request_parameter', 'limit'),
});
const reduced = (more: Fields, most: number, strategy: Fields = CURSOR): Parts => ({
  requester: handler('REDUCE_PAGE_SIZE', 413),
  retriever: {
    paginator: sized(strategy),
    page_size_reduction: { type: 'PageSizeReduction', backoff_seconds: 0.01, ...more },
  },
  answer: pagesUpTo(most),
});
const CURSOR: Fields = { type: 'CursorPagination', page_size: 8, cursor_value: '{{ response.next }}' };
const pages = named('reduce', [
  ['once', reduced({}, 4)],
  ['twice', reduced({}, 2)],
  ['factor', reduced({ reduction_factor: 3 }, 2)],
  ['least', reduced({ minimum_page_size: 3 }, 3)],
  ['too-little', reduced({ minimum_page_size: 4 }, 2)],
  ['attempts', reduced({ max_attempts: 1 }, 2)],
  ['retries-at-least', reduced({ minimum_page_size: 4, retries_at_minimum_page_size: 2 }, 2)],
  ['restored', reduced({ reset_policy: 'AFTER_SUCCESSFUL_PAGE' }, 4)],
  ['not-declared', { ...reduced({}, 4), retriever: { paginator: sized(CURSOR) } }],
  ['unused', reduced({}, 100)],
]);

const DAY = 86_400_000;
/** Refuses windows of more than so many days; one row a day. */
const daysUpTo =
  (most: number) =>
  ({ query }: Asked): ScriptedAnswer => {
    const [gte, lt] = ['from', 'to'].map((name) => Date.parse(query.get(name)!)) as [number, number];
    if ((lt - gte) / DAY + 1 > most) return [400, { message: 'too long' }];
    const data = Array.from({ length: (lt - gte) / DAY + 1 }, (_, k) => {
      const u = new Date(gte + k * DAY).toISOString().slice(0, 10);
      return { id: u, u };
    });
    return [200, { data }];
  };
const split = (most: number, more: Fields = {}, cursor: Fields = {}): Parts => ({
  requester: handler('SPLIT_REQUEST_WINDOW', 400),
  retriever: { request_window_splitting: { type: 'RequestWindowSplitting', ...more } },
  answer: daysUpTo(most),
  again: true,
  stream: {
    incremental_sync: {
      type: 'DatetimeBasedCursor',
      cursor_field: 'u',
      datetime_format: '%Y-%m-%d',
      start_datetime: '2026-01-01',
      end_datetime: '2026-01-20',
      step: 'P8D',
      cursor_granularity: 'P1D',
      start_time_option: option('request_parameter', 'from'),
      end_time_option: option('request_parameter', 'to'),
      ...cursor,
    },
  },
});
const windows = named('split', [
  ['never', split(8)],
  ['once', split(4)],
  ['twice', split(2)],
  ['odd', split(3)],
  ['to-days', split(1)],
  ['least', split(2, { min_split_window: 'P5D' }, { step: 'P1M' })],
  ['refused', split(0, {}, { step: 'P1M' })],
  ['long', split(5, {}, { step: 'P1M' })],
  ['not-declared', { ...split(4), retriever: {} }],
]);

const response = (wait_time_in_seconds: string, more: Fields = {}): Fields => ({
  error_handler: {
    type: 'DefaultErrorHandler',
    max_retries: 2,
    backoff_strategies: [{ type: 'WaitTimeFromResponse', wait_time_in_seconds, ...more }],
  },
});
const busy = (body: Json, headers?: Record<string, string>): Record<string, ScriptedAnswer[]> => ({
  [ITEMS]: [
    [429, body, headers],
    [200, { data: [{ id: 1 }] }],
  ],
});
const waits = named('wait', [
  ['answer', { requester: response('{{ response.wait }}'), script: busy({ wait: 0.1 }) }],
  ['answer-ms', { requester: response('{{ response.wait / 1000 }}'), script: busy({ wait: 100 }) }],
  ['answer-header', { requester: response("{{ headers['X-Ms'] | int / 1000 }}"), script: busy({}, { 'X-Ms': '100' }) }],
  ['answer-missing', { requester: response('{{ response.gone.wait }}'), script: busy({}) }],
  ['answer-text', { requester: response('{{ response.wait }}'), script: busy({ wait: 'soon' }) }],
  [
    'answer-too-long',
    { requester: response('{{ response.wait }}', { max_waiting_time_in_seconds: 60 }), script: busy({ wait: 600 }) },
  ],
]);

const requests = named('request', [
  [
    'url-in-predicate',
    {
      requester: {
        error_handler: {
          type: 'DefaultErrorHandler',
          response_filters: [
            {
              type: 'HttpResponseFilter',
              predicate: "{{ response.message == 'gone' and request_url.endswith('/items') }}",
              action: 'IGNORE',
              error_message: 'skipping {{ request_url }}',
            },
          ],
        },
      },
      script: { [ITEMS]: [[404, { message: 'gone' }]] },
    },
  ],
  ['timeouts', { requester: { connect_timeout_in_seconds: 5, read_timeout_in_seconds: 10, use_tcp_keepalive: true } }],
]);

export const NEWER_SCENARIOS: readonly Scenario[] = [
  ...combinations,
  ...expansions,
  ...pages,
  ...windows,
  ...waits,
  ...requests,
];
