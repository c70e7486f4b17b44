/**
 * Small manifests and scripted answers, by the components of the language; what is written here once is tried in every
 * place. Long because it is a table of them.
 */

import type { Asked } from './oracle-server.js';

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
export type Fields = Record<string, Json>;

/** Status, body and headers; the last of a path's answers repeats. */
export type ScriptedAnswer = [status: number, body: Json, headers?: Record<string, string> | undefined];

export interface Scenario {
  name: string;
  manifest: Fields;
  config: Fields;
  script: Record<string, ScriptedAnswer[]>;
  /** The difference that explains why both sides do not do the same, as differences.ts names it. */
  because?: string | undefined;
  /** The state of stream `items` that both sides go on from. */
  state?: Fields | undefined;
  /** Read a second time, from the first run's state; with answers of its own where they are given. */
  again?: true | Record<string, ScriptedAnswer[]> | undefined;
  /** Streams that are read; `items` where it does not say. */
  streams?: string[] | undefined;
  /** Answers by what is asked, where the order of requests is not given; undefined: as the script says. */
  answer?: ((asked: Asked) => ScriptedAnswer | undefined) | undefined;
}

export interface Parts {
  requester?: Fields;
  retriever?: Fields;
  selector?: Fields;
  stream?: Fields;
  config?: Fields;
  script?: Record<string, ScriptedAnswer[]>;
  because?: string;
  /** Parts of the manifest beside its streams. */
  manifest?: Fields;
  state?: Fields;
  again?: true | Record<string, ScriptedAnswer[]>;
  streams?: string[];
  answer?: (asked: Asked) => ScriptedAnswer | undefined;
}

const ITEMS = '/v1/items';
const ok: ScriptedAnswer = [200, { data: [{ id: 1 }, { id: 2 }] }];
const answers = (...bodies: Json[]): Record<string, ScriptedAnswer[]> => ({
  [ITEMS]: bodies.map((body): ScriptedAnswer => [200, body]),
});

export function streamOf(name: string, path: string, parts: Parts): Fields {
  return {
    type: 'DeclarativeStream',
    name,
    primary_key: ['id'],
    retriever: {
      type: 'SimpleRetriever',
      requester: {
        type: 'HttpRequester',
        url_base: 'http://mock.test/v1',
        path,
        http_method: 'GET',
        ...parts.requester,
      },
      record_selector: {
        type: 'RecordSelector',
        extractor: { type: 'DpathExtractor', field_path: ['data'] },
        ...parts.selector,
      },
      ...parts.retriever,
    },
    schema_loader: {
      type: 'InlineSchemaLoader',
      schema: { type: 'object', additionalProperties: true, properties: { id: {}, u: {} } },
    },
    ...parts.stream,
  };
}

export function scenario(name: string, parts: Parts): Scenario {
  return {
    name,
    manifest: {
      version: '6.0.0',
      type: 'DeclarativeSource',
      check: { type: 'CheckStream', stream_names: ['chk'] },
      streams: [streamOf('items', '/items', parts), streamOf('chk', '/chk', {})],
      spec: {
        type: 'Spec',
        connection_specification: { type: 'object', properties: {}, additionalProperties: true },
      },
      ...parts.manifest,
    },
    config: { start: '2026-01-01', n: 5, list: ['x', 'y'], text: 'a b&c', flag: true, ...parts.config },
    script: parts.script ?? { [ITEMS]: [ok] },
    because: parts.because,
    state: parts.state,
    again: parts.again,
    streams: parts.streams,
    answer: parts.answer,
  };
}

/** Values that a template may come to, in each place of a request. */
const VALUES: [string, Json][] = [
  ['text', 'plain'],
  ['empty', ''],
  ['number', 5],
  ['true', true],
  ['nothing', '{{ none }}'],
  ['missing', "{{ config.get('gone') }}"],
  ['missing-index', "{{ config['gone'] }}"],
  ['truth', '{{ true }}'],
  ['small-truth', 'true'],
  ['integer', "{{ config['n'] }}"],
  ['sum', "{{ config['n'] + 1 }}"],
  ['float', '{{ 1.50 }}'],
  ['zeros', '007'],
  ['exponent', '1e5'],
  ['underscore', '1_000'],
  ['quoted', "'q'"],
  ['list', "{{ config['list'] }}"],
  ['joined', "{{ config['list'] | join(',') }}"],
  ['special', "{{ config['text'] }}"],
  ['unicode', 'é ü'],
  ['braces', '{a: 1}'],
  ['plus', 'a+b/c?d'],
  ['flag', "{{ config['flag'] }}"],
  ['blank', '  '],
];
const PLACES: [string, (value: Json) => Fields][] = [
  ['parameter', (value) => ({ request_parameters: { p: value, q: 'q' } })],
  ['header', (value) => ({ request_headers: { 'X-P': value } })],
  ['json', (value) => ({ http_method: 'POST', request_body_json: { p: value, in: { p: value }, q: 'q' } })],
  ['form', (value) => ({ http_method: 'POST', request_body_data: { p: value, q: 'q' } })],
];
const requests = PLACES.flatMap(([place, requester]) =>
  VALUES.map(([name, value]) =>
    scenario(`request-${place}-${name}`, {
      requester: requester(value),
      ...(place === 'header' && name === 'blank' ? { because: 'blanks around a value of a header' } : {}),
    }),
  ),
);

