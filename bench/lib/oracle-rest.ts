/**
 * Scenarios for whatever the other files leave out: tokens that are asked for, jobs, streams that are made, schemas that
 * are asked for, packed answers, budgets, configurations that are rewritten. Long because it is a table of them.
 */
import { gzipSync } from 'node:zlib';
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
const named = (group: string, list: [string, Parts][]): Scenario[] =>
  list.map(([name, parts]) => scenario(`${group}-${name}`, parts));
const at = (...field_path: string[]): Fields => ({ type: 'DpathExtractor', field_path });
const asks = (path: string, more: Fields = {}): Fields => ({
  type: 'HttpRequester',
  url_base: 'http://mock.test/v1',
  path,
  http_method: 'GET',
  ...more,
});
const selects = (...path: string[]): Fields => ({ type: 'RecordSelector', extractor: at(...path) });
const reads = (path: string, more: Fields = {}): Fields => ({
  type: 'SimpleRetriever',
  requester: asks(path),
  record_selector: selects('data'),
  ...more,
});

const token = (body: Json = { access_token: 't1', expires_in: 3600 }): Record<string, ScriptedAnswer[]> => ({
  '*': [ok],
  '/v1/token': [[200, body]],
});
const oauth = (more: Fields, parts: Parts = {}): Parts => ({
  script: token(),
  config: { refresh_token: 'r e&f' },
  ...parts,
  requester: {
    authenticator: {
      type: 'OAuthAuthenticator',
      token_refresh_endpoint: '__BASE__/v1/token',
      client_id: "{{ config['n'] }}",
      client_secret: 's+e c',
      refresh_token: "{{ config['refresh_token'] }}",
      ...more,
    },
  },
});
const tokens = named('oauth', [
  ['refresh', oauth({})],
  ['client-credentials', oauth({ grant_type: 'client_credentials', refresh_token: undefined as never })],
  [
    'names',
    oauth({ client_id_name: 'cid', client_secret_name: 'cs', refresh_token_name: 'rt', grant_type_name: 'gt' }),
  ],
  ['scopes', oauth({ scopes: ['a', 'b'] })],
  ['body', oauth({ refresh_request_body: { audience: 'x', n: "{{ config['n'] }}" } })],
  ['headers', oauth({ refresh_request_headers: { 'X-A': "a{{ config['n'] }}" } })],
  [
    'as-json',
    oauth(
      { refresh_request_headers: { 'Content-Type': 'application/json' } },
      { because: 'a refresh whose headers say JSON' },
    ),
  ],
  ['basic', oauth({ refresh_request_headers: { Authorization: "Basic {{ 'a:b' | base64encode }}" } })],
  ['query', oauth({ send_refresh_request_as_query_params: true })],
  [
    'names-of-answer',
    oauth({ access_token_name: 'tok', expires_in_name: 'ttl' }, { script: token({ tok: 't1', ttl: '60' }) }),
  ],
  ['null-expiry', oauth({}, { script: token({ access_token: 't1', expires_in: null }) })],
  ['no-expiry', oauth({}, { script: token({ access_token: 't1' }) })],
  ['refused', oauth({}, { script: { '*': [ok], '/v1/token': [[400, { error: 'invalid_grant' }]] } })],
  ['no-token', oauth({}, { script: token({ nothing: 1 }) })],
  [
    'known-token',
    oauth(
      { access_token_value: 'given', token_expiry_date: '2099-01-01T00:00:00Z' },
      { config: { refresh_token: 'r' } },
    ),
  ],
]);

const jwt = (more: Fields): Parts => ({
  requester: {
    authenticator: { type: 'JwtAuthenticator', algorithm: 'HS256', secret_key: 'a'.repeat(40), ...more },
  },
});
const signed = named('jwt', [
  ['plain', jwt({})],
  ['prefix', jwt({ header_prefix: 'Bearer', token_duration: 60 })],
  [
    'claims',
    jwt({
      header_prefix: 'JWT',
      jwt_headers: { kid: 'k', typ: 'JWT' },
      jwt_payload: { iss: "i{{ config['n'] }}", sub: 's', aud: 'a' },
      additional_jwt_payload: { x: "{{ config['list'] }}" },
    }),
  ],
  ['base64', jwt({ secret_key: Buffer.from('k'.repeat(40)).toString('base64'), base64_encode_secret_key: true })],
  ['parameter', jwt({ request_option: option('request_parameter', 'jwt') })],
]);

