/**
 * Scenarios for the components of the language that oracle-scenarios.ts does not have: who asks, what is read of an
 * answer, what is asked next, and from which state. Long because it is a table of them.
 */
import {
  option,
  scenario,
  streamOf,
  type Fields,
  type Json,
  type Parts,
  type Scenario,
  type ScriptedAnswer,
} from './oracle-scenarios.js';

const ITEMS = '/v1/items';
const ok: ScriptedAnswer = [200, { data: [{ id: 1 }, { id: 2 }] }];
const one: ScriptedAnswer = [200, { data: [{ id: 3 }] }];
const named = (group: string, list: [string, Parts][]): Scenario[] =>
  list.map(([name, parts]) => scenario(`${group}-${name}`, parts));

const AUTH: [string, Fields][] = [
  ['none', { type: 'NoAuth' }],
  ['bearer', { type: 'BearerAuthenticator', api_token: "{{ config['text'] }}" }],
  ['basic', { type: 'BasicHttpAuthenticator', username: 'ü', password: "{{ config['n'] }}" }],
  ['basic-no-password', { type: 'BasicHttpAuthenticator', username: 'u' }],
  ['key-header', { type: 'ApiKeyAuthenticator', api_token: 'k', header: 'X-Key' }],
  ['key-parameter', { type: 'ApiKeyAuthenticator', api_token: 'k v', inject_into: option('request_parameter', 'key') }],
  ['key-body', { type: 'ApiKeyAuthenticator', api_token: 'k', inject_into: option('body_json', 'key') }],
  [
    'key-number',
    { type: 'ApiKeyAuthenticator', api_token: "{{ config['n'] }}", inject_into: option('request_parameter', 'key') },
  ],
  [
    'selective',
    {
      type: 'SelectiveAuthenticator',
      authenticator_selection_path: ['kind'],
      authenticators: { a: { type: 'NoAuth' }, b: { type: 'BearerAuthenticator', api_token: 'b' } },
    },
  ],
  [
    'selective-unknown',
    {
      type: 'SelectiveAuthenticator',
      authenticator_selection_path: ['text'],
      authenticators: { a: { type: 'NoAuth' } },
    },
  ],
  [
    'legacy-session',
    {
      type: 'LegacySessionTokenAuthenticator',
      header: 'X-S',
      login_url: '/login',
      session_token: "{{ config['text'] }}",
      session_token_response_key: 'id',
      username: 'u',
      password: 'p',
      validate_session_url: '/me',
    },
  ],
  [
    'legacy-session-ended',
    {
      type: 'LegacySessionTokenAuthenticator',
      header: 'X-S',
      login_url: '/login',
      session_token: "{{ config['text'] }}",
      session_token_response_key: 'id',
      username: 'u',
      password: 'p',
      validate_session_url: '/me',
    },
  ],
];
const authenticators = AUTH.map(([name, authenticator]) =>
  scenario(`auth-${name}`, {
    config: { kind: 'b' },
    requester: { authenticator, ...(name === 'key-body' ? { http_method: 'POST' } : {}) },
    script: { '*': [ok], '/v1/me': [[name.endsWith('-ended') ? 401 : 200, {}]], '/v1/login': [[200, { id: 'new' }]] },
    ...(name.startsWith('legacy') ? { because: 'a session token of the configuration' } : {}),
  }),
);