export const option = (inject_into: string, field_name: string): Fields => ({
  type: 'RequestOption',
  inject_into,
  field_name,
});
const TWO = { data: [{ id: 1 }, { id: 2 }] };
const ONE = { data: [{ id: 3 }] };
const COUNTERS: [string, Fields][] = [
  ['page', { type: 'PageIncrement', page_size: 2 }],
  ['page-from-1', { type: 'PageIncrement', page_size: 2, start_from_page: 1 }],
  ['page-injected', { type: 'PageIncrement', page_size: 2, inject_on_first_request: true }],
  ['page-from-1-injected', { type: 'PageIncrement', page_size: 2, start_from_page: 1, inject_on_first_request: true }],
  ['offset', { type: 'OffsetIncrement', page_size: 2 }],
  ['offset-injected', { type: 'OffsetIncrement', page_size: 2, inject_on_first_request: true }],
  ['offset-by-config', { type: 'OffsetIncrement', page_size: '{{ 1 + 1 }}' }],
];
const TARGETS = ['request_parameter', 'header', 'body_json', 'body_data'];
/** Two rows, one, and none: by the page that is asked for, since pages by number are read side by side. */
const byNumber =
  (first: number) =>
  ({ query, headers, body }: Asked): ScriptedAnswer => {
    const found = /"?page"?[=:]\s*"?(\d+)/.exec(`page=${query.get('page') ?? headers['page'] ?? ''} ${body}`)?.[1];
    const page = Number(found ?? first) - first;
    return [200, page === 0 ? TWO : page === 1 ? ONE : { data: [] }];
  };
const post = (target: string): Fields => (target.startsWith('body') ? { http_method: 'POST' } : {});
const counters = TARGETS.flatMap((target) =>
  COUNTERS.map(([name, pagination_strategy]) =>
    scenario(`pages-${name}-${target}`, {
      requester: post(target),
      ...(name.startsWith('offset')
        ? { script: answers(TWO, ONE) }
        : { answer: byNumber(Number(pagination_strategy['start_from_page'] ?? 0)) }),
      retriever: {
        paginator: {
          type: 'DefaultPaginator',
          pagination_strategy,
          page_token_option: option(target, 'page'),
          page_size_option: option(target, 'size'),
        },
      },
    }),
  ),
);

const CURSORS: [string, string, string | undefined, Json, Record<string, string>?][] = [
  ['body', "{{ response.get('next') }}", undefined, 'n2'],
  ['dotted', '{{ response.next }}', '{{ not response.next }}', 'n2'],
  ['number', "{{ response.get('next') }}", undefined, 7],
  ['zeros', "{{ response.get('next') }}", undefined, '007'],
  ['last-record', "{{ last_record['id'] }}", '{{ last_page_size < 2 }}', null],
  ['header', "{{ headers['X-Next'] }}", "{{ not headers.get('X-Next') }}", null, { 'X-Next': 'h2' }],
];
const cursors = TARGETS.flatMap((target) =>
  CURSORS.map(([name, cursor_value, stop_condition, next, headers]) =>
    scenario(`cursor-${name}-${target}`, {
      requester: post(target),
      script: {
        [ITEMS]: [
          [200, { ...TWO, next }, headers],
          [200, ONE],
        ],
      },
      retriever: {
        paginator: {
          type: 'DefaultPaginator',
          pagination_strategy: {
            type: 'CursorPagination',
            cursor_value,
            ...(stop_condition === undefined ? {} : { stop_condition }),
          },
          page_token_option: option(target, 'after'),
        },
      },
    }),
  ),
);
const NEXT_PATHS = [
  '/v1/other?page=2',
  'other?page=2',
  '?page=2',
  '__BASE__/v1/other?page=2',
  'sub//other',
  '../v1/other',
];
const paths = NEXT_PATHS.map((next, at) =>
  scenario(`next-path-${at}`, {
    script: { [ITEMS]: [[200, { ...TWO, next }]], '/v1/other': [[200, ONE]], '*': [[200, ONE]] },
    retriever: {
      paginator: {
        type: 'DefaultPaginator',
        pagination_strategy: {
          type: 'CursorPagination',
          cursor_value: "{{ response.get('next') }}",
          stop_condition: "{{ not response.get('next') }}",
        },
        page_token_option: { type: 'RequestPath' },
      },
    },
  }),
);