const session = (request_authentication: Fields, more: Fields = {}, parts: Parts = {}): Parts => ({
  script: { '*': [ok], '/v1/login': [[200, { s: { id: 'sess' } }]] },
  ...parts,
  requester: {
    authenticator: {
      type: 'SessionTokenAuthenticator',
      login_requester: asks('/login', { http_method: 'POST', request_body_json: { u: 'u', p: "{{ config['n'] }}" } }),
      session_token_path: ['s', 'id'],
      request_authentication,
      expiration_duration: 'PT1H',
      ...more,
    },
  },
});
const sessions = named('session', [
  ['bearer', session({ type: 'Bearer' })],
  ['key', session({ type: 'ApiKey', inject_into: option('header', 'X-S') })],
  [
    'key-text',
    session({ type: 'ApiKey', inject_into: option('request_parameter', 's'), api_token: 'T {{ session_token }}' }),
  ],
  [
    'xml',
    session(
      { type: 'Bearer' },
      { decoder: { type: 'XmlDecoder' } },
      { script: { '*': [ok], '/v1/login': [[200, '<s><id>sess</id></s>']] } },
    ),
  ],
  ['refused', session({ type: 'Bearer' }, {}, { script: { '*': [ok], '/v1/login': [[401, {}]] } })],
]);

const packed = (body: Buffer, decoder: Fields, ...path: string[]): Parts => ({
  script: { [ITEMS]: [[200, body.toString('base64'), { 'X-Base64': '1', 'content-type': 'application/gzip' }]] },
  retriever: { decoder },
  selector: { extractor: at(...path) },
});
const JSON_ROWS = Buffer.from('{"data":[{"id":1},{"id":2}]}');
const ZIP = Buffer.from(
  'UEsDBBQAAAAAAAAAIQBTri+qEwAAABMAAAAGAAAAYS5qc29ueyJkYXRhIjpbeyJpZCI6MX1dfVBLAQIUAxQAAAAAAAAAIQBTri+qEwAAABMAAAAGAAAAAAAAAAAAAACAAQAAAABhLmpzb25QSwUGAAAAAAEAAQA0AAAANwAAAAAA',
  'base64',
);
const decoders = named('unpack', [
  ['gzip-json', packed(gzipSync(JSON_ROWS), { type: 'GzipDecoder', decoder: { type: 'JsonDecoder' } }, 'data')],
  ['gzip-csv', packed(gzipSync('id,n\n1,a\n2,b\n'), { type: 'GzipDecoder', decoder: { type: 'CsvDecoder' } })],
  ['gzip-jsonl', packed(gzipSync('{"id":1}\n{"id":2}\n'), { type: 'GzipDecoder', decoder: { type: 'JsonlDecoder' } })],
  ['zip', packed(ZIP, { type: 'ZipfileDecoder', decoder: { type: 'JsonDecoder' } }, 'data')],
  [
    'items',
    {
      script: { [ITEMS]: [[200, { a: { items: [{ id: 1 }, { id: 2 }] }, z: [{ id: 9 }] }]] },
      retriever: { decoder: { type: 'JsonItemsDecoder', items_path: 'a.items' } },
      selector: { extractor: at() },
    },
  ],
  ['json', { retriever: { decoder: { type: 'JsonDecoder' }, paginator: { type: 'NoPagination' } } }],
]);