const DECODERS: [string, Fields, string][] = [
  ['jsonl', { type: 'JsonlDecoder' }, '{"id": 1}\n{"id": 2}\n'],
  ['jsonl-blank', { type: 'JsonlDecoder' }, '{"id": 1}\n\n{"id": 2}'],
  ['jsonl-bad', { type: 'JsonlDecoder' }, '{"id": 1}\nnope\n{"id": 2}'],
  ['iterable', { type: 'IterableDecoder' }, 'a\nb\n'],
  ['csv', { type: 'CsvDecoder' }, 'id,n\n1,a\n2,"b,c"\n'],
  ['csv-semicolon', { type: 'CsvDecoder', delimiter: ';' }, 'id;n\n1;a\n2;\n'],
  ['csv-tab', { type: 'CsvDecoder', delimiter: '\\t' }, 'id\tn\n1\ta\n'],
  ['csv-short', { type: 'CsvDecoder' }, 'id,n\n1\n2,b\n'],
  ['csv-nulls', { type: 'CsvDecoder', set_values_to_none: ['NULL', ''] }, 'id,n\n1,NULL\n2,\n'],
  ['csv-quotes', { type: 'CsvDecoder' }, 'id,n\n1,"a ""b"" c"\n2,"x\ny"\n'],
  ['csv-empty', { type: 'CsvDecoder' }, ''],
  ['xml', { type: 'XmlDecoder' }, '<r><i a="1"><id>1</id></i><i><id>2</id></i></r>'],
  ['xml-text', { type: 'XmlDecoder' }, '<r><i k="v">t</i></r>'],
];
const decoders = DECODERS.map(([name, decoder, body]) =>
  scenario(`decode-${name}`, {
    ...(name === 'jsonl-bad' ? { because: 'a broken line among lines of JSON' } : {}),
    script: { [ITEMS]: [[200, body]] },
    selector: { extractor: { type: 'DpathExtractor', field_path: name.startsWith('xml') ? ['r', 'i'] : [] } },
    retriever: { decoder },
  }),
);

const strategy = (...backoff_strategies: Fields[]): Fields => ({
  error_handler: { type: 'DefaultErrorHandler', backoff_strategies, max_retries: 2 },
});
const later = (status: number, headers?: Record<string, string>): Record<string, ScriptedAnswer[]> => ({
  [ITEMS]: [[status, {}, headers], ok],
});
const retries = named('retry', [
  [
    'constant',
    { requester: strategy({ type: 'ConstantBackoffStrategy', backoff_time_in_seconds: 0.1 }), script: later(503) },
  ],
  [
    'constant-text',
    {
      requester: strategy({ type: 'ConstantBackoffStrategy', backoff_time_in_seconds: '{{ 0.1 }}' }),
      script: later(503),
    },
  ],
  ['exponential', { requester: strategy({ type: 'ExponentialBackoffStrategy', factor: 0.1 }), script: later(500) }],
  [
    'header',
    { requester: strategy({ type: 'WaitTimeFromHeader', header: 'X-Wait' }), script: later(429, { 'X-Wait': '0.1' }) },
  ],
  [
    'header-regex',
    {
      requester: strategy({ type: 'WaitTimeFromHeader', header: 'X-Wait', regex: 'in (\\d+)' }),
      script: later(429, { 'X-Wait': 'in 1 s' }),
    },
  ],
  [
    'header-over-most',
    {
      requester: strategy({ type: 'WaitTimeFromHeader', header: 'X-Wait', max_waiting_time_in_seconds: 5 }),
      script: later(429, { 'X-Wait': '50' }),
    },
  ],
  [
    'until',
    {
      requester: strategy({ type: 'WaitUntilTimeFromHeader', header: 'X-At', min_wait: 0.1 }),
      script: later(429, { 'X-At': '1' }),
    },
  ],
  [
    'none-left',
    {
      requester: { error_handler: { type: 'DefaultErrorHandler', max_retries: 0 } },
      script: { [ITEMS]: [[503, {}], ok] },
    },
  ],
  [
    'template-most',
    {
      requester: {
        error_handler: {
          type: 'DefaultErrorHandler',
          max_retries: '{{ 1 }}',
          backoff_strategies: [{ type: 'ConstantBackoffStrategy', backoff_time_in_seconds: 0.1 }],
        },
      },
      script: { [ITEMS]: [[503, {}], [503, {}], ok] },
    },
  ],
  [
    'filter-on-200',
    {
      requester: {
        error_handler: {
          type: 'DefaultErrorHandler',
          backoff_strategies: [{ type: 'ConstantBackoffStrategy', backoff_time_in_seconds: 0.1 }],
          response_filters: [{ type: 'HttpResponseFilter', predicate: '{{ response.busy }}', action: 'RETRY' }],
        },
      },
      script: { [ITEMS]: [[200, { busy: true }], ok] },
    },
  ],
  [
    'rate-limited',
    {
      requester: {
        error_handler: {
          type: 'DefaultErrorHandler',
          backoff_strategies: [{ type: 'ConstantBackoffStrategy', backoff_time_in_seconds: 0.1 }],
          response_filters: [{ type: 'HttpResponseFilter', http_codes: [403], action: 'RATE_LIMITED' }],
        },
      },
      script: later(403),
    },
  ],
]);