const handler = (...filters: Fields[]): Fields => ({
  type: 'DefaultErrorHandler',
  response_filters: filters,
  max_retries: 1,
});
const errors = [400, 401, 403, 404, 405, 410, 422, 503].flatMap((status) =>
  [undefined, 'IGNORE', 'FAIL', 'SUCCESS'].map((action) =>
    scenario(`status-${status}-${action ?? 'default'}`, {
      script: { [ITEMS]: [[status, { error: 'no', data: [{ id: 9 }] }]] },
      requester: {
        error_handler: handler({
          type: 'HttpResponseFilter',
          http_codes: [status],
          ...(action === undefined ? { error_message: 'no' } : { action }),
        }),
      },
    }),
  ),
);
const CHAIN: Fields[] = [
  { type: 'HttpResponseFilter', http_codes: [404], action: 'IGNORE' },
  { type: 'HttpResponseFilter', http_codes: [404], action: 'FAIL' },
  { type: 'HttpResponseFilter', http_codes: [418], action: 'IGNORE' },
  { type: 'HttpResponseFilter', predicate: "{{ response.error == 'no' }}", action: 'SUCCESS' },
  { type: 'HttpResponseFilter', error_message_contains: 'no', action: 'IGNORE' },
];
const chains = CHAIN.flatMap((first, a) =>
  CHAIN.map((second, b) =>
    scenario(`chain-${a}-${b}`, {
      script: { [ITEMS]: [[404, { error: 'no', data: [{ id: 9 }] }]] },
      requester: {
        error_handler: { type: 'CompositeErrorHandler', error_handlers: [handler(first), handler(second)] },
      },
    }),
  ),
);
const redirects = [301, 302, 303, 307, 308].flatMap((status) =>
  ['GET', 'POST'].map((http_method) =>
    scenario(`redirect-${status}-${http_method}`, {
      script: { [ITEMS]: [[status, '', { Location: '/v1/other' }]], '/v1/other': [ok] },
      requester: { http_method, ...(http_method === 'POST' ? { request_body_json: { a: 1 } } : {}) },
    }),
  ),
);

const BODIES: [string, Json, Json[]][] = [
  ['list', { data: [{ id: 1 }] }, ['data']],
  ['object', { data: { id: 1 } }, ['data']],
  ['null', { data: null }, ['data']],
  ['missing', { other: 1 }, ['data']],
  ['root-list', [{ id: 1 }, { id: 2 }], []],
  ['root-object', { id: 1 }, []],
  ['deep', { a: { b: [{ id: 1 }] } }, ['a', 'b']],
  ['wildcard', { a: [{ x: { id: 1 } }, { x: { id: 2 } }] }, ['a', '*', 'x']],
  ['map', { a: { k: { id: 1 }, l: { id: 2 } } }, ['a', '*']],
  ['numbers', { data: [1, 2] }, ['data']],
  ['text', { data: 'x' }, ['data']],
  ['empty', { data: [] }, ['data']],
  ['by-template', { data: [{ id: 1 }] }, ["{{ 'da' ~ 'ta' }}"]],
];
const extractors = BODIES.map(([name, body, field_path]) =>
  scenario(`extract-${name}`, {
    script: answers(body),
    selector: { extractor: { type: 'DpathExtractor', field_path } },
  }),
);