const job = (more: Fields = {}, script: Record<string, ScriptedAnswer[]> = {}): Parts => ({
  script: {
    '/v1/jobs': [[200, { id: 'j1' }]],
    '/v1/jobs/j1': [
      [200, { status: 'running' }],
      [200, { status: 'done', urls: ['http://mock.test/v1/file1', 'http://mock.test/v1/file2'] }],
    ],
    '/v1/file1': [[200, { data: [{ id: 1 }] }]],
    '/v1/file2': [[200, { data: [{ id: 2 }] }]],
    ...script,
  },
  stream: {
    retriever: {
      type: 'AsyncRetriever',
      record_selector: selects('data'),
      status_mapping: {
        type: 'AsyncJobStatusMap',
        running: ['running'],
        completed: ['done'],
        failed: ['failed'],
        timeout: ['late'],
      },
      status_extractor: at('status'),
      download_target_extractor: at('urls'),
      creation_requester: asks('/jobs', { http_method: 'POST', request_body_json: { q: "{{ config['n'] }}" } }),
      polling_requester: asks("/jobs/{{ creation_response['id'] }}"),
      download_requester: {
        type: 'HttpRequester',
        url_base: '{{ download_target }}',
        path: '',
        http_method: 'GET',
      },
      ...more,
    },
  },
});
const jobs = named('job', [
  ['plain', job()],
  [
    'csv-file',
    job(
      { record_selector: { type: 'RecordSelector', extractor: at() }, download_decoder: { type: 'CsvDecoder' } },
      { '/v1/file1': [[200, 'id,n\n1,a\n']], '/v1/file2': [[200, 'id,n\n2,b\n']] },
    ),
  ],
  ['deleted', job({ delete_requester: asks("/jobs/{{ creation_response['id'] }}/delete", { http_method: 'POST' }) })],
  [
    'targets-requested',
    job(
      {
        download_target_requester: asks("/jobs/{{ polling_response['id'] }}/urls"),
      },
      {
        '/v1/jobs/j1': [
          [200, { status: 'running' }],
          [200, { status: 'done', id: 'j1' }],
        ],
        '/v1/jobs/j1/urls': [[200, { urls: ['http://mock.test/v1/file1'] }]],
      },
    ),
  ],
]);

const mapping = (field_path: string[], value: string, more: Fields = {}): Fields => ({
  type: 'ComponentMappingDefinition',
  field_path,
  value,
  ...more,
});
const dynamic = (components_resolver: Fields, streams: string[], parts: Parts = {}): Parts => ({
  streams,
  script: {
    '*': [ok],
    '/v1/list': [
      [
        200,
        {
          data: [
            { name: 'cats', p: 'c' },
            { name: 'dogs', p: 'd' },
          ],
        },
      ],
    ],
  },
  ...parts,
  manifest: {
    dynamic_streams: [
      {
        type: 'DynamicDeclarativeStream',
        name: 'made',
        stream_template: streamOf('', '/template', {}),
        components_resolver,
      },
    ],
    ...parts.manifest,
  },
});
const MAPPED = [
  mapping(['name'], "{{ components_values['name'] }}"),
  mapping(['retriever', 'requester', 'path'], "/made/{{ components_values['p'] }}"),
];
const made = named('made', [
  [
    'by-answer',
    dynamic({ type: 'HttpComponentsResolver', retriever: reads('/list'), components_mapping: MAPPED }, [
      'cats',
      'dogs',
    ]),
  ],
  [
    'by-config',
    dynamic(
      {
        type: 'ConfigComponentsResolver',
        stream_config: { type: 'StreamConfig', configs_pointer: ['tables'] },
        components_mapping: MAPPED,
      },
      ['cats', 'dogs'],
      {
        config: {
          tables: [
            { name: 'cats', p: 'c' },
            { name: 'dogs', p: 'd' },
          ],
        },
      },
    ),
  ],
  [
    'by-config-defaults',
    dynamic(
      {
        type: 'ConfigComponentsResolver',
        stream_config: {
          type: 'StreamConfig',
          configs_pointer: ['tables'],
          default_values: [{ name: 'dogs', p: 'd' }],
        },
        components_mapping: MAPPED,
      },
      ['cats', 'dogs'],
      { config: { tables: [{ name: 'cats', p: 'c' }] } },
    ),
  ],
  [
    'by-parameters',
    dynamic(
      {
        type: 'ParametrizedComponentsResolver',
        stream_parameters: {
          type: 'StreamParametersDefinition',
          list_of_parameters_for_stream: [
            { name: 'cats', p: 'c' },
            { name: 'dogs', p: 'd' },
          ],
        },
        components_mapping: [
          mapping(['name'], "{{ stream_parameters['name'] }}"),
          mapping(['retriever', 'requester', 'path'], "/made/{{ stream_parameters['p'] }}"),
        ],
      },
      ['cats', 'dogs'],
    ),
  ],
  [
    'conditional',
    {
      streams: ['extra'],
      script: { '*': [ok] },
      manifest: {
        streams: [
          streamOf('items', '/items', {}),
          streamOf('chk', '/chk', {}),
          {
            type: 'ConditionalStreams',
            condition: "{{ config['flag'] }}",
            streams: [streamOf('extra', '/extra', {})],
          },
        ],
      },
    },
  ],
  [
    'grouped',
    {
      manifest: {
        stream_groups: {
          g: {
            type: 'StreamGroup',
            streams: ['#/streams/0'].map(($ref) => ({ $ref })) as never,
            action: { type: 'BlockSimultaneousSyncsAction' },
          },
        },
        concurrency_level: { type: 'ConcurrencyLevel', default_concurrency: "{{ config['n'] }}", max_concurrency: 9 },
      },
    },
  ],
]);