const KEYS: [string, Fields][] = [
  ['lower', { type: 'KeysToLower' }],
  ['snake', { type: 'KeysToSnakeCase' }],
  ['flatten', { type: 'FlattenFields' }],
  ['flatten-no-lists', { type: 'FlattenFields', flatten_lists: false }],
  ['dpath-flatten', { type: 'DpathFlattenFields', field_path: ['a'] }],
  ['dpath-flatten-delete', { type: 'DpathFlattenFields', field_path: ['a'], delete_origin_value: true }],
  ['dpath-flatten-replace', { type: 'DpathFlattenFields', field_path: ['a'], replace_record: true }],
  [
    'dpath-flatten-prefix',
    {
      type: 'DpathFlattenFields',
      field_path: ['a'],
      key_transformation: { type: 'KeyTransformation', prefix: 'p_', suffix: '_s' },
    },
  ],
  ['replace', { type: 'KeysReplace', old: ' ', new: '_' }],
  ['replace-template', { type: 'KeysReplace', old: "{{ 'e' }}", new: "{{ record['id'] }}" }],
  ['remove-if', { type: 'RemoveFields', field_pointers: [['num']], condition: "{{ property == '007' }}" }],
  ['remove-wild', { type: 'RemoveFields', field_pointers: [['**', 'd']] }],
  [
    'add-wild',
    {
      type: 'AddFields',
      fields: [{ type: 'AddedFieldDefinition', path: ['a', 'z'], value: "{{ record['num'] }}" }],
      condition: "{{ record['id'] == 1 }}",
    },
  ],
];
const ROW = {
  id: 1,
  a: { b: 1, c: [{ d: 1 }, { d: 2 }] },
  eMail: 'e',
  'Name X': 2,
  HTTPCode: 3,
  num: '007',
  nul: null,
};
const transformations = KEYS.map(([name, step]) =>
  scenario(`change-${name}`, { script: { [ITEMS]: [[200, { data: [ROW] }]] }, stream: { transformations: [step] } }),
);

const TYPED = { id: '1', s: 5, b: 'true', f: '1.5', n: null, list: 'x', o: { k: '7' }, x: 1.5 };
const selectors = named('select', [
  [
    'normalised',
    {
      selector: { schema_normalization: 'Default' },
      script: { [ITEMS]: [[200, { data: [TYPED] }]] },
      stream: {
        schema_loader: {
          type: 'InlineSchemaLoader',
          schema: {
            type: 'object',
            properties: {
              id: { type: 'integer' },
              s: { type: ['null', 'string'] },
              b: { type: 'boolean' },
              f: { type: ['number', 'null'] },
              n: { type: ['null', 'string'] },
              list: { type: 'array', items: { type: 'string' } },
              o: { type: 'object', properties: { k: { type: 'integer' } } },
              x: { type: 'integer' },
            },
          },
        },
      },
    },
  ],
  [
    'filter-then-change',
    {
      selector: {
        record_filter: { type: 'RecordFilter', condition: '{{ record.k }}' },
        transform_before_filtering: true,
      },
      stream: {
        transformations: [
          { type: 'AddFields', fields: [{ type: 'AddedFieldDefinition', path: ['k'], value: '{{ record.id == 1 }}' }] },
        ],
      },
    },
  ],
  [
    'filter-before-change',
    {
      selector: { record_filter: { type: 'RecordFilter', condition: '{{ record.k }}' } },
      stream: {
        transformations: [
          { type: 'AddFields', fields: [{ type: 'AddedFieldDefinition', path: ['k'], value: '{{ record.id == 1 }}' }] },
        ],
      },
    },
  ],
  [
    'expander',
    {
      script: { [ITEMS]: [[200, { data: [{ id: 1, lines: [{ l: 1 }, { l: 2 }] }, { id: 2 }] }]] },
      selector: {
        extractor: {
          type: 'DpathExtractor',
          field_path: ['data'],
          record_expander: { type: 'RecordExpander', expand_records_from_field: ['lines'] },
        },
      },
    },
  ],
  [
    'expander-keep',
    {
      script: {
        [ITEMS]: [
          [
            200,
            {
              data: [
                { id: 1, lines: [{ l: 1 }] },
                { id: 2, lines: [] },
              ],
            },
          ],
        ],
      },
      selector: {
        extractor: {
          type: 'DpathExtractor',
          field_path: ['data'],
          record_expander: {
            type: 'RecordExpander',
            expand_records_from_field: ['lines'],
            remain_original_record: true,
            on_no_records: 'emit_parent',
          },
        },
      },
    },
  ],
]);