const added = (path: string[], value: string, more: Fields = {}): Fields => ({
  type: 'AddFields',
  fields: [{ type: 'AddedFieldDefinition', path, value, ...more }],
});
const STEPS: [string, Fields[]][] = [
  ['add', [added(['p'], '1')]],
  ['add-nested', [added(['p', 'q'], "{{ record['id'] }}")]],
  ['add-text', [added(['p'], '1', { value_type: 'string' })]],
  ['add-two', [added(['p'], "{{ record['id'] }}"), added(['q'], "{{ record['p'] }}x")]],
  ['add-none', [added(['p'], "{{ record.get('gone') }}")]],
  ['add-config', [added(['p'], "{{ config['list'] }}")]],
  ['remove', [{ type: 'RemoveFields', field_pointers: [['a'], ['gone']] }]],
  ['remove-nested', [{ type: 'RemoveFields', field_pointers: [['a', 'b']] }]],
  ['lower', [{ type: 'KeysToLower' }]],
  ['snake', [{ type: 'KeysToSnakeCase' }]],
  ['flatten', [{ type: 'FlattenFields' }]],
  ['replace', [{ type: 'KeysReplace', old: 'e', new: '_' }]],
];
const ROW = { id: 1, a: { b: 1, c: [{ d: 1 }] }, eMail: 'e', 'Name X': 2, num: '007' };
const transformations = STEPS.map(([name, steps]) =>
  scenario(`transform-${name}`, { script: answers({ data: [ROW] }), stream: { transformations: steps } }),
);
const CONDITIONS = [
  "{{ record['id'] > 1 }}",
  '{{ record.id == 1 or record.k }}',
  "{{ record.get('k') }}",
  '{{ true }}',
  '',
];
const filters = CONDITIONS.map((condition, at) =>
  scenario(`filter-${at}`, {
    script: answers({ data: [{ id: 1 }, { id: 2, k: 'v' }] }),
    selector: { record_filter: { type: 'RecordFilter', condition } },
    ...(condition === '' ? { because: 'a record filter without a condition' } : {}),
  }),
);

const windows = ['P5D', 'P1W', 'P1M', 'P2M', undefined].flatMap((step) =>
  ['2026-01-20', '2026-03-31', '2026-02-01'].map((end) =>
    scenario(`window-${step ?? 'whole'}-${end}`, {
      script: answers({ data: [{ id: 1, u: '2026-01-03' }] }),
      stream: {
        incremental_sync: {
          type: 'DatetimeBasedCursor',
          cursor_field: 'u',
          datetime_format: '%Y-%m-%d',
          start_datetime: "{{ config['start'] }}",
          end_datetime: end,
          start_time_option: option('request_parameter', 'from'),
          end_time_option: option('request_parameter', 'to'),
          ...(step === undefined ? {} : { step, cursor_granularity: 'P1D' }),
        },
      },
    }),
  ),
);

const LISTS: [string, Json][] = [
  ['written', ['a', 'b']],
  ['by-template', "{{ config['list'] }}"],
  ['empty-one', ['a', '']],
  ['numbers', '{{ [1, 0] }}'],
  ['none', '{{ [] }}'],
];
const lists = ['request_parameter', 'header', 'body_json'].flatMap((target) =>
  LISTS.map(([name, values]) =>
    scenario(`list-${name}-${target}`, {
      requester: post(target),
      retriever: {
        partition_router: {
          type: 'ListPartitionRouter',
          cursor_field: 'k',
          values,
          request_option: option(target, 'k'),
        },
      },
    }),
  ),
);
const PARENTS: [string, Json, string][] = [
  ['keys', [{ id: 1 }, { id: 2 }], 'id'],
  ['none', [], 'id'],
  ['without-key', [{ id: 1 }, { name: 'x' }], 'id'],
  ['nested-key', [{ id: 1, o: { k: 'x' } }], 'o/k'],
];
const substreams = PARENTS.map(([name, data, parent_key]) =>
  scenario(`children-${name}`, {
    script: { '/v1/parents': [[200, { data }]], '*': [ok] },
    requester: { path: '/parents/{{ stream_partition.pid }}/items' },
    stream: { transformations: [added(['pid'], '{{ stream_slice.pid }}'), added(['slice'], '{{ stream_slice }}')] },
    retriever: {
      partition_router: {
        type: 'SubstreamPartitionRouter',
        parent_stream_configs: [
          {
            type: 'ParentStreamConfig',
            parent_key,
            partition_field: 'pid',
            stream: streamOf('parents', '/parents', {}),
          },
        ],
      },
    },
  }),
);

export const SCENARIOS: readonly Scenario[] = [
  ...requests,
  ...counters,
  ...cursors,
  ...paths,
  ...errors,
  ...chains,
  ...redirects,
  ...extractors,
  ...transformations,
  ...filters,
  ...windows,
  ...lists,
  ...substreams,
];