const cursor: Fields = {
  type: 'DatetimeBasedCursor',
  cursor_field: 'u',
  datetime_format: '%Y-%m-%d',
  start_datetime: '2026-01-01',
  end_datetime: '2026-01-20',
  start_time_option: option('request_parameter', 'from'),
};
const DATED: Record<string, ScriptedAnswer[]> = { '*': [[200, { data: [{ id: 1, u: '2026-01-10' }] }]] };
const delegating = (more: Fields = {}, parts: Parts = {}): Parts => ({
  script: DATED,
  again: true,
  ...parts,
  manifest: {
    streams: [
      {
        type: 'StateDelegatingStream',
        name: 'items',
        full_refresh_stream: streamOf('items', '/all', { stream: { incremental_sync: cursor } }),
        incremental_stream: streamOf('items', '/changed', { stream: { incremental_sync: cursor } }),
        ...more,
      },
      streamOf('chk', '/chk', {}),
    ],
  },
});
const delegates = named('delegating', [
  ['first', delegating({}, { again: undefined as never })],
  ['with-state', delegating({}, { state: { u: '2026-01-10' }, again: undefined as never })],
]);

const schema = (
  more: Fields = {},
  types: Json = {
    data: [
      { k: 'a', t: 'str' },
      { k: 'b', t: 'num' },
    ],
  },
): Parts => ({
  script: { [ITEMS]: [[200, { data: [{ id: '1', a: 2, b: '3' }] }]], '/v1/types': [[200, types]] },
  selector: { schema_normalization: 'Default' },
  stream: {
    schema_loader: {
      type: 'DynamicSchemaLoader',
      retriever: reads('/types', { record_selector: selects() }),
      schema_type_identifier: {
        type: 'SchemaTypeIdentifier',
        schema_pointer: ['data'],
        key_pointer: ['k'],
        type_pointer: ['t'],
        types_mapping: [
          { type: 'TypesMap', target_type: 'string', current_type: 'str' },
          { type: 'TypesMap', target_type: 'number', current_type: 'num' },
          {
            type: 'TypesMap',
            target_type: { type: 'ComplexFieldType', field_type: 'array', items: 'string' },
            current_type: 'list',
          },
        ],
      },
      ...more,
    },
  },
});
const schemas = named('schema', [
  ['asked-for', schema()],
  ['complex', schema({}, { data: [{ k: 'a', t: 'list' }] })],
  ['filtered', schema({ schema_filter: { type: 'RecordFilter', condition: "{{ record.k != 'a' }}" } })],
]);

const union = (...partition_routers: Fields[]): Parts => ({
  requester: { request_parameters: { k: '{{ stream_partition.k }}' } },
  script: { '/v1/parents': [[200, { data: [{ id: 'p1' }, { id: 'p2' }] }]], '*': [ok] },
  retriever: { partition_router: { type: 'UnionPartitionRouter', partition_field: 'k', partition_routers } },
});
const listed = (...values: string[]): Fields => ({ type: 'ListPartitionRouter', cursor_field: 'k', values });
const parents: Fields = {
  type: 'SubstreamPartitionRouter',
  parent_stream_configs: [
    {
      type: 'ParentStreamConfig',
      parent_key: 'id',
      partition_field: 'k',
      stream: streamOf('parents', '/parents', {}),
    },
  ],
};
const unions = named('union', [
  ['lists', union(listed('a', 'b'), listed('c'))],
  ['doubled', union(listed('a', 'b'), listed('b', 'c'))],
  ['with-parents', union(listed('a', 'p1'), parents)],
]);

const fetched: Fields = {
  type: 'PropertiesFromEndpoint',
  property_field_path: ['name'],
  retriever: reads('/properties'),
};
const queries = named('properties', [
  [
    'asked-for',
    {
      requester: { request_parameters: { fields: { type: 'QueryProperties', property_list: fetched } } },
      script: { '*': [ok], '/v1/properties': [[200, { data: [{ name: 'a' }, { name: 'b' }] }]] },
    },
  ],
]);