const BODIES: [string, Fields][] = [
  ['plain', { request_body: { type: 'RequestBodyPlainText', value: "a={{ config['n'] }}" } }],
  ['form', { request_body: { type: 'RequestBodyUrlEncodedForm', value: { a: "{{ config['text'] }}" } } }],
  [
    'json',
    {
      request_body: {
        type: 'RequestBodyJsonObject',
        value: { a: "{{ config['list'] }}", b: { c: "{{ config['gone'] }}" } },
      },
    },
  ],
  ['graphql', { request_body: { type: 'RequestBodyGraphQL', value: { query: 'query { a(n: {{ config.n }}) }' } } }],
  ['json-text', { request_body_json: '{"a": {{ config.n }}}' }],
];
const bodies = BODIES.map(([name, body]) => scenario(`body-${name}`, { requester: { http_method: 'POST', ...body } }));

const list = (field: string, values: Json): Fields => ({
  type: 'ListPartitionRouter',
  cursor_field: field,
  values,
  request_option: option('request_parameter', field),
});
const parents = (path: string, config: Fields = {}): Fields => ({
  type: 'SubstreamPartitionRouter',
  parent_stream_configs: [
    {
      type: 'ParentStreamConfig',
      parent_key: 'id',
      partition_field: 'pid',
      stream: streamOf('parents', path, {}),
      ...config,
    },
  ],
});
const PARENT_ROWS: Record<string, ScriptedAnswer[]> = {
  '/v1/parents': [
    [
      200,
      {
        data: [
          { id: 1, o: { k: 'x' } },
          { id: 2, o: { k: 'y' } },
        ],
      },
    ],
  ],
  '*': [ok],
};
const CHILD = { path: '/parents/{{ stream_partition.pid }}/items' };
const routers = named('route', [
  ['two-lists', { retriever: { partition_router: [list('k', ['a', 'b']), list('l', ['1', '2'])] } }],
  [
    'list-and-parents',
    {
      requester: CHILD,
      script: PARENT_ROWS,
      retriever: { partition_router: [parents('/parents'), list('l', ['1', '2'])] },
    },
  ],
  [
    'extra-fields',
    {
      requester: CHILD,
      script: PARENT_ROWS,
      retriever: { partition_router: parents('/parents', { extra_fields: [['o', 'k']] }) },
      stream: {
        transformations: [
          {
            type: 'AddFields',
            fields: [{ type: 'AddedFieldDefinition', path: ['x'], value: "{{ stream_slice.extra_fields['o.k'] }}" }],
          },
        ],
      },
    },
  ],
  [
    'request-option',
    {
      script: PARENT_ROWS,
      retriever: { partition_router: parents('/parents', { request_option: option('request_parameter', 'parent') }) },
    },
  ],
  [
    'wild-key',
    {
      requester: CHILD,
      script: PARENT_ROWS,
      retriever: { partition_router: parents('/parents', { parent_key: 'o/k' }) },
    },
  ],
  [
    'grouped',
    {
      requester: { request_parameters: { ids: "{{ stream_partition.pid | join(',') }}" } },
      script: PARENT_ROWS,
      retriever: {
        partition_router: {
          type: 'GroupingPartitionRouter',
          group_size: 2,
          underlying_partition_router: parents('/parents'),
        },
      },
    },
  ],
  [
    'grouped-list',
    {
      requester: { request_parameters: { ids: "{{ stream_partition.k | join(',') }}" } },
      retriever: {
        partition_router: {
          type: 'GroupingPartitionRouter',
          group_size: 2,
          underlying_partition_router: { type: 'ListPartitionRouter', cursor_field: 'k', values: ['a', 'b', 'c'] },
        },
      },
    },
  ],
]);

const chunks = (limit: number, more: Fields = {}): Fields => ({
  request_parameters: {
    fields: {
      type: 'QueryProperties',
      property_list: ['a', 'b', 'c'],
      property_chunking: {
        type: 'PropertyChunking',
        property_limit_type: 'property_count',
        property_limit: limit,
        record_merge_strategy: { type: 'GroupByKeyMergeStrategy', key: 'id' },
        ...more,
      },
    },
  },
});
const properties = named('properties', [
  ['whole', { requester: { request_parameters: { fields: { type: 'QueryProperties', property_list: ['a', 'b'] } } } }],
  [
    'chunks',
    {
      requester: chunks(2),
      script: {
        [ITEMS]: [
          [
            200,
            {
              data: [{ id: 'x', a: 1, o: { p: 1 } }, { id: 'y', a: 2 }, { a: 4 }],
            },
          ],
          [200, { data: [{ id: 'x', c: 3, o: { q: 2 } }, { c: 5 }] }],
        ],
      },
    },
  ],
  [
    'always',
    {
      requester: {
        request_parameters: {
          fields: {
            type: 'QueryProperties',
            property_list: ['a', 'b', 'c'],
            always_include_properties: ['z'],
            property_chunking: {
              type: 'PropertyChunking',
              property_limit_type: 'property_count',
              property_limit: 2,
              record_merge_strategy: { type: 'GroupByKeyMergeStrategy', key: 'id' },
            },
          },
        },
      },
      script: { [ITEMS]: [[200, { data: [{ id: 'x' }, { id: 'y' }] }]] },
    },
  ],
  [
    'characters',
    {
      requester: chunks(10, { property_limit_type: 'characters' }),
      script: { [ITEMS]: [[200, { data: [{ id: 'x' }, { id: 'y' }] }]] },
    },
  ],
]);

const reset = (action: string): Fields => ({ pagination_reset: { type: 'PaginationReset', action } });
const pages = (pagination_strategy: Fields): Fields => ({
  paginator: { type: 'DefaultPaginator', pagination_strategy, page_token_option: option('request_parameter', 'after') },
});
const paging = named('paging', [
  [
    'token-in-header',
    {
      retriever: pages({ type: 'CursorPagination', cursor_value: "{{ headers['X-Next'] }}" }),
      script: { [ITEMS]: [[200, { data: [{ id: 1 }] }, { 'X-Next': 'n1' }], one] },
    },
  ],
  [
    'last-record',
    {
      retriever: pages({
        type: 'CursorPagination',
        cursor_value: '{{ last_record.id }}',
        stop_condition: '{{ last_page_size < 2 }}',
      }),
      script: { [ITEMS]: [ok, one] },
    },
  ],
  [
    'link-header',
    {
      retriever: pages({
        type: 'CursorPagination',
        cursor_value: '{{ headers.link.next.url }}',
        stop_condition: "{{ 'next' not in headers.link }}",
      }),
      script: { [ITEMS]: [[200, { data: [{ id: 1 }] }, { Link: '<http://a.test/x?page=2>; rel="next"' }], one] },
    },
  ],
  [
    'page-size-in-cursor',
    {
      retriever: {
        paginator: {
          type: 'DefaultPaginator',
          pagination_strategy: { type: 'CursorPagination', page_size: 2, cursor_value: '{{ response.n }}' },
          page_size_option: option('request_parameter', 'size'),
          page_token_option: option('request_parameter', 'after'),
        },
      },
      script: { [ITEMS]: [[200, { data: [{ id: 1 }], n: 7 }], one] },
    },
  ],
  [
    'reset',
    {
      requester: {
        error_handler: {
          type: 'DefaultErrorHandler',
          response_filters: [{ type: 'HttpResponseFilter', http_codes: [400], action: 'RESET_PAGINATION' }],
        },
      },
      retriever: { ...pages({ type: 'CursorPagination', cursor_value: '{{ response.n }}' }), ...reset('RESET') },
      script: {
        [ITEMS]: [
          [200, { data: [{ id: 1 }], n: 'a' }],
          [400, {}],
          [200, { data: [{ id: 1 }] }],
        ],
      },
    },
  ],
]);