const matcher: Fields = { type: 'HttpRequestRegexMatcher', method: 'GET', url_path_pattern: '/items' };
const budgets = named('budget', [
  [
    'moving',
    {
      manifest: {
        api_budget: {
          type: 'HTTPAPIBudget',
          policies: [
            {
              type: 'MovingWindowCallRatePolicy',
              rates: [{ type: 'Rate', limit: 100, interval: 'PT1S' }],
              matchers: [matcher],
            },
            { type: 'UnlimitedCallRatePolicy', matchers: [] },
          ],
        },
      },
    },
  ],
  [
    'fixed',
    {
      manifest: {
        api_budget: {
          type: 'HTTPAPIBudget',
          ratelimit_remaining_header: 'X-Left',
          policies: [{ type: 'FixedWindowCallRatePolicy', period: 'PT1S', call_limit: 100, matchers: [matcher] }],
        },
      },
    },
  ],
]);

const spec = (config_normalization_rules: Fields, config: Fields): Parts => ({
  config,
  requester: { request_parameters: { v: "{{ config.get('v') }}", w: "{{ config.get('w') }}" } },
  manifest: {
    spec: {
      type: 'Spec',
      connection_specification: { type: 'object', properties: {}, additionalProperties: true },
      config_normalization_rules: { type: 'ConfigNormalizationRules', ...config_normalization_rules },
    },
  },
});
const remap: Fields = { type: 'ConfigRemapField', field_path: ['v'], map: { old: 'new', 1: 'one' } };
const added: Fields = {
  type: 'ConfigAddFields',
  fields: [{ type: 'AddedFieldDefinition', path: ['w'], value: "{{ config['v'] }}!" }],
};
const valid = (base_schema: Fields): Fields => ({ type: 'ValidateAdheresToSchema', base_schema });
const configs = named('config', [
  ['remapped', spec({ transformations: [remap] }, { v: 'old' })],
  ['added', spec({ transformations: [added] }, { v: 'x' })],
  ['removed', spec({ transformations: [{ type: 'ConfigRemoveFields', field_pointers: [['v']] }] }, { v: 'x' })],
  ['in-order', spec({ transformations: [remap, added] }, { v: 'old' })],
  [
    'migrated',
    spec(
      { config_migrations: [{ type: 'ConfigMigration', description: 'd', transformations: [remap] }] },
      { v: 'old' },
    ),
  ],
  [
    'valid',
    spec(
      { validations: [{ type: 'DpathValidator', field_path: ['v'], validation_strategy: valid({ type: 'number' }) }] },
      { v: 5 },
    ),
  ],
  [
    'valid-text',
    spec(
      { validations: [{ type: 'DpathValidator', field_path: ['v'], validation_strategy: valid({ type: 'number' }) }] },
      { v: '5' },
    ),
  ],
  [
    'absent',
    spec(
      { validations: [{ type: 'DpathValidator', field_path: ['z'], validation_strategy: valid({ type: 'number' }) }] },
      { v: '5' },
    ),
  ],
  [
    'invalid',
    spec(
      { validations: [{ type: 'DpathValidator', field_path: ['v'], validation_strategy: valid({ type: 'number' }) }] },
      { v: 'x' },
    ),
  ],
]);

const clamped = (target: string, target_details: Fields = {}): Parts => ({
  script: DATED,
  stream: {
    incremental_sync: {
      ...cursor,
      start_datetime: '2026-01-07',
      end_datetime: '2026-03-18',
      end_time_option: option('request_parameter', 'to'),
      step: target === 'MONTH' ? 'P1M' : 'P1W',
      cursor_granularity: 'P1D',
      clamping: { target, ...(Object.keys(target_details).length > 0 ? { target_details } : {}) },
    },
  },
});
const clampings = named('clamp', [
  ['month', clamped('MONTH')],
  ['week', clamped('WEEK', { weekday: 'MONDAY' })],
  ['day', clamped('DAY')],
]);

export const OTHER_SCENARIOS: readonly Scenario[] = [
  ...tokens,
  ...signed,
  ...sessions,
  ...decoders,
  ...jobs,
  ...made,
  ...delegates,
  ...schemas,
  ...unions,
  ...queries,
  ...budgets,
  ...configs,
  ...clampings,
];