const cursor = (more: Fields = {}): Fields => ({
  type: 'DatetimeBasedCursor',
  cursor_field: 'u',
  datetime_format: '%Y-%m-%d',
  start_datetime: "{{ config['start'] }}",
  end_datetime: '2026-01-20',
  start_time_option: option('request_parameter', 'from'),
  end_time_option: option('request_parameter', 'to'),
  ...more,
});
const dated = (...dates: string[]): Record<string, ScriptedAnswer[]> => ({
  [ITEMS]: [[200, { data: dates.map((u, id) => ({ id, u })) }]],
  '*': [[200, { data: dates.map((u, id) => ({ id, u })) }]],
});
const FORMS: [string, Json, string][] = [
  ['seconds', 1768003200, '%s'],
  ['milliseconds', 1768003200000, '%ms'],
  ['iso', '2026-01-10T00:00:00Z', '%Y-%m-%dT%H:%M:%SZ'],
  ['offset', '2026-01-10T00:00:00+0000', '%Y-%m-%dT%H:%M:%S%z'],
  ['fraction', '2026-01-10T00:00:00.000000Z', '%Y-%m-%dT%H:%M:%S.%fZ'],
  ['compact', '20260110', '%Y%m%d'],
  ['day-first', '10/01/2026', '%d/%m/%Y'],
];
const formats = FORMS.map(([name, u, datetime_format]) =>
  scenario(`cursor-format-${name}`, {
    script: { [ITEMS]: [[200, { data: [{ id: 1, u }] }]] },
    stream: {
      incremental_sync: cursor({
        datetime_format,
        start_datetime: { type: 'MinMaxDatetime', datetime: '2026-01-05', datetime_format: '%Y-%m-%d' },
        end_datetime: { type: 'MinMaxDatetime', datetime: '2026-01-15', datetime_format: '%Y-%m-%d' },
      }),
    },
  }),
);

const stated = (name: string, state: Fields, parts: Parts = {}, incremental: Fields = {}): Scenario =>
  scenario(`state-${name}`, {
    script: dated('2026-01-11', '2026-01-13'),
    state,
    ...parts,
    stream: { incremental_sync: cursor(incremental), ...parts.stream },
  });
const partition = (k: string, u: string): Fields => ({ partition: { k }, cursor: { u } });
const lists = { retriever: { partition_router: list('k', ['a', 'b']) } };
const child: Parts = {
  requester: CHILD,
  retriever: { partition_router: parents('/parents') },
  script: { ...dated('2026-01-11'), '/v1/parents': PARENT_ROWS['/v1/parents']! },
};
const ofParent = (pid: number, u: string): Fields => ({ partition: { pid, parent_slice: {} }, cursor: { u } });
const states = [
  stated('plain', { u: '2026-01-10' }),
  stated('steps', { u: '2026-01-10' }, {}, { step: 'P5D', cursor_granularity: 'P1D' }),
  stated('lookback', { u: '2026-01-10' }, {}, { lookback_window: 'P3D' }),
  stated('older-than-start', { u: '2025-12-01' }),
  stated('client-side', { u: '2026-01-12' }, {}, { is_client_side_incremental: true }),
  stated('data-feed', { u: '2026-01-12' }, {}, { is_data_feed: true }),
  stated('date-range', {
    state_type: 'date-range',
    slices: [
      {
        start: '2026-01-01',
        end: '2026-01-10',
        most_recent_cursor_value: '2026-01-09',
      },
    ],
  }),
  stated('empty', {}),
  stated('list-known', { states: [partition('a', '2026-01-10'), partition('b', '2026-01-12')] }, lists),
  stated('list-new', { states: [partition('a', '2026-01-10')] }, lists),
  stated(
    'list-global',
    { use_global_cursor: false, state: { u: '2026-01-12' }, states: [partition('a', '2026-01-10')] },
    lists,
  ),
  stated('list-global-only', { use_global_cursor: true, state: { u: '2026-01-12' }, lookback_window: 0 }, lists),
  stated('list-plain', { u: '2026-01-12' }, lists),
  stated('list-lookback', { use_global_cursor: true, state: { u: '2026-01-12' }, lookback_window: 172800 }, lists),
  stated('children-known', { states: [ofParent(1, '2026-01-10'), ofParent(2, '2026-01-12')], parent_state: {} }, child),
  stated('children-new', { states: [ofParent(1, '2026-01-10')] }, child),
  stated(
    'children-global',
    { use_global_cursor: true, state: { u: '2026-01-10' }, states: [], parent_state: {} },
    child,
  ),
  stated(
    'children-legacy',
    { '1': { u: '2026-01-10' } },
    {
      ...child,
      because: 'oldest states by partition',
      stream: { incremental_sync: cursor(), state_migrations: [{ type: 'LegacyToPerPartitionStateMigration' }] },
    },
  ),
  stated('children-global-cursor', { use_global_cursor: true, state: { u: '2026-01-10' } }, child, {
    global_substream_cursor: true,
  }),
];

/** Second runs, after which rows were added, changed or came late. */
const rowsOf = (...rows: [number, string, Json?][]): Record<string, ScriptedAnswer[]> => ({
  '*': [[200, { data: rows.map(([id, u, v = null]) => ({ id, u, v })) }]],
});
const follow = (
  name: string,
  again: Record<string, ScriptedAnswer[]>,
  incremental: Fields,
  parts: Parts = {},
): Scenario =>
  scenario(`again-${name}`, {
    script: rowsOf([1, '2026-01-11'], [2, '2026-01-13']),
    again,
    ...parts,
    stream: { incremental_sync: cursor(incremental), ...parts.stream },
  });
const DAYS = { step: 'P30D', cursor_granularity: 'P1D' };
/** Requests name no time. */
const untimed = (more: Fields): Fields => {
  const { start_time_option: _, end_time_option: __, end_datetime: ___, ...rest } = cursor(more);
  return { incremental_sync: rest };
};
const seconds = {
  datetime_format: '%Y-%m-%dT%H:%M:%SZ',
  start_datetime: '2026-01-01T00:00:00Z',
  end_datetime: '2026-01-20T00:00:00Z',
};
const again = [
  follow('new-row', rowsOf([2, '2026-01-13'], [3, '2026-01-14']), DAYS),
  follow('same-day', rowsOf([2, '2026-01-13'], [3, '2026-01-13']), DAYS),
  follow('changed', rowsOf([2, '2026-01-13', 'new']), DAYS),
  follow('whole', rowsOf([2, '2026-01-13'], [3, '2026-01-14']), {}),
  follow('whole-changed', rowsOf([2, '2026-01-13', 'new']), {}),
  follow('lookback', rowsOf([1, '2026-01-11', 'new'], [2, '2026-01-13']), { ...DAYS, lookback_window: 'P5D' }),
  follow('client-side', rowsOf([1, '2026-01-11'], [2, '2026-01-13'], [3, '2026-01-14']), {
    is_client_side_incremental: true,
  }),
  follow('feed', rowsOf([3, '2026-01-14'], [2, '2026-01-13'], [1, '2026-01-11']), { is_data_feed: true }),
  follow('nothing', rowsOf(), DAYS),
  follow('lists', rowsOf([3, '2026-01-14']), DAYS, lists),
  follow('children', { ...rowsOf([3, '2026-01-14']), '/v1/parents': PARENT_ROWS['/v1/parents']! }, DAYS, {
    ...child,
    script: { ...rowsOf([1, '2026-01-11']), '/v1/parents': PARENT_ROWS['/v1/parents']! },
  }),
  follow(
    'untimed',
    rowsOf([2, '2026-01-13'], [3, '2026-01-14']),
    {},
    {
      stream: untimed({ is_client_side_incremental: true }),
    },
  ),
  follow('untimed-feed', rowsOf([3, '2026-01-14'], [2, '2026-01-13']), {}, { stream: untimed({ is_data_feed: true }) }),
  ...[{ is_client_side_incremental: true }, { is_data_feed: true, global_substream_cursor: true }].map((how, k) =>
    follow(
      `untimed-children-${k}`,
      { ...rowsOf([3, '2026-01-14'], [1, '2026-01-11']), '/v1/parents': PARENT_ROWS['/v1/parents']! },
      {},
      {
        ...child,
        script: { ...rowsOf([1, '2026-01-11']), '/v1/parents': PARENT_ROWS['/v1/parents']! },
        stream: { ...child.stream, ...untimed(how) },
      },
    ),
  ),
  follow('seconds', rowsOf([2, '2026-01-13T00:00:00Z', 'new'], [3, '2026-01-14T00:00:00Z']), seconds, {
    script: rowsOf([1, '2026-01-11T00:00:00Z'], [2, '2026-01-13T00:00:00Z']),
  }),
];

export const COMPONENT_SCENARIOS: readonly Scenario[] = [
  ...authenticators,
  ...decoders,
  ...retries,
  ...transformations,
  ...selectors,
  ...bodies,
  ...routers,
  ...properties,
  ...paging,
  ...formats,
  ...states,
  ...again,
];
